"""Who waits for a change is woken by it, from whichever thread, and by none that was before."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from boardgrid.adapters.changes.in_process import InProcessChanges
from boardgrid.adapters.changes.postgresql import PostgresChanges
from boardgrid.adapters.records.postgresql import PostgresDatabase
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.ports import Changes
from boardgrid.postgresql import Postgres
from tests import postgres


@pytest.fixture(params=["in process", pytest.param("postgresql", marks=pytest.mark.slow)])
def changes(request: pytest.FixtureRequest) -> Iterator[Changes]:
    if request.param == "in process":
        yield InProcessChanges()
        return
    made = PostgresChanges(postgres.server().make("changes"))
    with made.listening():
        yield made


async def test_a_change_wakes_who_waits_for_its_topic(changes: Changes) -> None:
    mark = changes.mark("events")
    waiting = asyncio.ensure_future(changes.wait("events", mark, 60))
    await asyncio.sleep(0)
    changes.tell("wishes:lab")
    await asyncio.sleep(0.05)
    assert not waiting.done()
    changes.tell("wishes:lab", "events")
    assert await waiting > mark


async def test_a_change_between_the_look_and_the_wait_is_not_lost(changes: Changes) -> None:
    mark = changes.mark("events")
    changes.tell("events")
    async with asyncio.timeout(30):
        assert await changes.wait("events", mark, 3600) > mark


async def test_a_wait_ends_with_its_time(changes: Changes) -> None:
    mark = changes.mark("events")
    assert await changes.wait("events", mark, 0.01) == mark
    assert await changes.wait("events", mark, 0) == mark


async def test_all_who_wait_are_woken_and_told_of_later_changes_again(changes: Changes) -> None:
    mark = changes.mark("events")
    waiting = [asyncio.ensure_future(changes.wait("events", mark, 60)) for _ in range(50)]
    await asyncio.sleep(0)
    changes.tell("events")
    marks = await asyncio.gather(*waiting)
    assert set(marks) == {marks[0]}
    again = asyncio.ensure_future(changes.wait("events", marks[0], 60))
    await asyncio.sleep(0)
    changes.tell("events")
    assert await again > marks[0]


async def test_who_gave_up_waiting_is_forgotten(changes: Changes) -> None:
    waiting = asyncio.ensure_future(changes.wait("events", changes.mark("events"), 60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    changes.tell("events")


async def test_no_change_from_other_threads_is_lost(changes: Changes) -> None:
    """Each of four threads tells of 250 changes; whoever looks at a mark and waits from it sees them all pass."""
    start = threading.Barrier(5)

    def tell() -> None:
        start.wait(timeout=60)
        for _ in range(250):
            changes.tell("events")

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    first = mark = changes.mark("events")
    await asyncio.to_thread(start.wait, 60)
    async with asyncio.timeout(60):
        while mark < first + 1000:
            mark = await changes.wait("events", mark, 60)
    for thread in threads:
        thread.join(timeout=60)


def test_a_loop_that_has_ended_keeps_nobody_from_telling(changes: Changes) -> None:
    async def wait_and_leave() -> None:
        asyncio.ensure_future(changes.wait("events", changes.mark("events"), 3600))  # noqa: RUF006 - left on purpose
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(wait_and_leave())
    pending = asyncio.all_tasks(loop)
    loop.close()
    changes.tell("events")
    assert len(pending) == 1


# --- several controllers


class Controller:
    """What one of several has: records to write, and changes to wait for."""

    def __init__(self, at: Postgres) -> None:
        self.changes = PostgresChanges(at, again_s=0.1)
        database = PostgresDatabase(at, Path("/nowhere"))
        self.records = SqlRecords.open(database, upgrade=True, now=lambda: datetime(2026, 3, 1, tzinfo=UTC))

    def record(self, *topics: str, raises: bool = False) -> None:
        with self.records.write() as tx:
            tx.announce(*topics)
            if raises:
                raise ZeroDivisionError


@pytest.fixture
async def two() -> AsyncIterator[tuple[Controller, Controller]]:
    at = postgres.server().make("changes")
    one, other = Controller(at), Controller(Postgres(at.url))
    with one.changes.listening(), other.changes.listening():
        yield one, other
    for controller in (one, other):
        controller.records.close()


async def _heard(controller: Controller, teller: Controller) -> None:
    """Until it hears what the other records: listening begins in a thread."""
    async with asyncio.timeout(30):
        mark = controller.changes.mark("hello")
        while controller.changes.mark("hello") == mark:
            await asyncio.to_thread(teller.record, "hello")
            await controller.changes.wait("hello", mark, 0.1)
        await asyncio.sleep(0.2)  # for what else was said meanwhile


@pytest.mark.slow
async def test_what_one_controller_records_wakes_who_waits_at_the_other(two: tuple[Controller, Controller]) -> None:
    one, other = two
    mark, elsewhere = other.changes.mark("events"), other.changes.mark("wishes:lab")
    waiting = asyncio.ensure_future(other.changes.wait("events", mark, 60))
    began = time.monotonic()
    await asyncio.to_thread(one.record, "events")
    assert await waiting > mark
    assert time.monotonic() - began < 2
    assert other.changes.mark("wishes:lab") == elsewhere


@pytest.mark.slow
async def test_what_was_not_recorded_is_told_to_nobody(two: tuple[Controller, Controller]) -> None:
    one, other = two
    mark = other.changes.mark("events")
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(one.record, "events", raises=True)
    assert await other.changes.wait("events", mark, 0.3) == mark


@pytest.mark.slow
async def test_a_controller_does_not_hear_itself_twice(two: tuple[Controller, Controller]) -> None:
    one, _other = two
    mark = one.changes.mark("events")
    await asyncio.to_thread(one.record, "events")
    one.changes.tell("events")
    assert await one.changes.wait("events", mark + 1, 0.3) == mark + 1


@pytest.mark.slow
async def test_who_waited_while_nothing_was_heard_looks_again(two: tuple[Controller, Controller]) -> None:
    one, other = two
    waiting = [asyncio.ensure_future(each.changes.wait("events", each.changes.mark("events"), 60)) for each in two]
    await asyncio.sleep(0)
    await asyncio.to_thread(postgres.server().restart)
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
    await _heard(other, one)
    await _heard(one, other)
