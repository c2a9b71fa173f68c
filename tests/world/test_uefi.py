"""The arm64 and the amd64 board of the whole farm: UEFI firmware, GRUB by network, a root over NFS."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from boardgrid.adapters.netboot.grub import LOADERS
from boardgrid.daemon.processes import Farm
from boardgrid.demo.acts import Extra
from boardgrid.lab.client import LabClient
from boardgrid.model.errors import Fault
from tests.world.farm import BOOT_WITHIN_S, WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(900)]

# Where the firmware keeps its variables, to a program of the board: a word of them that is written as flash chips are.
_FLASH = 0x040B_F000
_MARK = 0x600D_F00D


@pytest.fixture(scope="module")
def farm() -> Iterator[WholeFarm]:
    with whole_farm() as made:
        yield made


def console(farm: WholeFarm, board: str) -> str:
    lab = LabClient(Farm.of(farm.stage.config()).lab_socket)
    return "\n".join(asyncio.run(lab.tail(board, 200)))


def waits(farm: WholeFarm, board: str) -> None:
    farm.free(board)
    asyncio.run(LabClient(Farm.of(farm.stage.config()).lab_socket).on(board))
    wait_until(lambda: f"{board} is free" in console(farm, board), BOOT_WITHIN_S, "it waits in the holding entry")


def reserved(farm: WholeFarm, extra: Extra, machine: str) -> int:
    """The number of a reservation whose board runs what it should."""
    number = farm.reserve(extra.board, "--image", extra.image)
    assert machine in farm.on_board(extra.board, "uname -m")
    deployment = farm.deployment(number)
    assert f"DEPLOYMENT={deployment['id']}" in farm.on_board(extra.board, "cat /etc/boardgrid/deployment")
    own = farm.on_board(extra.board, "dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key")
    assert deployment["host_key"] in own
    assert f"tftp: {LOADERS[extra.arch]}" in [one["detail"] for one in farm.told("events", "--board", extra.board)]
    return number


def flash(farm: WholeFarm, board: str) -> int:
    return int(farm.on_board(board, f"devmem {_FLASH:#x} 32"), 16)


def test_an_arm64_board_boots_its_users_root_and_waits_when_it_is_given_back(farm: WholeFarm) -> None:
    extra = farm.add("arm64")
    board = extra.board
    waits(farm, board)
    number = reserved(farm, extra, "aarch64")

    # What a tenant writes where the firmware keeps its settings does not outlive a restart.
    farm.on_board(board, f"devmem {_FLASH:#x} 32 0x00400040; devmem {_FLASH:#x} 32 {_MARK:#x}; "
                         f"devmem {_FLASH:#x} 32 0x00ff00ff")  # fmt: skip
    assert flash(farm, board) == _MARK
    life = farm.on_board(board, "cat /proc/sys/kernel/random/boot_id")
    farm.ada("power", "reset", board)

    def is_up_again() -> bool:
        with suppress(Fault):
            return farm.on_board(board, "cat /proc/sys/kernel/random/boot_id") != life
        return False

    wait_until(is_up_again, BOOT_WITHIN_S, "it is up again")
    assert flash(farm, board) != _MARK

    farm.ada("release", str(number), "--discard", "--yes")
    waits(farm, board)


@pytest.mark.overnight
def test_an_amd64_board_does_the_same(farm: WholeFarm) -> None:
    extra = farm.add("amd64")
    waits(farm, extra.board)
    number = reserved(farm, extra, "x86_64")
    farm.ada("release", str(number), "--discard", "--yes")
    waits(farm, extra.board)
