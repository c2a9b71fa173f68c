"""Two controllers as processes on one PostgreSQL: one farm, whichever is asked and whichever is killed."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from boardgrid.adapters.records.postgresql import PostgresDatabase
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.model.reservation import ReservationState
from boardgrid.postgresql import Postgres
from tests import postgres
from tests.services.house import HOUR, House

pytestmark = pytest.mark.slow

BOARDS = 6


def _now() -> datetime:
    return datetime.now(UTC)


class Controller:
    def __init__(self, folder: Path, at: Postgres) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "boardgrid.toml").write_text(
            f'[controller]\nlisten = "127.0.0.1:18470+"\ndatabase = "{at.url.reveal()}"\n[lab]\nvirtual = true\n'
        )

    def start(self) -> None:
        words = ("-m", "boardgrid.daemon.main", "controller", "--config", str(self.folder / "boardgrid.toml"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen((sys.executable, *words), stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @asynccontextmanager
    async def http(self, token: str) -> AsyncIterator[httpx.AsyncClient]:
        """When it answers."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.folder / "run" / "controller.sock"))
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://farm/api/v1", headers=headers, timeout=30
        ) as http:
            async with asyncio.timeout(60):
                while True:
                    assert self.process.poll() is None, self.log.read_text()
                    try:
                        await http.get("/events")
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
                    else:
                        break
            yield http

    @property
    def has_turn(self) -> bool:
        return "turn.taken" in self.log.read_text()


class Farm:
    def __init__(self, folder: Path) -> None:
        self.at = postgres.server().make("two_controllers")
        self.records = SqlRecords.open(PostgresDatabase(self.at, folder), upgrade=True, now=_now)
        self.house = House.furnished(self.records, boards=BOARDS)
        self.house.now = _now()
        self.house.image()
        self.token = self.house.farm.tokens.renew(self.house.admin, "ada")[1].clear.reveal()
        self.first, self.second = Controller(folder / "first", self.at), Controller(folder / "second", self.at)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = Farm(tmp_path)
    controllers = (made.first, made.second)
    for controller in controllers:
        controller.start()
    try:
        yield made
    finally:
        for controller in controllers:
            controller.kill()
        made.records.close()


async def test_what_is_asked_of_one_wakes_a_stream_of_the_other_at_once(farm: Farm) -> None:
    accept = {"Accept": "text/event-stream"}
    async with (
        farm.first.http(farm.token) as one,
        farm.second.http(farm.token) as other,
        other.stream("GET", "/events", headers=accept) as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith(":")
        began = time.monotonic()
        made = await one.post("/reservations", json={"board": "tk1-3", "image": "tiny", "for_s": 3600})
        assert made.status_code == 201, made.text
        async with asyncio.timeout(30):
            while "tk1-3" not in await anext(lines):
                pass
        assert time.monotonic() - began < 2, "a stream that is not woken looks after four seconds"


async def test_of_all_who_ask_both_for_a_board_one_gets_it(farm: Farm) -> None:
    async with farm.first.http(farm.token) as one, farm.second.http(farm.token) as other:
        answers = await asyncio.gather(
            *(
                http.post("/reservations", json={"board": f"tk1-{number}", "image": "tiny", "for_s": 3600})
                for number in range(1, BOARDS + 1)
                for http in (one, other, one, other)
            )
        )
        assert sorted(each.status_code for each in answers) == [201] * BOARDS + [409] * 3 * BOARDS
        numbers = {each.json()["number"] for each in answers if each.status_code == 201}
        for http in (one, other):
            listed = (await http.get("/reservations")).json()
            assert {each["number"] for each in listed} == numbers
            assert len({each["board"] for each in listed}) == BOARDS


async def test_no_reservation_is_lost_or_doubled_when_one_is_killed_in_the_middle(farm: Farm) -> None:
    given: dict[int, str] = {}

    async def ask(http: httpx.AsyncClient, board: str) -> None:
        try:
            answer = await http.post("/reservations", json={"board": board, "image": "tiny", "for_s": 3600})
        except httpx.TransportError:
            return  # nobody knows; the other one is asked
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 201:
            given[answer.json()["number"]] = board

    boards = [f"tk1-{number}" for number in range(1, BOARDS + 1)]
    async with farm.first.http(farm.token) as one, farm.second.http(farm.token) as other:
        asking = [asyncio.create_task(ask(http, board)) for board in boards[: BOARDS // 2] for http in (one, other)]
        asking += [asyncio.create_task(ask(one, board)) for board in boards]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        farm.first.kill()
        await asyncio.gather(*asking)
        await asyncio.gather(*(ask(other, board) for board in boards))
        listed = {each["number"]: each["board"] for each in (await other.get("/reservations")).json()}
    assert sorted(listed.values()) == boards
    assert given.items() <= listed.items()


async def test_the_other_ends_what_is_due_when_the_one_whose_turn_it_was_is_killed(farm: Farm) -> None:
    async with farm.first.http(farm.token), farm.second.http(farm.token):
        await _until(lambda: farm.first.has_turn or farm.second.has_turn)
        assert farm.first.has_turn != farm.second.has_turn
        ours, heir = (farm.first, farm.second) if farm.first.has_turn else (farm.second, farm.first)
    farm.house.now = _now() - HOUR + timedelta(seconds=3)
    due = farm.house.reserve(board="tk1-1").reservation
    farm.house.now = _now()
    later = farm.house.reserve(board="tk1-2").reservation
    ours.kill()
    await _until(lambda: heir.has_turn)
    async with heir.http(farm.token) as http:
        await _until(lambda: _state(farm.house, due.number) is not ReservationState.RUNNING)
        assert _now() >= due.window.end
        assert _now() < due.window.end + timedelta(seconds=5)
        listed = (await http.get("/reservations")).json()
    assert {each["number"]: each["state"] for each in listed} == {
        due.number: ReservationState.ENDED,
        later.number: ReservationState.RUNNING,
    }


def _state(house: House, number: int) -> ReservationState:
    with house.records.read() as snapshot:
        found = snapshot.reservation(number)
    assert found is not None
    return found.state


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        for _try in itertools.count():
            if holds():
                return
            await asyncio.sleep(0.05)
