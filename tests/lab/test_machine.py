"""The words that a virtual board is started with."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.machine import Flash, command

BOARD = Definition(name="tk1-1", kind=Kind.UBOOT, mac="52:54:00:00:00:21", address=IPv4Address("10.77.0.21"))
FLASH = Flash(Path("/lab/u-boot.flash"), Path("/lab/environment.flash"))


def words(board: Definition) -> list[str]:
    return command(board, "bgp1", FLASH, serial=5, control=7, cage=Path("/run/nothing"))


def after(option: str, said: list[str]) -> list[str]:
    return [said[at + 1] for at, word in enumerate(said) if word == option]


def test_a_tenant_can_leave_nothing_in_the_flash_chips() -> None:
    chips = after("-drive", words(BOARD))
    assert len(chips) == 2
    assert all(chip.endswith(",readonly=on") for chip in chips)


def test_a_flashed_board_boots_its_own_kernel_and_has_no_bootloader() -> None:
    said = words(replace(BOARD, kind=Kind.FLASHED, kernel="/b/k", initrd="/b/i", cmdline="console=ttyAMA0 quiet"))
    assert (after("-kernel", said), after("-initrd", said), after("-append", said)) == (
        ["/b/k"],
        ["/b/i"],
        ["console=ttyAMA0 quiet"],
    )
    assert not after("-drive", said)


def test_who_breaks_out_of_the_machine_is_nobody_and_can_start_nothing() -> None:
    said = words(BOARD)
    assert after("-runas", said) == ["nobody"]
    assert after("-chroot", said) == ["/run/nothing"]
    assert "spawn=deny" in after("-sandbox", said)[0]
