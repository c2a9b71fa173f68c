"""The files of one root beside its tree. These calls are short and block: they belong in a thread."""

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from boardgrid import lasting
from boardgrid.adapters.store.farms import Farms
from boardgrid.adapters.store.place import RootPlace
from boardgrid.adapters.store.tree import TreeDir, TreePath, look_alike


@dataclass(frozen=True, slots=True)
class Meta:
    """What is remembered of a root, outside of its tree, where its user cannot reach it."""

    image: str
    size_bytes: int
    personal: str = ""  # the deployment
    host_key: str = ""
    farms: Farms = field(default_factory=dict)  # what the farm wrote into the tree


def read(place: RootPlace) -> Meta:
    """
    Raises:
        FileNotFoundError: there is no such root.
        ValueError: the file is damaged.
    """
    try:
        return Meta(**json.loads(place.meta.read_text()))
    except TypeError as error:
        raise ValueError(str(error)) from error


def write(place: RootPlace, meta: Meta) -> None:
    beside = place.folder / "meta.json.new"
    with beside.open("w") as file:
        json.dump(asdict(meta), file)
        file.flush()
        os.fsync(file.fileno())
    lasting.rename(beside, place.meta)


def prepare(draft: RootPlace, model: Path, image: TreePath) -> None:
    """A new folder with an empty file for the file system, and a *model* of what that will hold at first."""
    shutil.rmtree(draft.folder, ignore_errors=True)
    draft.folder.mkdir(mode=0o700)
    for folder in (Path(draft.disk), Path(draft.tree), model, model / "upper", model / "work"):
        folder.mkdir()
    look_alike(image, model / "upper")
    draft.upper.touch(mode=0o600)


def keep_time(image: TreePath, layer: TreePath) -> None:
    """
    Of the tree's own top folder mkfs.ext4 keeps whole seconds alone. One that is of another second was written to, and
    stays.
    """
    with contextlib.suppress(OSError):  # of a damaged one whoever mounts it tells
        was_ns, now_ns = (os.stat(top).st_mtime_ns for top in (image, layer))  # noqa: PTH116 - as in tree.py
        if now_ns == was_ns - was_ns % 10**9:
            with TreeDir(layer) as top:
                top.set_folder_time(".", was_ns)


def finish(draft: RootPlace, model: Path, place: RootPlace, meta: Meta) -> None:
    """The draft becomes the root, at once."""
    shutil.rmtree(model)
    write(draft, meta)
    lasting.rename(draft.folder, place.folder)


def remove(place: RootPlace, going: RootPlace) -> None:
    lasting.rename(place.folder, going.folder)
    for point in (going.disk, going.tree):
        Path(point).rmdir()  # refused where something is mounted: never removes what is in a tree
    shutil.rmtree(going.folder)
