"""The lab for real: virtual boards that boot, magic packets, and holders that die."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.drivers.qemu import VirtualBoard
from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.private import PrivateLab, private_lab
from boardgrid.model.board import Board, Site
from boardgrid.model.errors import Blame, Conflict, Fault
from boardgrid.ports import Tools

pytestmark = [pytest.mark.world, pytest.mark.boards]

MAC, ADDRESS = "52:54:00:00:00:21", IPv4Address("10.77.0.21")
BOARD = Definition(name="tk1-1", kind=Kind.UBOOT, mac=MAC, address=ADDRESS)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[PrivateLab]:
    async with private_lab(tmp_path) as made:
        yield made


def driver_of(lab: PrivateLab, name: str = "tk1-1") -> VirtualBoard:
    board = Board(name, "tk1", "lab", MAC, ADDRESS)
    site = Site("lab", interface=lab.interface, server=lab.server)
    return VirtualBoard(tools=Tools(board, site, SubprocessShell(), BootClock(), lab=lab.socket))


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not await is_so():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.1)


async def printed(lab: PrivateLab, what: str) -> None:
    async def is_there() -> bool:
        return what in "\n".join(await lab.client.tail("tk1-1", 1000))

    await until(is_there)


def namespace_of(lab: PrivateLab) -> int:
    return Path(f"/proc/{lab.pid}/ns/net").stat().st_ino


def processes_in(namespace: int) -> set[int]:
    """Numbers of this machine's processes in a network namespace."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "ns/net").stat().st_ino == namespace:
                found.add(int(process.name))
        except OSError:
            continue
    return found


# --- boards


