"""What every answer to the port Netboot does: the fake, and the files that dnsmasq hands out."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID

import pytest

from boardgrid.adapters.netboot import NetbootFiles
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.board import Board, Boot
from boardgrid.ports import BootEntry, BootFiles, BootSeen, Netboot
from boardgrid.testing import FACTS, FakeNetboot, a_board
from boardgrid.testing import TYPE as A_TYPE

FIRST, SECOND = UUID(int=1), UUID(int=2)
TYPE = replace(A_TYPE, arch="arm64")  # there are boards of it with either boot method


@pytest.fixture(params=[Boot.PXELINUX, Boot.GRUB], autouse=True)
def boot(request: pytest.FixtureRequest) -> Boot:
    method: Boot = request.param
    return method


@pytest.fixture
def board(boot: Boot) -> Board:
    return replace(a_board(1), boot=boot)


@pytest.fixture
def other(boot: Boot) -> Board:
    return replace(a_board(2), boot=boot)


@pytest.fixture(params=["fake", "files"])
def netboot(request: pytest.FixtureRequest, tmp_path: Path) -> Netboot:
    if request.param == "fake":
        return FakeNetboot()
    holding = tmp_path / "holding" / TYPE.arch
    holding.mkdir(parents=True)
    for name in ("vmlinuz", "initrd", "grubnetaa64.efi"):
        (holding / name).write_text(f"the farm's {name}")
    hosts = DhcpHosts(tmp_path / "dhcp/hosts")
    return NetbootFiles(SubprocessShell(), FACTS, tmp_path / "tftp", hosts, tmp_path / "holding")


@pytest.fixture
def files(tmp_path: Path) -> BootFiles:
    for name in ("kernel", "ramdisk"):
        (tmp_path / name).write_text(name)
    return BootFiles(tmp_path / "kernel", tmp_path / "ramdisk")


def an_entry(deployment: UUID, files: BootFiles) -> BootEntry:
    return BootEntry(deployment, files, f"root=/dev/nfs nfsroot=10.20.0.1:/r/{deployment}")


async def test_a_board_is_told_with_the_deployment_whose_entry_it_has(
    netboot: Netboot, files: BootFiles, board: Board, other: Board
) -> None:
    await netboot.offer(board, an_entry(FIRST, files))
    await netboot.hold(other, TYPE)
    assert await netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=FIRST)
    assert await netboot.seen(other, TYPE) == BootSeen(is_current=True, deployment=None)


async def test_the_newest_entry_stands(netboot: Netboot, files: BootFiles, board: Board) -> None:
    await netboot.hold(board, TYPE)
    await netboot.offer(board, an_entry(FIRST, files))
    await netboot.offer(board, an_entry(SECOND, files))
    assert await netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=SECOND)
    await netboot.hold(board, TYPE)
    assert await netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=None)


async def test_every_call_may_be_made_twice(netboot: Netboot, files: BootFiles, board: Board) -> None:
    for _twice in range(2):
        await netboot.offer(board, an_entry(FIRST, files))
    assert await netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=FIRST)
    for _twice in range(2):
        await netboot.hold(board, TYPE)
    assert await netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=None)
    for _twice in range(2):
        await netboot.forget(board)
    assert await netboot.seen(board, TYPE) is None


async def test_a_board_that_moved_to_another_address_keeps_its_entry(
    netboot: Netboot, files: BootFiles, board: Board
) -> None:
    moved = replace(board, address=IPv4Address("10.20.0.99"))
    await netboot.offer(board, an_entry(FIRST, files))
    assert await netboot.seen(moved, TYPE) == BootSeen(is_current=False, deployment=FIRST)
    await netboot.offer(moved, an_entry(FIRST, files))
    assert await netboot.seen(moved, TYPE) == BootSeen(is_current=True, deployment=FIRST)
    await netboot.forget(moved)
    assert await netboot.seen(board, TYPE) is None


async def test_a_holding_entry_of_a_type_that_was_mended_is_outdated(
    netboot: Netboot, files: BootFiles, board: Board
) -> None:
    mended = replace(TYPE, cmdline="fbcon=map:1")
    await netboot.hold(board, TYPE)
    assert await netboot.seen(board, mended) == BootSeen(is_current=False, deployment=None)
    await netboot.hold(board, mended)
    assert await netboot.seen(board, mended) == BootSeen(is_current=True, deployment=None)
    await netboot.offer(board, an_entry(FIRST, files))
    assert await netboot.seen(board, TYPE) == BootSeen(is_current=True, deployment=FIRST), "its user's stays"


async def test_nobody_is_told_before_there_is_an_entry(netboot: Netboot, board: Board) -> None:
    assert await netboot.seen(board, TYPE) is None


async def test_a_board_that_boots_otherwise_now_has_no_entry_of_the_former_way(
    netboot: Netboot, files: BootFiles, board: Board
) -> None:
    changed = replace(board, boot=Boot.GRUB if board.boot is Boot.PXELINUX else Boot.PXELINUX)
    await netboot.offer(board, an_entry(FIRST, files))
    await netboot.hold(changed, TYPE)
    assert await netboot.seen(changed, TYPE) == BootSeen(is_current=True, deployment=None)
    await netboot.offer(changed, an_entry(SECOND, files))
    assert await netboot.seen(changed, TYPE) == BootSeen(is_current=True, deployment=SECOND)
