"""Keeps the store as wished: images and volumes made and removed, roots given up, nothing offered to strangers."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog

from boardgrid.agent.blame import bug
from boardgrid.agent.ladder import Ladder
from boardgrid.agent.lease import LeaseGuard
from boardgrid.agent.outbox import NO_ID, Outbox
from boardgrid.agent.outcome import outcome, within
from boardgrid.agent.patience import Patience
from boardgrid.agent.site import World
from boardgrid.messages import _
from boardgrid.model.errand import ErrandKind, Progress
from boardgrid.model.errors import Code, FarmError, Fault, Invalid
from boardgrid.model.image import CheckpointSource, Making, Manifest, RootSource, Source
from boardgrid.model.report import ErrandReport, ImageReport, ProgressReport, RootReport, SiteReport, VolumeReport
from boardgrid.model.wish import Deployed, ErrandWish, Gone, ImageWish, Parked, SiteWishes, VolumeWish
from boardgrid.ports import Tell

log = structlog.get_logger()

# What an upload that broke off is worth trying again for: the controller comes back, and has it all.
_PASSING = frozenset({Code.CONTROLLER_SILENT, Code.UPLOAD_BROKEN})
_FETCHES = 8
_NO_ROOM = "waiting for room"


class Storekeeper:
    """
    Works on images, roots and volumes beside the boards, so that none of it delays a deployment.

    A root or a volume is put away only when it is fenced: no deployment wishes for it and it is offered to no board.
    What cannot be done to one of them keeps no other waiting.
    """

    def __init__(self, world: World, lease: LeaseGuard, outbox: Outbox, trouble: Callable[[], Collection[str]]) -> None:
        self._world, self._lease, self._outbox, self._trouble = world, lease, outbox, trouble
        self._wishes = SiteWishes(0)
        self._changed = asyncio.Event()
        self._builds: dict[UUID, asyncio.Task[None]] = {}
        self._errands: dict[UUID, asyncio.Task[None]] = {}
        self._sizing: dict[UUID, asyncio.Task[None]] = {}  # volumes that are being made, or made larger
        self._places = asyncio.Semaphore(world.pace.builds)
        self._captures = asyncio.Semaphore(world.pace.builds)  # their own: who saves a root waits for no import
        self._leisure = asyncio.Semaphore(1)  # errands one after the other: nobody's board waits for them
        self._told: set[tuple[UUID, bool]] = set()  # images, roots and errands whose end was reported already
        self._told_volumes: set[VolumeWish] = set()  # those of the wishes that were reported already
        self._site_told: tuple[object, ...] = ()
        self._problems: set[str] = set()  # of this round

    def wish(self, wishes: SiteWishes) -> None:
        self._wishes = wishes
        self._changed.set()

    def look_again(self) -> None:
        """Something is to be told of the site."""
        self._changed.set()

    async def run(self) -> None:
        pauses = Patience(self._world.pace.pause_s, self._world.pace.pause_most_s)
        try:
            while True:
                self._changed.clear()
                self._problems = set()
                await self._lease.held()
                is_done = await self._round()
                if is_done and not self._problems:
                    pauses.reset()
                    await self._wait(self._world.pace.health_s)
                else:
                    await self._wait(pauses.next_s())
        finally:
            under_way = [*self._builds.values(), *self._errands.values(), *self._sizing.values()]
            for one in under_way:
                one.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _round(self) -> bool:
        """Once over everything; False when something has to wait for a fence and a round should follow soon."""
        is_done = await self._try(self._fence_strangers())
        self._stop_unwished()
        for one in self._wishes.images:
            is_done &= await self._try(self._tend(one))
        for errand in self._wishes.errands:
            self._run_errand(errand)
        for gone in self._wishes.discard:
            is_done &= await self._try(self._discard(gone.root))
        roots, volumes = await self._mounted()
        for root in roots:
            is_done &= await self._try(self._rest(root))
        self._told_volumes &= set(self._wishes.volumes)
        for wish in self._wishes.volumes:
            is_done &= await self._try(self._tend_volume(wish))
        for volume in volumes:
            is_done &= await self._try(self._rest_volume(volume))
        is_done &= await self._try(self._forget_kits())
        return is_done & await self._try(self._tell_site())

    async def _try(self, work: Awaitable[bool]) -> bool:
        """Whether it is done. What fails is told of the site, and tried again in the next round."""
        try:
            return await work
        except FarmError as error:
            log.warning("store.paused", why=str(error))
            self._problems.add(str(error))
        except Exception:
            log.exception("store.bug")
            self._problems.add(str(bug()))
        return False

    async def _is_fenced(self, root: UUID) -> bool:
        return await self._is_free(root, self._world.roots.path(root))

    async def _is_free(self, thing: UUID, tree: Path) -> bool:
        """Asked anew directly before each act: wishes change while one waits for anything."""
        await self._lease.held()
        offered = {export.tree for export in await self._world.exports.all()}
        deployed = [one.wish for one in self._wishes.boards if isinstance(one.wish, Deployed)]
        wished = {wish.root for wish in deployed} | {one.volume for wish in deployed for one in wish.volumes}
        return thing not in wished and tree not in offered

    # --- roots

    async def _fence_strangers(self) -> bool:
        """An address that is no board's any more keeps no root: its board was removed or moved while nobody looked."""
        if not self._wishes.version:
            return True
        for export in await self._world.exports.all():
            if export.board not in {one.board.address for one in self._wishes.boards}:
                log.warning("export.orphaned", board=str(export.board), path=str(export.seen_as))
                await self._lease.held()
                await self._world.exports.remove(export.seen_as)
        return True

    async def _discard(self, root: UUID) -> bool:
        if (root, False) in self._told:
            return True
        for act in (self._world.roots.unmount, self._world.roots.remove):
            if (
                not await self._is_fenced(root)
                or root in self._captured()
                or root not in {one.root for one in self._wishes.discard}
            ):
                return False
            await act(root)
        self._told.add((root, False))
        self._outbox.put(RootReport(NO_ID, root))
        return True

    async def _mounted(self) -> tuple[list[UUID], list[UUID]]:
        """The roots and the volumes that are."""
        roots, volumes = list[UUID](), list[UUID]()

        async def look() -> bool:
            roots.extend(root for root, tree in (await self._world.roots.all()).items() if tree.is_mounted)
            volumes.extend(volume for volume, is_so in (await self._world.volumes.all()).items() if is_so)
            return True

        if self._wishes.version:
            await self._try(look())
        return roots, volumes

    async def _rest(self, root: UUID) -> bool:
        """A root that nobody runs is not mounted; its files stay."""
        if await self._is_fenced(root) and root not in self._captured():
            await self._world.roots.unmount(root)
        return True

    def _captured(self) -> set[UUID]:
        """Those of which an image is to be made."""
        sources = (one.source for one in self._wishes.images)
        return {source.root for source in sources if isinstance(source, RootSource | CheckpointSource)}

    # --- volumes

    async def _tend_volume(self, wished: VolumeWish) -> bool:
        if wished in self._told_volumes or wished.volume in self._sizing:
            return True
        if wished.size_bytes is None:
            return await self._remove_volume(wished)
        self._sizing[wished.volume] = asyncio.ensure_future(self._size(wished, wished.size_bytes))
        return True

    async def _remove_volume(self, wished: VolumeWish) -> bool:
        volumes = self._world.volumes
        for act in (volumes.unmount, volumes.remove):
            if not await self._is_free(wished.volume, volumes.path(wished.volume)) or not self._is_wished(wished):
                return False
            await act(wished.volume)
        self._tell_volume(wished, VolumeReport(NO_ID, wished.volume, None))
        return True

    async def _size(self, wished: VolumeWish, size_bytes: int) -> None:
        """Have it made, or made larger: a task of its own, for a large one takes long."""
        is_done = await outcome(self._sized(wished, size_bytes), "volume.bug", volume=str(wished.volume))
        if isinstance(is_done, FarmError):
            log.warning("volume.failed", volume=str(wished.volume), why=str(is_done))
            self._tell_volume(wished, VolumeReport(NO_ID, wished.volume, size_bytes, is_done.code, str(is_done)))
        elif is_done:
            self._tell_volume(wished, VolumeReport(NO_ID, wished.volume, size_bytes))
        self._sizing.pop(wished.volume, None)
        self.look_again()  # something else may be wished of it by now

    async def _sized(self, wished: VolumeWish, size_bytes: int) -> bool:
        """Whether it is; False: that is not wished any more."""
        volumes = self._world.volumes
        pauses = Patience(self._world.pace.pause_s, self._world.pace.pause_most_s)
        while self._is_wished(wished):
            await self._lease.held()
            try:
                await (volumes.grow if wished.is_there else volumes.make)(wished.volume, size_bytes)
            except Fault as error:
                if error.code is not Code.ROOT_BUSY:  # by a backup or the like, which has an end
                    raise
                log.warning("volume.delayed", volume=str(wished.volume), why=str(error))
            else:
                return True
            await self._world.clock.sleep(pauses.next_s())
        return False

    def _tell_volume(self, wished: VolumeWish, report: VolumeReport) -> None:
        self._told_volumes.add(wished)
        self._outbox.put(report)

    def _is_wished(self, wished: VolumeWish) -> bool:
        return wished in self._wishes.volumes

    async def _rest_volume(self, volume: UUID) -> bool:
        """A volume that no board has is not mounted; its files stay."""
        is_free = await self._is_free(volume, self._world.volumes.path(volume))
        if is_free and volume not in self._sizing:
            await self._world.volumes.unmount(volume)
        return True

    # --- kits

    async def _forget_kits(self) -> bool:
        """What no board is to boot with any more, nor may have to go on with."""
        if not self._wishes.version:
            return True
        for kit in await self._world.kits.all():
            await self._lease.held()
            if kit not in self._wished_kits():
                await self._world.kits.remove(kit)
        return True

    def _wished_kits(self) -> set[UUID]:
        kits = set[UUID]()
        for one in self._wishes.boards:
            match one.wish:
                case Deployed(kits=own, keeps=others):
                    kits |= {*(kit.id for kit in own), *others}
                case Parked(keeps=others):
                    kits |= set(others)
                case Gone():
                    pass
        return kits

    # --- images

    def _stop_unwished(self) -> None:
        wished = {one.image for one in self._wishes.images if one.source is not None}
        for image in [image for image in self._builds if image not in wished]:
            self._builds.pop(image).cancel()
        errands = {one.errand for one in self._wishes.errands}
        for errand in [errand for errand in self._errands if errand not in errands]:
            self._errands.pop(errand).cancel()

    async def _tend(self, wished: ImageWish) -> bool:
        image, source = wished.image, wished.source
        if source is None:
            return await self._remove(image)
        if image in self._builds or (image, True) in self._told:
            return True
        if isinstance(source, RootSource) and not await self._is_fenced(source.root):
            return False
        if not await self._world.images.has_room():
            # It begins by itself once there is room; what runs has begun, and fails where it meets the end.
            self._progress(image)(Progress(_NO_ROOM))
            self._problems.add(_("images wait to be made: what room the store has is left to running boards"))
            return False
        self._builds[image] = asyncio.ensure_future(self._build(image, source, wished.making))
        return True

    async def _remove(self, image: UUID) -> bool:
        if (image, False) in self._told:
            return True
        await self._lease.held()
        await self._world.images.remove(image)
        self._told.add((image, False))
        self._outbox.put(ImageReport(NO_ID, image))
        return True

    async def _build(self, image: UUID, source: Source, making: Making) -> None:
        made = await outcome(self._built(image, source, making), "image.bug", image=str(image))
        if isinstance(made, FarmError):
            report = ImageReport(NO_ID, image, None, made.code, str(made), made.hint)
        else:
            report = ImageReport(NO_ID, image, made)
        self._told.add((image, True))
        self._outbox.put(report)
        self._builds.pop(image, None)

    async def _built(self, image: UUID, source: Source, making: Making) -> Manifest:
        async with self._captures if isinstance(source, RootSource | CheckpointSource) else self._places:
            if isinstance(source, CheckpointSource):
                await self._write_down(source.root)
            late = _("the image took too long to be made and was ended")
            hint = _("leave out what the board does not need, or try again when the site has less to do")
            async with within(self._world.pace.build_s, late, hint=hint):
                tell = self._progress(image)
                build = partial(self._world.images.build, image, source, making, tell, drivers=self._drivers())
                return await self._made(build)

    def _progress(self, thing: UUID) -> Tell:
        def tell(progress: Progress) -> None:
            report = ProgressReport(NO_ID, thing, progress.phase, progress.done_bytes, progress.total_bytes)
            self._outbox.put(report)

        return tell

    def _drivers(self) -> frozenset[str]:
        return frozenset(one.type.network for one in self._wishes.boards if one.type.network)

    async def _write_down(self, root: UUID) -> None:
        """
        A board that answers writes down what it has in memory, so that more is in the image.

        One that does not is no reason to stop: what is copied is as after a power cut in any case.
        """
        for one in self._wishes.boards:
            if isinstance(one.wish, Deployed) and one.wish.root == root:
                try:
                    async with asyncio.timeout(self._world.pace.quiesce_s):
                        await Ladder(one.board.name, self._world.drivers.of(one.board)).write_down()
                except (FarmError, TimeoutError) as error:
                    log.warning("board.not_written_down", board=one.board.name, why=str(error) or "no answer")

    async def _made(self, build: Callable[[], Awaitable[Manifest]]) -> Manifest:
        pauses = Patience(self._world.pace.pause_s, self._world.pace.pause_most_s)
        for _fetch in range(_FETCHES - 1):
            await self._lease.held()
            try:
                return await build()
            except Fault as error:
                if error.code not in _PASSING:
                    raise
                log.warning("image.delayed", why=str(error))
                await self._world.clock.sleep(pauses.next_s())
        return await build()

    # --- errands

    def _run_errand(self, wished: ErrandWish) -> None:
        if wished.errand not in self._errands and (wished.errand, True) not in self._told:
            self._errands[wished.errand] = asyncio.ensure_future(self._do(wished))

    async def _do(self, wished: ErrandWish) -> None:
        failed = await outcome(self._done(wished), "errand.bug", errand=str(wished.errand))
        report = ErrandReport(NO_ID, wished.errand)
        if failed is not None:
            report = replace(report, code=failed.code, reason=str(failed))
        self._told.add((wished.errand, True))
        self._outbox.put(report)
        self._errands.pop(wished.errand, None)

    async def _done(self, wished: ErrandWish) -> None:
        images, tell = self._world.images, self._progress(wished.errand)
        async with self._leisure, within(self._world.pace.build_s, _("it took too long and was ended")):
            await self._lease.held()
            match wished.kind:
                case ErrandKind.VERIFY:
                    await images.verify(wished.image, wished.errand, tell)
                case ErrandKind.EXPORT if wished.about is not None:
                    await images.export(wished.image, wished.errand, wished.about, tell)
                case _:
                    raise Invalid(Code.REQUEST_INVALID, _("nobody told what the exported image is"))

    # --- the site

    async def _tell_site(self) -> bool:
        room = await self._world.roots.room()
        trouble = "; ".join(sorted({*self._trouble(), *self._problems}))
        facts = (self._world.facts, room.total_bytes, room.free_bytes, trouble, self._world.imports)
        if facts != self._site_told:
            self._site_told = facts
            self._outbox.put(SiteReport(NO_ID, *facts))
        return True
