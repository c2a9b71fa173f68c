"""The arm64 board of the whole farm: UEFI firmware, GRUB by network, a root over NFS."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from boardgrid.daemon.processes import Farm
from boardgrid.lab.client import LabClient
from boardgrid.model.errors import Fault
from tests.world.farm import BOOT_WITHIN_S, WholeFarm, wait_until, whole_farm

pytestmark = [pytest.mark.world, pytest.mark.boards, pytest.mark.slow, pytest.mark.timeout(900)]

BOARD, IMAGE = "va1-1", "tiny-arm64"
# Where the firmware keeps its variables, to a program of the board: a word of them that is written as flash chips are.
_FLASH = 0x040B_F000
_MARK = 0x600D_F00D


@pytest.fixture(scope="module")
def farm() -> Iterator[WholeFarm]:
    with whole_farm() as made:
        made.add_arm64()
        yield made


def console(farm: WholeFarm) -> str:
    lab = LabClient(Farm.of(farm.stage.config()).lab_socket)
    return "\n".join(asyncio.run(lab.tail(BOARD, 200)))


def switch_on(farm: WholeFarm) -> None:
    asyncio.run(LabClient(Farm.of(farm.stage.config()).lab_socket).on(BOARD))


def flash(farm: WholeFarm) -> int:
    return int(farm.on_board(BOARD, f"devmem {_FLASH:#x} 32"), 16)


def test_an_arm64_board_boots_its_users_root_and_waits_when_it_is_given_back(farm: WholeFarm) -> None:
    farm.free(BOARD)
    switch_on(farm)
    wait_until(lambda: f"{BOARD} is free" in console(farm), BOOT_WITHIN_S, "it waits in the holding entry")

    number = farm.reserve(BOARD, "--image", IMAGE)
    assert "aarch64" in farm.on_board(BOARD, "uname -m")
    deployment = farm.deployment(number)
    assert f"DEPLOYMENT={deployment['id']}" in farm.on_board(BOARD, "cat /etc/boardgrid/deployment")
    own = farm.on_board(BOARD, "dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key")
    assert deployment["host_key"] in own
    assert "tftp: grubnetaa64.efi" in [one["detail"] for one in farm.told("events", "--board", BOARD)]

    # What a tenant writes where the firmware keeps its settings does not outlive a restart.
    farm.on_board(BOARD, f"devmem {_FLASH:#x} 32 0x00400040; devmem {_FLASH:#x} 32 {_MARK:#x}; "
                         f"devmem {_FLASH:#x} 32 0x00ff00ff")  # fmt: skip
    assert flash(farm) == _MARK
    life = farm.on_board(BOARD, "cat /proc/sys/kernel/random/boot_id")
    farm.ada("power", "reset", BOARD)

    def is_up_again() -> bool:
        with suppress(Fault):
            return farm.on_board(BOARD, "cat /proc/sys/kernel/random/boot_id") != life
        return False

    wait_until(is_up_again, BOOT_WITHIN_S, "it is up again")
    assert flash(farm) != _MARK

    farm.ada("release", str(number), "--discard", "--yes")
    farm.free(BOARD)
    switch_on(farm)
    wait_until(lambda: f"{BOARD} is free" in console(farm), BOOT_WITHIN_S, "it waits in the holding entry")
