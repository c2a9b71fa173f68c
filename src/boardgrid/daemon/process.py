"""One process of the farm: what it is, and the words that start it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from boardgrid.adapters.shell import DIES_WITH_PARENT
from boardgrid.daemon import launch
from boardgrid.daemon.confine import view_for
from boardgrid.daemon.identity import Identity
from boardgrid.daemon.launch import View
from boardgrid.daemon.sockets import Door

LAB = ("net", "mount", "pid")  # a network, mounts and processes of its own
BOX = ("mount", "pid")  # the machine's network, but nobody else's mounts and processes
PEN = ("pid",)  # the machine's network and mounts: its first process takes all others with it, and that is all


async def _at_once(pid: int) -> bool:
    return True


async def _nothing() -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """
    A program that runs as long as the farm does.

    *ready* is asked again and again with the process's number until it says yes; *prepare* is done before each start.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None  # None: root
    needs: tuple[Path, ...] = ()  # what it must reach as who it is, whatever lies above it
    becomes: Identity | None = None  # who a program makes of itself that has to start as root
    doors: tuple[Door, ...] = ()
    namespaces: tuple[str, ...] = ()  # made for it, or where it lives *inside* another: that one's
    has_way_out: bool = False  # it may have programs run on the supervisor's own network
    inside: str = ""  # the process in whose namespaces it lives, and with which it falls
    after: tuple[str, ...] = ()  # those that must be ready before it starts
    bound_to: tuple[str, ...] = ()  # such of these that it cannot outlive
    prepare: Callable[[], Awaitable[None]] = _nothing
    ready: Callable[[int], Awaitable[bool]] = _at_once
    ready_s: float = 60.0
    stop_s: float = 10.0

    @property
    def forks(self) -> bool:
        """Whether the program is the child of the process that is started: entering a process namespace takes one."""
        return "pid" in self.namespaces

    def command(self, inside: int | None, view: View) -> list[str]:
        """The words to start it with; *inside* is the number of the process whose namespaces it enters."""
        words = list(DIES_WITH_PARENT)
        kinds = [f"--{kind}" for kind in self.namespaces]
        if self.inside:
            assert inside is not None  # noqa: S101 - it is started while that process is ready
            # Its root too, which is another than the namespace's own where the whole farm is confined to a folder.
            words += ["nsenter", f"--target={inside}", *kinds, "--root", "--", *DIES_WITH_PARENT]
        elif kinds:
            mounts = ("--mount-proc", "--propagation", "private") if "mount" in self.namespaces else ()
            words += ["unshare", *kinds, *mounts, "--fork", "--kill-child=KILL", "--"]
        words += launch.words([door.socket.fileno() for door in self.doors], view)
        if self.identity:
            words += _becomes(self.identity)
        return [*words, *self.argv]

    def view(self) -> View:
        """
        Raises:
            Fault: its user cannot read what it needs.
        """
        who = self.identity or self.becomes
        return view_for(who, self.needs) if who else View()

    def command_here(self) -> list[str]:
        """The words for one that lives in nobody's namespaces and runs once."""
        return self.command(None, self.view())


def _becomes(identity: Identity) -> list[str]:
    return [
        *("setpriv", f"--reuid={identity.uid}", f"--regid={identity.gid}", "--clear-groups", "--no-new-privs"),
        *("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"),
        # Once more: the kernel forgets it when the user changes.
        *("--pdeathsig", "KILL", "--"),
    ]
