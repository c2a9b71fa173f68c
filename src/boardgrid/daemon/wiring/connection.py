"""A connection to the controller's doors: whoever keeps us waiting is hung up on, and makes room for who does not."""

import asyncio
import resource
from typing import ClassVar

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()


class Connection(H11Protocol):
    """
    Waits for a request so long and no longer, where uvicorn does without end before the first one.

    A body may come as slowly as it is made (`... | boardgrid image import -`), and an answer take what time it needs.
    """

    patience_s: ClassVar[float] = 10.0  # from the connection, or the answer before, to the last header of a request
    most: ClassVar[int] = 4096

    _since_s = 0.0  # when it was last not the client's turn, or the client sent what we waited for
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._since_s = self.loop.time()
        self._look()
        # Half of the descriptors that this process may have: files and the database need some too.
        if len(self.connections) > min(self.most, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2):
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # of a request's head every piece alike is late
            self._since_s = self.loop.time()

    @property
    def _is_awaited(self) -> bool:
        """Whether it is the client's turn: to ask, to go on sending, or to go."""
        if self.conn.their_state is h11.SEND_BODY:
            return not self.flow.read_paused
        return self.conn.their_state is h11.IDLE or self.transport.is_closing()

    def _look(self) -> None:
        now_s = self.loop.time()
        if not self._is_awaited:
            self._since_s = now_s
        if self.conn.their_state is not h11.SEND_BODY and now_s - self._since_s >= self.patience_s:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(self.patience_s / 4, self._look)

    def _make_room(self) -> None:
        """Hang up on those who have kept us waiting longest; on several at once, for it takes a look at all."""
        others = [one for one in self.connections if isinstance(one, Connection) and one is not self]
        # Who does not take the answer is waited for too, but may: only here it counts.
        awaited = sorted(
            (one for one in others if one._is_awaited or one.flow.write_paused), key=lambda one: one._since_s
        )
        gone = awaited[: max(len(awaited) // 8, 1)] or [self]
        for one in gone:
            self.connections.discard(one)
            one.transport.abort()
        log.warning("connections.too_many", hung_up_on=len(gone))
