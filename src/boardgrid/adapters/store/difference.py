"""
Tells what differs between two trees: a program in mount, pid, network and ipc namespaces of its own.

Both are only read, and no file of them is opened but what tells which packages are installed, and what the farm wrote.
One of them may be a root that a board writes to meanwhile: what goes while it is looked at has gone. The order comes as
JSON on standard input; see :func:`difference`.
"""

import errno
import heapq
import itertools
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.farms import NOTHING, Farms, is_still, print_of
from boardgrid.adapters.store.limits import Limits, shown
from boardgrid.adapters.store.packages import DPKG, installed
from boardgrid.adapters.store.tree import At, TreeDir, TreePath, attributes
from boardgrid.adapters.store.workroom import mount_private
from boardgrid.messages import _
from boardgrid.model.difference import Change, Count, Difference, PackageChange, PathChange
from boardgrid.model.errors import Code, Invalid
from boardgrid.mounts import mount_points

_PATHS, _PATHS_BYTES = 2000, 160_000  # told by name at most; together with the packages that fits a report
_PACKAGES, _PACKAGES_BYTES = 1000, 80_000
_DEPTH = Limits(0).depth  # what lies deeper could be made no image
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE, errno.ENODATA}

T = TypeVar("T", PathChange, PackageChange)


def difference(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``was`` and ``now``, the two trees, by where they are mounted; ``images``, the EROFS files of
            those that may not be, by the same places; ``farms``, what the farm wrote into the second and is left out.

    Raises:
        Invalid: ARCHIVE_REFUSED, something lies too deep.
    """
    was, now = TreePath(order["was"]), TreePath(order["now"])
    for tree, file in order["images"].items():
        if tree not in mount_points():
            mount_private("erofs", "loop,ro,nodev,nosuid,noexec", file, tree)
    return asdict(found(was, now, order["farms"]))


def found(was: TreePath, now: TreePath, farms: Farms = NOTHING) -> Difference:
    walk = _Walk(farms)
    # Turned over one by one: of a tree of millions only the largest are kept.
    largest = heapq.nlargest(_PATHS, walk.changes(was, now), key=lambda one: one.size_bytes)
    with TreeDir(was) as one, TreeDir(now) as other:
        before, after = installed(one), installed(other)
    packages = [] if before is None or after is None else list(_packages(before, after))
    return Difference(
        walk.counts[Change.ADDED],
        walk.counts[Change.CHANGED],
        walk.counts[Change.REMOVED],
        tuple(_within(largest, _PATHS_BYTES)),
        tuple(_within(packages[:_PACKAGES], _PACKAGES_BYTES)),
        len(packages),
        "" if before is None or after is None else DPKG,
        walk.left_out,
        walk.times_only,
    )


def _packages(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[PackageChange]:
    for name in sorted(before.keys() | after.keys()):
        if (was := before.get(name, "")) != (is_ := after.get(name, "")):
            yield PackageChange(name, was, is_)


def _within(changes: Sequence[T], most_bytes: int) -> Iterator[T]:
    """The first of them, up to a size as JSON."""
    sizes = itertools.accumulate(len(json.dumps(asdict(one))) for one in changes)
    return (one for one, size in zip(changes, sizes, strict=True) if size <= most_bytes)


class _Walk:
    """Goes through two trees side by side, and counts what differs but is not the farm's."""

    def __init__(self, farms: Farms) -> None:
        self.counts = {change: Count() for change in Change}
        self.left_out, self.times_only, self._farms = 0, 0, farms

    def changes(self, was: TreePath, now: TreePath) -> Iterator[PathChange]:
        with _opened(was) as one, _opened(now) as other:
            if what := _what((one, "."), os.fstat(one), (other, "."), os.fstat(other)):
                yield self._counted(".", Change.CHANGED, os.fstat(other), what)
            else:
                self._see_times("", os.fstat(one), os.fstat(other))
            yield from self._below(one, other, "", 0)

    def _below(self, one: int | None, other: int | None, path: str, depth: int) -> Iterator[PathChange]:
        if depth >= _DEPTH:
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("{path} lies more than {depth} folders deep"),
                path=shown(os.fsencode(path)),
                depth=_DEPTH,
            )
        before, after = _entries(one), _entries(other)
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            change, what = _change(one, was, other, now, name)
            is_farms = change is not None and self._is_farms(path + name, other, name)
            with _folder(one, name, was) as below, _folder(other, name, now) as beside:
                inside: Iterator[PathChange] = iter(())
                if below is not None or beside is not None:
                    inside = self._below(below, beside, path + name + "/", depth + 1)
                first = next(inside, None)
                # A folder that the farm made is its user's as soon as something of theirs lies in it.
                if is_farms and not (first and below is None):
                    self.left_out += 1
                elif change is not None and (seen := now or was):
                    yield self._counted(path + name, change, seen, what)
                elif was is not None and now is not None:
                    self._see_times(path + name, was, now)
                if first:
                    yield first
                    yield from inside

    def _is_farms(self, path: str, folder: int | None, name: str) -> bool:
        if not self._farms or path not in self._farms:
            return False
        with _unless_gone():
            return is_still(None if folder is None else print_of((folder, name)), self._farms[path])
        return False

    def _see_times(self, path: str, was: os.stat_result, now: os.stat_result) -> None:
        """Of an entry that differs in nothing else. The time of a folder is the farm's as long as it left it so."""
        if now.st_mtime_ns != was.st_mtime_ns and self._farms.get(f"{path}/") != [now.st_mtime_ns]:
            self.times_only += 1

    def _counted(self, path: str, change: Change, seen: os.stat_result, what: tuple[str, ...] = ()) -> PathChange:
        size = seen.st_size if stat.S_ISREG(seen.st_mode) else 0
        so_far = self.counts[change]
        self.counts[change] = Count(so_far.entries + 1, so_far.size_bytes + size)
        return PathChange(shown(os.fsencode(path)), change, size, what)


