"""The tally: who is on which board, for the controller to know which of them nobody uses."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import structlog

from boardgrid.gateway.lobby import Lobby
from boardgrid.model.errors import FarmError
from boardgrid.ports import Clock, Doorkeeper, Use

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """
    Tells all of it each time, and never a difference: what was not heard is mended by the next.

    An open session is use, however quiet it is: a build that runs for hours prints nothing.
    """

    lobby: Lobby
    doorkeeper: Doorkeeper
    clock: Clock
    _told: dict[str, int] | None = field(default=None)  # how many sessions on which board; None: nothing was told yet
    _told_s: float = field(default=0.0)

    async def run(self) -> None:
        while True:
            try:
                await self._tell()
            except FarmError as error:
                log.warning("activity.untold", code=error.code, error=str(error))
                self._told = None
            await self.clock.sleep(self.lobby.limits.tell_s)

    async def _tell(self) -> None:
        now_s, loop_s = self.clock.now_s(), asyncio.get_running_loop().time()
        sessions = Counter(session.board for session in self.lobby.sessions())
        left = dict(self.lobby.left)
        is_news = sessions != self._told or bool(left)
        if not is_news and now_s - self._told_s < self.lobby.limits.tell_all_s:
            return
        gone = [Use(board, 0, loop_s - left_s) for board, left_s in left.items() if board not in sessions]
        await self.doorkeeper.activity([*(Use(board, count) for board, count in sessions.items()), *gone])
        self._told, self._told_s = dict(sessions), now_s
        for board, left_s in left.items():
            if self.lobby.left.get(board) == left_s:
                del self.lobby.left[board]
