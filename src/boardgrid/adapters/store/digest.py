"""
The digest of a tree: SHA-256 over its canonical listing.

The listing's exact bytes are a promise, written down in ``docs/reference/image-digest.md``: whoever holds the same tree
gets the same digest, on any machine and with any tool.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from boardgrid.adapters.store.tree import TreePath
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

FORMAT = b"boardgrid-tree-1"

_CHUNK = 1 << 20
_DEEPEST = 400  # a descriptor is open for each folder on the way down
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


def summary(tree: TreePath) -> Summary:
    """Read a tree that nobody changes meanwhile. No link is followed and no device opened."""
    walk = _Walk()
    listing = hashlib.sha256(_field(FORMAT))
    top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for record in walk.records(top):
            listing.update(b"".join(map(_field, record)))
    finally:
        os.close(top)
    return Summary(f"sha256:{listing.hexdigest()}", walk.entries, walk.size_bytes)


def _field(content: bytes) -> bytes:
    """A netstring: no content can be taken for the end of its field."""
    return b"%d:%b," % (len(content), content)


class _Walk:
    """Goes through a tree in the order of whole paths, as byte strings."""

    def __init__(self) -> None:
        self.entries = 0
        self.size_bytes = 0
        self._first: dict[tuple[int, int], bytes] = {}  # the first path of files with several

    def records(self, top: int) -> Iterator[Iterable[bytes]]:
        yield self._record(top, b".", b"", os.fstat(top))
        yield from self._below(top, b"")

    def _below(self, folder: int, path: bytes) -> Iterator[Iterable[bytes]]:
        if path.count(b"/") > _DEEPEST:
            raise Invalid(Code.ARCHIVE_REFUSED, _("the tree is more than {depth} folders deep"), depth=_DEEPEST)
        turns: list[tuple[bytes, bytes]] = []
        for name in map(os.fsencode, os.listdir(folder)):
            turns.append((name, name))
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                # Its content is sorted as the paths that it makes: "a", "a-b", "a/c".
                turns.append((name + b"/", name))
        for turn, name in sorted(turns):
            if turn == name:
                yield self._record(folder, name, path + name, os.lstat(name, dir_fd=folder))
                continue
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                yield from self._below(below, path + turn)
            finally:
                os.close(below)

    def _record(self, folder: int, name: bytes, path: bytes, seen: os.stat_result) -> Iterable[bytes]:
        self.entries += 1
        kind = _KINDS[stat.S_IFMT(seen.st_mode)]
        if kind != b"d" and seen.st_nlink > 1:
            first = self._first.setdefault((seen.st_dev, seen.st_ino), path)
            if first != path:
                return (path, b"h", first)
        size = device = target = content = b""
        match kind:
            case b"f":
                self.size_bytes += seen.st_size
                size, content = b"%d" % seen.st_size, _sha256(folder, name)
            case b"l":
                target = os.readlink(name, dir_fd=folder)
            case b"c" | b"b":
                device = b"%d:%d" % (os.major(seen.st_rdev), os.minor(seen.st_rdev))
            case _:
                pass
        attributes = list(_attributes(folder, name))
        return (
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
            content,
        )


def _attributes(folder: int, name: bytes) -> Iterator[bytes]:
    """Names and values by turns, sorted. ``trusted.*`` is the server's own and part of no tree."""
    path = b"/proc/self/fd/%d/%b" % (folder, name)
    names = sorted(map(os.fsencode, os.listxattr(path, follow_symlinks=False)))
    for attribute in names:
        if not attribute.startswith(b"trusted."):
            yield attribute
            yield os.getxattr(path, attribute, follow_symlinks=False)


def _sha256(folder: int, name: bytes) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    digest = hashlib.sha256()
    try:
        while chunk := os.read(fd, _CHUNK):
            digest.update(chunk)
    finally:
        os.close(fd)
    return digest.hexdigest().encode()
