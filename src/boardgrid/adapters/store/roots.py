"""
Roots: for each an ext4 file of its own, joined by overlayfs above the one EROFS file of its image.

Nothing is copied, so a root costs the same whatever its image's size; and no file handle leads from one into another.
"""

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from boardgrid import lasting
from boardgrid.adapters.store import differing, manifests, root_files
from boardgrid.adapters.store.adaptations.identity import Tenant
from boardgrid.adapters.store.cage import bounded
from boardgrid.adapters.store.complaint import heard
from boardgrid.adapters.store.host_key import dropbear_text, fresh_host_key
from boardgrid.adapters.store.place import ImagePlace, Layers, RootPlace
from boardgrid.adapters.store.root_files import Meta
from boardgrid.adapters.store.store import Store, Sweep
from boardgrid.finishing import ended, finished, whole
from boardgrid.messages import _
from boardgrid.model.difference import Difference
from boardgrid.model.errors import Code, Conflict, Fault, Invalid, NotFound
from boardgrid.model.next_step import Tree
from boardgrid.ports import Persona, Room

log = structlog.get_logger()

_SAFE = "nodev,nosuid,noexec"  # the server runs nothing of a tree, and opens no device of it
# Without nfs_export (and the index that it needs) an overlay cannot be exported; without xino its files and folders
# have different device numbers, and boards stop with "Invalid cross-device link". No uuid= option: kernels that have it
# (6.6 on) give a new overlay one of its own and an old one what it had, so that file handles outlive a new kernel;
# older ones tell overlays apart by the UUID of the ext4 file. What is optional says "off" of what older ones have not.
_NEEDED, _OPTIONAL = ("index=on", "nfs_export=on", "redirect_dir=on", "xino=on"), ("metacopy=off",)
_ALONE = ("unshare", "--mount", "--propagation", "private")
# nodiscard: mkfs would give the promised room back. The file is new and reads as zeros, so nothing is left to zero.
# ea_inode: a file of the image may have attributes larger than a block, and takes them along when it is changed.
_EXT4 = ("-E", "nodiscard,assume_storage_prezeroed=1", "-O", "ea_inode")
_POWERS = ("chown", "dac_override", "fowner")  # to write files of a tree whosever they are; no device, no mount
_MKFS_S = 300.0
_PERSONALISE_S = 60.0
_COPY_S = 600.0
_FROZEN_MOST_S = 10.0  # a board that waits for longer thinks that its server is gone


