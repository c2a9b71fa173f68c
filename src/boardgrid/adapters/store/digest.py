"""
The digest of a tree: SHA-256 over its canonical listing.

The listing's exact bytes are a promise, written down in ``docs/reference/image-digest.md``: whoever holds the same tree
gets the same digest, on any machine and with any tool.
"""

import contextlib
import hashlib
import itertools
import operator
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from boardgrid.adapters.store.limits import Limits, Tally, shown
from boardgrid.adapters.store.tree import TreePath
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

FORMAT = b"boardgrid-tree-1"

_CHUNK = 1 << 20
_AHEAD, _AHEAD_BYTES = 128, 1 << 20  # files, and of each, that are fetched before their turn

_Entry = tuple[int, bytes, bytes, os.stat_result]  # the folder that it lies in, open; name; path; what is seen of it
_Record = tuple[bytes, bytes, bytes]  # a path, what is listed of it without the content of a file, and that content
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
    outline: str  # of the same listing without the content of files
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
    whole, outline = hashlib.sha256(_field(FORMAT)), hashlib.sha256(_field(FORMAT))
    with _walked(tree, tally or Tally(limits)) as walk:
        for _path, told, content in walk.records():
            outline.update(told)
            whole.update(told)
            whole.update(content)
    return Summary(_named(whole), _named(outline), walk.tally.entries, walk.tally.size_bytes)


def outline_of(tree: TreePath) -> str:
    """As in its summary. No file is opened: it takes a fraction of the time."""
    outline = hashlib.sha256(_field(FORMAT))
    with _walked(tree, Tally(ANY)) as walk:
        for _entry, told, _has_content in walk.told():
            outline.update(told)
    return _named(outline)


def first_difference(one: TreePath, other: TreePath) -> bytes | None:
    """The path of the first entry that only one of them has, or that is not the same in both."""
    with _walked(one, Tally(ANY)) as here, _walked(other, Tally(ANY)) as there:
        for mine, yours in itertools.zip_longest(here.records(), there.records()):
            if mine != yours:
                return min(record[0] for record in (mine, yours) if record)
    return None


def sha256_of(file: int, size: int) -> str:
    """In hex. *size* is what it seems to have: a good guess saves a call, a bad one costs none of its content."""
    digest, wanted = hashlib.sha256(), 0
    while chunk := os.read(file, wanted := min(size + 1, _CHUNK)):
        digest.update(chunk)
        size -= len(chunk)
        if len(chunk) < wanted:
            break
    return digest.hexdigest()


def _named(digest: "hashlib._Hash") -> str:
    return f"sha256:{digest.hexdigest()}"


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

    def records(self) -> Iterator[_Record]:
        # Walked ahead of what is read: the kernel fetches and unpacks the next files while this one's digest is made.
        ahead: deque[tuple[bytes, bytes, int | None, int]] = deque()
        try:
            for (folder, name, path, seen), told, has_content in self.told():
                ahead.append((path, told, _opened(folder, name) if has_content else None, seen.st_size))
                if len(ahead) > _AHEAD:
                    yield _whole(*ahead.popleft())
            while ahead:
                yield _whole(*ahead.popleft())
        finally:
            for _path, _told, file, _size in ahead:
                if file is not None:
                    os.close(file)

    def told(self) -> Iterator[tuple[_Entry, bytes, bool]]:
        """Each entry, what is listed of it, and whether it is a file, whose content belongs behind that."""
        for entry in self._entries():
            told, has_content = self._told(*entry)
            yield entry, told, has_content

    def _entries(self) -> Iterator[_Entry]:
        yield self._top, b".", b"", os.fstat(self._top)
        yield from self._below(self._top, b"")

    def _below(self, folder: int, path: bytes) -> Iterator[_Entry]:
        turns: list[tuple[bytes, os.DirEntry[str]]] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                name, is_folder = os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)
                if name == _RECOVERED and is_folder and _is_empty(folder, name):
                    continue
                turns.append((name, entry))
                if is_folder:
                    # Its content is sorted as the paths that it makes: "a", "a-b", "a/c".
                    turns.append((name + b"/", entry))
        turns.sort(key=operator.itemgetter(0))
        for turn, entry in turns:
            if not turn.endswith(b"/"):
                yield folder, turn, path + turn, entry.stat(follow_symlinks=False)
                continue
            below = os.open(turn[:-1], _FOLDER, dir_fd=folder)
            try:
                yield from self._below(below, path + turn)
            finally:
                os.close(below)

    def _told(self, folder: int, name: bytes, path: bytes, seen: os.stat_result) -> tuple[bytes, bool]:
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
                return b"".join(map(_field, (path, b"h", first))), False
        self.tally.count(path, seen.st_size if kind == b"f" else 0)
        size = device = target = b""
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
        told = b"".join(map(_field, fields))
        return (told, True) if kind == b"f" else (told + _field(b""), False)


def _is_empty(folder: int, name: bytes) -> bool:
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


def _opened(folder: int, name: bytes) -> int:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    os.posix_fadvise(file, 0, _AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
    return file


def _whole(path: bytes, told: bytes, file: int | None, size: int) -> _Record:
    if file is None:
        return path, told, b""
    try:
        return path, told, _field(sha256_of(file, size).encode())
    finally:
        os.close(file)
