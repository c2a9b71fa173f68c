"""What differs between two trees: files, and packages."""

from dataclasses import dataclass, field
from enum import StrEnum


class Change(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Count:
    entries: int = 0  # of any type
    size_bytes: int = 0  # of the regular files among them: as they are now, or as they were where they were removed


@dataclass(frozen=True, slots=True)
class PathChange:
    path: str  # seen from the tree's root, fit to be printed
    change: Change
    size_bytes: int  # as in a count
    what: tuple[str, ...] = ()  # of one that changed: kind, content, mode, owner, attributes, target, device


@dataclass(frozen=True, slots=True)
class PackageChange:
    name: str  # "libc6:armhf"; of one that fits any architecture without that
    was: str  # its version; empty: it was not installed
    now: str  # empty: it is not installed


@dataclass(frozen=True, slots=True)
class Difference:
    """
    From one tree to another. A file of the same size and the same time to the nanosecond counts as the same; nothing is
    read to see whether it is.
    """

    added: Count = field(default_factory=Count)
    changed: Count = field(default_factory=Count)
    removed: Count = field(default_factory=Count)
    paths: tuple[PathChange, ...] = ()  # the largest first; the smaller ones are left out where there are very many
    packages: tuple[PackageChange, ...] = ()  # by name; the last ones are left out where there are very many
    packages_changed: int = 0  # all of them
    packages_by: str = ""  # who wrote down what is installed: dpkg; empty: nobody that the farm can read
    left_out: int = 0  # entries that are as the farm wrote them, and counted nowhere else
    times_only: int = 0  # folders and links that are the same but for their time, and counted nowhere else
