"""
What every driver that switches a board does.

One that cannot tell whether the board is on is looked at from outside: *is_on* is then the test's own eye.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.drivers.command import Command
from boardgrid.drivers.pdudaemon import PduDaemon
from boardgrid.drivers.qemu import VirtualBoard
from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.private import private_lab
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import Resets, SwitchesOff, SwitchesOn, TellsPower
from boardgrid.testing import FakeSite, a_board
from tests.drivers.bench import tools

BOARD = a_board(1)


@dataclass
class Outlet:
    """A driver, the board's state as its test sees it, and a way to make the outlet hang."""

    driver: object
    is_on: Callable[[], Awaitable[bool]]
    hang: Callable[[], Awaitable[None]]
    hung: object  # the same outlet, by a driver that soon loses patience


@asynccontextmanager
async def fake(_folder: Path) -> AsyncIterator[Outlet]:
    board = FakeSite().add(BOARD, is_dead=True)

    async def is_on() -> bool:
        return board.powered

    async def hang() -> None:
        board.outlet_hangs = True

    yield Outlet(board, is_on, hang, board)


@asynccontextmanager
async def command(folder: Path) -> AsyncIterator[Outlet]:
    relay, stuck = folder / "relay", folder / "stuck"
    program = folder / "switch"
    program.write_text(
        '#!/bin/sh\n[ -e "$0.stuck" ] && exec sleep 600\n'
        'case $1 in on) : >"$2";; off) rm -f "$2";; state) [ -e "$2" ] && echo on || echo off;; esac\n'
    )
    program.chmod(0o755)
    stuck = folder / "switch.stuck"

    def driver(timeout_s: float) -> object:
        acts = {act: (str(program), act, str(relay)) for act in ("on", "off", "state")}
        return Command(**acts, settle_s=0, timeout_s=timeout_s, tools=tools(board=BOARD)).driver()

    async def is_on() -> bool:
        return relay.exists()

    async def hang() -> None:
        stuck.touch()

    yield Outlet(driver(30), is_on, hang, driver(0.3))


@asynccontextmanager
async def qemu(folder: Path) -> AsyncIterator[Outlet]:
    async with private_lab(folder) as lab:
        board = Definition(name=BOARD.name, kind=Kind.UBOOT, mac=BOARD.mac, address=IPv4Address("10.77.0.21"))
        await lab.client.define(board)

        async def is_on() -> bool:
            return await lab.client.is_on(BOARD.name)

        async def hang() -> None:
            os.kill(await lab.client.pid(), signal.SIGSTOP)

        driver = VirtualBoard(tools=tools(board=BOARD, lab=lab.socket))
        yield Outlet(driver, is_on, hang, VirtualBoard(timeout_s=0.3, tools=tools(board=BOARD, lab=lab.socket)))


@asynccontextmanager
async def pdudaemon(folder: Path) -> AsyncIterator[Outlet]:
    relay, stuck, port = folder / "relay", folder / "stuck", a_free_port()
    program = shutil.which("pdudaemon")
    assert program, "the Debian package pdudaemon is not installed"
    wait = f"[ -e {stuck} ] && sleep 600"
    pdu = {"driver": "localcmdline", "cmd_on": f"{wait}; touch {relay}.%s", "cmd_off": f"{wait}; rm -f {relay}.%s"}
    config = {
        "daemon": {"hostname": "127.0.0.1", "port": port, "listener": "http"},
        "pdus": {"shelf": pdu},
    }
    (folder / "pdudaemon.conf").write_text(json.dumps(config))
    # Namespaces of its own take the daemon's children along when it ends.
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
        *("/usr/bin/python3", program, "--conf", str(folder / "pdudaemon.conf")),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    def driver(timeout_s: float) -> PduDaemon:
        return PduDaemon(
            pdu="shelf",
            outlet=7,
            host="127.0.0.1",
            port=port,
            settle_s=0,
            timeout_s=timeout_s,
            tools=tools(board=BOARD),
        )

    async def is_on() -> bool:
        return relay.with_name("relay.7").exists()

    async def hang() -> None:
        stuck.touch()

    try:
        await listens(port)
        yield Outlet(driver(60), is_on, hang, driver(0.3))
    finally:
        process.kill()
        await process.wait()


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


async def listens(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


REAL = [
    pytest.param(command, id="command"),
    pytest.param(pdudaemon, id="pdudaemon", marks=pytest.mark.world),
    pytest.param(qemu, id="qemu", marks=[pytest.mark.world, pytest.mark.boards]),
]


@pytest.fixture(params=[pytest.param(fake, id="fake"), *REAL])
async def outlet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outlet]:
    async with request.param(tmp_path) as made:
        yield made


@pytest.fixture(params=REAL)
async def real_outlet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outlet]:
    async with request.param(tmp_path) as made:
        yield made


async def test_on_and_off_do_what_they_say_and_may_be_called_twice(outlet: Outlet) -> None:
    assert isinstance(outlet.driver, SwitchesOn)
    assert isinstance(outlet.driver, SwitchesOff)
    for _time in range(2):
        await outlet.driver.on()
        assert await outlet.is_on()
    for _time in range(2):
        await outlet.driver.off()
        assert not await outlet.is_on()
    await outlet.driver.on()
    assert await outlet.is_on()


async def test_who_tells_power_tells_what_is_so(outlet: Outlet) -> None:
    assert isinstance(outlet.driver, SwitchesOn)
    if isinstance(outlet.driver, TellsPower):
        assert await outlet.driver.is_on() is False
        await outlet.driver.on()
        assert await outlet.driver.is_on() is True


async def test_a_board_that_was_reset_is_on(outlet: Outlet) -> None:
    assert isinstance(outlet.driver, SwitchesOn)
    await outlet.driver.on()
    if isinstance(outlet.driver, Resets):
        await outlet.driver.reset()
    assert await outlet.is_on()


async def test_an_outlet_that_hangs_is_a_fault_in_its_time_that_names_the_board(real_outlet: Outlet) -> None:
    assert isinstance(real_outlet.hung, SwitchesOn)
    assert isinstance(real_outlet.hung, SwitchesOff)
    await real_outlet.hang()
    for act in (real_outlet.hung.on, real_outlet.hung.off):
        with pytest.raises(Fault) as hung:
            await act()
        assert (hung.value.code, hung.value.blame) == (Code.POWER_FAILED, Blame.BOARD)
        assert BOARD.name in f"{hung.value} {hung.value.hint}"
