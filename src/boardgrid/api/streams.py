"""Event streams (SSE): what happened after a number, then what happens, as it happens."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from boardgrid.api.answers import EventOut
from boardgrid.messages import _
from boardgrid.model.deployment import Event
from boardgrid.model.errors import Code, Conflict, NotAllowed
from boardgrid.model.user import User
from boardgrid.ports import EVENTS, Changes

log = structlog.get_logger(__name__)

STREAMS_PER_USER = 16
ALIVE_S = 4.0  # how often a silent stream says so; a client that hears nothing for longer may think it dead


@dataclass(slots=True)
class Streams:
    """The open streams, counted by user: each holds a connection and looks at the records at every change."""

    most: int = STREAMS_PER_USER
    alive_s: float = ALIVE_S
    open: Counter[UUID] = field(default_factory=Counter)

    def take(self, user: User) -> None:
        """
        Raises:
            Conflict: REQUESTS_TOO_MANY.
        """
        if self.open[user.id] >= self.most:
            raise Conflict(
                Code.REQUESTS_TOO_MANY,
                _("you follow {count} event streams already"),
                hint=_("end one; a stream may carry the events of all boards"),
                count=self.most,
            )
        self.open[user.id] += 1

    def give_back(self, user: User) -> None:
        self.open[user.id] -= 1
        if not self.open[user.id]:
            del self.open[user.id]


class EventStream(StreamingResponse):
    """Gives its place back however it ends, also when its client left before the first byte."""

    def __init__(self, chunks: AsyncIterator[bytes], give_back: Callable[[], None]) -> None:
        # Proxies must not gather what should come at once.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(chunks, media_type="text/event-stream", headers=headers)
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give_back()


async def told(
    look: Callable[[int], Sequence[Event]], after: int, changes: Changes, alive_s: float
) -> AsyncIterator[bytes]:
    """
    Events above *after* in the form of SSE, without an end but one: its user may not see them any more.

    Args:
        look: blocks; the next events above a number, not all of them at once.
    """
    yield b": this is a stream of events\n\n"
    while True:
        mark = changes.mark(EVENTS)
        try:
            events = await run_in_threadpool(look, after)
        except NotAllowed:
            log.info("stream.ended", why="its token is not good any more")
            return
        if events:
            after = events[-1].number
            yield b"".join(_message(event) for event in events)
        elif await changes.wait(EVENTS, mark, alive_s) == mark:
            yield b": nothing new\n\n"


def _message(event: Event) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (event.number, EventOut.of(event).model_dump_json().encode())
