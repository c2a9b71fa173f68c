"""One controller at a time does what is done once for the whole farm, and the next follows when it has gone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from boardgrid.adapters.turn.alone import AlwaysOurs
from boardgrid.adapters.turn.postgresql import PostgresTurn
from boardgrid.ports import Turn
from boardgrid.testing import FakeTurn
from tests import postgres

Make = Callable[[], Turn]
_ON_POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.slow)


def _makes(kind: str) -> Make:
    match kind:
        case "alone":
            return AlwaysOurs
        case "fake":
            lock = asyncio.Lock()
            return lambda: FakeTurn(lock)
        case _:
            at = postgres.server().make("turns")
            return lambda: PostgresTurn(at, again_s=0.1)


@pytest.fixture(params=["fake", "alone", _ON_POSTGRESQL])
def turn(request: pytest.FixtureRequest) -> Turn:
    return _makes(request.param)()


@pytest.fixture(params=["fake", _ON_POSTGRESQL])
def make(request: pytest.FixtureRequest) -> Make:
    """Turns of several controllers on the same records."""
    return _makes(request.param)


class Work:
    """Goes on until it is cancelled; *began* and *ended* count how often."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.is_under_way = False

    async def __call__(self) -> None:
        self.is_under_way = True
        self.began.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_under_way = False
            self.ended.release()


@asynccontextmanager
async def kept(turn: Turn, work: Work) -> AsyncIterator[None]:
    keeping = asyncio.ensure_future(turn.keep(work))
    try:
        yield
    finally:
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
    assert not work.is_under_way


async def test_work_begins_and_is_cancelled_with_who_keeps_it(turn: Turn) -> None:
    work = Work()
    async with asyncio.timeout(30), kept(turn, work):
        await work.began.acquire()
        assert work.is_under_way


async def test_work_that_ends_is_over_and_what_it_raises_is_told(turn: Turn) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def nothing() -> None: ...

    async with asyncio.timeout(30):
        await turn.keep(nothing)
        with pytest.raises(ZeroDivisionError):
            await turn.keep(fail)
        await turn.keep(nothing)


async def test_of_several_one_works_and_the_next_begins_when_it_has_ended(make: Make) -> None:
    works = [Work() for _ in range(3)]
    async with asyncio.timeout(30), kept(make(), works[2]):
        await works[2].began.acquire()
        async with kept(make(), works[0]), kept(make(), works[1]):
            await asyncio.sleep(0.2)
            assert [work.is_under_way for work in works] == [False, False, True]
        assert works[2].is_under_way
    async with asyncio.timeout(30), kept(make(), works[0]):
        await works[0].began.acquire()


async def test_who_waits_takes_over_when_the_one_before_gives_up(make: Make) -> None:
    first, second = Work(), Work()
    async with asyncio.timeout(30):
        one = asyncio.ensure_future(make().keep(first))
        await first.began.acquire()
        async with kept(make(), second):
            await asyncio.sleep(0.1)
            assert not second.is_under_way
            one.cancel()
            await second.began.acquire()
            assert not first.is_under_way


async def test_a_turn_that_is_lost_ends_the_work_and_it_is_begun_anew_in_the_next() -> None:
    turn, work = FakeTurn(), Work()
    async with asyncio.timeout(30), kept(turn, work):
        for _ in range(2):
            await work.began.acquire()
            turn.lose()
            await work.ended.acquire()
        await work.began.acquire()


@pytest.mark.slow
async def test_a_server_that_is_restarted_takes_the_turn_and_one_has_it_again() -> None:
    make = _makes("postgresql")
    works = [Work(), Work()]
    async with asyncio.timeout(60), kept(make(), works[0]), kept(make(), works[1]):
        for _ in range(2):
            await _until(lambda: sum(work.is_under_way for work in works) == 1)
            [active] = [work for work in works if work.is_under_way]
            await asyncio.to_thread(postgres.server().restart)
            await active.ended.acquire()
        await _until(lambda: sum(work.is_under_way for work in works) == 1)


async def _until(holds: Callable[[], bool]) -> None:
    for _try in itertools.count():
        if holds():
            return
        await asyncio.sleep(0.02)
