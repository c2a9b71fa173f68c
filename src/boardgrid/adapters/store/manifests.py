"""What is remembered of an image beside its file, as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.place import ImagePlace
from boardgrid.model.image import Kernel, Manifest

_FORMAT = 1


def written(manifest: Manifest) -> str:
    return json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=1) + "\n"


def read(text: str) -> Manifest:
    """
    Raises:
        ValueError: it is not one of ours.
    """
    facts: dict[str, Any] = json.loads(text)
    if facts.pop("format", None) != _FORMAT:
        raise ValueError("a manifest of another format")
    facts["kernels"] = tuple(Kernel(**kernel) for kernel in facts["kernels"])
    facts["modules"] = tuple(facts["modules"])
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
