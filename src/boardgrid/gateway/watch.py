"""The watch: whose reservation or key has ended is put out, and so is everybody when the controller stays silent."""

import asyncio
from dataclasses import dataclass, field

import structlog

from boardgrid.gateway.lobby import Lobby
from boardgrid.messages import _
from boardgrid.model.errors import FarmError
from boardgrid.ports import Clock, Doorkeeper, Route

log = structlog.get_logger(__name__)

_NEVER = -1  # a version that no answer has


@dataclass(slots=True)
class Watch:
    """
    Hears from the controller whose key opens what, as soon as it changes.

    What it hears is a hint, for an answer may be older than a session that began meanwhile: before a session is cut its
    route is asked for once more, and before a connection without any is left alone, whose its key is now.
    """

    lobby: Lobby
    doorkeeper: Doorkeeper
    clock: Clock
    host: str  # where people reach this gateway
    port: int
    host_key: str
    _heard_s: float = 0.0
    _version: int = _NEVER
    _is_greeted: bool = field(default=False)

    async def run(self) -> None:
        self._heard_s = self.clock.now_s()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._count_the_silence())

    async def _listen(self) -> None:
        pause_s = 0.2
        while True:
            try:
                await self._hear()
                pause_s = 0.2
            except FarmError as error:
                log.warning("controller.unheard", code=error.code, error=str(error))
                # Another controller may answer next, or one with older records: nothing of the last one is relied on.
                self._is_greeted = False
                self._version = _NEVER
                await self.clock.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)

    async def _hear(self) -> None:
        asked_s = self.clock.now_s()
        if not self._is_greeted:
            await self.doorkeeper.hello(self.host, self.port, self.host_key)
            self._is_greeted = True
        held = await self.doorkeeper.holdings(self._version, self.lobby.limits.poll_s)
        self.lobby.changes += 1
        await self._put_out(held.pairs)
        # By when it was asked, not answered: what was true at the asking is all that we know.
        self._heard_s = asked_s
        self._version = held.version

    async def _put_out(self, pairs: frozenset[tuple[str, str]]) -> None:
        users: dict[str, str | None] = {}
        routes: dict[tuple[str, str], Route | None] = {}
        for guest in tuple(self.lobby.guests):
            doubted = [session for session in guest.sessions if (guest.key, session.board) not in pairs]
            if guest.user is None or (guest.sessions and not doubted):
                continue  # a stranger; or the key opens what it is used for
            if guest.key not in users:
                users[guest.key] = await self.doorkeeper.user_of(guest.key)
            if users[guest.key] != guest.user:
                log.info("visit.ended", user=guest.user, address=guest.address)
                guest.leave(_("this key lets {user} in no more").format(user=guest.user))
                continue
            for session in doubted:
                pair = (guest.key, session.board)
                if pair not in routes:
                    routes[pair] = await self.doorkeeper.route(*pair)
                if routes[pair] != session.route:
                    log.info("session.cut", user=session.user, board=session.board)
                    self.lobby.cut(session, _("your time on {board} has ended").format(board=session.board))

    async def _count_the_silence(self) -> None:
        grace_s = self.lobby.limits.grace_s
        while True:
            left_s = self._heard_s + grace_s - self.clock.now_s()
            if left_s <= 0:
                for session in tuple(self.lobby.sessions()):
                    log.warning("session.cut_in_silence", user=session.user, board=session.board)
                    self.lobby.cut(session, _("this gateway has lost its farm, and cannot tell who holds what"))
            await self.clock.sleep(max(left_s, 1.0))
