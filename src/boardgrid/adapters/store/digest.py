"""
The digest of a tree: SHA-256 over its canonical listing.

The listing's exact bytes are a promise, written down in ``docs/reference/image-digest.md``: whoever holds the same tree
gets the same digest, on any machine and with any tool.
"""

import contextlib
import hashlib
import itertools
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from boardgrid.adapters.store.limits import Limits, Tally, shown
from boardgrid.adapters.store.tree import TreePath
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

FORMAT = b"boardgrid-tree-1"

_CHUNK = 1 << 20
_AHEAD, _AHEAD_BYTES = 128, 1 << 20  # files, and of each, that are fetched before their turn

# What is told of an entry; of a regular file all but its content, and the file itself, open.
_Record = tuple[tuple[bytes, ...], int | None]
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RECOVERED = b"lost+found"  # a file system's own, for what it recovers; of a tree only when something is in it
# A descriptor is open for each folder on the way down.
ANY = Limits(1 << 62, entries=1 << 62, depth=400, name_bytes=255, names_bytes=1 << 62)
_KINDS = {
    stat.S_IFREG: b"f",
    stat.S_IFDIR: b"d",
    stat.S_IFLNK: b"l",
    stat.S_IFCHR: b"c",
    stat.S_IFBLK: b"b",
    stat.S_IFIFO: b"p",
    stat.S_IFSOCK: b"s",
}


@dataclass(frozen=True, slots=True)
class Summary:
    digest: str  # "sha256:<hex>"
    entries: int
    size_bytes: int  # of regular files; one with several names counts once


def summary(tree: TreePath, limits: Limits = ANY, tally: Tally | None = None) -> Summary:
    """
    Read a tree that nobody changes meanwhile. No link is followed and no device opened.

    Args:
        tally: what was seen so far is counted there.

    Raises:
        Invalid: it is over the limits, by the name of what lies beyond.
    """
    listing = hashlib.sha256(_field(FORMAT))
    with _walked(tree, tally or Tally(limits)) as walk:
        for record in walk.records():
            listing.update(b"".join(map(_field, record)))
    return Summary(f"sha256:{listing.hexdigest()}", walk.tally.entries, walk.tally.size_bytes)


def first_difference(one: TreePath, other: TreePath) -> bytes | None:
    """The path of the first entry that only one of them has, or that is not the same in both."""
    with _walked(one, Tally(ANY)) as here, _walked(other, Tally(ANY)) as there:
        for mine, yours in itertools.zip_longest(map(tuple, here.records()), map(tuple, there.records())):
            if mine != yours:
                return min(record[0] for record in (mine, yours) if record)
    return None


def _field(content: bytes) -> bytes:
    """A netstring: no content can be taken for the end of its field."""
    return b"%d:%b," % (len(content), content)


@contextlib.contextmanager
def _walked(tree: TreePath, tally: Tally) -> Iterator["_Walk"]:
    top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _Walk(top, tally)
    finally:
        os.close(top)


class _Walk:
    """Goes through a tree in the order of whole paths, as byte strings."""

    def __init__(self, top: int, tally: Tally) -> None:
        self._top, self.tally = top, tally
        self._first: dict[tuple[int, int], bytes] = {}  # the first path of files with several

    def records(self) -> Iterator[Iterable[bytes]]:
        # Walked ahead of what is read: the kernel fetches and unpacks the next files while this one's digest is made.
        ahead: deque[_Record] = deque()
        try:
            for record in self._walked():
                ahead.append(record)
                if len(ahead) > _AHEAD:
                    yield _whole(ahead.popleft())
            while ahead:
                yield _whole(ahead.popleft())
        finally:
            for _fields, file in ahead:
                if file is not None:
                    os.close(file)

    def _walked(self) -> "Iterator[_Record]":
        yield self._record(self._top, b".", b"", os.fstat(self._top))
        yield from self._below(self._top, b"")

    def _below(self, folder: int, path: bytes) -> "Iterator[_Record]":
        turns: list[tuple[bytes, bytes]] = []
        for name in map(os.fsencode, os.listdir(folder)):
            if name == _RECOVERED and _is_empty(folder, name):
                continue
            turns.append((name, name))
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                # Its content is sorted as the paths that it makes: "a", "a-b", "a/c".
                turns.append((name + b"/", name))
        for turn, name in sorted(turns):
            if turn == name:
                yield self._record(folder, name, path + name, os.lstat(name, dir_fd=folder))
                continue
            below = os.open(name, _FOLDER, dir_fd=folder)
            try:
                yield from self._below(below, path + turn)
            finally:
                os.close(below)

    def _record(self, folder: int, name: bytes, path: bytes, seen: os.stat_result) -> "_Record":
        if path.count(b"/") >= self.tally.limits.depth:
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("{path} lies more than {depth} folders deep"),
                hint=_("move it up, or leave it out"),
                path=shown(path),
                depth=self.tally.limits.depth,
            )
        if len(name) > self.tally.limits.name_bytes:
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("the name of {path} is longer than {most} bytes"),
                hint=_("give it a shorter name, or leave it out"),
                path=shown(path),
                most=self.tally.limits.name_bytes,
            )
        kind = _KINDS[stat.S_IFMT(seen.st_mode)]
        if kind != b"d" and seen.st_nlink > 1:
            first = self._first.setdefault((seen.st_dev, seen.st_ino), path)
            if first != path:
                self.tally.count(path, 0)
                return (path, b"h", first), None
        self.tally.count(path, seen.st_size if kind == b"f" else 0)
        size = device = target = b""
        file = None
        match kind:
            case b"f":
                size = b"%d" % seen.st_size
            case b"l":
                target = os.readlink(name, dir_fd=folder)
            case b"c" | b"b":
                device = b"%d:%d" % (os.major(seen.st_rdev), os.minor(seen.st_rdev))
            case _:
                pass
        attributes = list(_attributes(folder, name))
        if kind == b"f":
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.posix_fadvise(file, 0, _AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
        fields = (
            path,
            kind,
            b"%o" % stat.S_IMODE(seen.st_mode),
            b"%d" % seen.st_uid,
            b"%d" % seen.st_gid,
            size,
            b"%d" % seen.st_mtime_ns,
            target,
            device,
            b"%d" % (len(attributes) // 2),
            *attributes,
        )
        return (fields if kind == b"f" else (*fields, b"")), file


def _is_empty(folder: int, name: bytes) -> bool:
    if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
        return False
    fd = os.open(name, _FOLDER, dir_fd=folder)
    try:
        return not os.listdir(fd)  # noqa: PTH208 - a descriptor, not a path
    finally:
        os.close(fd)


def _attributes(folder: int, name: bytes) -> Iterator[bytes]:
    """Names and values by turns, sorted. ``trusted.*`` is the server's own and part of no tree."""
    path = b"/proc/self/fd/%d/%b" % (folder, name)
    names = sorted(map(os.fsencode, os.listxattr(path, follow_symlinks=False)))
    for attribute in names:
        if not attribute.startswith(b"trusted."):
            yield attribute
            yield os.getxattr(path, attribute, follow_symlinks=False)


def _whole(record: "_Record") -> Iterable[bytes]:
    fields, file = record
    return fields if file is None else (*fields, _sha256(file))


def _sha256(file: int) -> bytes:
    digest = hashlib.sha256()
    try:
        while chunk := os.read(file, _CHUNK):
            digest.update(chunk)
    finally:
        os.close(file)
    return digest.hexdigest().encode()
