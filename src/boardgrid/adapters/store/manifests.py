"""What is remembered of an image beside its file, as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.place import ImagePlace
from boardgrid.model.adaptation import Adapted
from boardgrid.model.errand import About
from boardgrid.model.image import Kernel, Manifest, NfsBoot

_FORMAT = 2
_READ = {1, 2}  # what came with a later one has its default in an earlier one


def written(manifest: Manifest) -> str:
    return json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=1) + "\n"


def read(text: str) -> Manifest:
    """
    Raises:
        ValueError: it is not one of ours.
    """
    facts: dict[str, Any] = json.loads(text)
    if facts.pop("format", None) not in _READ:
        raise ValueError("a manifest of another format")
    for name, kind in (("kernels", _kernel), ("modules", str), ("adapted", _adapted), ("without", str)):
        facts[name] = tuple(kind(one) for one in facts.get(name, ()))
    if about := facts.get("about"):
        facts["about"] = About(**{**about, "types": tuple(about["types"]), "lineage": tuple(about["lineage"])})
    return Manifest(**facts)


def with_digest(images: Path, digest: str) -> Iterator[ImagePlace]:
    """The images in a store's folder that have this very content."""
    for folder in sorted(images.iterdir()):
        if folder.name.startswith("."):
            continue  # it is being made, or removed
        place = ImagePlace(folder)
        try:
            if read(place.manifest.read_text()).digest == digest:
                yield place
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it goes at this moment, or is damaged


def _kernel(facts: dict[str, Any]) -> Kernel:
    return Kernel(**{**facts, "nfs": NfsBoot(facts.get("nfs", NfsBoot.UNKNOWN))})


def _adapted(facts: dict[str, str]) -> Adapted:
    return Adapted(**facts)
