"""The small process above all others: it starts them in order, keeps them running, and its end ends them all."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boardgrid.daemon.logs import SizedLog
from boardgrid.daemon.process import Keeper, Process
from boardgrid.daemon.state import Condition
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Clock

Changed = Callable[[str, Condition], None]


def _ignored(_name: str, _condition: Condition) -> None: ...


@dataclass(slots=True)
class Supervisor:
    """
    Runs *processes* and tells *changed* how each is.

    A process is started when those it names are ready, and ended before them.
    """

    processes: Sequence[Process]
    logs: Path
    clock: Clock
    changed: Changed = _ignored
    _keepers: dict[str, Keeper] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for process in _in_order(self.processes):
            before = [self._keepers[name] for name in _before(process)]
            self._keepers[process.name] = Keeper(
                process,
                SizedLog(self.logs / f"{process.name}.log"),
                self.clock,
                lambda keeper: self.changed(keeper.process.name, keeper.condition),
                holder=self._keepers.get(process.inside),
                after=tuple(before),
                bound_to=tuple(self._keepers[name] for name in process.bound_to),
            )

    def conditions(self) -> dict[str, Condition]:
        return {name: keeper.condition for name, keeper in self._keepers.items()}

    async def run(self, stop: asyncio.Event, *, ready_within_s: float, on_ready: Callable[[], None]) -> None:
        """
        Run all until *stop* is set.

        Raises:
            Fault: not all were ready in time, so all were ended again; it names the one that was waited for.
        """
        tasks = {name: asyncio.create_task(keeper.keep(), name=name) for name, keeper in self._keepers.items()}
        stopped = asyncio.create_task(stop.wait())
        try:
            await self._all_ready(stopped, tasks.values(), ready_within_s)
            if not stop.is_set():
                on_ready()
            # No keeper ends by itself; one that does has met a bug, which must not be outlived in silence.
            await asyncio.wait({stopped, *tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks.values():
                if task.done():
                    task.result()
        finally:
            stopped.cancel()
            for task in reversed(list(tasks.values())):
                task.cancel()
                await asyncio.wait({task})
            for keeper in self._keepers.values():
                keeper.log.close()

    async def _all_ready(
        self, stopped: asyncio.Task[bool], tasks: Iterable[asyncio.Task[None]], within_s: float
    ) -> None:
        ready = asyncio.create_task(self._each_ready())
        try:
            await asyncio.wait({ready, stopped, *tasks}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() or stopped.done() or any(task.done() for task in tasks):
                return
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        late = next(keeper for keeper in self._keepers.values() if not keeper.ready.is_set())
        last = late.log.tail(3)
        raise Fault(
            Code.PROGRAM_TIMEOUT,
            _("{name} is not ready after {seconds:g} s: {why}"),
            hint=_("its own words are in {file}"),
            name=late.process.name,
            seconds=within_s,
            why=" / ".join(last) or late.trouble or late.state,
            file=late.log.path,
        )

    async def _each_ready(self) -> None:
        for keeper in self._keepers.values():
            await keeper.ready.wait()


def _in_order(processes: Sequence[Process]) -> list[Process]:
    """Each after those that it waits for."""
    left, done = list(processes), list[Process]()
    while left:
        names = {process.name for process in done}
        next_ = [each for each in left if _before(each) <= names]
        if not next_:
            raise ValueError(f"these wait for each other, or for nobody: {[each.name for each in left]}")
        done += next_
        left = [each for each in left if each not in next_]
    return done


def _before(process: Process) -> set[str]:
    return {*process.after, *process.bound_to, process.inside} - {""}
