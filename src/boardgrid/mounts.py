"""What is mounted, as the kernel tells it in a process's ``mountinfo``."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

OWN = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def mount_points(table: Path = OWN) -> frozenset[str]:
    """
    Where the process whose *table* it is sees something mounted.

    These are names of the whole machine: one that is no text, or has an odd character, must not hide the others.
    """
    return frozenset(_point(line) for line in _lines(table))


def mount_options(point: str, table: Path = OWN) -> list[str]:
    """What the kernel tells of the file system that is mounted at *point*."""
    told = next(line for line in _lines(table) if _point(line) == point)
    return os.fsdecode(told.rpartition(b" ")[2]).split(",")


def _lines(table: Path) -> Iterator[bytes]:
    # By line feeds alone, which the kernel escapes in names; other ends of lines may stand in them.
    return filter(None, table.read_bytes().split(b"\n"))


def _point(line: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), line.split(b" ", 5)[4]))
