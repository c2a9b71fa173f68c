"""Many clients fight for few boards, over real HTTP: whatever they do, each board is one's, and no lease is lost."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.api.spool import Spool
from boardgrid.model.deployment import Phase
from boardgrid.model.reservation import ReservationState
from tests.api.door import Door, served
from tests.databases import records_of
from tests.services.house import START, House, a_board

CLIENTS, BOARDS, SECONDS = 32, 10, 60
PACE = 120  # a second of the test is two minutes of the farm: reservations end by themselves too
LONGEST_TURN = timedelta(minutes=2)
TAKEN = 409


@dataclass
class Crowd:
    door: Door
    url: str
    ends: float  # when nobody asks for anything new any more
    statuses: Counter[int] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    leases: dict[int, dict[str, Any]] = field(default_factory=dict)  # as they were answered
    released: set[int] = field(default_factory=set)

    async def client(self, name: str, chance: random.Random) -> None:
        limits = httpx.Timeout(60)
        async with httpx.AsyncClient(base_url=self.url, headers=self.door.headers(name), timeout=limits) as http:
            mine: list[int] = []
            while time.monotonic() < self.ends:
                act = chance.choice(["reserve"] * 4 + ["release"] * 3 + ["extend", "share", "look"])
                if act == "reserve" and len(mine) < 3:
                    made = await self.ask(http, "POST", "", json=self.wish(chance))
                    if made is not None:
                        mine.append(made["number"])
                        self.leases[made["number"]] = made
                elif mine:
                    await self.change(http, act, chance.choice(mine), mine, chance)
                self.acts[act] += 1

    def wish(self, chance: random.Random) -> dict[str, Any]:
        wish: dict[str, Any] = {
            "image": "tiny",
            "for_s": chance.randint(600, 3600),
        }  # so long that none is missed on a busy machine
        wish["kind"] = chance.choice(["fixed", "fixed", "queued", "queued", "best_effort"])
        if chance.random() < 0.3:
            wish["board"] = f"tk1-{chance.randint(1, BOARDS)}"
        else:
            wish |= {"type": "tk1", "count": chance.choice([1, 1, 1, 2, 3])}
        if wish["kind"] == "fixed" and chance.random() < 0.3:
            wish["at"] = (self.door.house.now + timedelta(seconds=chance.randint(600, 7200))).isoformat()
        return wish

    async def change(
        self, http: httpx.AsyncClient, act: str, number: int, mine: list[int], chance: random.Random
    ) -> None:
        match act:
            case "extend":
                await self.ask(http, "POST", f"/{number}/extend", json={"by_s": chance.randint(60, 1200)})
            case "share":
                await self.ask(http, "POST", f"/{number}/share", json={"add": [f"crowd{chance.randrange(CLIENTS)}"]})
            case "release":
                # Before the answer: it may be over, and the board another's, while that is on its way.
                mine.remove(number)
                if await self.ask(http, "POST", f"/{number}/release", json={"fate": "discard"}):
                    self.released.add(number)
            case _:
                found = await self.ask(http, "GET", f"/{number}")
                assert found is not None and found["number"] == number

    async def ask(self, http: httpx.AsyncClient, method: str, path: str, **how: Any) -> dict[str, Any] | None:
        answer = await http.request(method, f"/api/v1/reservations{path}", **how)
        self.statuses[answer.status_code] += 1
        told: dict[str, Any] = answer.json()
        # What was a time to come when it was asked for may be over when its turn comes.
        assert answer.is_success or answer.status_code == TAKEN or told["code"] == "start.invalid", told
        return told if answer.is_success else None


@asynccontextmanager
async def running(house: House) -> AsyncIterator[None]:
    """What a controller and an agent do all the time."""

    async def go_on() -> None:
        looked = time.monotonic()
        while True:
            since, looked = time.monotonic() - looked, time.monotonic()
            # On a busy machine the farm is slow, and not away for the whole of a reservation.
            house.now += min(timedelta(seconds=since * PACE), LONGEST_TURN)
            await asyncio.to_thread(house.farm.upkeep.carry_out)
            await asyncio.to_thread(house.settle)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def _records(engine: str, file: Path) -> Iterator[SqlRecords]:
    """On a disk, where writers wait for it."""
    if engine == "postgresql":
        yield records_of(engine)
        return
    with closing(SqlRecords.open(SqliteFile(file), upgrade=True, now=lambda: START)) as records:
        yield records


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_crowd_fights_for_few_boards_and_each_is_ones_alone(tmp_path: Path, engine: str) -> None:
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    with _records(engine, tmp_path / "farm.db") as records:
        door = Door.made(House.bare(records), spool)
        house = door.house
        for number in range(2, BOARDS + 1):
            house.farm.inventory.put_board(house.admin, a_board(number))
        house.image()
        for number in range(CLIENTS):
            door.user(f"crowd{number}")
        async with served(door.app) as url, running(house):
            crowd = Crowd(door, url, time.monotonic() + SECONDS)
            async with asyncio.TaskGroup() as group:
                for number in range(CLIENTS):
                    group.create_task(crowd.client(f"crowd{number}", random.Random(number)))  # noqa: S311 - no secret
        _all_get_their_turn(house)
        _each_board_was_ones_alone(house)
        _no_lease_is_lost(house, crowd)
        assert len(crowd.leases) > CLIENTS


def _all_get_their_turn(house: House) -> None:
    """Nobody comes any more: the queue empties, in the order that it has."""
    for _look in range(3000):
        with house.records.read() as records:
            waiting = records.reservations(states={ReservationState.WAITING})
        if not waiting:
            return
        house.pass_to(max(house.now, house.farm.upkeep.carry_out() or house.now))
        house.settle()
        house.check_plan()
    raise AssertionError(f"these wait for ever: {waiting}")


def _each_board_was_ones_alone(house: House) -> None:
    holders: dict[str, int] = {}
    number, seen = 0, 0
    while True:
        with house.records.read() as records:
            entries = records.events(number, limit=1000)
        if not entries:
            break
        for one in (entry.event for entry in entries):
            number = one.number
            if one.step != "reservation" or not one.board or one.reservation is None:
                continue
            if one.phase is Phase.BEGAN:
                assert one.board not in holders, f"{one.board} is given to {one.reservation}: {holders[one.board]}"
                holders[one.board] = one.reservation
                seen += 1
            elif one.phase is Phase.ENDED and holders.get(one.board) == one.reservation:
                del holders[one.board]
    assert seen > BOARDS


def _no_lease_is_lost(house: House, crowd: Crowd) -> None:
    for number, answered in crowd.leases.items():
        found = house.found(number)
        assert found.created_at.isoformat()[:19] <= answered["end"][:19]
        if number in crowd.released:
            assert not found.is_live
        elif found.state is ReservationState.ENDED:
            assert found.ended_because == "its time was over"
            told = house.told(number)
            assert any("it runs on" in one for one in told) or answered["state"] == "running", told
        else:
            assert found.is_running, (found, house.told(number))
