"""Images: one EROFS file for each version, made by a program in namespaces of its own."""

import asyncio
import contextlib
import errno
import os
import shutil
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from boardgrid import lasting
from boardgrid.adapters.store import differing, manifests
from boardgrid.adapters.store.boot_files import DTBS, INITRD, KERNEL
from boardgrid.adapters.store.exported import manifest_of
from boardgrid.adapters.store.progress import diary_of, followed, size_of
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store, Sweep
from boardgrid.finishing import whole
from boardgrid.messages import _, bytes_text
from boardgrid.model.difference import Difference
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Conflict, Fault, Invalid, NotFound
from boardgrid.model.headroom import Allowance, Headroom
from boardgrid.model.image import (
    AS_USUAL,
    BlobSource,
    CheckpointSource,
    Kernel,
    Making,
    Manifest,
    NfsBoot,
    PathSource,
    RecipeSource,
    RootSource,
    Source,
    UrlSource,
    shown_url,
)
from boardgrid.ports import Blobs, BootFiles, Downloads, Kitchen, Room, Tell, untold

log = structlog.get_logger()

_HEADROOM = Headroom()
_AT_LEISURE = ("nice", "-n", "19", "ionice", "-c", "idle")


class StoredImages:
    """
    Answers ``Images``.

    Args:
        import_dirs: absolute folders of this machine that images may be imported from by path.
        image_limit_bytes: the most that the files of one image may take, unpacked.
        headroom: what imports leave of the disk to the roots that run.
        make_s: after this long an import is ended.
        boot_parts: a folder with ``<arch>/base.cpio``, of which initramfs are made, and with the machine that reads
            disk images; None: no initramfs are made, and disk images are refused.
    """

    def __init__(
        self,
        store: Store,
        roots: StoredRoots,
        blobs: Blobs,
        downloads: Downloads,
        kitchen: Kitchen,
        *,
        import_dirs: Sequence[Path] = (),
        image_limit_bytes: int = 32 << 30,
        headroom: Headroom = _HEADROOM,
        make_s: float = 3600.0,
        boot_parts: Path | None = None,
    ) -> None:
        self._store, self._places, self._roots = store, store.places, roots
        self._blobs, self._downloads, self._kitchen = blobs, downloads, kitchen
        self._import_dirs = [str(folder) for folder in import_dirs]
        self._limit_bytes, self._headroom, self._make_s = image_limit_bytes, headroom, make_s
        self._parts = boot_parts
        self._sweep = Sweep(store.places, "images")
        self._known: dict[UUID, Manifest] = {}  # manifests never change

    # --- made

    async def has_room(self) -> bool:
        room = await self._store.room()
        return room.free_bytes > self._reserved(room)

    async def build(
        self,
        image: UUID,
        source: Source,
        making: Making = AS_USUAL,
        tell: Tell = untold,
        *,
        drivers: Collection[str] = (),
    ) -> Manifest:
        async with self._store.busy(image):
            await self._sweep.once()
            if manifest := await asyncio.to_thread(self._manifest, image):
                return manifest
            draft = self._places.image_draft(image)
            try:
                with _telling_what_is_full():
                    await whole(_prepare, draft)
                async with self._lent(source, draft) as (lent, keeps):
                    with _telling_what_is_full():
                        order = {**await self._order(image, source, making, draft, tell), **lent}
                    order["drivers"] = sorted(drivers)
                    log.info("image.begun", image=str(image), source=source.kind)
                    await self._run("making", order, tell, keeps=keeps)
            finally:
                await whole(shutil.rmtree, draft, ignore_errors=True)
            made = await asyncio.to_thread(self._manifest, image)
            if made is None:
                raise Fault(Code.STORE_DAMAGED, _("image {image} was made and is not there"), image=image)
            log.info("image.made", image=str(image), files=made.files, stored_bytes=made.stored_bytes)
            return made

    def _reserved(self, room: Room) -> int:
        return self._headroom.of(room.total_bytes)

    @contextlib.asynccontextmanager
    async def _lent(self, source: Source, draft: Path) -> AsyncIterator[tuple[dict[str, Any], Collection[str]]]:
        """Inside the block the root that it is made of, if any, is there as the order tells, and mounted there."""
        match source:
            case RootSource():
                async with self._roots.lent(source.root) as meta:
                    tree, below = (
                        str(place.tree)
                        for place in (self._places.root(source.root), self._places.image(UUID(meta.image)))
                    )
                    yield {"root": {"tree": tree, "below": below, "farms": meta.farms}}, [tree, below]
            case CheckpointSource():
                async with self._roots.copied(source.root, draft / "upper.ext4", await self._reserved_bytes()) as copy:
                    below = str(copy.below)
                    parts = {"upper": str(copy.upper), "options": list(copy.options)}
                    yield {"copy": {**parts, "below": below, "farms": copy.farms}}, [below]
            case _:
                yield {}, ()

    async def _order(self, image: UUID, source: Source, making: Making, draft: Path, tell: Tell) -> dict[str, Any]:
        room = await self._store.room()
        reserved = self._reserved(room)
        order: dict[str, Any] = {
            "draft": str(draft),
            "place": str(self._places.image(image).folder),
            "making": asdict(making),
            "import_dirs": self._import_dirs,
            "limits": {"size_bytes": self._limit_bytes},
            "boot_parts": str(self._parts) if self._parts else None,
            "reserved_bytes": await self._reserved_bytes(),
        }
        match source:
            case PathSource():
                return {**order, "path": source.path}
            case RootSource() | CheckpointSource():
                without = {*making.without, *await self._roots.left_out(source.root)}
                order["making"]["without"] = sorted(without)
                return order
            case RecipeSource():
                archive = draft / "archive"
                allowance = Allowance(self._limit_bytes, max(room.free_bytes - reserved, 0))
                await self._kitchen.prepare(source.recipe, source.arch, archive, allowance)
                return {**order, "archive": str(archive), "name": source.recipe.name}
            case BlobSource():
                self._check_size(source)
                archive = draft / "archive"
                async with (
                    self._store.arriving({archive: source.size_bytes}, reserved),
                    followed(size_of(archive, "copying to the site", source.size_bytes), tell),
                ):
                    await self._blobs.fetch(source, archive)
                return {**order, "archive": str(archive), "name": _("the uploaded file")}
            case UrlSource():
                archive = draft / "archive"
                at_most = min(self._limit_bytes, max(room.free_bytes - reserved, 0))
                async with followed(size_of(archive, "fetching", 0), tell):
                    await self._downloads.fetch(source, archive, at_most)
                return {**order, "archive": str(archive), "name": shown_url(source.url)}

    async def _reserved_bytes(self) -> int:
        """What imports leave of the disk: a share of it, and what is free by its count and promised by ours."""
        room = await self._store.room()
        disk = await asyncio.to_thread(os.statvfs, self._places.folder)
        return self._reserved(room) + max(disk.f_bavail * disk.f_frsize - room.free_bytes, 0)

    def _check_size(self, source: BlobSource) -> None:
        if source.size_bytes > self._limit_bytes:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("an archive of {size} is over the site's limit of {limit} for one image"),
                hint=_("leave out what the board does not need, or ask for a higher limit"),
                size=bytes_text(source.size_bytes),
                limit=bytes_text(self._limit_bytes),
            )

    async def _run(
        self,
        program: str,
        order: dict[str, Any],
        tell: Tell,
        *,
        keeps: Collection[str] = (),
        before: Sequence[str] = (),
    ) -> None:
        """Run one of the store's programs, and tell what it writes down in its draft of how far it is."""
        async with followed(diary_of(Path(order["draft"]) / "progress"), tell):
            await self._store.run_alone(program, order, self._make_s, keeps=keeps, before=before)

    # --- errands

    async def verify(self, image: UUID, errand: UUID, tell: Tell = untold) -> None:
        await self._there(image)
        async with self._drafted(errand) as draft:
            place = self._places.image(image).folder
            await self._run("verifying", {"place": str(place), "draft": str(draft)}, tell, before=_AT_LEISURE)

    async def export(self, image: UUID, errand: UUID, about: About, tell: Tell = untold) -> None:
        manifest = await self._found(image)
        async with self._drafted(errand) as draft:
            order = {
                "place": str(self._places.image(image).folder),
                "draft": str(draft),
                "manifest": manifest_of(about, manifest),
                "size_bytes": manifest.size_bytes,
                "stored_bytes": manifest.stored_bytes,
                "reserved_bytes": await self._reserved_bytes(),
            }
            await self._run("packing", order, tell, before=_AT_LEISURE)
            await self._blobs.send(errand, draft / "export.tar", tell)

    @contextlib.asynccontextmanager
    async def _drafted(self, errand: UUID) -> AsyncIterator[Path]:
        """A folder to work in, among those of images that are being made: what a killed agent left goes with theirs."""
        async with self._store.busy(errand):
            await self._sweep.once()
            draft = self._places.image_draft(errand)
            try:
                with _telling_what_is_full():
                    await whole(_prepare, draft)
                yield draft
            finally:
                await whole(shutil.rmtree, draft, ignore_errors=True)

    async def _there(self, image: UUID) -> None:
        """
        Raises:
            NotFound: IMAGE_UNKNOWN; a manifest that cannot be read is no reason.
        """
        if not await asyncio.to_thread(self._places.image(image).folder.is_dir):
            raise NotFound(Code.IMAGE_UNKNOWN, _("image {image} is not in this store"), image=image)

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

    async def changes(self, image: UUID, since: UUID) -> Difference:
        for one in (since, image):
            await self._found(one)
        was, now = self._places.image(since), self._places.image(image)
        try:
            return await differing.changes(self._store, was, now.tree, [was, now])
        except Fault:
            for one in (since, image):
                await self._found(one)  # it may have been removed meanwhile
            raise

    async def boot_files(self, image: UUID, kernel: Kernel) -> BootFiles:
        manifest = await self._found(image)
        if kernel not in manifest.kernels:
            raise NotFound(
                Code.IMAGE_UNKNOWN, _("image {image} has no kernel {release}"), image=image, release=kernel.release
            )
        folder = self._places.image(image).kernel(manifest.kernels.index(kernel))
        # A kernel that mounts its root by itself gets no initramfs that knows only disks.
        has_initrd = kernel.nfs is NfsBoot.FARM or (kernel.initrd and kernel.nfs is not NfsBoot.BUILTIN)
        return BootFiles(
            folder / KERNEL, folder / INITRD if has_initrd else None, folder / DTBS if kernel.dtbs else None
        )

    async def remove(self, image: UUID) -> None:
        async with self._store.busy(image):
            await self._sweep.once()
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


@contextlib.contextmanager
def _telling_what_is_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise Fault(
            Code.STORE_FULL,
            _("the store's disk is full"),
            hint=_("remove images or roots that nobody needs, or give the store a larger disk"),
        ) from error


def _prepare(draft: Path) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)


def _remove(folder: Path, going: Path) -> None:
    if not folder.is_dir():
        return
    lasting.rename(folder, going)
    (going / "tree").rmdir()
    shutil.rmtree(going)
