"""Events: what happened, as a list, or as a stream that goes on."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from boardgrid.api.answers import EventOut
from boardgrid.api.asking import After, Asker, Origin, TheFarm, TheStreams, Token
from boardgrid.api.streams import EventStream, told
from boardgrid.model.deployment import Event
from boardgrid.model.user import User

router = APIRouter(tags=["events"])

_STREAM = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.get("/events", response_model=list[EventOut], responses=_STREAM)  # type: ignore[arg-type]  # FastAPI's own type is too narrow for a number as key
async def list_events(
    request: Request,
    *,
    farm: TheFarm,
    streams: TheStreams,
    asker: Asker,
    token: Token,
    origin: Origin,
    after: After = 0,
    board: Annotated[str | None, Query(max_length=100)] = None,
    reservation: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    tail: Annotated[int | None, Query(ge=1, le=500, description="Only the newest so many; for a list.")] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**53)] = None,
) -> Response | list[EventOut]:
    """
    What happened after event number `after`, oldest first, some hundreds at once.

    With `Accept: text/event-stream` the answer does not end: each event comes as it happens, its number as `id`. Who
    comes back with `Last-Event-ID` misses nothing.
    """

    def look(asker: User, number: int) -> Sequence[Event]:
        return farm.history.after(asker, number, board=board, reservation=reservation)

    def newest(tail: int) -> Sequence[Event]:
        return farm.history.after(asker, after, board=board, reservation=reservation, limit=tail, newest=True)

    if "text/event-stream" not in request.headers.get("accept", ""):
        listed = partial(look, asker, after) if tail is None else partial(newest, tail)
        return [EventOut.of(event) for event in await run_in_threadpool(listed)]
    number = after if last_event_id is None else last_event_id
    await run_in_threadpool(look, asker, number)  # what may not be seen is refused before the stream begins
    streams.take(asker)
    return EventStream(
        # Whose token ends loses the stream too: they are looked up each time.
        told(lambda number: look(farm.tokens.asker(token, origin), number), number, farm.changes, streams.alive_s),
        lambda: streams.give_back(asker),
    )
