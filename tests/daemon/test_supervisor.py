import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.daemon.process import LAB, Process
from boardgrid.daemon.supervisor import Supervisor
from boardgrid.model.errors import Fault
from tests.daemon.supervised import PATIENCE_S, SLEEPS, await_end, is_alive, python, running


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


async def test_what_never_gets_ready_is_named_with_its_last_words_and_all_is_ended(tmp_path: Path) -> None:
    slow = Process(name="ganesha", argv=python("print('waiting for br7', flush=True); input()"), ready=_never)
    supervisor = Supervisor([Process(name="bus", argv=SLEEPS), slow], tmp_path, BootClock())
    with pytest.raises(Fault, match="ganesha does not become ready") as caught:
        await supervisor.run(asyncio.Event(), ready_within_s=2, on_ready=lambda: None)
    assert str(tmp_path / "ganesha.log") in caught.value.hint
    assert supervisor.conditions()["bus"].pid is None


@pytest.mark.slow
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
            await_end(descriptor)


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
