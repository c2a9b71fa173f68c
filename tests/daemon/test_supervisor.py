import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.daemon.process import LAB, Process
from boardgrid.daemon.sockets import open_unix
from boardgrid.daemon.state import Condition
from boardgrid.daemon.supervisor import Supervisor
from boardgrid.model.errors import Fault

PATIENCE_S = 60.0


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


SLEEPS = python("import time; time.sleep(600)")
ANSWERS = python(
    "import socket; door = socket.socket(fileno=3)\n"
    "while True: client, _ = door.accept(); client.sendall(b'here'); client.close()"
)


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


async def test_a_process_that_dies_comes_back_and_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, Process(name="agent", argv=SLEEPS)) as farm:
        first = farm.pid("agent")
        os.kill(first, signal.SIGKILL)
        await farm.until("agent", restarts=1)
        assert farm.pid("agent") != first
        assert [condition.state for _name, condition in farm.told[:4]] == ["starting", "ready", "stopped", "waiting"]


async def test_the_end_of_the_supervisor_ends_all_in_the_reverse_order(tmp_path: Path) -> None:
    says = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(print(time.monotonic_ns(), flush=True)))\n"
    argv = python(says + "print('up', flush=True)\ntime.sleep(600)")

    def is_up(name: str) -> Callable[[int], Awaitable[bool]]:
        async def asked(_pid: int) -> bool:
            log = tmp_path / f"{name}.log"
            return log.exists() and "up" in log.read_text()

        return asked

    first = Process(name="bus", argv=argv, ready=is_up("bus"))
    then = Process(name="ganesha", argv=argv, ready=is_up("ganesha"), after=("bus",))
    async with running(tmp_path, then, first) as farm:
        pids = [farm.pid("bus"), farm.pid("ganesha")]
    assert not any(is_alive(pid) for pid in pids)
    ended = {name: int((tmp_path / f"{name}.log").read_text().split()[-1]) for name in ("bus", "ganesha")}
    assert ended["ganesha"] < ended["bus"]


async def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    deaf = python("import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)")

    async def is_deaf(_pid: int) -> bool:
        log = tmp_path / "deaf.log"
        return log.exists() and "up" in log.read_text()

    async with running(tmp_path, Process(name="deaf", argv=deaf, ready=is_deaf, stop_s=0.3)) as farm:
        pid = farm.pid("deaf")
    assert not is_alive(pid)


async def test_a_restarted_process_keeps_its_door(tmp_path: Path) -> None:
    door = open_unix("local", tmp_path / "c.sock", 0o600)

    async def ask() -> bytes:
        reader, writer = await asyncio.open_unix_connection(door.address)
        said = await reader.read()
        writer.close()
        return said

    async with running(tmp_path, Process(name="controller", argv=ANSWERS, doors=(door,))) as farm:
        assert await ask() == b"here"
        await asyncio.to_thread(_kill, farm.pid("controller"))
        # Nobody stands there now; who knocks waits, and is answered.
        assert await asyncio.wait_for(ask(), PATIENCE_S) == b"here"
    door.socket.close()


async def test_what_never_gets_ready_is_named_with_its_last_words_and_all_is_ended(tmp_path: Path) -> None:
    slow = Process(name="ganesha", argv=python("print('waiting for br7', flush=True); input()"), ready=_never)
    supervisor = Supervisor([Process(name="bus", argv=SLEEPS), slow], tmp_path, BootClock())
    with pytest.raises(Fault, match="ganesha does not become ready") as caught:
        await supervisor.run(asyncio.Event(), ready_within_s=2, on_ready=lambda: None)
    assert str(tmp_path / "ganesha.log") in caught.value.hint
    assert supervisor.conditions()["bus"].pid is None


