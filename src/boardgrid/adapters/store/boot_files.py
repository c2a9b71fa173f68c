"""Copies kernels out of a tree, to where boot servers can have them without ever looking into a tree."""

import os
from pathlib import Path

from boardgrid.adapters.store.tree import TreeDir
from boardgrid.adapters.store.workroom import Disk
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Kernel

_CHUNK = 1 << 20
_KERNEL_BYTES = 1 << 30
_DTB_BYTES = 4 << 20
_DTBS = 5000

KERNEL, INITRD, DTBS = "kernel", "initrd", "dtbs"


def copy_boot_files(tree: TreeDir, kernel: Kernel, to: Path, disk: Disk) -> None:
    """
    Raises:
        Invalid: a file is larger than any that boots a board.
        Fault: STORE_FULL.
    """
    to.mkdir(parents=True)
    _copy(tree, kernel.image, to / KERNEL, _KERNEL_BYTES, disk)
    if kernel.initrd:
        _copy(tree, kernel.initrd, to / INITRD, _KERNEL_BYTES, disk)
    if kernel.dtbs:
        for name, below in _device_trees(tree, kernel.dtbs)[:_DTBS]:
            target = to / DTBS / below
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(tree, name, target, _DTB_BYTES, disk)


def _device_trees(tree: TreeDir, folder: str) -> list[tuple[str, str]]:
    """Path in the tree, and path below *folder*, of device trees in it and one folder deeper, by vendor."""
    names = tree.names(folder)
    found = [(f"{folder}/{name}", name) for name in names]
    if folder != "boot":
        for vendor in names:
            found += [(f"{folder}/{vendor}/{name}", f"{vendor}/{name}") for name in tree.names(f"{folder}/{vendor}")]
    return [(path, below) for path, below in found if below.endswith((".dtb", ".dtbo")) and tree.is_file(path)]


def _copy(tree: TreeDir, name: str, to: Path, at_most: int, disk: Disk) -> None:
    with tree.file(name) as fd, to.open("xb") as target:
        size = os.fstat(fd).st_size
        if size > at_most:
            raise Invalid(Code.ARCHIVE_REFUSED, _("{name} is too large for a file that boots a board"), name=name)
        disk.want(size)
        while chunk := os.read(fd, _CHUNK):
            target.write(chunk)
