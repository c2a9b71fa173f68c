"""Copies kernels out of a tree, to where boot servers can have them without ever looking into a tree."""

import os
from pathlib import Path

from boardgrid.adapters.store.limits import shown
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
FROM_ROOT = "from-root"  # in the folder of a kit: what was copied out of a root


class BootCopies:
    """
    Copies out of one tree.

    A file is copied once, under however many names and for however many kernels it is wanted: so all of them together
    take no more than the tree says it holds.
    """

    def __init__(self, tree: TreeDir, disk: Disk) -> None:
        self._tree, self._disk = tree, disk
        self._copied: dict[tuple[int, int], Path] = {}
        self.stored_bytes = 0

    def copy(self, kernel: Kernel, to: Path, made: bytes | None = None) -> None:
        """
        Args:
            made: the initramfs that the farm made for it, which takes the place of its own.

        Raises:
            Invalid: a file is larger than any that boots a board.
            Fault: STORE_FULL.
        """
        to.mkdir(parents=True)
        self._copy(kernel.image, to / KERNEL, _KERNEL_BYTES)
        if made is not None:
            self._disk.want(len(made))
            (to / INITRD).write_bytes(made)
            self.stored_bytes += len(made)
        elif kernel.initrd:
            self._copy(kernel.initrd, to / INITRD, _KERNEL_BYTES)
        if kernel.dtbs:
            for name, below in _device_trees(self._tree, kernel.dtbs)[:_DTBS]:
                target = to / DTBS / below
                target.parent.mkdir(parents=True, exist_ok=True)
                self._copy(name, target, _DTB_BYTES)

    def _copy(self, name: str, to: Path, at_most: int) -> None:
        with self._tree.file(name) as fd:
            seen = os.fstat(fd)
            if seen.st_size > at_most:
                raise Invalid(
                    Code.ARCHIVE_REFUSED,
                    _("{name} is too large for a file that boots a board"),
                    hint=_("leave it out, or put a smaller one in its place"),
                    name=shown(os.fsencode(name)),
                )
            file = seen.st_dev, seen.st_ino
            if file in self._copied:
                to.hardlink_to(self._copied[file])
                return
            self._disk.want(seen.st_size)
            with to.open("xb") as target:
                while chunk := os.read(fd, _CHUNK):
                    target.write(chunk)
            self._copied[file] = to
            self.stored_bytes += seen.st_size


def _device_trees(tree: TreeDir, folder: str) -> list[tuple[str, str]]:
    """Path in the tree, and path below *folder*, of device trees in it and one folder deeper, by vendor."""
    names = tree.names(folder)
    found = [(f"{folder}/{name}", name) for name in names]
    if folder != "boot":
        for vendor in names:
            found += [(f"{folder}/{vendor}/{name}", f"{vendor}/{name}") for name in tree.names(f"{folder}/{vendor}")]
    return [(path, below) for path, below in found if below.endswith((".dtb", ".dtbo")) and tree.is_file(path)]
