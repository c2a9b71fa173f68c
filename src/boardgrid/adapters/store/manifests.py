"""What is remembered of an image beside its file, as JSON."""

import json
from dataclasses import asdict
from typing import Any

from boardgrid.model.adaptation import Adapted
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
    return Manifest(**facts)


def _kernel(facts: dict[str, Any]) -> Kernel:
    return Kernel(**{**facts, "nfs": NfsBoot(facts.get("nfs", NfsBoot.UNKNOWN))})


def _adapted(facts: dict[str, str]) -> Adapted:
    return Adapted(**facts)