async def test_what_falls_again_and_again_is_not_waited_for(tmp_path: Path) -> None:
    broken = Process(name="lab", argv=python("raise SystemExit('no such program: nft')"), ready=_never)
    supervisor = Supervisor([Process(name="bus", argv=SLEEPS), broken], tmp_path, BootClock())
    run = supervisor.run(asyncio.Event(), ready_within_s=10 * PATIENCE_S, on_ready=lambda: None)
    with pytest.raises(Fault, match=r"lab does not become ready .it ended with status 1.: no such program: nft"):
        await asyncio.wait_for(run, PATIENCE_S)
    assert supervisor.conditions()["bus"].pid is None


async def test_a_bug_in_keeping_a_process_is_raised_and_nobody_is_told_that_all_is_ready(tmp_path: Path) -> None:
    async def asks_nonsense(_pid: int) -> bool:
        raise ZeroDivisionError

    buggy = Process(name="agent", argv=SLEEPS, ready=asks_nonsense)
    supervisor = Supervisor([Process(name="bus", argv=SLEEPS), buggy], tmp_path, BootClock())
    told: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await supervisor.run(asyncio.Event(), ready_within_s=PATIENCE_S, on_ready=lambda: told.append("ready"))
    assert told == []
    assert supervisor.conditions()["bus"].pid is None


async def _never(_pid: int) -> bool:
    return False


async def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor([Process(name="nfs", argv=("no-such-program",), ready=_never)], tmp_path, BootClock())
    with pytest.raises(Fault, match=r"nfs does not become ready .*no-such-program"):
        await supervisor.run(asyncio.Event(), ready_within_s=1, on_ready=lambda: None)


async def test_who_waits_for_a_process_starts_after_it_is_ready(tmp_path: Path) -> None:
    bus = Process(name="bus", argv=SLEEPS)
    nfs = Process(name="nfs", argv=SLEEPS, after=("bus",))
    async with running(tmp_path, nfs, bus) as farm:
        told = [(name, condition.state) for name, condition in farm.told]
    assert told[:4] == [("bus", "starting"), ("bus", "ready"), ("nfs", "starting"), ("nfs", "ready")]


SUPERVISES = """
import asyncio, sys
from pathlib import Path
from boardgrid.adapters.clock import BootClock
from boardgrid.logs import log_to_stderr
from boardgrid.daemon.process import LAB, Process
from boardgrid.daemon.supervisor import Supervisor
log_to_stderr()
sleeps = ("sleep", "600")
processes = [Process(name="plain", argv=sleeps)]
if "lab" in sys.argv:
    processes.append(Process(name="lab", argv=sleeps, namespaces=LAB))
    processes.append(Process(name="nfs", argv=sleeps, inside="lab", namespaces=LAB))
supervisor = Supervisor(processes, Path(sys.argv[1]), BootClock())
def tell():
    print(*(condition.pid for condition in supervisor.conditions().values()), flush=True)
asyncio.run(supervisor.run(asyncio.Event(), ready_within_s=60, on_ready=tell))
"""


@pytest.mark.parametrize("what", ["plain", pytest.param("lab", marks=pytest.mark.world)])
def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path, what: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, str(tmp_path), what], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        try:
            assert supervisor.stdout is not None
            pids = [int(pid) for pid in supervisor.stdout.readline().split()]
            assert len(pids) == (3 if what == "lab" else 1)
            assert all(is_alive(pid) for pid in pids)
            descriptors = [os.pidfd_open(pid) for pid in pids]
        finally:
            supervisor.kill()
        for descriptor in descriptors:
            _await_end(descriptor)


def _kill(pid: int) -> None:
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    _await_end(process)


def _await_end(process: int) -> None:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    assert poll.poll(PATIENCE_S * 1000)
    os.close(process)


async def test_who_cannot_outlive_another_falls_with_it_and_comes_back_after_it(tmp_path: Path) -> None:
    mapper = Process(name="rpcbind", argv=SLEEPS)
    nfs = Process(name="nfs", argv=SLEEPS, bound_to=("rpcbind",))
    async with running(tmp_path, nfs, mapper) as farm:
        first = farm.pid("nfs")
        os.kill(farm.pid("rpcbind"), signal.SIGKILL)
        await farm.until("rpcbind", restarts=1)
        await farm.until("nfs", restarts=1)
        assert not is_alive(first)


