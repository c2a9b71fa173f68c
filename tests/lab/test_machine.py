"""The words that a virtual board is started with, and what its life and the next one have in common: nothing."""

import asyncio
import json
import socket
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.lab.console import Transcript
from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.machine import Flash, Machine, command
from boardgrid.lab.qmp import ControlLine
from boardgrid.lab.serial import SerialLine
from boardgrid.logs import SizedLog

BOARD = Definition(name="tk1-1", kind=Kind.UBOOT, mac="52:54:00:00:00:21", address=IPv4Address("10.77.0.21"))
UEFI = replace(BOARD, name="va1-1", kind=Kind.UEFI)
PC = replace(BOARD, name="pc1-1", kind=Kind.PC)
FLASHED = replace(BOARD, kind=Kind.FLASHED, kernel="/b/k", initrd="/b/i", cmdline="console=ttyAMA0 quiet")
FLASH = Flash(Path("/lab/code.flash"), Path("/lab/settings.flash"))


def words(board: Definition) -> list[str]:
    flash = None if board.kind is Kind.FLASHED else FLASH
    return command(board, "bgp1", flash, serial=5, control=7, cage=Path("/run/nothing"))


def after(option: str, said: list[str]) -> list[str]:
    return [said[at + 1] for at, word in enumerate(said) if word == option]


def test_a_tenant_can_leave_nothing_in_the_flash_chips() -> None:
    chips = after("-drive", words(BOARD))
    assert len(chips) == 2
    assert all(chip.endswith(",readonly=on") for chip in chips)


def test_what_uefi_writes_goes_to_memory_that_is_laid_anew_at_each_reset() -> None:
    said = words(UEFI)
    assert after("-drive", said) == ["if=pflash,format=raw,unit=0,file=/lab/code.flash,readonly=on"]
    # QEMU's loader puts the file there whenever the machine begins, be it by itself.
    assert "loader,file=/lab/settings.flash,addr=0x4000000,force-raw=on" in after("-device", said)


def test_a_pc_has_no_flash_chip_at_all() -> None:
    said = words(PC)
    assert after("-bios", said) == ["/lab/code.flash"]
    assert not after("-drive", said) and not any("loader" in word for word in said)


@pytest.mark.parametrize(("board", "program"), [(UEFI, "qemu-system-aarch64"), (PC, "qemu-system-x86_64")])
def test_a_uefi_board_boots_from_its_network_card_alone_and_waits_for_no_menu(board: Definition, program: str) -> None:
    said = words(board)
    assert said[0] == program
    assert "virtio-net-pci,bootindex=0,romfile=,netdev=net,mac=52:54:00:00:00:21" in after("-device", said)
    assert after("-boot", said) == ["menu=on,splash-time=0"]


def test_a_flashed_board_boots_its_own_kernel_and_has_no_bootloader() -> None:
    said = words(FLASHED)
    assert (after("-kernel", said), after("-initrd", said), after("-append", said)) == (
        ["/b/k"],
        ["/b/i"],
        ["console=ttyAMA0 quiet"],
    )
    assert not after("-drive", said)


@pytest.mark.parametrize("board", [BOARD, UEFI, PC, FLASHED], ids=lambda board: str(board.kind))
def test_who_breaks_out_of_the_machine_is_nobody_and_can_start_nothing(board: Definition) -> None:
    said = words(board)
    assert after("-runas", said) == ["nobody"]
    assert after("-chroot", said) == ["/run/nothing"]
    assert "spawn=deny" in after("-sandbox", said)[0]


FORMER = b"of a former life\n" * 5000  # more than anybody has heard by the time that the reset is done


async def qemu(control: socket.socket, serial: socket.socket, *, tells_event_first: bool) -> None:
    """The other end of a machine's two lines, as far as a reset goes."""
    reader, writer = await asyncio.open_connection(sock=control)
    writer.write(b'{"QMP": {}}\n')
    prints = {"stop": FORMER, "cont": b"U-Boot\n"}
    while line := await reader.readline():
        asked = json.loads(line)
        await asyncio.get_running_loop().sock_sendall(serial, prints.get(asked["execute"], b""))
        told: list[object] = [{"return": {}, "id": asked["id"]}]
        if asked["execute"] == "system_reset":
            told.insert(0 if tells_event_first else 1, {"event": "RESET", "data": {"guest": False}})
        writer.write("".join(f"{json.dumps(one)}\n" for one in told).encode())
    writer.close()
    serial.close()


@pytest.mark.parametrize("tells_event_first", [False, True], ids=["answer first", "event first"])
async def test_what_is_shown_after_a_reset_was_printed_after_it(tmp_path: Path, tells_event_first: bool) -> None:
    (control, its_control), (serial, its_serial) = socket.socketpair(), socket.socketpair()
    its_serial.setblocking(False)
    transcript = Transcript(SizedLog(tmp_path / "tk1-1.log", 1 << 20))
    process = await asyncio.create_subprocess_exec("true")
    machine = Machine("tk1-1", process, ControlLine("tk1-1"), SerialLine(serial, transcript.feed))
    async with asyncio.timeout(60), asyncio.TaskGroup() as lives:
        lives.create_task(qemu(its_control, its_serial, tells_event_first=tells_event_first))
        lives.create_task(machine.serial.hear())
        await machine.control.greet(control, within_s=30)
        await machine.reset(lambda: transcript.begin("reset"))
        machine.control.close()
    serial.close()
    await process.wait()
    assert transcript.tail(1000) == ("U-Boot",)
    assert transcript.log.path.read_bytes() == FORMER + b"--- reset\nU-Boot\n", "the log keeps all of both"
