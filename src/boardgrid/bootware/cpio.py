"""A tree as the archive that kernels unpack at boot, written without cpio(1) and without root."""

from collections.abc import Iterable
from typing import BinaryIO

from boardgrid import newc
from boardgrid.bootware.tree import Entry


def write(entries: Iterable[Entry], out: BinaryIO) -> None:
    number = 0
    for number, entry in enumerate(entries, start=1):
        data = entry.target.encode() if entry.target else entry.read()
        out.write(newc.member(number, entry.path, entry.mode, data, entry.device))
    out.write(newc.member(number + 1, newc.END, 0))
