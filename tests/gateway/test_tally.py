"""The controller hears who is on which board: when that differs, and otherwise now and then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from boardgrid.gateway.limits import Limits
from boardgrid.gateway.lobby import Guest, Lobby
from boardgrid.gateway.tally import Tally
from boardgrid.ports import Use
from boardgrid.testing import FakeClock, FakeDoorkeeper, patiently
from tests.gateway.loopback import Opener


class Someone:
    """A session, as far as it is counted."""

    def __init__(self, board: str) -> None:
        self.board = board


class Somebody:
    """A connection, as far as it is counted."""

    def __init__(self, *boards: str) -> None:
        self.sessions = {Someone(board) for board in boards}


def _lobby(*guests: Somebody) -> Lobby:
    return Lobby(Limits(), {cast(Guest, one): None for one in guests})


@asynccontextmanager
async def told(lobby: Lobby) -> AsyncIterator[FakeDoorkeeper]:
    doorkeeper = FakeDoorkeeper()
    task = asyncio.create_task(Tally(lobby, doorkeeper, FakeClock()).run())
    await asyncio.sleep(1)
    try:
        yield doorkeeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@patiently
async def test_sessions_are_counted_by_board() -> None:
    async with told(_lobby(Somebody("tk1-1", "tk1-2"), Somebody("tk1-1"))) as doorkeeper:
        [uses] = doorkeeper.uses
        assert set(uses) == {Use("tk1-1", 2), Use("tk1-2", 1)}


@patiently
async def test_what_does_not_change_is_told_every_five_minutes_so_that_it_is_known_to_be_so() -> None:
    async with told(_lobby()) as doorkeeper:
        await asyncio.sleep(240)
        assert doorkeeper.uses == [()]
        await asyncio.sleep(60)
        assert doorkeeper.uses == [(), ()]


@patiently
async def test_who_came_and_went_between_two_looks_is_told_once() -> None:
    lobby = _lobby()
    async with told(lobby) as doorkeeper:
        await asyncio.sleep(20)
        lobby.left["tk1-1"] = asyncio.get_running_loop().time()
        await asyncio.sleep(60)
        assert doorkeeper.uses == [(), (Use("tk1-1", 0, 39.0),)]
        await asyncio.sleep(60)
        assert len(doorkeeper.uses) == 2 and lobby.left == {}


@patiently
async def test_what_the_controller_did_not_hear_is_told_again() -> None:
    lobby = _lobby(somebody := Somebody("tk1-1"))
    async with told(lobby) as doorkeeper:
        doorkeeper.is_silent = True
        somebody.sessions.clear()
        lobby.left["tk1-1"] = asyncio.get_running_loop().time()
        await asyncio.sleep(120)
        doorkeeper.is_silent = False
        await asyncio.sleep(60)
        [_first, [use]] = doorkeeper.uses
        assert (use.board, use.sessions) == ("tk1-1", 0) and use.quiet_s > 120


async def test_a_real_session_is_told_while_it_is_open_and_when_it_has_ended(opened: Opener) -> None:
    door = await opened(tell_s=0.05)
    async with await door.connect() as through:
        _reader, _writer = await through.open_connection("tk1-1", 22)
        await door.until(lambda: bool(door.doorkeeper.uses) and door.doorkeeper.uses[-1] == (Use("tk1-1", 1),))
    await door.until(lambda: [one.sessions for one in door.doorkeeper.uses[-1]] == [0])
