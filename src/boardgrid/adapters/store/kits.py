"""Boot kits: a folder for each, with what its user sent and what was copied out of their root."""

import asyncio
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from boardgrid import lasting
from boardgrid.adapters.store.boot_files import DTBS, FROM_ROOT, INITRD, KERNEL
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store, Sweep
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault, NotFound
from boardgrid.model.kit import BootKit
from boardgrid.ports import KIT_FDT, Blobs, KitFiles

log = structlog.get_logger()

MODULES = "modules"
_FIT_S = 300.0


class StoredKits:
    """
    Answers ``Kits``.

    Args:
        boot_parts: a folder with ``<arch>/base.cpio``, of which initramfs are made; None: none are.
    """

    def __init__(self, store: Store, roots: StoredRoots, blobs: Blobs, boot_parts: Path | None = None) -> None:
        self._store, self._places, self._roots, self._blobs = store, store.places, roots, blobs
        self._parts, self._sweep = boot_parts, Sweep(store.places, "kits")

    async def all(self) -> Collection[UUID]:
        return await asyncio.to_thread(self._places.kits)

    async def fetch(self, kit: BootKit) -> None:
        async with self._store.busy(kit.id):
            await self._sweep.once()
            folder, draft = self._places.kit(kit.id), self._places.kit_draft(kit.id)
            if await asyncio.to_thread(folder.is_dir):
                return
            parts = ((KERNEL, kit.kernel), (INITRD, kit.initrd), (f"{DTBS}/{KIT_FDT}", kit.dtb), (MODULES, kit.modules))
            blobs = {draft / name: blob for name, blob in parts if blob is not None}
            try:
                async with self._store.arriving({file: blob.size_bytes for file, blob in blobs.items()}):
                    await whole(_prepare, draft)
                    for file, blob in blobs.items():
                        await self._blobs.fetch(blob, file)
                await whole(_finish, draft, folder)
            finally:
                await whole(shutil.rmtree, draft, ignore_errors=True)
            log.info("kit.fetched", kit=str(kit.id), bytes=sum(blob.size_bytes for blob in kit.blobs))

    async def check(self, kit: BootKit, root: UUID) -> None:
        if not kit.from_root:
            await self._roots.check_there(root)
            return
        async with self._roots.lent(root):
            tree = str(self._places.root(root).tree)
            await self._fitting({"tree": tree, "looks": True, "release": kit.release}, keeps=[tree])

    async def fit(self, kit: BootKit, root: UUID, *, drivers: Collection[str] = ()) -> None:
        folder = self._places.kit(kit.id)
        takes = kit.from_root and not await asyncio.to_thread((folder / FROM_ROOT).is_dir)
        if kit.modules is None and not takes:
            await self._roots.check_there(root)
            return
        async with self._store.busy(kit.id), self._roots.lent(root):
            order: dict[str, Any] = {
                "tree": str(self._places.root(root).tree),
                "folder": str(folder),
                "modules": str(folder / MODULES) if kit.modules else None,
                "takes": takes,
                "release": kit.release,
                "initrd": bool(kit.kernel and kit.modules) and not (kit.initrd or kit.without_initrd),
                "boot_parts": str(self._parts) if self._parts else None,
                "drivers": sorted(drivers),
            }
            await self._fitting(order, keeps=[order["tree"]])

    async def _fitting(self, order: dict[str, Any], *, keeps: list[str]) -> None:
        try:
            await self._store.run_alone("fitting", order, _FIT_S, keeps=keeps)
        except Fault as error:
            if error.code is not Code.PROGRAM_TIMEOUT:
                raise
            raise Fault(error.code, error.detail, hint=error.hint, blame=Blame.IMAGE) from error

    async def files(self, kit: BootKit) -> KitFiles:
        return await asyncio.to_thread(self._files, kit)

    def _files(self, kit: BootKit) -> KitFiles:
        folder = self._places.kit(kit.id)
        if kit.from_root:
            folder /= FROM_ROOT
        if not folder.is_dir():
            raise NotFound(Code.FILE_UNKNOWN, _("the files of kit {kit} are not in this store"), kit=kit.id)
        parts = [folder / name for name in (KERNEL, INITRD, DTBS)]
        return KitFiles(*(part if part.exists() else None for part in parts))

    async def remove(self, kit: UUID) -> None:
        async with self._store.busy(kit):
            await self._sweep.once()
            await whole(_remove, self._places.kit(kit), self._places.kit_going(kit))


# --- files; these run in threads


def _prepare(draft: Path) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    (draft / DTBS).mkdir()


def _finish(draft: Path, folder: Path) -> None:
    for path in (draft / KERNEL, draft / INITRD, draft / DTBS / KIT_FDT):
        if path.is_file():
            path.chmod(0o644)  # boards get it as it lies there
    if not any((draft / DTBS).iterdir()):
        (draft / DTBS).rmdir()
    lasting.write_down_all(draft)
    lasting.rename(draft, folder)


def _remove(folder: Path, going: Path) -> None:
    if folder.is_dir():
        lasting.rename(folder, going)
        shutil.rmtree(going)
