"""Processes that a supervisor of the tests keeps, and how they are."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from boardgrid.adapters.clock import BootClock
from boardgrid.daemon.process import Process
from boardgrid.daemon.state import Condition
from boardgrid.daemon.supervisor import Supervisor

PATIENCE_S = 60.0


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


SLEEPS = python("import time; time.sleep(600)")


@dataclass
class Watched:
    supervisor: Supervisor
    told: list[tuple[str, Condition]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def pid(self, name: str) -> int:
        pid = self.supervisor.conditions()[name].pid
        assert pid is not None
        return pid

    async def until(self, name: str, *, restarts: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (seen := self.supervisor.conditions()[name]) != Condition("ready", seen.pid, restarts):
                await self.news.wait()
                self.news.clear()

    def hear(self, name: str, condition: Condition) -> None:
        if not any(told[0] == name and told[1].state == condition.state for told in self.told[-1:]):
            self.told.append((name, condition))  # that it has a number by now is no other state
        self.news.set()


@asynccontextmanager
async def running(logs: Path, *processes: Process) -> AsyncIterator[Watched]:
    watched = Watched(Supervisor(processes, logs, BootClock()))
    watched.supervisor.changed = watched.hear
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(watched.supervisor.run(stop, ready_within_s=PATIENCE_S, on_ready=ready.set))
    waits = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waits}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield watched
    finally:
        waits.cancel()
        stop.set()
        await task


def is_alive(pid: int) -> bool:
    """A zombie that its new parent has not reaped yet is dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def killed(pid: int) -> None:
    """Returns when it is gone."""
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    await_end(process)


def await_end(process: int) -> None:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    assert poll.poll(PATIENCE_S * 1000)
    os.close(process)
