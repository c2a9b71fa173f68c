"""How one process of the farm is started, watched, restarted and ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from boardgrid.daemon import outside
from boardgrid.daemon.process import Process
from boardgrid.daemon.sockets import handed_on
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
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",  # libraries look there for settings, and users without an entry have none
    "PYTHONUNBUFFERED": "1",
}


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
        with outside.handed_on(process.has_way_out) as (descriptors, words):
            running = await asyncio.create_subprocess_exec(
                *process.command(inside, view),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=[*(door.socket.fileno() for door in process.doors), *descriptors],
                env={**_ENVIRONMENT, **process.env, **handed_on(process.doors), **words},
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
            # A program that became another user does not die any more with what stands before it.
            for pid in {self._inner(running) or running.pid, running.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await running.wait()

    def _set(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.changed(self)