class StoredRoots:
    """Answers ``Roots``."""

    def __init__(self, store: Store) -> None:
        self._store, self._places = store, store.places
        self._sweep = Sweep(store.places, "roots")
        self._probing, self._options = asyncio.Lock(), tuple[str, ...]()
        self._thawing, self._is_thawed = asyncio.Lock(), False
        self._looks: dict[asyncio.Future[Difference], UUID] = {}  # at which root each is
        self._borrowed: set[UUID] = set()  # roots that are mounted to be looked at alone
        self._held: Counter[UUID] = Counter()  # images that a root is being made or mounted on at this moment

    async def all(self) -> Mapping[UUID, Tree]:
        await self._thaw_once()
        return await asyncio.to_thread(self._all, await self._store.mounted())

    async def seen(self, root: UUID) -> Tree | None:
        return await asyncio.to_thread(self._seen, root, await self._store.mounted())

    def _all(self, mounted: frozenset[str]) -> dict[UUID, Tree]:
        return {root: tree for root in self._places.roots() if (tree := self._seen(root, mounted))}

    def _seen(self, root: UUID, mounted: frozenset[str]) -> Tree | None:
        place = self._places.root(root)
        try:
            meta = root_files.read(place)
        except FileNotFoundError:
            return None  # also one that was removed since its name was read
        except ValueError as error:
            log.error("root.damaged", root=str(root), why=str(error))
            return None
        is_mounted = str(place.tree) in mounted and root not in self._borrowed
        return Tree(is_mounted, UUID(meta.personal) if meta.personal else None, meta.host_key)

    def path(self, root: UUID) -> Path:
        return Path(self._places.root(root).tree)

    async def room(self) -> Room:
        return await self._store.room()

    # --- made and mounted

    async def clone(self, root: UUID, image: UUID, size_bytes: int) -> None:
        async with self._store.busy(root):
            await self._sweep.once()
            self._borrowed.discard(root)
            place = self._places.root(root)
            if not await asyncio.to_thread(place.folder.is_dir):
                async with self._holding(image):
                    await self._make(root, image, size_bytes)
                log.info("root.made", root=str(root), image=str(image), size_bytes=size_bytes)
            elif (meta := await self._meta(root)).image != str(image):
                raise Conflict(
                    Code.THING_IN_USE,
                    _("root {root} was made from image {made_from}, not from {image}"),
                    root=root,
                    made_from=meta.image,
                    image=image,
                )
            await self._mount(root)

    async def _make(self, root: UUID, image: UUID, size_bytes: int) -> None:
        draft, place, shell = self._places.root_draft(root), self._places.root(root), self._store.shell
        model = draft.folder / "model"
        try:
            async with self._store.allotting(size_bytes):
                await whole(root_files.prepare, draft, model, self._places.image(image).tree)
                await self._store.take(draft.upper, size_bytes)
            mkfs = ("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", *_EXT4, "-d", str(model))
            await shell.run(*mkfs, str(draft.upper), timeout_s=_MKFS_S)
            meta = Meta(str(image), size_bytes)
            await whole(root_files.finish, draft, model, place, meta)
        finally:
            await whole(shutil.rmtree, draft.folder, ignore_errors=True)

    async def _mount(self, root: UUID) -> None:
        """See that it is mounted. May be ended at any point and called again."""
        place, store = self._places.root(root), self._store
        mounted = await store.mounted()
        if str(place.tree) not in mounted:
            image = UUID((await self._meta(root)).image)
            async with self._holding(image):
                if str(place.disk) not in mounted:
                    # After an error of the disk no more is written over it.
                    options = f"loop,{_SAFE},errors=remount-ro"
                    await store.mount("ext4", options, store.relative(place.upper), Path(place.disk))
                # Before its tree is there at all: what is mounted was dated, whoever is killed meanwhile.
                await whole(root_files.keep_time, self._places.image(image).tree, place.layer)
                below, disk = store.relative(self._places.image(image).tree), store.relative(place.disk)
                layers = f"lowerdir={below},upperdir={disk}/upper,workdir={disk}/work"
                options = ",".join((_SAFE, *await self._probed(), layers))
                await store.mount("overlay", options, "overlay", Path(place.tree))
            mounted = await store.mounted()
        if str(place.disk) in mounted:
            # The overlay holds its layers by itself: what is not mounted can be neither used nor forgotten.
            await store.shell.run("umount", str(place.disk))

    async def _probed(self) -> tuple[str, ...]:
        """The options of overlays on this kernel, tried out once."""
        async with self._probing:
            if not self._options:
                program = (*_ALONE, sys.executable, "-I", "-m", "boardgrid.adapters.store.overlay")
                order = json.dumps({"needed": _NEEDED, "optional": _OPTIONAL}).encode()
                self._options = tuple(heard(await self._store.shell.run(*program, stdin=order))["options"])
            return self._options

    @contextlib.asynccontextmanager
    async def _holding(self, image: UUID) -> AsyncIterator[None]:
        """
        Inside the block the image is mounted, and nobody unmounts or removes it.

        It is mounted once for all its roots: the boards that boot one image share one page cache.
        """
        place, store = self._places.image(image), self._store
        self._held[image] += 1
        try:
            async with store.busy(image):
                if not await asyncio.to_thread(place.manifest.is_file):
                    raise NotFound(Code.IMAGE_UNKNOWN, _("image {image} is not in this store"), image=image)
                if str(place.tree) not in await store.mounted():
                    await store.mount("erofs", f"loop,ro,{_SAFE}", store.relative(place.erofs), Path(place.tree))
            yield
        finally:
            self._held[image] -= 1
            if not self._held[image]:
                del self._held[image]

    # --- one deployment's own

    async def personalise(self, root: UUID, persona: Persona) -> str:
        _check(persona)
        async with self._store.busy(root):
            self._borrowed.discard(root)
            meta = await self._meta(root)
            if meta.personal == str(persona.deployment):
                return meta.host_key
            await self._mount(root)
            place, key = self._places.root(root), fresh_host_key()
            if meta.personal:  # what was begun before came to its end, and its user had the root since
                await whole(lasting.remove, place.begun)
            # Half of one and half of another must never look like either.
            await whole(root_files.write, place, replace(meta, personal="", host_key=""))
            tenant = Tenant(
                hostname=persona.hostname,
                machine_id=secrets.token_hex(16),
                keys=list(persona.keys),
                facts=dict(persona.facts),
                host_key={"openssh": key.openssh, "public": key.public, "dropbear": dropbear_text(key)},
                server=str(persona.server or ""),
                volumes=dict(persona.volumes),
                now=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            )
            without = await self.left_out(root)
            order = {
                "tree": str(place.tree),
                "tenant": asdict(tenant),
                "without": without,
                "image": str(self._places.image(UUID(meta.image)).tree),
                "farms": meta.farms,
                "begun": str(place.begun),
            }
            program = bounded((sys.executable, "-I", "-m", "boardgrid.adapters.store.persona"), _POWERS)
            told = await self._store.shell.run(*program, timeout_s=_PERSONALISE_S, stdin=json.dumps(order).encode())
            farms = heard(told)["farms"]
            meta = replace(meta, personal=str(persona.deployment), host_key=key.public, farms=farms)
            await whole(root_files.write, place, meta)
            return key.public

    # --- looked at

    async def changes(self, root: UUID, *, without_farms: bool = False) -> Difference:
        # It may take minutes. A root that is wanted meanwhile is given, and whoever puts it away ends the look.
        look: asyncio.Future[Difference] | None = None
        try:
            async with self._store.busy(root):
                meta, tree = await self._meta(root), self._places.root(root).tree
                image, farms = self._places.image(UUID(meta.image)), meta.farms if without_farms else {}
                if str(tree) not in await self._store.mounted():
                    self._borrowed.add(root)
                await self._mount(root)
                look = asyncio.ensure_future(differing.changes(self._store, image, tree, farms=farms))
                self._looks[look] = root
            await asyncio.wait([look])
        finally:
            await finished(self._give_back(root, look))
        if look.cancelled():
            raise Conflict(
                Code.THING_IN_USE,
                _("root {root} was put away while it was looked at"),
                hint=_("ask once more, if it is still there"),
                root=root,
            )
        return look.result()

    async def _give_back(self, root: UUID, look: asyncio.Future[Difference] | None) -> None:
        if look is not None:
            await ended(look)
            self._looks.pop(look, None)
        if root in self._borrowed:
            async with self._store.busy(root):
                if root in self._borrowed and root not in self._looks.values():
                    await self._unmount(root)

    # --- put away

    async def unmount(self, root: UUID) -> None:
        async with self._store.busy(root):
            await self._unmount(root)

    async def _unmount(self, root: UUID, *, keep: bool = True) -> None:
        place, store = self._places.root(root), self._store
        await ended(*(look for look, at in self._looks.items() if at == root))
        self._borrowed.discard(root)
        mounted = await store.mounted()
        if str(place.tree) in mounted:
            await store.unmount(str(place.tree), keep=keep)
        if str(place.disk) in mounted:  # left by a mount that was ended in its middle
            await store.unmount(str(place.disk), keep=False)
        try:
            meta = await self._meta(root)
        except (NotFound, Fault):
            # Nobody knows what a damaged one stood on. It may go; its image rests with the next root that stands on it.
            return
        # Also where nothing of the root was mounted: one who was killed may have come no further than its image.
        await self._rest_image(UUID(meta.image))

    async def _rest_image(self, image: UUID) -> None:
        """Unmount an image that no mounted root stands on."""
        async with self._store.busy(image):
            mounted = await self._store.mounted()
            tree = str(self._places.image(image).tree)
            is_idle = not await asyncio.to_thread(self._carries, image, mounted)
            if tree in mounted and is_idle and not self._held[image]:
                await self._store.shell.run("umount", tree)

    def _carries(self, image: UUID, mounted: frozenset[str]) -> bool:
        for root in self._places.roots():
            place = self._places.root(root)
            if str(place.tree) in mounted or str(place.disk) in mounted:
                try:
                    if root_files.read(place).image == str(image):
                        return True
                except (FileNotFoundError, ValueError):
                    return True  # not known whose it is: nothing is taken from under it
        return False

    async def remove(self, root: UUID) -> None:
        async with self._store.busy(root):
            await self._sweep.once()
            place = self._places.root(root)
            if not await asyncio.to_thread(place.folder.is_dir):
                return
            await self._unmount(root, keep=False)
            await whole(root_files.remove, place, self._places.root_going(root))
            log.info("root.removed", root=str(root))

    # --- for images that are made of roots

    @contextlib.asynccontextmanager
    async def copied(self, root: UUID, to: Path, reserved_bytes: int) -> AsyncIterator[Layers]:
        """
        Inside the block *to* is a copy of what was changed on the root at one moment, and its image is mounted.

        The board that runs it waits while it is copied, and no longer than that.
        """
        await self._thaw_once()
        async with contextlib.AsyncExitStack() as held:
            async with self.lent(root) as meta:
                image = UUID(meta.image)
                await self._copy(root, to, reserved_bytes)
                await held.enter_async_context(self._holding(image))
            yield Layers(to, self._places.image(image).tree, await self._probed(), meta.farms)
        await self._rest_image(image)

    async def _copy(self, root: UUID, to: Path, reserved_bytes: int) -> None:
        place = self._places.root(root)
        order = {
            "root": str(place.folder),
            "to": str(to),
            "most_s": _FROZEN_MOST_S,
            "reserved_bytes": reserved_bytes,
        }
        try:
            told = await self._freezing(order)
        finally:
            if await whole(place.frozen.exists):
                await finished(self._freezing({"root": str(place.folder)}))
        log.info("root.copied", root=str(root), frozen_s=round(told["frozen_s"], 3))

    async def _thaw_once(self) -> None:
        """What an agent before this one was killed over, with all that it had started."""
        async with self._thawing:
            if self._is_thawed:
                return
            self._is_thawed = True
            for place in await asyncio.to_thread(self._frozen):
                try:
                    await self._freezing({"root": str(place.folder)})
                    log.warning("root.thawed", folder=str(place.folder))
                except Fault as error:
                    log.error("root.frozen", folder=str(place.folder), why=str(error))

    def _frozen(self) -> list[RootPlace]:
        return [place for place in map(self._places.root, self._places.roots()) if place.frozen.exists()]

    async def _freezing(self, order: dict[str, Any]) -> dict[str, Any]:
        # In no pid namespace of its own: its watchdog must outlive it.
        program = (*_ALONE, sys.executable, "-I", "-m", "boardgrid.adapters.store.freezing")
        whole_order = json.dumps({**order, **self._store.alone()}).encode()
        said = await self._store.shell.run(*program, timeout_s=_COPY_S, stdin=whole_order)
        return heard(said)

    @contextlib.asynccontextmanager
    async def lent(self, root: UUID) -> AsyncIterator[Meta]:
        """
        Inside the block the root and its image are mounted, and nobody else mounts, changes or puts the root away. What
        is remembered of it.

        It is left as it was found: whoever wants it mounted after that waits until then, and so never finds it
        unmounted again under its hands.
        """
        async with self._store.busy(root):
            was_mounted = str(self._places.root(root).tree) in await self._store.mounted()
            meta = await self._meta(root)
            try:
                await self._mount(root)
                async with self._holding(UUID(meta.image)):
                    yield meta
            finally:
                if not was_mounted:
                    await self._unmount(root)

    async def left_out(self, root: UUID) -> tuple[str, ...]:
        """The adaptations that its image is made without: it is, too, and so is what is captured of it."""
        image = self._places.image(UUID((await self._meta(root)).image))
        return await asyncio.to_thread(_left_out, image)

    async def check_there(self, root: UUID) -> None:
        """
        Raises:
            NotFound: ROOT_UNKNOWN.
        """
        await self._meta(root)

    async def need_of(self, image: UUID) -> str:
        """Why this image cannot go: which root would be lost without it, or may be. Empty where none would."""
        need = await asyncio.to_thread(self._need_of, image)
        return need or (_("a root is being made or mounted on it") if self._held[image] else "")

    def _need_of(self, image: UUID) -> str:
        for root in self._places.roots():
            try:
                if root_files.read(self._places.root(root)).image == str(image):
                    return _("root {root} stands on it").format(root=root)
            except FileNotFoundError:
                continue  # it goes just now
            except ValueError as error:
                sentence = _("root {root} may stand on it, and what is remembered of that root is damaged: {why}")
                return sentence.format(root=root, why=error)
        return ""

    async def _meta(self, root: UUID) -> Meta:
        try:
            return await asyncio.to_thread(root_files.read, self._places.root(root))
        except FileNotFoundError as error:
            raise NotFound(Code.ROOT_UNKNOWN, _("there is no root {root}"), root=root) from error
        except ValueError as error:
            raise Fault(
                Code.STORE_DAMAGED, _("what is remembered of root {root} is damaged: {why}"), root=root, why=error
            ) from error


def _left_out(image: ImagePlace) -> tuple[str, ...]:
    try:
        return manifests.read(image.manifest.read_text()).without
    except (OSError, ValueError, TypeError, KeyError):
        return ()  # it was seen when the root was mounted on it; a damaged one is told of where it is read for itself


def _check(persona: Persona) -> None:
    """Nothing of a deployment may end a line in a file of the tree and begin one of its own."""
    for text in (
        persona.hostname,
        *persona.keys,
        *persona.facts,
        *persona.facts.values(),
        *persona.volumes,
        *persona.volumes.values(),
    ):
        if not text.isprintable():
            raise Invalid(Code.REQUEST_INVALID, _("{text!r} has a character that no file may hold"), text=text[:80])
