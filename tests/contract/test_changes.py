"""Who waits for a change is woken by it, from whichever thread, and by none that was before."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from boardgrid.adapters.changes import InProcessChanges
from boardgrid.ports import Changes

Make = Callable[[], Changes]


@pytest.fixture(params=[InProcessChanges], ids=["in process"])
def changes(request: pytest.FixtureRequest) -> Changes:
    make: Make = request.param
    return make()


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