@pytest.mark.slow
async def test_a_board_boots_its_bootloader_is_reset_and_switched_off(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    board = driver_of(lab)
    assert not await board.is_on()
    await board.on()
    await board.on()
    assert await board.is_on()
    await printed(lab, "U-Boot 20")
    await printed(lab, "BOOTP broadcast 1")
    await board.reset()
    # What was printed before the reset is of another life, maybe of another user.
    await printed(lab, "U-Boot 20")
    assert next(line for line in await board.console_tail(1000) if line).startswith("U-Boot 20")
    await board.off()
    await board.off()
    assert not await board.is_on()
    with pytest.raises(Fault, match="tk1-1 is off"):
        await board.reset()
    await board.on()
    await printed(lab, "U-Boot 20")
    assert "U-Boot" in (lab.folder / "console" / "tk1-1.log").read_text()


async def test_qemu_runs_as_nobody(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    await lab.client.on("tk1-1")
    await printed(lab, "U-Boot 20")
    ran = await lab.shell.run("ps", "-C", "qemu-system-arm", "-o", "user=")
    assert ran.split() == ["nobody"]


async def test_a_board_that_hangs_is_a_fault_and_can_still_be_switched_off(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    board = driver_of(lab)
    await board.on()
    await lab.client.signal("tk1-1", "STOP")
    with pytest.raises(Fault, match="tk1-1 does not obey") as hung:
        await board.reset()
    assert hung.value.blame is Blame.BOARD
    assert await board.is_on()
    await board.off()
    assert not await board.is_on()


async def test_a_board_that_breaks_is_off_and_can_be_switched_on(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    board = driver_of(lab)
    await board.on()
    await lab.client.signal("tk1-1", "KILL")

    async def is_off() -> bool:
        return not await board.is_on()

    await until(is_off)
    await board.on()
    assert await board.is_on()


async def test_a_flashed_board_without_its_kernel_says_so(lab: PrivateLab) -> None:
    await lab.client.define(replace(BOARD, kind=Kind.FLASHED, kernel="/nowhere/vmlinuz"))
    with pytest.raises(Fault, match=r"tk1-1 could not be switched on: .*nowhere/vmlinuz") as refused:
        await driver_of(lab).on()
    assert refused.value.blame is Blame.BOARD
    assert not await lab.client.is_on("tk1-1")


async def test_a_board_that_is_on_is_not_changed_but_can_be_removed(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    await lab.client.on("tk1-1")
    with pytest.raises(Conflict, match="tk1-1 is on"):
        await lab.client.define(replace(BOARD, memory_mib=512))
    await lab.client.remove("tk1-1")
    assert await lab.client.all() == []
    assert "bgp1" not in await lab.shell.run("ip", "link")
    with pytest.raises(Fault):
        await lab.shell.run("ps", "-C", "qemu-system-arm")


# --- magic packets

SEND = """
import socket, sys
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0x0842))
out.send(b"\\xff" * 6 + out.getsockname()[4] + b"\\x08\\x42" + b"\\xff" * 6 + mac * 16)
"""
WAKE = """
import asyncio, json, sys
from ipaddress import IPv4Address, IPv4Interface
from boardgrid.drivers.wol import WakeOnLan
from boardgrid.model.board import Board, Site
from boardgrid.ports import Tools
mac, raw, server, interface = json.loads(sys.argv[1])
board = Board("tk1-1", "tk1", "lab", mac, IPv4Address("10.77.0.21"))
site = Site("lab", interface=interface, server=IPv4Interface(server))
asyncio.run(WakeOnLan(raw=raw, times=1, tools=Tools(board, site, None, None)).on())
"""


@pytest.mark.parametrize("raw", [False, True], ids=["datagram", "frame"])
async def test_the_servers_own_magic_packet_wakes_a_board(lab: PrivateLab, raw: bool) -> None:
    await lab.client.define(BOARD)
    asked = json.dumps([MAC, raw, str(lab.server), lab.interface])
    await lab.shell.run(sys.executable, "-c", WAKE, asked)
    await until(lambda: lab.client.is_on("tk1-1"))


async def test_a_magic_packet_from_a_machine_of_the_site_wakes_a_board_and_no_other(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    await lab.client.define(replace(BOARD, name="tk1-2", mac="52:54:00:00:00:22", address=ADDRESS + 1))
    admin = await lab.neighbour("admin-1", trusted=True)
    await admin.run(sys.executable, "-c", SEND, MAC)
    await until(lambda: lab.client.is_on("tk1-1"))
    assert not await lab.client.is_on("tk1-2")


async def test_a_board_cannot_wake_another(lab: PrivateLab) -> None:
    await lab.client.define(BOARD)
    await lab.client.define(replace(BOARD, name="tk1-2", mac="52:54:00:00:00:22", address=ADDRESS + 1))
    evil = await lab.neighbour("evil-1", "52:54:00:00:00:66", IPv4Address("10.77.0.66"))
    await evil.run(sys.executable, "-c", SEND, MAC)
    # What a machine of the site sends after it has arrived: had the other one passed, it would have come before.
    admin = await lab.neighbour("admin-1", trusted=True)
    await admin.run(sys.executable, "-c", SEND, "52:54:00:00:00:22")
    await until(lambda: lab.client.is_on("tk1-2"))
    assert not await lab.client.is_on("tk1-1")


# --- the holder's own end


async def test_a_holder_that_is_killed_takes_everything_with_it(tmp_path: Path) -> None:
    async with private_lab(tmp_path) as lab:
        await lab.client.define(BOARD)
        await lab.client.on("tk1-1")
        await lab.shell.start("sleep", "600")
        namespace = namespace_of(lab)
        assert len(processes_in(namespace)) >= 4
        os.kill(await lab.client.pid(), signal.SIGKILL)

        async def is_gone() -> bool:
            return not processes_in(namespace)

        await until(is_gone)


async def test_a_restarted_holder_knows_its_boards_and_they_are_off(tmp_path: Path) -> None:
    async with private_lab(tmp_path) as lab:
        await lab.client.define(BOARD)
        await lab.neighbour("tk1-2", "52:54:00:00:00:22", ADDRESS + 1)
        await lab.client.on("tk1-1")
    async with private_lab(tmp_path) as lab:
        seen = {sight.definition.name: (sight.port, sight.is_on) for sight in await lab.client.all()}
        assert seen == {"tk1-1": ("bgp1", False), "tk1-2": ("bgp2", False)}
        await lab.client.on("tk1-1")
        assert await lab.client.is_on("tk1-1")


async def test_a_holder_that_is_asked_to_end_ends_its_boards_and_leaves(tmp_path: Path) -> None:
    async with private_lab(tmp_path) as lab:
        await lab.client.define(BOARD)
        await lab.client.on("tk1-1")
        namespace = namespace_of(lab)
        os.kill(lab.pid, signal.SIGTERM)

        async def is_gone() -> bool:
            return not processes_in(namespace)

        await until(is_gone)
    said = [json.loads(line) for line in (tmp_path / "lab.log").read_text().splitlines()]
    assert [line["event"] for line in said][-2:] == ["board.switched_off", "lab.ended"]


async def test_orphans_are_reaped(lab: PrivateLab) -> None:
    await lab.shell.run("sh", "-c", "setsid sh -c 'sleep 0.2' & exit 0")

    async def has_none() -> bool:
        return "Z" not in (await lab.shell.run("ps", "-A", "-o", "stat=")).replace("\n", "")

    await until(has_none)


async def test_two_holders_do_not_share_a_folder(lab: PrivateLab) -> None:
    with pytest.raises(Fault, match="another lab runs on"):
        async with private_lab(lab.folder):
            pass
    assert await lab.client.all() == []


async def test_outside_of_namespaces_of_its_own_it_touches_nothing(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="must be the first of its namespaces"):
        await SubprocessShell().run(
            *(sys.executable, "-m", "boardgrid.lab", "--folder", str(tmp_path / uuid4().hex)),
            *("--socket", str(tmp_path / "lab.sock"), "--server", "10.77.0.1/24"),
        )
    assert await SubprocessShell().run("ls", "-A", str(tmp_path)) == ""
