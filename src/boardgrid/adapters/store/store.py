"""What images, roots and volumes share: one folder, its room, and who works on what."""

import asyncio
import fcntl
import json
import os
import shutil
import struct
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from boardgrid.adapters.store.complaint import MOUNTS, heard
from boardgrid.adapters.store.place import Places
from boardgrid.finishing import whole
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Fault
from boardgrid.model.headroom import no_room
from boardgrid.mounts import mount_points
from boardgrid.ports import Room, Shell

log = structlog.get_logger()

# ioctl_iflags(2)
_GET_FLAGS, _SET_FLAGS, _NO_COPY_ON_WRITE = 0x80086601, 0x40086602, 0x00800000

_ALONE = ("unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
_PRIVATE = ("--propagation", "private")
_MEMORY_BYTES = 4 << 30  # of each program that looks at a whole tree
_TAKE_S = 300.0
_SYNC_S = 600.0
_UMOUNT_TRIES, _UMOUNT_PAUSE_S = 50, 0.1
MOUNT_S = 120.0  # a file system that was not unmounted cleanly replays its journal first


class Store:
    """
    The store in *folder*, which must be there; best on ext4 or xfs, where room is promised in no time.

    On btrfs the files of roots and volumes are written in place: else each change would want room anew, and the promise
    be empty. Its own bookkeeping still takes from what is free.

    Mounts are made where this process runs: exports must be served from the same mount namespace. One process at a time
    may work on a store: whoever starts it holds its lock and hands that down to all that *shell* runs.

    Args:
        promise: take the whole size of a root or a volume from the disk at once, so that a full disk can never lose a
            user's data. Without it they take what is written to them, and only the store's figures keep the promise.
    """

    def __init__(self, folder: Path, shell: Shell, *, promise: bool = True) -> None:
        self.places = Places(folder.resolve())
        self.shell, self.promise = shell, promise
        for kind in ("images", "roots", "volumes", "kits"):
            (self.places.folder / kind).mkdir(mode=0o700, exist_ok=True)
        for kind in ("roots", "volumes"):
            _write_in_place(self.places.folder / kind)
        self._allotting = asyncio.Lock()
        self._arriving: dict[Path, int] = {}  # files that are being received, and how large each becomes
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def busy(self, thing: UUID) -> asyncio.Lock:
        """Held by who works on this image, root or volume."""
        return self._locks.setdefault(thing, asyncio.Lock())

    async def room(self) -> Room:
        return await asyncio.to_thread(self._room)

    def _room(self) -> Room:
        disk = os.statvfs(self.places.folder)
        free = disk.f_bavail * disk.f_frsize
        for file in self.places.disks():
            free -= _owed_bytes(file)
        for file, size_bytes in list(self._arriving.items()):
            free -= _owed_bytes(file, size_bytes)
        return Room(disk.f_blocks * disk.f_frsize, max(free, 0))

    @asynccontextmanager
    async def allotting(self, size_bytes: int, reserved_bytes: int = 0) -> AsyncIterator[None]:
        """
        Inside the block so much is free, and nobody else takes it.

        Args:
            reserved_bytes: what imports leave of the disk.

        Raises:
            Fault: STORE_FULL with the figures.
        """
        async with self._allotting:
            room = await self.room()
            if size_bytes > room.free_bytes - reserved_bytes:
                free = max(room.free_bytes - reserved_bytes, 0)
                raise no_room(size_bytes, free) if reserved_bytes else _full(size_bytes, room)
            yield

    @asynccontextmanager
    async def arriving(self, files: Mapping[Path, int], reserved_bytes: int = 0) -> AsyncIterator[None]:
        """
        Inside the block there is room for these files to become as large as that, and nobody else is given it.

        Raises:
            Fault: STORE_FULL with the figures.
        """
        async with self.allotting(sum(files.values()), reserved_bytes):
            self._arriving.update(files)
        try:
            yield
        finally:
            for file in files:
                del self._arriving[file]

    async def take(self, file: Path, size_bytes: int) -> None:
        """
        Make the file of a root or a volume this large, which is never less than it is.

        Raises:
            Fault: STORE_FULL with the figures.
        """
        if not self.promise:
            await whole(os.truncate, file, size_bytes)
            return
        try:
            await self.shell.run("fallocate", f"--length={size_bytes}", str(file), timeout_s=_TAKE_S)
        except Fault as error:
            if error.code is Code.PROGRAM_FAILED and "No space" in str(error):
                raise _full(size_bytes, await self.room()) from error
            raise

    async def mounted(self) -> frozenset[str]:
        return await asyncio.to_thread(mount_points)

    async def mount(self, kind: str, options: str, what: str, where: Path, *, before: Sequence[str] = ()) -> None:
        """
        Mount *what*, with the paths in its options seen from the store's folder.

        Raises:
            Fault: STORE_DAMAGED, with what mount(8) said.
        """
        # From the folder, by relative paths: a comma or a colon in the store's own path would end an option.
        mount = (*before, "env", "-C", str(self.places.folder), "mount", "--types", kind)
        try:
            await self.shell.run(*mount, "--options", options, what, str(where), timeout_s=MOUNT_S)
        except Fault as error:
            raise Fault(
                Code.STORE_DAMAGED,
                _("{what} in the store cannot be mounted: {said}"),
                hint=_("look at the kernel's log on the site's machine; the disk may be failing"),
                what=what,
                said=str(error),
            ) from error

    async def unmount(self, point: str, *, keep: bool = True) -> None:
        """
        Args:
            keep: its files count, so that a disk that fails to take them is told of.

        Raises:
            Fault: ROOT_BUSY.
        """
        if keep:  # umount(8) would not tell
            await self.shell.run("sync", "--file-system", point, timeout_s=_SYNC_S)
        for left in reversed(range(_UMOUNT_TRIES)):
            try:
                await self.shell.run("umount", point, timeout_s=_SYNC_S)
            except Fault as error:
                if point not in await self.mounted():
                    return
                if not left:
                    raise Fault(
                        Code.ROOT_BUSY,
                        _("{point} cannot be unmounted: something on the server still uses it"),
                        hint=_("see what it is with: fuser --mount {point}"),
                        point=point,
                    ) from error
                await asyncio.sleep(_UMOUNT_PAUSE_S)  # an NFS server lets go of its files a moment after the fence
            else:
                return

    async def run_alone(
        self,
        program: str,
        order: dict[str, Any],
        timeout_s: float,
        *,
        keeps: Collection[str] = (),
        before: Sequence[str] = (),
    ) -> dict[str, Any]:
        """
        Have a program of this folder carry out an order in namespaces of its own, and return what it answered.

        Args:
            keeps: what is mounted in the store and it is to see; of the rest it lets go.
            before: words that it is started by: nice(1) and the like.

        Raises:
            FarmError: what it raised.
        """
        python = (sys.executable, "-I", "-m", f"boardgrid.adapters.store.{program}")
        words = (*_ALONE, *_PRIVATE, *before, "prlimit", f"--as={_MEMORY_BYTES}", "--", *python)
        whole_order = json.dumps({**order, **self.alone(keeps)}).encode()
        return heard(await self.shell.run(*words, timeout_s=timeout_s, stdin=whole_order))

    def alone(self, keeps: Collection[str] = ()) -> Mapping[str, Any]:
        """What goes with the order to a program in a mount namespace of its own: which mounts it keeps."""
        return {MOUNTS: {"store": str(self.places.folder), "kept": list(keeps)}}

    def relative(self, path: os.PathLike[str]) -> str:
        return os.path.relpath(path, self.places.folder)


@dataclass(slots=True)
class Sweep:
    """Removes, once in a process' life, what an earlier one was killed over."""

    places: Places
    kind: str
    _is_done: bool = field(default=False, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def once(self) -> None:
        async with self._turn:  # whoever comes second must not lose what it begins meanwhile
            if not self._is_done:
                await whole(self._sweep)
                self._is_done = True

    def _sweep(self) -> None:
        points = mount_points()
        for leftover in self.places.leftovers(self.kind):
            if any(point.startswith(f"{leftover}/") for point in points):
                log.warning("leftover.mounted", folder=str(leftover))  # what is in there may be a user's
                continue
            shutil.rmtree(leftover, ignore_errors=True)
            log.info("leftover.removed", folder=str(leftover))


def _write_in_place(folder: Path) -> None:
    """Have new files in it written in place, where the file system would copy on write (chattr +C)."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = struct.unpack("l", fcntl.ioctl(fd, _GET_FLAGS, bytes(struct.calcsize("l"))))[0]
        fcntl.ioctl(fd, _SET_FLAGS, struct.pack("l", flags | _NO_COPY_ON_WRITE))
    except OSError:
        pass  # most file systems always write in place, and know no such flag
    finally:
        os.close(fd)


def _full(wanted: int, room: Room) -> Fault:
    return Fault(
        Code.STORE_FULL,
        _("{wanted} more does not fit into the store: {free} of its {total} is free"),
        hint=_("discard roots and volumes that nobody needs, ask for less, or give the store a larger disk"),
        wanted=bytes_text(wanted),
        free=bytes_text(room.free_bytes),
        total=bytes_text(room.total_bytes),
    )


def _owed_bytes(file: Path, size_bytes: int = 0) -> int:
    """What the disk has still to give for a promise: that of its size, or of the one that it is to have."""
    try:
        seen = file.stat()
    except FileNotFoundError:
        return size_bytes
    return max(max(seen.st_size, size_bytes) - seen.st_blocks * 512, 0)
