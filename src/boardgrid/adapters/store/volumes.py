"""
Volumes: for each an ext4 file of its own, mounted whole.

No file handle leads from one into another or into a root, and the size of the file is all that its people may write.
"""

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import structlog

from boardgrid import lasting
from boardgrid.adapters.store.complaint import heard
from boardgrid.adapters.store.place import VolumePlace
from boardgrid.adapters.store.store import Store, Sweep
from boardgrid.adapters.store.volume_archive import ALONE, OPTIONS, PROGRAM
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, NotFound

log = structlog.get_logger()

# nodiscard: mkfs would give the promised room back. The file is new and reads as zeros, so nothing is left to zero.
_MKFS = ("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E", "nodiscard,assume_storage_prezeroed=1")
_MKFS_S, _GROW_S, _UNPACK_S = 300.0, 1800.0, 24 * 3600.0
_LOCK_S = 120  # a backup that begins mounts it within a second


class StoredVolumes:
    """Answers ``Volumes``."""

    def __init__(self, store: Store) -> None:
        self._store, self._places = store, store.places
        self._sweep = Sweep(store.places, "volumes")

    async def all(self) -> Mapping[UUID, bool]:
        mounted = await self._store.mounted()
        there = await asyncio.to_thread(self._places.volumes)
        return {volume: str(self._places.volume(volume).tree) in mounted for volume in there}

    def path(self, volume: UUID) -> Path:
        return Path(self._places.volume(volume).tree)

    async def make(self, volume: UUID, size_bytes: int) -> None:
        async with self._store.busy(volume):
            await self._sweep.once()
            if await self._is_there(volume):
                await self._grow(volume, size_bytes)
            else:
                await self._make(volume, size_bytes)

    async def restore(self, volume: UUID, size_bytes: int, archive: Path) -> bool:
        """
        Make one with the files of a backup, whole or not at all; False: one is there, and is left as it is.

        Raises:
            Fault: STORE_FULL; PROGRAM_FAILED, the archive cannot be unpacked.
        """
        async with self._store.busy(volume):
            await self._sweep.once()
            if await self._is_there(volume):
                return False
            await self._make(volume, size_bytes, archive)
            return True

    async def _make(self, volume: UUID, size_bytes: int, archive: Path | None = None) -> None:
        draft, place, store = self._places.volume_draft(volume), self._places.volume(volume), self._store
        try:
            async with store.allotting(size_bytes):
                await whole(_prepare, draft)
                await store.take(draft.file, size_bytes)
            await store.shell.run(*_MKFS, str(draft.file), timeout_s=_MKFS_S)
            if archive is not None:
                order = json.dumps({"file": str(draft.file), "archive": str(archive), **store.alone()}).encode()
                heard(await store.shell.run(*ALONE, *PROGRAM, timeout_s=_UNPACK_S, stdin=order))
            await whole(_finish, draft, place)
        finally:
            await whole(shutil.rmtree, draft.folder, ignore_errors=True)
        log.info("volume.made", volume=str(volume), size_bytes=size_bytes)

    async def grow(self, volume: UUID, size_bytes: int) -> None:
        async with self._store.busy(volume):
            await self._check_there(volume)
            await self._grow(volume, size_bytes)

    async def _grow(self, volume: UUID, size_bytes: int) -> None:
        place, store = self._places.volume(volume), self._store
        has_bytes = (await asyncio.to_thread(place.file.stat)).st_size
        if has_bytes < size_bytes:
            async with store.allotting(size_bytes - has_bytes):
                await store.take(place.file, size_bytes)
            # A file system is never larger than its file.
            await whole(lasting.write_down, place.file)
        # Also where the file is as large: one who was killed may have come no further.
        tree = str(place.tree)
        order = {"file": str(place.file), "tree": tree, "size_bytes": size_bytes, "had_bytes": has_bytes}
        try:
            await store.run_alone("growing", order, _GROW_S, keeps=[tree])
        except Fault as error:
            if error.code is not Code.PROGRAM_FAILED:
                raise
            # What a program of the site said is for the log: who has the volume reads what would do.
            log.warning("volume.refused", volume=str(volume), why=str(error))
            raise Fault(error.code, _not_grown(is_in_use=tree in await store.mounted())) from error
        log.info("volume.grown", volume=str(volume), size_bytes=size_bytes)

    async def mount(self, volume: UUID) -> None:
        async with self._store.busy(volume):
            await self._check_there(volume)
            await self._mount(volume)

    async def _mount(self, volume: UUID) -> None:
        place, store = self._places.volume(volume), self._store
        if str(place.tree) not in await store.mounted():
            # Never at one moment with a backup: each would find the file on no loop device, and take one of its own.
            turn = ("flock", "--shared", "--timeout", str(_LOCK_S), str(place.file))
            await store.mount("ext4", OPTIONS, store.relative(place.file), Path(place.tree), before=turn)

    async def unmount(self, volume: UUID) -> None:
        async with self._store.busy(volume):
            await self._unmount(volume)

    async def _unmount(self, volume: UUID, *, keep: bool = True) -> None:
        point = str(self._places.volume(volume).tree)
        if point in await self._store.mounted():
            await self._store.unmount(point, keep=keep)

    async def remove(self, volume: UUID) -> None:
        async with self._store.busy(volume):
            await self._sweep.once()
            if await self._is_there(volume):
                await self._unmount(volume, keep=False)
                await whole(_remove, self._places.volume(volume), self._places.volume_going(volume))
                log.info("volume.removed", volume=str(volume))

    async def _is_there(self, volume: UUID) -> bool:
        return await asyncio.to_thread(self._places.volume(volume).folder.is_dir)

    async def _check_there(self, volume: UUID) -> None:
        if not await self._is_there(volume):
            raise NotFound(
                Code.VOLUME_UNKNOWN,
                _("the files of volume {volume} are not on the disk of its site"),
                hint=_("they are not made anew: an admin may find them in a backup"),
                volume=volume,
            )


def _not_grown(*, is_in_use: bool) -> str:
    if is_in_use:
        return _("it cannot be made larger at this site while boards have it; give them back, then resize it again")
    return _("it could not be made larger, and is as it was; an admin finds why in the log of its site's agent")


def _prepare(draft: VolumePlace) -> None:
    shutil.rmtree(draft.folder, ignore_errors=True)
    draft.folder.mkdir(mode=0o700)
    Path(draft.tree).mkdir()
    draft.file.touch(mode=0o600)


def _finish(draft: VolumePlace, place: VolumePlace) -> None:
    lasting.write_down_all(draft.folder)
    lasting.rename(draft.folder, place.folder)


def _remove(place: VolumePlace, going: VolumePlace) -> None:
    lasting.rename(place.folder, going.folder)
    Path(going.tree).rmdir()  # refused where something is mounted: never removes what is in a tree
    shutil.rmtree(going.folder)
