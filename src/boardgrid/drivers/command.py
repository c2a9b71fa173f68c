"""
Outlets that some program can switch.

    power = [{ driver = "command", on = ["tdtool", "--on", "7"], off = ["tdtool", "--off", "7"] }]
"""

from dataclasses import dataclass, field

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.ports import Tools

log = structlog.get_logger()

_WORDS = {"on": True, "1": True, "off": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """
    Programs with their arguments, run as they are given: no shell reads them.

    What the board can be made to do depends on the keys that are there, so this is not the driver itself: it gives one.
    """

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    state: tuple[str, ...] = ()  # prints "on" or "off" ("1" or "0") and ends with status 0
    settle_s: float = 2.0  # a small board lives on for a while on what its capacitors hold
    timeout_s: float = 20.0
    tools: Tools = field(repr=False)

    def __post_init__(self) -> None:
        if not (self.on or self.off or self.reset or self.state):
            raise ValueError(_("one of on, off, reset, state should be there"))
        if any("\0" in word for argv in (self.on, self.off, self.reset, self.state) for word in argv):
            raise ValueError(_("the words of a command should be free of NUL characters"))
        if not 0 <= self.settle_s <= 60 or not 0 < self.timeout_s <= 600:
            raise ValueError(_("settle_s should be 0 to 60, timeout_s at most 600"))

    def driver(self) -> object:
        """An object that can do what the keys tell, and nothing else."""
        abilities = {"on": _On, "off": _Off, "reset": _Reset, "state": _State}
        bases = tuple(ability for key, ability in abilities.items() if getattr(self, key))
        made: object = type("Command", bases, {"__slots__": ()})(self)
        return made


class _Outlet:
    __slots__ = ("_said",)

    def __init__(self, said: Command) -> None:
        self._said = said

    def __repr__(self) -> str:
        return repr(self._said)

    async def _run(self, act: str, argv: tuple[str, ...]) -> str:
        said = self._said
        try:
            return await said.tools.shell.run(*argv, timeout_s=said.timeout_s)
        except Fault as error:
            # Its words and what it was given may hold secrets, and everybody reads why a board is set aside.
            log.warning("command.failed", board=said.tools.board.name, act=act, why=str(error))
            if error.code is Code.PROGRAM_TIMEOUT:
                raise self._failed(act, _("it took over {s:g} s").format(s=said.timeout_s)) from error
            raise self._failed(act, _("the agent's log has what it said")) from error

    def _failed(self, act: str, why: object) -> Fault:
        return Fault(
            Code.POWER_FAILED,
            _("the command for '{act}' of {board} failed: {why}"),
            hint=_("run it by hand on the site's server, as the power list of {board} has it"),
            blame=Blame.BOARD,
            act=act,
            board=self._said.tools.board.name,
            why=why,
        )


class _On(_Outlet):
    __slots__ = ()

    async def on(self) -> None:
        await self._run("on", self._said.on)


class _Off(_Outlet):
    __slots__ = ()

    async def off(self) -> None:
        await self._run("off", self._said.off)
        await self._said.tools.clock.sleep(self._said.settle_s)


class _Reset(_Outlet):
    __slots__ = ()

    async def reset(self) -> None:
        await self._run("reset", self._said.reset)


class _State(_Outlet):
    __slots__ = ()

    async def is_on(self) -> bool:
        # Words alone, not the status: a program that is broken would say "off" by it, and off is what makes sure
        # that nobody writes to a root any more.
        said = (await self._run("state", self._said.state)).strip().lower()
        if said not in _WORDS:
            log.warning("command.misspoke", board=self._said.tools.board.name, said=said[:80])
            raise self._failed("state", _('it should print "on" or "off", and the agent\'s log has what it printed'))
        return _WORDS[said]
