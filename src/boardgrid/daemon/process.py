"""One process of the farm: what it is, and how it is started, watched, restarted and ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from boardgrid.adapters.shell import DIES_WITH_PARENT
from boardgrid.daemon import launch
from boardgrid.daemon.confine import view_for
from boardgrid.daemon.identity import Identity
from boardgrid.daemon.launch import View
from boardgrid.daemon.sockets import Door, handed_on
from boardgrid.daemon.state import Condition
from boardgrid.finishing import finished
from boardgrid.logs import SizedLog
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError, Fault
from boardgrid.ports import Clock

log = structlog.get_logger()

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
HOPELESS = 6  # starts without ever being ready
STEADY_S = 30.0  # who ran this long without a fault may fall again as if for the first time
LAB = ("net", "mount", "pid")  # a network, mounts and processes of its own
BOX = ("mount", "pid")  # the machine's network, but nobody else's mounts and processes
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",  # libraries look there for settings, and users without an entry have none
    "PYTHONUNBUFFERED": "1",
}


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
            words += [
                "unshare",
                *kinds,
                "--mount-proc",
                "--propagation",
                "private",
                "--fork",
                "--kill-child=KILL",
                "--",
            ]
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


async def all_ready(keepers: Collection["Keeper"]) -> None:
    """Return at a moment when all of them are ready: one that was may have fallen while another was waited for."""
    while late := [keeper for keeper in keepers if not keeper.ready.is_set()]:
        await late[0].ready.wait()


@dataclass(slots=True)
class Keeper:
    """Keeps one process running. *changed* is called whenever its condition is another."""

    process: Process
    log: SizedLog
    clock: Clock
    changed: Callable[["Keeper"], None]
    holder: "Keeper | None" = None  # of the namespaces it lives in
    after: tuple["Keeper", ...] = ()
    bound_to: tuple["Keeper", ...] = ()
    down: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    hopeless: asyncio.Event = field(default_factory=asyncio.Event)  # it fell too often, and was never ready
    pid: int | None = None  # of the program itself, as this machine numbers it
    restarts: int = 0
    state: str = "waiting"
    trouble: str = ""  # why it ended last
    _was_ready: bool = False

    @property
    def condition(self) -> Condition:
        return Condition(self.state, self.pid, self.restarts)

    async def keep(self) -> None:
        """Run the process, and again whenever it ends, until this is cancelled; then it is ended."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._set("waiting")
            await all_ready(self.after)
            began_s = self.clock.now_s()
            try:
                await self.process.prepare()
                if not all(other.ready.is_set() for other in self.after):
                    continue  # one fell meanwhile
                self.trouble = await self._run_once()
            except (OSError, FarmError) as error:
                self.trouble = str(error)
            log.warning("process.ended", process=self.process.name, why=self.trouble, pause_s=pause_s)
            self._set("stopped")
            if self.restarts + 1 >= HOPELESS and not self._was_ready:
                self.hopeless.set()
            if self.clock.now_s() - began_s >= STEADY_S:
                pause_s = FIRST_PAUSE_S
            await self.clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self.restarts += 1

    async def _run_once(self) -> str:
        """Start it and wait for its end; returns how it ended."""
        # Before anything is waited for, so that no fall is missed.
        falls = {asyncio.create_task(other.down.wait()): other for other in self.bound_to}
        try:
            running = await self._start()
        except BaseException:
            for fall in falls:
                fall.cancel()
            raise
        self.down.clear()
        pump = asyncio.create_task(self._pump(running))
        ended = asyncio.create_task(running.wait())
        watch = asyncio.create_task(self._become_ready(running))
        try:
            await asyncio.wait({ended, watch, *falls}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                await watch
                self._was_ready = True
                self.ready.set()
                self._set("ready")
                await asyncio.wait({ended, *falls}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return _("it ended with status {status}").format(status=ended.result())
            fallen = next(other for task, other in falls.items() if task.done())
            return _("{name} ended, without which it cannot be").format(name=fallen.process.name)
        finally:
            self.ready.clear()
            self.down.set()
            for task in (ended, watch, *falls):
                task.cancel()
            await asyncio.gather(ended, watch, *falls, return_exceptions=True)
            await finished(self._stop(running))
            # What its children still hold open may say more, but not for ever.
            await asyncio.wait({pump}, timeout=0.5)
            pump.cancel()
            self.pid = None

    async def _start(self) -> asyncio.subprocess.Process:
        process = self.process
        view = process.view()
        inside = self.holder.pid if self.holder else None
        self._set("starting")
        running = await asyncio.create_subprocess_exec(
            *process.command(inside, view),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[door.socket.fileno() for door in process.doors],
            env={**_ENVIRONMENT, **process.env, **handed_on(process.doors)},
            cwd="/",
            start_new_session=True,  # a Ctrl-C on the supervisor's terminal is the supervisor's
        )
        log.info("process.started", process=process.name, pid=running.pid)
        return running

    async def _become_ready(self, running: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self.process.ready_s):
                while (pid := self._inner(running)) is None:
                    await self.clock.sleep(0.01)
                self.pid = pid
                self.changed(self)  # who waits long to be ready can be found meanwhile
                while not await self.process.ready(pid):
                    await self.clock.sleep(0.03)
        except TimeoutError as error:
            raise Fault(
                Code.PROGRAM_TIMEOUT,
                _("{name} was not ready within {seconds:g} s"),
                name=self.process.name,
                seconds=self.process.ready_s,
            ) from error

    def _inner(self, running: asyncio.subprocess.Process) -> int | None:
        """The program itself, which may be the child of what was started."""
        if not self.process.forks:
            return running.pid
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
            return int(children[0]) if children else None
        return None

    async def _pump(self, running: asyncio.subprocess.Process) -> None:
        assert running.stdout is not None  # noqa: S101 - asked for above
        while said := await running.stdout.read(1 << 16):
            self.log.write(said)

    async def _stop(self, running: asyncio.subprocess.Process) -> None:
        if running.returncode is None and (inner := self._inner(running)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(inner, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.process.stop_s):
                    await running.wait()
        if running.returncode is None:
            log.warning("process.killed", process=self.process.name)
            with contextlib.suppress(ProcessLookupError):
                running.kill()  # the program dies with it
            await running.wait()

    def _set(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.changed(self)
