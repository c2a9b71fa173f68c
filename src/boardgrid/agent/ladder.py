"""The ladder of restarts: what can be done to a board, politest first."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from boardgrid.messages import _
from boardgrid.model.board import Act
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.ports import HasConsole, Quiesces, Resets, SwitchesOff, SwitchesOn, TellsPower, WritesDown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rung:
    name: str
    act: Callable[[], Awaitable[None]]
    wakes: bool  # helps a board that is off
    is_forced: bool  # whatever runs on the board has no say in it


@dataclass(frozen=True, slots=True)
class Ladder:
    """The drivers of one board."""

    board: str
    drivers: Sequence[object]

    @property
    def can_stop(self) -> bool:
        """Some driver can switch it off and some driver tells that it is: only then off is sure."""
        return self._first(SwitchesOff) is not None and self._first(TellsPower) is not None

    def rungs(self, is_on: bool | None) -> list[Rung]:
        """What restarts it, politest first; of a board that is off only what wakes it, where there is such a thing."""
        rungs = []
        for driver in self.drivers:
            name = type(driver).__name__
            if isinstance(driver, Resets):
                # Where the board itself is asked to write down its memory, it is also asked to restart.
                words, is_forced = _("reset by {driver}").format(driver=name), not isinstance(driver, Quiesces)
                rungs.append(Rung(words, driver.reset, wakes=False, is_forced=is_forced))
            if isinstance(driver, SwitchesOn):
                cycle = self._cycle(driver)
                rungs.append(Rung(_words(driver, cycle), cycle or driver.on, wakes=True, is_forced=cycle is not None))
        if is_on is False:
            waking = [rung for rung in rungs if rung.wakes]
            return waking or rungs
        return rungs

    async def stop(self) -> None:
        driver = self._first(SwitchesOff)
        if driver is None:
            raise self._unable(Act.OFF)
        await driver.off()

    async def is_on(self) -> bool | None:
        """None where no driver can tell."""
        driver = self._first(TellsPower)
        return None if driver is None else await driver.is_on()

    async def quiesce(self) -> None:
        driver = self._first(Quiesces)
        if driver is not None:
            await driver.quiesce()

    async def write_down(self) -> None:
        driver = self._first(WritesDown)
        if driver is not None:
            await driver.write_down()

    async def console_tail(self, lines: int) -> tuple[str, ...]:
        driver = self._first(HasConsole)
        return () if driver is None else await driver.console_tail(lines)

    async def obey(self, act: Act) -> None:
        """
        What the holder of a board asks for.

        Raises:
            Invalid: no driver of this board can do it.
        """
        on, off = self._first(SwitchesOn), self._first(SwitchesOff)
        cycles = (cycle for driver in self.drivers if isinstance(driver, SwitchesOn) if (cycle := self._cycle(driver)))
        match act:
            case Act.ON if on:
                await on.on()
            case Act.OFF if off:
                await off.off()
            case Act.CYCLE if cycle := next(cycles, None):
                await cycle()
            case Act.RESET if self.rungs(is_on=True):
                await self._restart()
            case _:
                raise self._unable(act)

    async def _restart(self) -> None:
        """The politest restart that works."""
        *politer, last = self.rungs(is_on=True)
        for rung in politer:
            with contextlib.suppress(Fault):
                await rung.act()
                return
        await last.act()

    def _unable(self, act: Act) -> Invalid:
        return Invalid(
            Code.POWER_UNABLE,
            _("{board} has no driver that can do 'power {act}'"),
            hint=_("an admin can declare one in its power list"),
            board=self.board,
            act=act,
        )

    def _cycle(self, on: SwitchesOn) -> "_Cycle | None":
        """
        Off and on again, ending with *on*.

        Another driver takes the power away only where none could give it back: nothing wakes a board at a dead outlet.
        """
        if isinstance(on, SwitchesOff):
            return _Cycle(on, on)
        if any(isinstance(driver, SwitchesOn) and isinstance(driver, SwitchesOff) for driver in self.drivers):
            return None
        off = self._first(SwitchesOff)
        return None if off is None else _Cycle(off, on)

    def _first(self, ability: type[T]) -> T | None:
        return next((driver for driver in self.drivers if isinstance(driver, ability)), None)


@dataclass(frozen=True, slots=True)
class _Cycle:
    off: SwitchesOff
    on: SwitchesOn

    async def __call__(self) -> None:
        await self.off.off()
        await self.on.on()


def _words(on: SwitchesOn, cycle: _Cycle | None) -> str:
    driver = type(on).__name__
    if cycle is None:
        return _("wake by {driver}").format(driver=driver)
    if isinstance(on, SwitchesOff):
        return _("power cycle by {driver}").format(driver=driver)
    return _("power off by {off}, on by {driver}").format(off=type(cycle.off).__name__, driver=driver)
