"""
A stranger's tree, read and written without ever leaving it.

This is the one place where the farm follows a name below a tree. The kernel resolves it with the tree as its ``/``, so
that an absolute link, a chain of links or ``..`` ends inside, where the board that boots it would end too.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import TracebackType

from boardgrid.adapters.store import resolve

_INSIDE = resolve.IN_ROOT | resolve.NO_MAGICLINKS | resolve.NO_XDEV
_NOTHING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}  # what a name answers that leads nowhere
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20

At = tuple[int, str]  # a folder that is open, and a name in it; of no name it is the folder itself


class TreePath:
    """
    Where a stranger's tree is mounted.

    It has no ``/`` on purpose: a name below it is a stranger's word, and is followed by :class:`TreeDir` alone.
    """

    __slots__ = ("at",)

    def __init__(self, at: str) -> None:
        self.at = at

    def __fspath__(self) -> str:
        return self.at

    def __str__(self) -> str:
        return self.at


class TreeDir:
    """
    An open tree. Names are seen from its root; calls touch nothing outside, and raise OSError alone, whose ``filename``
    is the name that was given.

    Args:
        note: told of each entry that is about to be written, made or removed: where it lies, with no link on the way;
            and its folder, open, with its name in that.
    """

    def __init__(self, tree: TreePath, note: Callable[[str, int, str], None] | None = None) -> None:
        self._fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._note = note

    def __enter__(self) -> "TreeDir":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    # --- looking

    def look(self, name: str) -> os.stat_result | None:
        """What *name* leads to; None where it leads to nothing."""
        try:
            with self._opened(name, os.O_PATH) as fd:
                return os.fstat(fd)
        except OSError as error:
            if error.errno in _NOTHING:
                return None
            raise

    def is_there(self, name: str) -> bool:
        """Whether there is an entry *name* at all, be it a link that leads nowhere."""
        return self.look(name) is not None or self.link(name) is not None

    def is_file(self, name: str) -> bool:
        seen = self.look(name)
        return seen is not None and stat.S_ISREG(seen.st_mode)

    def is_folder(self, name: str) -> bool:
        seen = self.look(name)
        return seen is not None and stat.S_ISDIR(seen.st_mode)

    def link(self, name: str) -> str | None:
        """Where the link *name* itself points, unresolved; None where it is no link."""
        try:
            with self.parent(name) as (folder, last):
                return os.readlink(last, dir_fd=folder)
        except OSError:
            return None

    def names(self, name: str) -> list[str]:
        """What lies in the folder that *name* leads to, sorted; nothing where it leads to none."""
        try:
            with self._opened(name, os.O_RDONLY | os.O_DIRECTORY) as fd:
                return sorted(os.listdir(fd))  # noqa: PTH208 - a descriptor, not a path
        except OSError as error:
            if error.errno in _NOTHING:
                return []
            raise

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[int]:
        """The regular file that *name* leads to, open for reading. A pipe, a device or a folder is refused."""
        # Without O_NONBLOCK a named pipe would hold us until someone writes to it.
        with self._opened(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "is no regular file", name)
            yield fd

    def read(self, name: str, at_most: int) -> bytes | None:
        """The first *at_most* bytes of a regular file; None where *name* leads to none."""
        if not self.is_file(name):
            return None
        with self.file(name) as fd:
            content = b""
            while len(content) < at_most and (more := os.read(fd, min(_CHUNK, at_most - len(content)))):
                content += more
            return content

    def programs_having(self, attribute: str) -> list[str]:
        """Names of all executable files that have this extended attribute, sorted. No link is followed."""
        found = []
        for folders, at, seen in walked(self._fd):
            if stat.S_ISREG(seen.st_mode) and seen.st_mode & 0o111:
                # The kernel knows no lgetxattr below a descriptor; /proc leads to the very folder that is open.
                with contextlib.suppress(OSError):  # a file system that has no attributes, or none of this name
                    os.getxattr(f"/proc/self/fd/{at[0]}/{at[1]}", attribute, follow_symlinks=False)
                    found.append("/".join((*folders, at[1])))
        return sorted(found)

    def names_of(self, files: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Where each of these files (by inode) lies, sorted: all of its names."""
        found: dict[int, list[str]] = {}
        for folders, (_folder, name), seen in walked(self._fd):
            if seen.st_ino in files:
                found.setdefault(seen.st_ino, []).append("/".join((*folders, name)))
        return {inode: sorted(names) for inode, names in found.items()}

    # --- writing

    def write(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """
        Put a file of root's in the place of *name*, whole or not at all.

        A link of that name is replaced, not followed; the links on the way to it are followed inside.
        """
        with self._beside(name) as (folder, beside):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(beside, flags, 0o600, dir_fd=folder)
            with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(content)
                os.fchown(fd, 0, 0)
                os.fchmod(fd, mode)

    def make_link(self, name: str, target: str) -> None:
        """Put a link of root's in the place of *name*, as above."""
        with self._beside(name) as (folder, beside):
            os.symlink(target, beside, dir_fd=folder)
            os.chown(beside, 0, 0, dir_fd=folder, follow_symlinks=False)

    @contextlib.contextmanager
    def _beside(self, name: str) -> Iterator[At]:
        """The folder of *name* and a free name in it; what is made by that in the block takes the place of *name*."""
        with self.parent(name) as (folder, last):
            self._noted(folder, last)
            beside = f".{last[:200]}.boardgrid"
            with contextlib.suppress(FileNotFoundError):
                _remove(folder, beside)
            try:
                yield folder, beside
                os.rename(beside, last, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=folder)
                raise

    def empty(self, name: str) -> None:
        """Leave a regular file without content; its owner and its mode stay. A link is not followed."""
        flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        with self._opened(name, flags) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "is no regular file", name)

    def set_mode(self, name: str, mode: int) -> None:
        """Of a regular file."""
        with self.file(name) as fd:
            os.fchmod(fd, mode)

    def drop_attribute(self, name: str, attribute: str) -> None:
        """Of a regular file, which need not have it."""
        with self.file(name) as fd:
            if attribute in os.listxattr(fd):  # not under another of its names
                os.removexattr(fd, attribute)

    def make_folder(self, name: str, mode: int = 0o755, *, claim: bool = False) -> None:
        """
        See that *name* leads to a folder, and that what it lies in does.

        With *claim* a file or a link that leads nowhere makes way for it, and the folder becomes root's with this mode.
        """
        if not self.is_folder(name):
            above = name.strip("/").rpartition("/")[0]
            if above and not self.is_folder(above):
                self.make_folder(above)
            with self.parent(name) as (folder, last):
                self._noted(folder, last)
                if claim:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(last, dir_fd=folder)
                os.mkdir(last, mode, dir_fd=folder)
        if claim:
            self.own(name, mode)

    def own(self, name: str, mode: int) -> None:
        """Make the folder that *name* leads to root's, with this mode."""
        with self._opened(name, os.O_RDONLY | os.O_DIRECTORY) as fd:
            if self._note is not None and (path := self._place(fd)):
                with self.parent(path) as (folder, last):
                    self._noted(folder, last)
            os.fchown(fd, 0, 0)
            os.fchmod(fd, mode)

    def remove(self, name: str) -> None:
        """Remove *name* itself, a folder with all that is in it; what is not there is as good as removed."""
        try:
            with self.parent(name) as (folder, last):
                self._noted(folder, last)
                _remove(folder, last)
        except OSError as error:
            if error.errno not in _NOTHING:
                raise

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[int]:
        """The folder that *name* leads to, open."""
        with self._opened(name, os.O_RDONLY | os.O_DIRECTORY) as fd:
            yield fd

    def put_in_place(self, name: str, of: str) -> None:
        """*name* takes the place of *of* and of all that is in that. Both lie in one folder."""
        with self.parent(name) as (folder, last), self.parent(of) as (_same, other):
            with contextlib.suppress(FileNotFoundError):
                _remove(folder, other)
            os.rename(last, other, src_dir_fd=folder, dst_dir_fd=folder)

    def set_folder_time(self, name: str, ns: int) -> None:
        with self._opened(name, os.O_RDONLY | os.O_DIRECTORY) as fd:
            os.utime(fd, ns=(ns, ns))

    def set_time(self, name: str, ns: int) -> None:
        """Of *name* itself, also of a link."""
        with self.parent(name) as (folder, last):
            os.utime(last, ns=(ns, ns), dir_fd=folder, follow_symlinks=False)

    def date_back(self, seconds: int) -> None:
        """See that nothing in the tree is younger than that."""
        ns = seconds * 10**9
        for _folders, (folder, name), seen in walked(self._fd):
            if seen.st_mtime_ns > ns:
                os.utime(name, ns=(ns, ns), dir_fd=folder, follow_symlinks=False)
        if os.fstat(self._fd).st_mtime_ns > ns:
            os.utime(self._fd, ns=(ns, ns))

    def sync(self) -> None:
        """Write down what was written, and nothing of other file systems."""
        resolve.sync_file_system(self._fd)

    # --- resolving

    @contextlib.contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        with _about(name):
            fd = resolve.openat2(self._fd, os.fsencode(name) or b".", flags, _INSIDE)
            try:
                yield fd
            finally:
                os.close(fd)

    def _noted(self, folder: int, name: str) -> None:
        if self._note is not None:
            self._note(f"{self._place(folder)}/{name}".lstrip("/"), folder, name)

    def _place(self, folder: int) -> str:
        """Where a folder of the tree lies that is open."""
        top, path = (os.readlink(f"/proc/self/fd/{fd}") for fd in (self._fd, folder))  # noqa: PTH115 - a descriptor
        return path.removeprefix(top).strip("/")

    @contextlib.contextmanager
    def parent(self, name: str) -> Iterator[At]:
        """The folder that holds *name*, and its last word, which only calls that follow no link may be given."""
        folder, _, last = name.strip("/").rpartition("/")
        with _about(name):
            if last in {"", ".", ".."} or "\0" in last:
                raise OSError(errno.EINVAL, "names no entry of a folder")
            with self._opened(folder, os.O_RDONLY | os.O_DIRECTORY) as fd:
                yield fd, last

    @contextlib.contextmanager
    def lying(self, path: str) -> Iterator[At | None]:
        """
        As above, with no link on the way; None where no such folder is. Of a path that ends in a slash it is the
        folder itself, and no word.
        """
        folder, _, last = path.rpartition("/")
        try:
            fd = resolve.openat2(self._fd, os.fsencode(folder) or b".", _FOLDER, _INSIDE | resolve.NO_SYMLINKS)
        except OSError as error:
            if error.errno not in _NOTHING:
                raise
            yield None
            return
        try:
            yield fd, last
        finally:
            os.close(fd)


