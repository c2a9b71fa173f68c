"""Room on the disk for making an image: how much there is, and a file system of a fixed size in it."""

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.model.headroom import no_room
from boardgrid.mounts import mount_points

_INODE_BYTES = 256
_SLACK_BYTES = 32 << 20
_SHUT_DOWN, _WITHOUT_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that *folder* is on. Imports leave *reserved_bytes* of it to others: running roots come first."""

    folder: Path
    reserved_bytes: int

    @property
    def free_bytes(self) -> int:
        room = os.statvfs(self.folder)
        return max(room.f_bavail * room.f_frsize - self.reserved_bytes, 0)

    def want(self, size_bytes: int) -> None:
        """
        Raises:
            Fault: STORE_FULL, with the figures.
        """
        if size_bytes > (free := self.free_bytes):
            raise no_room(size_bytes, free)


@dataclass(frozen=True, slots=True)
class Workroom:
    """A file with a file system in it, mounted for as long as the caller's mount namespace lasts."""

    file: Path
    mount: Path

    @property
    def tree(self) -> TreePath:
        return TreePath(str(self.mount))

    def build(self, room_bytes: int, inodes: int, disk: Disk) -> None:
        """
        Raises:
            Fault: STORE_FULL.
        """
        size = room_bytes + room_bytes // 16 + inodes * _INODE_BYTES * 5 // 4 + _SLACK_BYTES
        disk.want(size)
        # All of it is taken at once: a sparse file on a disk that fills up loses what was written, without a word.
        taken = subprocess.run(["fallocate", f"--length={size}", str(self.file)], check=False, stdin=subprocess.DEVNULL)
        if taken.returncode:
            raise no_room(size, disk.free_bytes)
        options = "nodiscard,assume_storage_prezeroed=1"
        mkfs = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-I", str(_INODE_BYTES), "-m", "0", "-N", str(inodes)]
        mkfs += ["-O", "^has_journal,^resize_inode,ea_inode", "-E", options, str(self.file)]
        subprocess.run(mkfs, check=True, stdin=subprocess.DEVNULL)
        self.mount.mkdir()
        # Where little room is left over, delayed allocation has whoever fills it wait until all is on the disk.
        options = "loop,nodev,nosuid,noexec,noatime,nodelalloc"
        mount_private("ext4", options, str(self.file), str(self.mount))
        with TreeDir(self.tree) as tree:
            tree.remove("lost+found")

    def remove(self) -> None:
        subprocess.run(["umount", str(self.mount)], check=True, stdin=subprocess.DEVNULL)
        self.mount.rmdir()
        self.file.unlink()


def abandon(tree: TreePath) -> None:
    """Of the workroom that *tree* is in: nothing that is still in memory need be written to a file that goes next."""
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a kernel that cannot writes it all down: that takes longer
            fcntl.ioctl(fd, _SHUT_DOWN, struct.pack("I", _WITHOUT_FLUSH))
    finally:
        os.close(fd)


def mount_private(kind: str, options: str, what: str, where: str, *, cwd: Path | None = None) -> None:
    """Mount, in a namespace that is the caller's own."""
    mount = ["mount", "--types", kind, "--options", options, what, where]
    subprocess.run(mount, check=True, stdin=subprocess.DEVNULL, cwd=cwd)


def let_go_of_others(store: str, kept: Collection[str]) -> None:
    """
    Unmount, for this program alone, what is mounted in the store, but for *kept*.

    The namespace began as a copy of its caller's: a root or a volume that is unmounted meanwhile would live on in here,
    its room with it, and could be neither mounted again nor made larger.
    """
    inside = [point for point in mount_points() if point.startswith(f"{store}/") and point not in kept]
    if inside:
        subprocess.run(["umount", "--lazy", *inside], check=True, stdin=subprocess.DEVNULL)