def _change(
    one: int | None, was: os.stat_result | None, other: int | None, now: os.stat_result | None, name: str
) -> tuple[Change | None, tuple[str, ...]]:
    """Whether an entry of two folders that are open differs, and in which ways."""
    if was is None:
        return Change.ADDED, ()
    if now is None:
        return Change.REMOVED, ()
    what = _what((one, name), was, (other, name), now) if one is not None and other is not None else ()
    return (Change.CHANGED if what else None), what


def _what(one: At, was: os.stat_result, other: At, now: os.stat_result) -> tuple[str, ...]:
    """In which ways an entry changed."""
    if stat.S_IFMT(was.st_mode) != stat.S_IFMT(now.st_mode):
        return ("kind",)
    is_same_age = (was.st_size, was.st_mtime_ns) == (now.st_size, now.st_mtime_ns)
    told = []
    match stat.S_IFMT(now.st_mode):
        case stat.S_IFREG if not is_same_age:
            told.append("content")
        case stat.S_IFLNK if not is_same_age and _target(one) != _target(other):
            told.append("target")
        case stat.S_IFCHR | stat.S_IFBLK if was.st_rdev != now.st_rdev:
            told.append("device")
    if was.st_mode != now.st_mode:
        told.append("mode")
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        told.append("owner")
    if _attributes(one) != _attributes(other):
        told.append("attributes")
    return tuple(told)


def _entries(folder: int | None) -> Mapping[str, os.stat_result]:
    found: dict[str, os.stat_result] = {}
    if folder is not None:
        for name in os.listdir(folder):  # noqa: PTH208 - a descriptor, not a path
            with _unless_gone():
                found[name] = os.lstat(name, dir_fd=folder)
    return found


def _target(at: At) -> str | None:
    with _unless_gone():
        return os.readlink(at[1], dir_fd=at[0])
    return None


def _attributes(at: At) -> Mapping[str, bytes]:
    with _unless_gone():
        return attributes(at)
    return {}


@contextmanager
def _folder(above: int | None, name: str, seen: os.stat_result | None) -> Iterator[int | None]:
    """An entry, open, where it is a folder."""
    fd = None
    if seen is not None and stat.S_ISDIR(seen.st_mode):
        with _unless_gone():
            fd = os.open(name, _FOLDER, dir_fd=above)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


@contextmanager
def _opened(tree: TreePath) -> Iterator[int]:
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _unless_gone() -> Iterator[None]:
    """What a board removes while it is looked at is no error."""
    try:
        yield
    except OSError as error:
        if error.errno not in _GONE:
            raise


if __name__ == "__main__":
    answer(difference)