async def test_who_lives_in_another_falls_with_it_and_comes_back_after_it(tmp_path: Path) -> None:
    lab = Process(name="lab", argv=("sleep", "600"))
    agent = Process(name="agent", argv=("sleep", "600"), inside="lab")
    async with running(tmp_path, agent, lab) as farm:
        first = farm.pid("agent")
        os.kill(farm.pid("lab"), signal.SIGKILL)
        await farm.until("lab", restarts=1)
        await farm.until("agent", restarts=1)
        assert not is_alive(first)


@pytest.mark.parametrize("when", ["another is waited for", "it is prepared"])
async def test_nothing_starts_while_one_that_was_ready_before_has_fallen_again(tmp_path: Path, when: str) -> None:
    supervisor = Supervisor([], tmp_path, BootClock())

    async def the_lab_falls() -> None:
        if supervisor.conditions()["lab"].restarts:
            return
        pid = supervisor.conditions()["lab"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while supervisor.conditions()["lab"].state == "ready":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    async def falls_then_ready(_pid: int) -> bool:
        await the_lab_falls()
        return True

    lab = Process(name="lab", argv=("sleep", "600"))
    controller = Process(name="controller", argv=("sleep", "600"), after=("lab",))
    agent = Process(name="agent", argv=("sleep", "600"), inside="lab", after=("controller",))
    if when == "it is prepared":
        agent = replace(agent, prepare=the_lab_falls)
    else:
        controller = replace(controller, ready=falls_then_ready)
    supervisor = Supervisor([lab, controller, agent], tmp_path, BootClock())
    beside: list[str] = []

    def hear(name: str, condition: Condition) -> None:
        if (name, condition.state, condition.pid) == ("agent", "starting", None):
            beside.append(supervisor.conditions()["lab"].state)

    supervisor.changed = hear
    stop = asyncio.Event()
    await asyncio.wait_for(supervisor.run(stop, ready_within_s=PATIENCE_S, on_ready=stop.set), PATIENCE_S)
    assert beside == ["ready"]


@pytest.mark.world
async def test_when_the_lab_falls_all_in_it_fall_and_all_come_back_in_the_new_one(tmp_path: Path) -> None:
    lab = Process(name="lab", argv=("sleep", "600"), namespaces=LAB, stop_s=0.3)
    nfs = Process(name="nfs", argv=("sleep", "600"), inside="lab", namespaces=LAB)
    async with running(tmp_path, nfs, lab) as farm:
        first = farm.pid("nfs")
        assert _namespace(first, "net") == _namespace(farm.pid("lab"), "net") != _namespace(os.getpid(), "net")
        os.kill(farm.pid("lab"), signal.SIGKILL)
        await farm.until("lab", restarts=1)
        await farm.until("nfs", restarts=1)
        assert not is_alive(first)
        for kind in ("net", "mnt", "pid"):
            assert _namespace(farm.pid("nfs"), kind) == _namespace(farm.pid("lab"), kind)


def _namespace(pid: int, kind: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


def test_processes_that_wait_for_each_other_are_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wait for each other"):
        Supervisor(
            [Process(name="a", argv=SLEEPS, after=("b",)), Process(name="b", argv=SLEEPS, after=("a",))],
            tmp_path,
            BootClock(),
        )


async def test_what_takes_long_to_be_ready_can_be_found_meanwhile(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def ready(_pid: int) -> bool:
        return never.is_set()

    supervisor = Supervisor([Process(name="late", argv=("sleep", "600"), ready=ready)], tmp_path, BootClock())
    seen, stop = asyncio.Event(), asyncio.Event()

    def hear(name: str, condition: Condition) -> None:
        if condition.state == "starting" and condition.pid is not None:
            seen.set()

    supervisor.changed = hear
    task = asyncio.create_task(supervisor.run(stop, ready_within_s=PATIENCE_S, on_ready=never.set))
    await asyncio.wait_for(seen.wait(), PATIENCE_S)
    stop.set()
    await task
