import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.daemon.process import PEN, Process
from boardgrid.daemon.sockets import open_unix
from boardgrid.daemon.state import Condition
from boardgrid.daemon.supervisor import Supervisor
from tests.daemon.supervised import PATIENCE_S, SLEEPS, await_end, is_alive, killed, python, running

ANSWERS = python(
    "import socket; door = socket.socket(fileno=3)\n"
    "while True: client, _ = door.accept(); client.sendall(b'here'); client.close()"
)


async def test_a_process_that_dies_comes_back_and_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, Process(name="agent", argv=SLEEPS)) as farm:
        first = farm.pid("agent")
        os.kill(first, signal.SIGKILL)
        await farm.until("agent", restarts=1)
        assert farm.pid("agent") != first
        assert [condition.state for _name, condition in farm.told[:4]] == ["starting", "ready", "stopped", "waiting"]


async def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    deaf = python("import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)")

    async def is_deaf(_pid: int) -> bool:
        log = tmp_path / "deaf.log"
        return log.exists() and "up" in log.read_text()

    async with running(tmp_path, Process(name="deaf", argv=deaf, ready=is_deaf, stop_s=0.3)) as farm:
        pid = farm.pid("deaf")
    assert not is_alive(pid)


@pytest.mark.world
async def test_one_that_became_another_user_in_a_process_namespace_is_killed_too(tmp_path: Path) -> None:
    deaf = ("setpriv", "--reuid=61999", "--clear-groups", "--", "sh", "-c", "trap '' TERM; echo up; exec sleep 600")

    async def is_deaf(_pid: int) -> bool:
        log = tmp_path / "dnsmasq.log"
        return log.exists() and "up" in log.read_text()

    box = Process(name="box", argv=("sleep", "600"), namespaces=PEN, stop_s=0.3)
    mapper = Process(name="rpcbind", argv=SLEEPS)
    one = Process(
        name="dnsmasq", argv=deaf, inside="box", namespaces=PEN, bound_to=("rpcbind",), ready=is_deaf, stop_s=0.3
    )
    async with running(tmp_path, box, mapper, one) as farm:
        process = os.pidfd_open(farm.pid("dnsmasq"))
        os.kill(farm.pid("rpcbind"), signal.SIGKILL)
        await asyncio.to_thread(await_end, process)


async def test_a_restarted_process_keeps_its_door(tmp_path: Path) -> None:
    door = open_unix("local", tmp_path / "c.sock", 0o600)

    async def ask() -> bytes:
        reader, writer = await asyncio.open_unix_connection(door.address)
        said = await reader.read()
        writer.close()
        return said

    async with running(tmp_path, Process(name="controller", argv=ANSWERS, doors=(door,))) as farm:
        assert await ask() == b"here"
        await asyncio.to_thread(killed, farm.pid("controller"))
        # Nobody stands there now; who knocks waits, and is answered.
        assert await asyncio.wait_for(ask(), PATIENCE_S) == b"here"
    door.socket.close()


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
