"""Holds an image's file against its checksum: a program that leaves disk and processor to whoever wants them."""

import hashlib
from pathlib import Path
from typing import Any

from boardgrid.adapters.store import manifests
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.diary import Diary, position
from boardgrid.adapters.store.place import ImagePlace
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault


def verify(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``place`` of the image; ``draft``, a folder to tell in how far it is.

    Raises:
        Fault: IMAGE_DAMAGED.
    """
    place = ImagePlace(Path(order["place"]))
    try:
        wanted = manifests.read(place.manifest.read_text()).checksum
        with place.erofs.open("rb", buffering=0) as file:
            size = place.erofs.stat().st_size
            with Diary(Path(order["draft"]) / "progress").phase("verifying", size, position(file.fileno())):
                found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fault(Code.IMAGE_DAMAGED, _("its file cannot be read: {why}"), why=error) from error
    if found != wanted:
        raise Fault(
            Code.IMAGE_DAMAGED,
            _("its file has the checksum {found}, and had {wanted} when it was made"),
            found=found,
            wanted=wanted,
        )
    return {}


if __name__ == "__main__":
    answer(verify)
