"""The contracts of the controller's doors for machines, over the fakes and over the real controller behind a socket."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.controller import AgentDoor, GatewayDoor, client
from boardgrid.api.spool import Spool
from boardgrid.model.deployment import Phase
from boardgrid.model.errand import Progress
from boardgrid.model.errors import Code, Conflict, Fault, NotFound
from boardgrid.model.image import BlobSource
from boardgrid.model.report import StepReport
from boardgrid.model.user import Secret
from boardgrid.model.wish import BoardWish, Parked, SiteWishes
from boardgrid.ports import Blobs, Controller, Doorkeeper, Route, Use
from boardgrid.testing import TYPE, FakeBlobs, FakeController, FakeDoorkeeper
from boardgrid.testing import a_board as fake_board
from tests.api.door import Door, served
from tests.services.house import HOST_KEY, House, a_board, records_with

INSTANCE = UUID(int=1)
CONTENT = bytes(range(256)) * 10_000
BLOB = BlobSource(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
WAIT_S = 30.0  # longer than any of these tests takes
BOTH = ("fake", "http")


@dataclass
class World:
    """The ports, and what a test does on the other side of them."""

    controller: Controller
    blobs: Blobs
    doorkeeper: Doorkeeper
    add_board: Callable[[], object]
    steps_heard: Callable[[], int]
    end_reservation: Callable[[], object]  # ada holds tk1-1 at first
    key: str  # ada's
    others_key: str  # bob's
    forget_other: Callable[[], object]  # bob is removed
    wanted: UUID  # an export


@asynccontextmanager
async def fake_world(_folder: Path) -> AsyncIterator[World]:
    controller, doorkeeper = FakeController(), FakeDoorkeeper()
    wish = BoardWish(fake_board(1), TYPE, 1, Parked())
    controller.set(SiteWishes(1, (wish,)))
    key = "ssh-ed25519 AAAA"
    others_key = "ssh-ed25519 BBBB"
    doorkeeper.users |= {key: "ada", others_key: "bob"}
    doorkeeper.hold("ada", "tk1-1", Route(IPv4Address("10.20.0.11")))

    def add_board() -> None:
        more = replace(wish, board=fake_board(2))
        controller.set(replace(controller.site, boards=(*controller.site.boards, more)))

    yield World(
        controller,
        FakeBlobs({BLOB.sha256: CONTENT}, wanted={INSTANCE}),
        doorkeeper,
        add_board,
        lambda: len(controller.of_kind(StepReport)),
        lambda: doorkeeper.end("ada", "tk1-1"),
        key,
        others_key,
        lambda: doorkeeper.forget(others_key),
        INSTANCE,
    )


@asynccontextmanager
async def http_world(folder: Path) -> AsyncIterator[World]:
    with records_with() as records, tempfile.TemporaryDirectory() as short:
        door = Door.made(House.bare(records), Spool(folder / "spool"))
        house, farm = door.house, door.house.farm
        door.spool.prepare()
        house.instance = INSTANCE
        house.image("tiny")
        number = house.opened(house.ada).reservation.number
        awaited = farm.catalog.open(house.admin, "big").image
        (door.spool.folder / BLOB.sha256).write_bytes(CONTENT)
        farm.catalog.content_arrived(house.admin, awaited.id, BLOB.sha256, BLOB.size_bytes)
        async with (
            served(door.app, at=Path(short) / "api.sock") as where,
            client(where, lambda: Secret(door.tokens["agent"])) as agent,
            client(where, lambda: Secret(door.tokens["gateway"])) as gateway,
        ):
            yield World(
                AgentDoor(agent),
                AgentDoor(agent),
                GatewayDoor(gateway),
                lambda: farm.inventory.put_board(house.admin, a_board(2)),
                lambda: sum(event.step == "clone" for event in farm.history.after(house.admin)),
                lambda: farm.booking.release(house.ada, number),
                house.ada.ssh_keys[0],
                house.bob.ssh_keys[0],
                lambda: farm.accounts.remove(house.admin, "bob"),
                farm.errands.export(house.ada, "tiny").errand.id,
            )


@pytest.fixture(params=BOTH)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with (fake_world if request.param == "fake" else http_world)(tmp_path) as made:
        yield made


@dataclass
class Silence:
    """Where nobody answers."""

    controller: Controller
    doorkeeper: Doorkeeper
    blobs: Blobs = field(default_factory=FakeBlobs)


@pytest.fixture(params=BOTH)
async def silence(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Silence]:
    if request.param == "fake":
        yield Silence(FakeController(is_silent=True), FakeDoorkeeper(is_silent=True))
        return
    async with client(f"unix:{tmp_path}/nobody.sock", lambda: Secret("bg_x")) as http:
        yield Silence(AgentDoor(http), GatewayDoor(http), AgentDoor(http))


def a_step(generation: int = 1) -> StepReport:
    return StepReport(uuid4(), "tk1-1", generation, "clone", Phase.BEGAN, detail="é", console=("=> boot",))


# --- Controller


async def test_a_lease_is_for_so_long_and_the_next_one_has_another_epoch(world: World) -> None:
    first = await world.controller.lease(INSTANCE)
    assert first.ttl_s > 0
    assert (await world.controller.lease(INSTANCE)).epoch > first.epoch


async def test_wishes_that_are_not_known_come_at_once(world: World) -> None:
    lease = await world.controller.lease(INSTANCE)
    wishes = await world.controller.wishes(lease.epoch, -1, WAIT_S)
    assert wishes.version >= 0
    assert [one.board.name for one in wishes.boards] == ["tk1-1"]
    assert wishes.boards[0].board.address == IPv4Address("10.20.0.11")


async def test_wishes_that_change_end_the_wait(world: World) -> None:
    epoch = (await world.controller.lease(INSTANCE)).epoch
    known = (await world.controller.wishes(epoch, -1, 0)).version
    waiting = asyncio.create_task(world.controller.wishes(epoch, known, WAIT_S))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await asyncio.to_thread(world.add_board)
    async with asyncio.timeout(WAIT_S / 2):
        wishes = await waiting
    assert wishes.version > known
    assert [one.board.name for one in wishes.boards] == ["tk1-1", "tk1-2"]


async def test_wishes_that_do_not_change_come_when_the_wait_is_over(world: World) -> None:
    epoch = (await world.controller.lease(INSTANCE)).epoch
    known = await world.controller.wishes(epoch, -1, 0)
    assert await world.controller.wishes(epoch, known.version, 0.1) == known


async def test_an_old_lease_is_refused(world: World) -> None:
    old = (await world.controller.lease(INSTANCE)).epoch
    await world.controller.lease(INSTANCE)
    for call in (world.controller.wishes(old, -1, 0), world.controller.report(old, [a_step()])):
        with pytest.raises(Conflict) as refused:
            await call
        assert refused.value.code is Code.EPOCH_STALE


async def test_a_report_that_is_sent_twice_counts_once(world: World) -> None:
    epoch = (await world.controller.lease(INSTANCE)).epoch
    generation = (await world.controller.wishes(epoch, -1, 0)).boards[0].generation
    before = world.steps_heard()
    report = a_step(generation)
    await world.controller.report(epoch, [report, a_step(generation)])
    await world.controller.report(epoch, [report])
    assert world.steps_heard() == before + 2


@pytest.mark.slow
async def test_many_reports_are_all_taken(world: World) -> None:
    epoch = (await world.controller.lease(INSTANCE)).epoch
    generation = (await world.controller.wishes(epoch, -1, 0)).boards[0].generation
    before = world.steps_heard()
    await world.controller.report(epoch, [a_step(generation) for _ in range(450)])
    assert world.steps_heard() == before + 450


async def test_a_controller_that_does_not_answer_is_a_fault_to_the_agent(silence: Silence) -> None:
    for call in (
        silence.controller.lease(INSTANCE),
        silence.controller.wishes(1, -1, 0),
        silence.controller.report(1, [a_step()]),
    ):
        with pytest.raises(Fault) as fault:
            await call
        assert fault.value.code is Code.CONTROLLER_SILENT


# --- Blobs


async def test_an_upload_is_brought_whole(world: World, tmp_path: Path) -> None:
    await world.blobs.fetch(BLOB, tmp_path / "archive")
    assert (tmp_path / "archive").read_bytes() == CONTENT


async def test_an_upload_that_is_not_there_is_a_fault_and_leaves_no_file(world: World, tmp_path: Path) -> None:
    with pytest.raises(Fault) as fault:
        await world.blobs.fetch(replace(BLOB, sha256="b" * 64), tmp_path / "archive")
    assert fault.value.code is Code.UPLOAD_BROKEN
    assert not (tmp_path / "archive").exists()


async def test_an_export_is_brought_whole_and_may_be_brought_twice(world: World, tmp_path: Path) -> None:
    (tmp_path / "export.tar").write_bytes(CONTENT)
    told: list[Progress] = []
    for _ in range(2):
        await world.blobs.send(world.wanted, tmp_path / "export.tar", told.append)


async def test_an_export_that_nobody_wants_is_not_brought(world: World, tmp_path: Path) -> None:
    (tmp_path / "export.tar").write_bytes(CONTENT)
    with pytest.raises(NotFound) as error:
        await world.blobs.send(uuid4(), tmp_path / "export.tar")
    assert error.value.code is Code.ERRAND_UNKNOWN


# --- Doorkeeper


async def test_a_gateway_may_say_hello_twice(world: World) -> None:
    for _ in range(2):
        await world.doorkeeper.hello("farm.example", 2270, HOST_KEY)


async def test_a_key_tells_its_user_and_one_that_is_nobody_s_nobody(world: World) -> None:
    assert await world.doorkeeper.user_of(world.key) == "ada"
    assert await world.doorkeeper.user_of(HOST_KEY) is None
    assert await world.doorkeeper.user_of("no key at all") is None


async def test_a_route_is_there_for_who_holds_the_board_by_its_name(world: World) -> None:
    for board in ("tk1-1", "tk1-1.lab.boardgrid"):
        assert await world.doorkeeper.route(world.key, board) == Route(IPv4Address("10.20.0.11"), 22)


async def test_no_route_is_there_for_anybody_else_or_anywhere_else(world: World) -> None:
    for key, board in (
        (world.others_key, "tk1-1"),
        (HOST_KEY, "tk1-1"),
        (world.key, "tk1-2"),
        (world.key, "tk1-1.elsewhere.example"),
        (world.key, "10.20.0.11"),
        ("ada", "tk1-1"),
        ("", ""),
    ):
        assert await world.doorkeeper.route(key, board) is None


async def test_who_holds_what_comes_at_once_and_then_when_it_changes(world: World) -> None:
    held = await world.doorkeeper.holdings(-1, WAIT_S)
    assert held.pairs == {(world.key, "tk1-1")}
    waiting = asyncio.create_task(world.doorkeeper.holdings(held.version, WAIT_S))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await asyncio.to_thread(world.end_reservation)
    async with asyncio.timeout(WAIT_S / 2):
        changed = await waiting
    assert changed.version != held.version
    assert changed.pairs == frozenset()
    assert await world.doorkeeper.route(world.key, "tk1-1") is None


async def test_a_gateway_hears_of_it_when_a_key_becomes_nobody_s(world: World) -> None:
    held = await world.doorkeeper.holdings(-1, WAIT_S)
    waiting = asyncio.create_task(world.doorkeeper.holdings(held.version, WAIT_S))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await asyncio.to_thread(world.forget_other)
    async with asyncio.timeout(WAIT_S / 2):
        changed = await waiting
    assert changed.version != held.version
    assert changed.pairs == held.pairs
    assert await world.doorkeeper.user_of(world.others_key) is None


async def test_who_is_on_which_board_may_be_told_twice(world: World) -> None:
    for _again in range(2):
        await world.doorkeeper.activity([Use("tk1-1", 1), Use("tk1-2", 0, 30.5)])
    await world.doorkeeper.activity([])


async def test_who_holds_what_comes_when_the_wait_is_over(world: World) -> None:
    held = await world.doorkeeper.holdings(-1, WAIT_S)
    assert await world.doorkeeper.holdings(held.version, 0.1) == held


async def test_a_controller_that_does_not_answer_is_a_fault_to_the_gateway(silence: Silence) -> None:
    for call in (
        silence.doorkeeper.hello("farm", 22, HOST_KEY),
        silence.doorkeeper.user_of(HOST_KEY),
        silence.doorkeeper.route(HOST_KEY, "tk1-1"),
        silence.doorkeeper.holdings(-1, 0),
    ):
        with pytest.raises(Fault) as fault:
            await call
        assert fault.value.code is Code.CONTROLLER_SILENT
