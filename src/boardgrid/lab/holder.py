"""Who is in the lab: the definitions that are kept on disk, their ports, and the machines that are on."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import structlog

from boardgrid.bootware import uboot, uefi
from boardgrid.lab.console import LOG_BYTES, Transcript
from boardgrid.lab.definition import Definition, Kind, Sight, Signal
from boardgrid.lab.machine import Flash, Machine
from boardgrid.lab.network import NOTHING, LabNetwork, port_of
from boardgrid.lab.ruleset import Port
from boardgrid.lab.shelf import Shelf
from boardgrid.logs import SizedLog
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Fault, Invalid, NotFound

log = structlog.get_logger()

# What a real board may do by itself, done to a virtual one: hang, go on, break.
_SIGNALS: Mapping[Signal, signal.Signals] = {"STOP": signal.SIGSTOP, "CONT": signal.SIGCONT, "KILL": signal.SIGKILL}
# What is in a board's flash chips, where it has any.
_FLASHES: Mapping[Kind, Callable[[Path], tuple[Path, Path | None]]] = {
    Kind.UBOOT: uboot.write_flash,
    Kind.UEFI: uefi.write_variables,
    Kind.PC: uefi.pc,
}


@dataclass(slots=True)
class Place:
    """One port and what is behind it. Acts on it wait for each other; acts on others do not."""

    number: int
    definition: Definition
    transcript: Transcript
    machine: Machine | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_on(self) -> bool:
        return self.machine is not None and self.machine.is_on

    @property
    def port(self) -> Port:
        return Port(port_of(self.number), self.definition)


class Holder:
    """
    Keeps *folder*: ``boards/`` (definitions), ``flash/`` (what boards start with), ``console/`` (what boards printed).

    After a restart every board that was defined is there, and off.
    """

    def __init__(self, folder: Path, network: LabNetwork) -> None:
        self._folder, self._network = folder, network
        self._shelf = Shelf(folder / "boards")
        self._places: dict[str, Place] = {}
        self._plugging = asyncio.Lock()
        self._wakes: set[asyncio.Task[None]] = set()
        self._flash: dict[Kind, Flash] = {}

    async def begin(self) -> None:
        await self._network.begin()
        (self._folder / "console").mkdir(parents=True, exist_ok=True)
        for number, definition in self._shelf.read():
            try:
                definition.check(self._network.server)
                self._refuse_double(definition)
                await self._network.plug(number, definition)
            except FarmError as error:
                # One that does not fit any more (the network has changed) must not keep the others from their work.
                log.warning("board.left_out", board=definition.name, why=str(error))
                continue
            self._places[definition.name] = self._place(number, definition)
        await self._bind()

    async def end(self) -> None:
        for wake in self._wakes:
            wake.cancel()
        await asyncio.gather(*(place.machine.off() for place in self._places.values() if place.machine))

    # --- what is there

    def all(self) -> list[Sight]:
        return [self._sight(place) for place in self._places.values()]

    async def define(self, definition: Definition) -> Sight:
        """
        Add a board or a cable, or change it. May be called twice.

        Raises:
            Invalid: it cannot stand in this lab.
            Conflict: another has its MAC or its address, or it is on.
        """
        definition.check(self._network.server)
        async with self._plugging:
            place = self._places.get(definition.name)
            if place is not None and place.definition == definition:
                return self._sight(place)
            self._refuse_double(definition)
            if place is not None:
                await self._leave(place)
            number = place.number if place else _free({each.number for each in self._places.values()})
            await self._network.plug(number, definition)
            try:
                place = self._places[definition.name] = self._place(number, definition)
                await self._bind()
                self._shelf.write(number, definition)
            except BaseException:
                self._places.pop(definition.name, None)
                await self._network.unplug(number)
                raise
        log.info("board.defined", board=definition.name, kind=definition.kind, port=port_of(number))
        return self._sight(place)

    async def remove(self, name: str) -> None:
        """Switch it off and forget it. May be called twice."""
        async with self._plugging:
            if place := self._places.get(name):
                self._shelf.remove(name)
                await self._leave(place)
                log.info("board.removed", board=name)

    # --- what is done to a board

    async def on(self, name: str) -> None:
        place = self._board(name)
        async with place.turn:
            if place.is_on:
                return
            self._board(name)  # it may have been removed while another act on it ended
            place.transcript.begin(_("switched on"))
            flash = await self._chips(place.definition.kind)
            place.machine = await Machine.started(
                place.definition, port_of(place.number), flash, NOTHING, place.transcript.feed
            )

    async def off(self, name: str) -> None:
        """Returns when it is off for certain."""
        place = self._found(name)
        async with place.turn:
            if place.machine is not None:
                await place.machine.off()
                place.machine = None

    async def reset(self, name: str) -> None:
        place = self._board(name)
        async with place.turn:
            if place.machine is None or not place.machine.is_on:
                raise Fault(
                    Code.POWER_FAILED,
                    _("the virtual board {board} is off, so it cannot be reset"),
                    blame=Blame.BOARD,
                    board=name,
                )
            await place.machine.reset(lambda: place.transcript.begin(_("reset")))

    def is_on(self, name: str) -> bool:
        return self._board(name).is_on

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        return self._board(name).transcript.tail(lines)

    def signal(self, name: str, which: Signal) -> None:
        place = self._board(name)
        if place.machine is None or not place.machine.is_on:
            raise Conflict(Code.THING_IN_USE, _("the virtual board {board} is off"), board=name)
        place.machine.signal(_SIGNALS[which])
        log.info("board.signalled", board=name, signal=which)

    def wake(self, mac: str) -> None:
        """A magic packet came by. A board that is on, or just about to be, does not mind."""
        for name, place in self._places.items():
            is_meant = place.definition.is_board and place.definition.mac == mac
            if is_meant and not place.is_on and not place.turn.locked():
                log.info("board.woken", board=name)
                wake = asyncio.create_task(self._wake(name))
                self._wakes.add(wake)
                wake.add_done_callback(self._wakes.discard)

    # --- inside

    async def _wake(self, name: str) -> None:
        try:
            await self.on(name)
        except FarmError as error:  # nobody waits for an answer to a magic packet
            log.warning("board.not_woken", board=name, why=str(error))

    def _found(self, name: str) -> Place:
        if name not in self._places:
            raise NotFound(
                Code.BOARD_UNKNOWN,
                _("there is no virtual board {board} in the lab"),
                hint=_("it has: {names}"),
                board=name[:80],
                names=", ".join(sorted(self._places)) or "-",
            )
        return self._places[name]

    def _board(self, name: str) -> Place:
        place = self._found(name)
        if not place.definition.is_board:
            raise Invalid(Code.POWER_UNABLE, _("{board} is a cable: there is nothing to switch"), board=name)
        return place

    def _refuse_double(self, definition: Definition) -> None:
        for place in self._places.values():
            other = place.definition
            if other.name == definition.name:
                if place.is_on:
                    raise Conflict(
                        Code.THING_IN_USE,
                        _("the virtual board {board} is on, so it cannot be changed"),
                        hint=_("switch it off first"),
                        board=other.name,
                    )
            elif definition.address and definition.address == other.address:
                self._taken(definition, other, definition.address)
            elif definition.mac and definition.mac == other.mac:
                self._taken(definition, other, definition.mac)

    def _taken(self, definition: Definition, other: Definition, what: object) -> NoReturn:
        raise Conflict(
            Code.NAME_TAKEN,
            _("{name} cannot have {what}: {other} has it"),
            name=definition.name,
            what=what,
            other=other.name,
        )

    def _place(self, number: int, definition: Definition) -> Place:
        file = self._folder / "console" / f"{definition.name}.log"
        return Place(number, definition, Transcript(SizedLog(file, LOG_BYTES)))

    def _sight(self, place: Place) -> Sight:
        return Sight(place.definition, port_of(place.number), place.is_on)

    async def _leave(self, place: Place) -> None:
        """It is switched off, and its port goes."""
        async with place.turn:
            if place.machine is not None:
                await place.machine.off()
            del self._places[place.definition.name]
            await self._bind()
            await self._network.unplug(place.number)
            place.transcript.log.close()

    async def _bind(self) -> None:
        await self._network.bind([place.port for place in self._places.values()])

    async def _chips(self, kind: Kind) -> Flash | None:
        """Written anew in each life of the holder: the package may have been upgraded."""
        if kind not in self._flash and kind in _FLASHES:
            try:
                self._flash[kind] = Flash(*await asyncio.to_thread(_FLASHES[kind], self._folder / "flash"))
            except OSError as error:
                raise Fault(
                    Code.STORE_FULL,
                    _("the lab could not write its boards' flash chips: {why}"),
                    why=error.strerror,
                ) from error
        return self._flash.get(kind)


def _free(taken: Iterable[int]) -> int:
    taken = set(taken)
    return next(number for number in range(1, len(taken) + 2) if number not in taken)
