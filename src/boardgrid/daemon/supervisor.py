"""The small process above all others: it starts them in order, keeps them running, and its end ends them all."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boardgrid.daemon.keeping import Keeper, all_ready
from boardgrid.daemon.process import Process
from boardgrid.daemon.state import Condition
from boardgrid.logs import SizedLog
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
                bound_to=tuple(self._keepers[name] for name in _bound_to(process)),
            )

    def conditions(self) -> dict[str, Condition]:
        return {name: keeper.condition for name, keeper in self._keepers.items()}

    async def run(self, stop: asyncio.Event, *, ready_within_s: float, on_ready: Callable[[], None]) -> None:
        """
        Run all until *stop* is set.

        Raises:
            Fault: not all were ready in time, or one fell again and again, so all were ended; it names that one.
        """
        tasks = {name: asyncio.create_task(keeper.keep(), name=name) for name, keeper in self._keepers.items()}
        stopped = asyncio.create_task(stop.wait())
        try:
            await self._all_ready(stopped, tasks.values(), ready_within_s)
            _check_none_ended(tasks.values())
            if not stop.is_set():
                on_ready()
            await asyncio.wait({stopped, *tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
            _check_none_ended(tasks.values())
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
        ready = asyncio.create_task(all_ready(self._keepers.values()))
        hopeless = {asyncio.create_task(keeper.hopeless.wait()) for keeper in self._keepers.values()}
        waits = {ready, stopped, *hopeless, *tasks}
        try:
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() or stopped.done() or any(task.done() for task in tasks):
                return
        finally:
            for wait in (ready, *hopeless):
                wait.cancel()
            await asyncio.gather(ready, *hopeless, return_exceptions=True)
        late = [keeper for keeper in self._keepers.values() if not keeper.ready.is_set()]
        raise _not_ready(next((keeper for keeper in late if keeper.hopeless.is_set()), late[0]))


def _check_none_ended(keepers: Iterable[asyncio.Task[None]]) -> None:
    """No keeper ends by itself; one that does has met a bug, which must not be outlived in silence."""
    for keeper in keepers:
        if keeper.done():
            keeper.result()


def _not_ready(keeper: Keeper) -> Fault:
    said = keeper.log.tail(1)
    return Fault(
        Code.PROGRAM_TIMEOUT,
        _("{name} does not become ready ({state}): {why}"),
        hint=_("its own words are in {file}"),
        name=keeper.process.name,
        state=keeper.trouble or keeper.state,
        why=_in_words(said[0]) if said else _("it said nothing"),
        file=keeper.log.path,
    )


def _in_words(line: str) -> str:
    """A line of our own logs is an object; somebody else's is as it is."""
    try:
        said = json.loads(line)
        return str(said.get("why") or said.get("event") or line)
    except (ValueError, AttributeError):
        return line


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
    return {*process.after, *_bound_to(process)}


def _bound_to(process: Process) -> set[str]:
    """Those that it cannot outlive: namespaces end with who holds them."""
    return {*process.bound_to, process.inside} - {""}
