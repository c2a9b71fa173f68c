"""Keeps the store as wished: images made and removed, roots given up, and nothing offered to whom it is not meant."""

import asyncio
from collections.abc import Callable, Collection
from uuid import UUID

import structlog

from boardgrid.agent.lease import LeaseGuard
from boardgrid.agent.outbox import Outbox
from boardgrid.agent.site import World
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, FarmError, Fault
from boardgrid.model.image import RootSource, Source
from boardgrid.model.report import ImageReport, RootReport, SiteReport
from boardgrid.model.wish import Deployed, SiteWishes

log = structlog.get_logger()

_NO_ID = UUID(int=0)


class Storekeeper:
    """
    Works on images and roots beside the boards, so that none of it delays a deployment.

    A root is touched only when it is fenced: no deployment wishes for it and it is offered to no board.
    """

    def __init__(self, world: World, lease: LeaseGuard, outbox: Outbox, trouble: Callable[[], str]) -> None:
        self._world, self._lease, self._outbox, self._trouble = world, lease, outbox, trouble
        self._wishes = SiteWishes(0)
        self._changed = asyncio.Event()
        self._builds: dict[UUID, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(world.pace.builds)
        self._told: set[tuple[UUID, bool]] = set()  # images and roots whose end was reported already
        self._site_told: tuple[object, ...] = ()

    def wish(self, wishes: SiteWishes) -> None:
        self._wishes = wishes
        self._changed.set()

    async def run(self) -> None:
        try:
            while True:
                self._changed.clear()
                pause_s = self._world.pace.health_s
                try:
                    await self._lease.held()
                    if not await self._tidy():
                        pause_s = self._world.pace.pause_s
                    await self._tell_site()
                except FarmError as error:
                    log.warning("store.paused", why=str(error))
                    pause_s = self._world.pace.pause_s
                await self._wait(pause_s)
        finally:
            for build in self._builds.values():
                build.cancel()
            await asyncio.gather(*self._builds.values(), return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _tidy(self) -> bool:
        """One round; False when something has to wait for a fence and a round should follow soon."""
        wishes = self._wishes
        await self._fence_strangers(wishes)
        offered = {export.tree for export in await self._world.exports.all()}
        wished = {one.wish.root for one in wishes.boards if isinstance(one.wish, Deployed)}

        def is_fenced(root: UUID) -> bool:
            return root not in wished and self._world.roots.path(root) not in offered

        is_done = await self._tend_images(wishes, is_fenced)
        for one in wishes.discard:
            if not is_fenced(one.root):
                is_done = False
            elif (one.root, False) not in self._told:
                await self._world.roots.unmount(one.root)
                await self._world.roots.remove(one.root)
                self._told.add((one.root, False))
                self._outbox.put(RootReport(_NO_ID, one.root))
        await self._rest_others(wishes, is_fenced)
        return is_done

    async def _fence_strangers(self, wishes: SiteWishes) -> None:
        """An address that is no board's any more keeps no root: its board was removed or moved while nobody looked."""
        if not wishes.version:
            return
        addresses = {one.board.address for one in wishes.boards}
        for export in await self._world.exports.all():
            if export.board not in addresses:
                log.warning("export.orphaned", board=str(export.board), path=str(export.seen_as))
                await self._world.exports.remove(export.seen_as)

    async def _rest_others(self, wishes: SiteWishes, is_fenced: Callable[[UUID], bool]) -> None:
        """A root that nobody runs is not mounted; its files stay."""
        if not wishes.version:
            return
        captured = {one.source.root for one in wishes.images if isinstance(one.source, RootSource)}
        for root, tree in (await self._world.roots.all()).items():
            if tree.is_mounted and is_fenced(root) and root not in captured:
                await self._world.roots.unmount(root)

    # --- images

    async def _tend_images(self, wishes: SiteWishes, is_fenced: Callable[[UUID], bool]) -> bool:
        is_done = True
        self._stop_unwished({one.image for one in wishes.images if one.source is not None})
        for one in wishes.images:
            if one.source is None:
                is_done &= await self._remove(one.image)
            elif isinstance(one.source, RootSource) and not is_fenced(one.source.root):
                is_done = False
            elif one.image not in self._builds and (one.image, True) not in self._told:
                self._builds[one.image] = asyncio.ensure_future(self._build(one.image, one.source))
        return is_done

    def _stop_unwished(self, wished: Collection[UUID]) -> None:
        for image in [image for image in self._builds if image not in wished]:
            self._builds.pop(image).cancel()

    async def _remove(self, image: UUID) -> bool:
        if (image, False) in self._told:
            return True
        try:
            await self._world.images.remove(image)
        except Conflict:
            return False  # a root above it is still mounted
        self._told.add((image, False))
        self._outbox.put(ImageReport(_NO_ID, image))
        return True

    async def _build(self, image: UUID, source: Source) -> None:
        try:
            async with self._places:
                await self._lease.held()
                async with asyncio.timeout(self._world.pace.build_s):
                    manifest = await self._world.images.build(image, source)
            report = ImageReport(_NO_ID, image, manifest)
        except TimeoutError:
            late = Fault(Code.PROGRAM_TIMEOUT, _("the image took too long to be made and was ended"))
            report = ImageReport(_NO_ID, image, None, late.code, str(late))
        except FarmError as error:
            report = ImageReport(_NO_ID, image, None, error.code, str(error))
        except Exception:
            log.exception("image.bug", image=str(image))
            bug = Fault(Code.BUG, _("the agent has a bug: its log has the whole of it"))
            report = ImageReport(_NO_ID, image, None, bug.code, str(bug))
        self._told.add((image, True))
        self._outbox.put(report)
        self._builds.pop(image, None)

    # --- the site

    async def _tell_site(self) -> None:
        room, trouble = await self._world.roots.room(), self._trouble()
        facts = (self._world.facts, room.total_bytes, room.free_bytes, trouble)
        if facts != self._site_told:
            self._site_told = facts
            self._outbox.put(SiteReport(_NO_ID, *facts))
