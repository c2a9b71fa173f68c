"""What is remembered of an image beside its file, as JSON."""

import json
from dataclasses import asdict
from typing import Any

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
