"""The agent: asks what its boards should be, and sees to it that they are."""

import asyncio
from ipaddress import IPv4Address

import structlog

from boardgrid.agent.answering import Answering
from boardgrid.agent.keeper import Keeper
from boardgrid.agent.lease import LeaseGuard
from boardgrid.agent.outbox import Outbox
from boardgrid.agent.patience import Patience
from boardgrid.agent.site import World
from boardgrid.agent.storekeeper import Storekeeper
from boardgrid.agent.window import Window
from boardgrid.model.errors import Fault
from boardgrid.model.wish import SiteWishes
from boardgrid.ports import Sighting, Sign

log = structlog.get_logger()


class Agent:
    """
    The hands of one site. It keeps no durable truth: kill it at any moment and start another.

    Whoever starts it holds the store's lock and hands it to every program that a step runs, so that two agents never
    act at once on one machine.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._lease = LeaseGuard(world.clock)
        self._window = Window(world.pace.window, world.pace.window_s, world.clock)
        self._outbox = Outbox(world.controller, self._lease, world.clock, world.pace.pause_s)
        self._storekeeper = Storekeeper(world, self._lease, self._outbox, self._trouble)
        self._answering = Answering(world, self._lease, self._outbox)
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sightings: dict[tuple[IPv4Address, Sign], Sighting] = {}  # the last of each, for keepers to come

    async def run(self) -> None:
        """
        Until cancelled.

        Raises:
            Conflict: EPOCH_STALE, another agent has taken this site; or PROTOCOL_UNSPOKEN.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._outbox.run())
                group.create_task(self._watch())
                group.create_task(self._storekeeper.run())
                # Keepers are in it too: one that falls by a bug ends the agent, and the next one tends all boards.
                await self._follow_wishes(group)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _follow_wishes(self, group: asyncio.TaskGroup) -> None:
        pace, clock = self._world.pace, self._world.clock
        ttl_s, version, pauses, is_leased = 0.0, -1, Patience(pace.pause_s, pace.wishes_s), False
        while True:
            asked_s = clock.now_s()
            try:
                if not is_leased:
                    lease = await self._world.controller.lease(self._world.instance)
                    ttl_s, is_leased = lease.ttl_s, True
                    self._lease.renew(lease.epoch, asked_s, ttl_s)
                    log.info("lease.taken", epoch=lease.epoch, ttl_s=ttl_s)
                    asked_s = clock.now_s()
                wishes = await self._world.controller.wishes(self._lease.epoch, version, pace.wishes_s)
            except Fault as error:
                pause_s = pauses.next_s()
                log.warning("controller.silent", why=str(error), pause_s=pause_s)
                await clock.sleep(pause_s)
                continue
            pauses.reset()
            # First, so that who waits for the lease to act on an old wish knows better by then.
            if wishes.version != version:
                version = wishes.version
                self._apply(wishes, group)
            self._lease.renew(self._lease.epoch, asked_s, ttl_s)

    def _apply(self, wishes: SiteWishes, group: asyncio.TaskGroup) -> None:
        self._storekeeper.wish(wishes)
        self._answering.wish(wishes.questions, group)
        names = {one.board.name for one in wishes.boards}
        for gone in self._keepers.keys() - names:
            # The controller forgets a board only when it was reported gone, so nothing is left to do for it.
            del self._keepers[gone]
            self._tasks.pop(gone).cancel()
        for one in wishes.boards:
            if one.board.name in self._keepers:
                self._keepers[one.board.name].wish(one)
            else:
                keeper = Keeper(
                    self._world,
                    self._lease,
                    self._outbox,
                    self._window,
                    one,
                    on_trouble=self._storekeeper.look_again,
                )
                self._keepers[one.board.name] = keeper
                for sighting in self._sightings.values():
                    if sighting.board == one.board.address:
                        keeper.saw(sighting)
                self._tasks[one.board.name] = group.create_task(keeper.run())

    async def _watch(self) -> None:
        """Tell each board's keeper what was seen of it."""
        while True:
            try:
                async for sighting in self._world.sightings.watch():
                    self._sightings[sighting.board, sighting.sign] = sighting
                    for keeper in self._keepers.values():
                        if keeper.wished.board.address == sighting.board:
                            keeper.saw(sighting)
            except Fault as error:
                log.warning("sightings.lost", why=str(error))
            await self._world.clock.sleep(self._world.pace.pause_s)

    def _trouble(self) -> set[str]:
        """What of the server side keeps boards waiting; the same trouble of many is told once."""
        return {keeper.trouble for keeper in self._keepers.values() if keeper.trouble}
