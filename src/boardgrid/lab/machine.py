"""One virtual board that is on: a QEMU process, its control line and its serial line."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.qmp import ControlLine
from boardgrid.lab.serial import SerialLine
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, FarmError, Fault

log = structlog.get_logger()

START_S = 20.0  # until QEMU answers on its control line: it reads the kernel before
ANSWER_S = 5.0
QUIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Flash:
    """The contents of a board's two flash chips. All boards of a kind share them: nobody can change them."""

    firmware: Path
    settings: Path | None  # U-Boot's environment, or UEFI's variables; none of a PC, which keeps them in its memory


def command(board: Definition, port: str, flash: Flash | None, *, serial: int, control: int, cage: Path) -> list[str]:
    """QEMU's words. *serial* and *control* are descriptors of sockets that it is given; *cage* is an empty folder."""
    return [
        *_MACHINES[board.kind],
        *("-name", board.name, "-accel", "tcg", "-m", str(board.memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-netdev", f"tap,id=net,ifname={port},script=no,downscript=no"),
        *("-device", f"{_CARDS[board.kind]},netdev=net,mac={board.mac}"),
        *("-chardev", f"socket,id=serial,fd={serial}", "-serial", "chardev:serial"),
        *("-chardev", f"socket,id=control,fd={control}", "-mon", "chardev=control,mode=control"),
        # Who breaks out of the machine is nobody, sees an empty folder and can start nothing.
        *("-runas", "nobody", "-chroot", str(cage)),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny"),
        *_begins(board, flash),
    ]


_ARMHF = ("qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15")
_MACHINES = {
    Kind.UBOOT: _ARMHF,
    Kind.FLASHED: _ARMHF,
    # With a device tree instead of ACPI the kernel is up some two seconds sooner.
    Kind.UEFI: ("qemu-system-aarch64", "-M", "virt,acpi=off", "-cpu", "cortex-a57"),
    Kind.PC: ("qemu-system-x86_64", "-M", "q35", "-cpu", "max"),
}
_CARDS = {
    Kind.UBOOT: "virtio-net-device",
    Kind.FLASHED: "virtio-net-device",
    # Firmware boots from it alone, and needs no driver from the card: it has its own.
    Kind.UEFI: "virtio-net-pci,bootindex=0,romfile=",
    Kind.PC: "virtio-net-pci,bootindex=0,romfile=",
}
_NO_MENU = ("-boot", "menu=on,splash-time=0")  # it is not waited for
_VARIABLES_AT = 0x04000000  # where the machine has its second flash chip


def _begins(board: Definition, flash: Flash | None) -> list[str]:
    """
    What the board starts with. A tenant could leave something in a writable flash chip that the next one's boot would
    run: U-Boot's are read-only, and a PC has none. UEFI on arm64 cannot do without one that takes what it writes, so
    the second chip is memory, and its beginning, all that firmware reads, is laid there anew whenever the board is
    switched on or reset.
    """
    if flash is None:
        return ["-kernel", board.kernel, "-append", board.cmdline, *(("-initrd", board.initrd) if board.initrd else ())]
    if board.kind is Kind.PC:
        return ["-bios", str(flash.firmware), *_NO_MENU]
    code = ["-drive", f"if=pflash,format=raw,unit=0,file={flash.firmware},readonly=on"]
    if board.kind is Kind.UBOOT:
        return [*code, "-drive", f"if=pflash,format=raw,unit=1,file={flash.settings},readonly=on"]
    variables = f"loader,file={flash.settings},addr={_VARIABLES_AT:#x},force-raw=on"
    return [*code, "-device", variables, *_NO_MENU]


@dataclass(slots=True)
class Machine:
    """A board that is on, until its process ends: by us, or by the board that switches itself off."""

    name: str
    process: asyncio.subprocess.Process
    control: ControlLine
    serial: SerialLine
    _complaints: deque[bytes] = field(default_factory=lambda: deque(maxlen=20))
    _watch: asyncio.Task[None] | None = None

    @classmethod
    async def started(
        cls, board: Definition, port: str, flash: Flash | None, cage: Path, printed: Callable[[bytes], None]
    ) -> "Machine":
        """
        Switch a board on; what it prints goes to *printed*.

        Raises:
            Fault: QEMU ended, or did not answer, before the board ran.
        """
        with contextlib.ExitStack() as given:
            # Sockets without a name: nobody but the two ends can reach them.
            serial, its_serial = socket.socketpair()
            control, its_control = socket.socketpair()
            for end in (its_serial, its_control):
                given.callback(end.close)
            words = command(board, port, flash, serial=its_serial.fileno(), control=its_control.fileno(), cage=cage)
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(its_serial.fileno(), its_control.fileno()),
                )
            except OSError as error:
                serial.close()
                control.close()
                raise _not_on(board.name, error, blame=Blame.SITE) from error
        machine = cls(board.name, process, ControlLine(board.name), SerialLine(serial, printed))
        machine._watch = asyncio.create_task(machine._live())
        try:
            async with asyncio.timeout(START_S):
                await machine.control.greet(control, within_s=START_S)
        except (TimeoutError, FarmError) as error:
            await machine.off()
            raise _not_on(board.name, machine.complaint or error) from error
        except asyncio.CancelledError:
            await machine.off()
            raise
        log.info("board.switched_on", board=board.name, pid=process.pid)
        return machine

    @property
    def is_on(self) -> bool:
        return self.process.returncode is None

    @property
    def complaint(self) -> str:
        """What QEMU said of itself."""
        return b"".join(self._complaints).decode("utf-8", "replace").strip()

    async def reset(self, begins: Callable[[], None]) -> None:
        """
        Begin a new life; *begins* is called after all that was printed in the former one, and before what is in this.

        Raises:
            Fault: the machine does not answer. It may be halted then.
        """
        # Nothing in what is printed tells one life from another: the board is held where it has ended the one.
        await self.control.ask("stop", within_s=ANSWER_S)
        await self.control.ask("system_reset", until="RESET", within_s=ANSWER_S)
        await self.serial.catch_up()
        begins()
        await self.control.ask("cont", within_s=ANSWER_S)

    async def off(self) -> None:
        """Returns when the process is gone."""
        if self.is_on and self.control.is_open:
            with contextlib.suppress(FarmError, TimeoutError):
                async with asyncio.timeout(QUIT_S):
                    await self.control.ask("quit", within_s=QUIT_S)
                    await self.process.wait()
        if self.is_on:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
        if self._watch:
            await self._watch

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.serial.hear())
            group.create_task(self._hear_complaints())
        await self.process.wait()
        self.serial.end.close()
        self.control.close()
        log.info("board.switched_off", board=self.name, status=self.process.returncode)

    async def _hear_complaints(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - asked for above
        while said := await self.process.stderr.read(1024):
            self._complaints.append(said)


def _not_on(board: str, error: object, blame: Blame = Blame.BOARD) -> Fault:
    return Fault(
        Code.POWER_FAILED,
        _("the virtual board {board} could not be switched on: {error}"),
        blame=blame,
        board=board,
        error=error,
    )