@contextlib.contextmanager
def _about(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error


def _remove(folder: int, name: str) -> None:
    """Remove an entry, and what is in it."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    top = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for _folders, (at, below), seen in walked(top):
            (os.rmdir if stat.S_ISDIR(seen.st_mode) else os.unlink)(below, dir_fd=at)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=folder)


def walked(top: int) -> Iterator[tuple[Sequence[str], At, os.stat_result]]:
    """
    All that lies below a folder that is open: in which folders, by name, and what it is; a folder after all in it.

    No link is followed, and nothing is opened but folders: one at a time and no recursion, however deep a stranger made
    them. An entry that is told may be removed.
    """
    folders: list[str] = []
    held: list[tuple[os.stat_result, tuple[int, int]]] = []  # of each of them what it is, and which folder holds it
    here = os.open(".", _FOLDER, dir_fd=top)
    try:
        left = [_names(here)]
        while left[-1] or folders:
            if left[-1]:
                name = left[-1].pop()
                seen = os.lstat(name, dir_fd=here)
                if not stat.S_ISDIR(seen.st_mode):
                    yield folders, (here, name), seen
                    continue
                held.append((seen, _identity(here)))
                here = _moved(here, name)
                folders.append(name)
                left.append(_names(here))
                continue
            left.pop()
            seen, above = held.pop()
            here = _moved(here, "..")
            if _identity(here) != above:
                raise OSError(errno.ESTALE, "was moved while it was looked at")
            name = folders.pop()
            yield folders, (here, name), seen
    finally:
        os.close(here)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _moved(here: int, to: str) -> int:
    there = os.open(to, _FOLDER, dir_fd=here)
    os.close(here)
    return there


def _identity(folder: int) -> tuple[int, int]:
    seen = os.fstat(folder)
    return seen.st_dev, seen.st_ino


def attributes(at: At) -> Mapping[str, bytes]:
    """Without ``trusted.*``, which is the server's own and part of no tree."""
    path = f"/proc/self/fd/{at[0]}/{at[1]}"
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names if not name.startswith("trusted.")}


def look_alike(tree: TreePath, top: os.PathLike[str]) -> None:
    """Give *top*, a new folder, all that the tree's own top folder has: an overlay shows its uppermost layer's."""
    seen = os.stat(tree)  # noqa: PTH116 - pathlib costs each program of the store 10 ms
    os.chown(top, seen.st_uid, seen.st_gid)
    os.chmod(top, stat.S_IMODE(seen.st_mode))  # noqa: PTH101
    for name in os.listxattr(tree):
        if not name.startswith("trusted."):
            os.setxattr(top, name, os.getxattr(tree, name))
    os.utime(top, ns=(seen.st_atime_ns, seen.st_mtime_ns))
