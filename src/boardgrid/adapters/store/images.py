"""Images: one EROFS file for each version, made by a program in namespaces of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from boardgrid.adapters.store import manifests
from boardgrid.adapters.store.boot_files import DTBS, INITRD, KERNEL
from boardgrid.adapters.store.complaint import heard
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store, Sweep
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid, NotFound
from boardgrid.model.image import (
    AS_USUAL,
    BlobSource,
    Kernel,
    Making,
    Manifest,
    PathSource,
    RootSource,
    Source,
    UrlSource,
)
from boardgrid.ports import Blobs, BootFiles, Downloads

log = structlog.get_logger()

_ALONE = ("unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
_PRIVATE = ("--propagation", "private")
_MEMORY_BYTES = 4 << 30  # of each program that makes an image


class StoredImages:
    """
    Answers ``Images``.

    Args:
        import_dirs: absolute folders of this machine that images may be imported from by path.
        disk_reader: the folder with the machine that reads disk images; without it they are refused.
        image_limit_bytes: the most that the files of one image may take, unpacked.
        reserved_share: of the disk, which imports leave to the roots that run.
        make_s: after this long an import is ended.
    """

    def __init__(
        self,
        store: Store,
        roots: StoredRoots,
        blobs: Blobs,
        downloads: Downloads,
        *,
        import_dirs: Sequence[Path] = (),
        disk_reader: Path | None = None,
        image_limit_bytes: int = 32 << 30,
        reserved_share: float = 0.1,
        make_s: float = 3600.0,
    ) -> None:
        self._store, self._places, self._roots = store, store.places, roots
        self._blobs, self._downloads = blobs, downloads
        self._import_dirs = [str(folder) for folder in import_dirs]
        self._reader = disk_reader
        self._limit_bytes, self._share, self._make_s = image_limit_bytes, reserved_share, make_s
        self._sweep = Sweep(store.places, "images")
        self._known: dict[UUID, Manifest] = {}  # manifests never change

    # --- made

    async def build(self, image: UUID, source: Source, making: Making = AS_USUAL) -> Manifest:
        async with self._store.busy(image):
            if manifest := await asyncio.to_thread(self._manifest, image):
                return manifest
            await self._sweep.once()
            draft = self._places.image_draft(image)
            lent = self._roots.lent(source.root) if isinstance(source, RootSource) else contextlib.nullcontext()
            try:
                async with lent:
                    await whole(_prepare, draft)
                    order = await self._order(image, source, making, draft)
                    log.info("image.begun", image=str(image), source=source.kind)
                    await self._run(order)
            finally:
                await whole(shutil.rmtree, draft, ignore_errors=True)
            made = await asyncio.to_thread(self._manifest, image)
            if made is None:
                raise Fault(Code.STORE_DAMAGED, _("image {image} was made and is not there"), image=image)
            log.info("image.made", image=str(image), files=made.files, stored_bytes=made.stored_bytes)
            return made

    async def _order(self, image: UUID, source: Source, making: Making, draft: Path) -> dict[str, Any]:
        room = await self._store.room()
        reserved = int(room.total_bytes * self._share)
        order: dict[str, Any] = {
            "store": str(self._places.folder),
            "draft": str(draft),
            "place": str(self._places.image(image).folder),
            "making": asdict(making),
            "import_dirs": self._import_dirs,
            "disk_reader": str(self._reader or ""),
            "limits": {"size_bytes": self._limit_bytes},
            "reserved_bytes": reserved + await self._owed_bytes(room.free_bytes),
        }
        match source:
            case PathSource():
                return {**order, "path": source.path}
            case RootSource():
                return {**order, "root": str(self._places.root(source.root).tree)}
            case BlobSource():
                self._check_size(source, room.free_bytes - reserved)
                archive = draft / "archive"
                await self._blobs.fetch(source, archive)
                return {**order, "archive": str(archive), "name": _("the uploaded file")}
            case UrlSource():
                archive = draft / "archive"
                at_most = min(self._limit_bytes, max(room.free_bytes - reserved, 0))
                await self._downloads.fetch(source, archive, at_most)
                return {**order, "archive": str(archive), "name": source.url}

    async def _owed_bytes(self, free_bytes: int) -> int:
        """What is free by the disk's count and promised to roots by ours."""
        disk = await asyncio.to_thread(os.statvfs, self._places.folder)
        return max(disk.f_bavail * disk.f_frsize - free_bytes, 0)

    def _check_size(self, source: BlobSource, available_bytes: int) -> None:
        if source.size_bytes > self._limit_bytes:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("an archive of {size} bytes is over the site's limit of {limit} bytes for one image"),
                hint=_("leave out what the board does not need, or ask for a higher limit"),
                size=source.size_bytes,
                limit=self._limit_bytes,
            )
        if source.size_bytes > available_bytes:
            raise Fault(
                Code.STORE_FULL,
                _("the store has no room: {wanted} bytes are wanted, {free} may be used for imports"),
                hint=_("remove images or roots that nobody needs, or give the store a larger disk"),
                wanted=source.size_bytes,
                free=max(available_bytes, 0),
            )

    async def _run(self, order: dict[str, Any]) -> None:
        program = (
            "prlimit",
            f"--as={_MEMORY_BYTES}",
            "--",
            sys.executable,
            "-I",
            "-m",
            "boardgrid.adapters.store.making",
        )
        said = await self._store.shell.run(
            *_ALONE, *_PRIVATE, *program, timeout_s=self._make_s, stdin=json.dumps(order).encode()
        )
        heard(said)

    # --- kept

    def _manifest(self, image: UUID) -> Manifest | None:
        file = self._places.image(image).manifest
        try:
            if image not in self._known:
                self._known[image] = manifests.read(file.read_text())
            elif not file.is_file():
                del self._known[image]
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            log.error("image.damaged", image=str(image), why=str(error))
            return None
        return self._known.get(image)

    async def _found(self, image: UUID) -> Manifest:
        manifest = await asyncio.to_thread(self._manifest, image)
        if manifest is None:
            raise NotFound(Code.IMAGE_UNKNOWN, _("image {image} is not in this store"), image=image)
        return manifest

    async def boot_files(self, image: UUID, kernel: Kernel) -> BootFiles:
        manifest = await self._found(image)
        if kernel not in manifest.kernels:
            raise NotFound(
                Code.IMAGE_UNKNOWN, _("image {image} has no kernel {release}"), image=image, release=kernel.release
            )
        folder = self._places.image(image).kernel(manifest.kernels.index(kernel))
        return BootFiles(
            folder / KERNEL, folder / INITRD if kernel.initrd else None, folder / DTBS if kernel.dtbs else None
        )

    async def remove(self, image: UUID) -> None:
        async with self._store.busy(image):
            if need := await self._roots.need_of(image):
                raise Conflict(
                    Code.THING_IN_USE,
                    _("image {image} cannot be removed: {need}"),
                    hint=_("discard that root first, or keep it as an image of its own"),
                    image=image,
                    need=need,
                )
            place = self._places.image(image)
            if str(place.tree) in await self._store.mounted():
                await self._store.shell.run("umount", str(place.tree))
            self._known.pop(image, None)
            await whole(_remove, place.folder, self._places.image_going(image))
            log.info("image.removed", image=str(image))


# --- files; these run in threads


def _prepare(draft: Path) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)


def _remove(folder: Path, going: Path) -> None:
    if not folder.is_dir():
        return
    folder.rename(going)  # at once: it is there whole, or not at all
    (going / "tree").rmdir()
    shutil.rmtree(going)
