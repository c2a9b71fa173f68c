"""The whole way of a session: a real controller behind its socket, a real gateway, OpenSSH's client, and a board."""

import asyncio
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.controller import GatewayDoor, client
from boardgrid.api.spool import Spool
from boardgrid.daemon.wiring.controller import keep_expiring
from boardgrid.gateway.door import public_line, serve
from boardgrid.model.user import Secret
from boardgrid.ports import Route
from boardgrid.services.farm import Farm
from boardgrid.testing import FakePasswords
from tests.api.door import Door as Api
from tests.api.door import served
from tests.gateway.loopback import Door
from tests.services.house import House, records_with


class OnLoopback:
    """The controller's own answers; but the board, which has an address on no network here, is on the loopback."""

    def __init__(self, real: GatewayDoor, port: int) -> None:
        self.hello, self.user_of, self.holdings, self.activity = real.hello, real.user_of, real.holdings, real.activity
        self._real, self._port = real, port

    async def route(self, key: str, board: str) -> Route | None:
        route = await self._real.route(key, board)
        return replace(route, address=IPv4Address("127.0.0.1"), port=self._port) if route else None


@pytest.fixture
async def course(door: Door, tmp_path: Path) -> AsyncIterator[tuple[Door, House]]:
    """A gateway of its own, in the place of the fixture's, before a farm where ada holds tk1-1."""
    with records_with() as records, tempfile.TemporaryDirectory() as short:
        api = Api.made(House.bare(records), Spool(tmp_path / "spool"))
        house = api.house
        line = public_line(door.keys["ada"])
        house.farm.accounts.remove(house.admin, "ada")
        house.ada = api.user("ada", "user", line)
        house.image("tiny")
        house.opened(house.ada)
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        async with (
            served(api.app, at=Path(short) / "api.sock") as where,
            client(where, lambda: Secret(api.tokens["gateway"])) as http,
        ):
            doorkeeper = OnLoopback(GatewayDoor(http), door.board_port)
            key = tmp_path / "another_host_key"
            serving = asyncio.create_task(serve(listening, key, doorkeeper, BootClock(), host="127.0.0.1", port=port))
            yield replace(door, port=port), house
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        listening.close()


async def test_a_user_is_on_their_board_until_they_give_it_back(course: tuple[Door, House]) -> None:
    door, house = course
    ssh = await door.ssh("-J", "door", "root@tk1-1", "wait")
    assert ssh.process.stdout is not None
    async with asyncio.timeout(60):
        assert await ssh.process.stdout.readline() == b"waiting\n"
    gateway = house.farm.inventory.sites(house.ada)[0].gateway
    assert gateway is not None
    assert gateway.port == door.port
    await asyncio.to_thread(house.farm.booking.release, house.ada, 1)
    status, _out, err = await ssh.said()
    assert status == 255
    assert "your time on tk1-1 has ended" in err
    status, _out, err = await (await door.ssh("-W", "tk1-1:22", "door")).said()
    assert "you hold no board tk1-1 that is open" in err


async def test_a_user_is_on_their_board_until_their_time_is_over(course: tuple[Door, House]) -> None:
    door, house = course
    ssh = await door.ssh("-J", "door", "root@tk1-1", "wait")
    assert ssh.process.stdout is not None
    async with asyncio.timeout(60):
        assert await ssh.process.stdout.readline() == b"waiting\n"
    end = house.farm.booking.reservation(house.ada, 1).reservation.window.end
    house.now, was_asked = end - timedelta(seconds=1), threading.Event()

    def now() -> datetime:
        at = house.now
        was_asked.set()
        return at

    async with asyncio.TaskGroup() as beside:
        farm = Farm.of(house.records, house.changes, now, passwords=FakePasswords())
        expiring = beside.create_task(keep_expiring(farm))
        assert await asyncio.to_thread(was_asked.wait, 60)
        assert ssh.process.returncode is None, "the time is not over yet"
        house.now = end
        status, _out, err = await ssh.said()
        expiring.cancel()
    assert status == 255
    assert "your time on tk1-1 has ended" in err


async def test_a_key_that_is_nobody_s_stays_outside(course: tuple[Door, House]) -> None:
    door, _house = course
    with pytest.raises(asyncssh.PermissionDenied):
        await door.connect("bob")


async def test_a_user_is_put_out_within_a_second_when_they_are_suspended(course: tuple[Door, House]) -> None:
    door, house = course
    ssh = await door.ssh("-J", "door", "root@tk1-1", "wait")
    assert ssh.process.stdout is not None
    async with asyncio.timeout(60):
        assert await ssh.process.stdout.readline() == b"waiting\n"
    await asyncio.to_thread(house.farm.accounts.suspend, house.admin, "ada")
    async with asyncio.timeout(1):
        status, _out, err = await ssh.said()
    assert status == 255
    assert "this key lets ada in no more" in err
    with pytest.raises(asyncssh.PermissionDenied):
        await door.connect("ada")
    await asyncio.to_thread(house.farm.accounts.restore, house.admin, "ada")
    async with await door.connect("ada"):
        pass
