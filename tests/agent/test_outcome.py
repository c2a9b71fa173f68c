"""What came of work: what was wanted, what was refused, or a bug."""

import asyncio

import pytest

from boardgrid.agent.outcome import outcome, within
from boardgrid.model.errors import Code, Conflict, FarmError, Fault


async def work(error: BaseException | None = None) -> str:
    if error is not None:
        raise error
    return "done"


async def test_what_was_wanted_comes_of_it() -> None:
    assert await outcome(work(), "work.bug") == "done"


async def test_what_was_refused_comes_of_it() -> None:
    refused = Conflict(Code.THING_IN_USE, "it is in use")
    assert await outcome(work(refused), "work.bug") is refused


async def test_of_a_bug_only_that_is_told() -> None:
    found = await outcome(work(ValueError("a secret")), "work.bug", thing="this")
    assert isinstance(found, FarmError)
    assert (found.code, str(found)) == (Code.BUG, "the agent has a bug: its log has the whole of it")


async def test_who_is_cancelled_tells_nothing() -> None:
    with pytest.raises(asyncio.CancelledError):
        await outcome(work(asyncio.CancelledError()), "work.bug")


async def test_what_takes_too_long_is_ended_with_its_sentence() -> None:
    with pytest.raises(Fault, match="it took too long") as raised:
        async with within(0.01, "it took too long"):
            await asyncio.sleep(60)
    assert raised.value.code is Code.PROGRAM_TIMEOUT
