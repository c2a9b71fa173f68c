"""The archive format that kernels unpack at boot: cpio "newc", written without cpio(1) and without root."""

from collections.abc import Iterable
from typing import BinaryIO

from boardgrid.bootware.tree import MTIME, Entry

_END = "TRAILER!!!"


def write(entries: Iterable[Entry], out: BinaryIO) -> None:
    """Folders must come before what they hold: the kernel makes none by itself."""
    number = 0
    for number, entry in enumerate(entries, start=1):
        out.write(_member(number, entry, entry.target.encode() if entry.target else entry.read()))
    out.write(_member(number + 1, Entry(_END, 0), b""))


def _member(inode: int, entry: Entry, data: bytes) -> bytes:
    name = entry.path.encode() + b"\0"
    major, minor = entry.device
    # Links are told by their number of names: one, so that no two members are taken for the same file.
    fields = (inode, entry.mode, 0, 0, 1, MTIME, len(data), 0, 0, major, minor, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + name
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
