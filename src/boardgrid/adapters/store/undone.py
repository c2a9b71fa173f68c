"""
Undoes what the farm wrote into a root, where an image is made of it: what is still as the farm left it becomes what the
root's own image has.

What cannot be told to be the farm's stays, and is treated as its user's.
"""

import itertools
import os
import shutil
import stat
from collections.abc import Sequence

from boardgrid.adapters.store.farms import Farms, is_still, seen
from boardgrid.adapters.store.tree import At, TreeDir, attributes

_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAKING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Undoing:
    """
    What is to be undone; found before anything is changed.

    Args:
        root: as its user left it.
        image: that it stands on.
    """

    def __init__(self, root: TreeDir, image: TreeDir, farms: Farms) -> None:
        self._image = image
        self._ours = {path for path, left in farms.items() if is_still(seen(root, path), left)}
        # From below: a folder goes when all that the farm put into it has gone.
        self._entries = sorted((path for path in self._ours if not path.endswith("/")), reverse=True)
        files = [one for path in self._entries if (one := _stat(image, path)) and stat.S_ISREG(one.st_mode)]
        linked = {one.st_ino: one.st_size for one in files if one.st_nlink > 1}
        self._names = image.names_of(linked).values() if linked else ()
        folders = {f"{path.rpartition('/')[0]}/" for path in self._entries} | (self._ours - set(self._entries))
        self._times = {path: seen(image if path in self._ours else root, path) for path in folders}
        # One that has other names is written by one of those, too.
        self.size_bytes = sum(one.st_size for one in files) + sum(linked.values())

    def act(self, tree: TreeDir) -> None:
        """
        In a view of the root.

        Raises:
            OSError: it has no room for it.
        """
        for path in self._entries:
            with self._image.lying(path) as was, tree.lying(path) as now:
                # Where the folder that it lay in went, its user took that away.
                if now:
                    _become(now, was)
        for names in self._names:
            self._join(tree, names)
        for path, time in self._times.items():
            with tree.lying(path) as now:
                if now and time:
                    os.utime(now[0], ns=(time[0], time[0]))

    def _join(self, tree: TreeDir, names: Sequence[str]) -> None:
        """
        What the image has as one file by several *names* is one again: what the farm had parted from it is given back
        to the others, unless those were changed.
        """
        ours = [name for name in names if name in self._ours and self._is_again(tree, name)]
        others = (name for name in names if name not in self._ours and self._is_again(tree, name))
        first = next(itertools.chain(others, ours), "")
        for name in ours:
            with tree.lying(first) as of, tree.lying(name) as at:
                if name != first and of and at:
                    os.unlink(at[1], dir_fd=at[0])
                    os.link(of[1], at[1], src_dir_fd=of[0], dst_dir_fd=at[0], follow_symlinks=False)

    def _is_again(self, tree: TreeDir, name: str) -> bool:
        return (now := seen(tree, name)) is not None and now == seen(self._image, name)


def _stat(tree: TreeDir, path: str) -> os.stat_result | None:
    with tree.lying(path) as at:
        return _look(at)


def _look(at: At | None) -> os.stat_result | None:
    try:
        return os.lstat(at[1], dir_fd=at[0]) if at else None
    except FileNotFoundError:
        return None


def _become(now: At, was: At | None) -> None:
    before, here = _look(was), _look(now)
    if was is None or before is None:
        _make_way(now)
    elif not stat.S_ISDIR(before.st_mode):
        if _make_way(now):
            _copy(was, before, now)
    elif here is not None and stat.S_ISDIR(here.st_mode):  # the farm takes no folder away
        _be_alike(was, before, now)


def _make_way(now: At) -> bool:
    """Remove an entry; a folder in which its user has put something stays."""
    here = _look(now)
    if here is None:
        return True
    if not stat.S_ISDIR(here.st_mode):
        os.unlink(now[1], dir_fd=now[0])
        return True
    if is_empty := not _names(now):
        os.rmdir(now[1], dir_fd=now[0])
    return is_empty


def _names(at: At) -> list[str]:
    fd = os.open(at[1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at[0])
    try:
        return os.listdir(fd)  # noqa: PTH208 - a descriptor, not a path
    finally:
        os.close(fd)


def _copy(was: At, before: os.stat_result, now: At) -> None:
    match stat.S_IFMT(before.st_mode):
        case stat.S_IFREG:
            with (
                open(os.open(was[1], _READING, dir_fd=was[0]), "rb") as source,  # noqa: PTH123 - a descriptor
                open(os.open(now[1], _MAKING, 0o600, dir_fd=now[0]), "wb") as target,  # noqa: PTH123 - a descriptor
            ):
                shutil.copyfileobj(source, target)
        case stat.S_IFLNK:
            os.symlink(os.readlink(was[1], dir_fd=was[0]), now[1], dir_fd=now[0])
        case kind:
            os.mknod(now[1], kind | 0o600, before.st_rdev, dir_fd=now[0])
    _be_alike(was, before, now)
    os.utime(now[1], ns=(before.st_atime_ns, before.st_mtime_ns), dir_fd=now[0], follow_symlinks=False)


def _be_alike(was: At, before: os.stat_result, now: At) -> None:
    """Owner, mode and attributes. An ACL tells of the mode, too, and who takes a file over takes its powers."""
    os.chown(now[1], before.st_uid, before.st_gid, dir_fd=now[0], follow_symlinks=False)
    path, wanted = f"/proc/self/fd/{now[0]}/{now[1]}", attributes(was)
    for name in attributes(now).keys() - wanted.keys():
        os.removexattr(path, name, follow_symlinks=False)
    if not stat.S_ISLNK(before.st_mode):
        os.chmod(now[1], stat.S_IMODE(before.st_mode), dir_fd=now[0])
    for name, value in wanted.items():
        os.setxattr(path, name, value, follow_symlinks=False)
