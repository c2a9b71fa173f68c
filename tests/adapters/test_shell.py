"""Programs that end, do not end, say too much, and leave something behind."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.errors import Code, Fault

SOON_S = 20  # against a minute that somebody sleeps


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Nobody at the far end any more: all that were given it have ended."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def ended(ours: socket.socket, theirs: socket.socket) -> None:
    theirs.close()
    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 1), SOON_S) == b""


def opened() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@dataclass
class Runaway:
    """A child that leaves its program's group and keeps the output open."""

    note: Path

    @property
    def words(self) -> str:
        begun = f"while ! [ -s {self.note} ]; do sleep 0.01; done"
        return f"setsid sh -c 'echo $$ >{self.note}; exec sleep 60' & {begun}"

    @property
    def pid(self) -> int:
        return int(self.note.read_text())


@pytest.fixture
def runaway(tmp_path: Path) -> Iterator[Runaway]:
    made = Runaway(tmp_path / "pid")
    yield made
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(made.pid, signal.SIGKILL)


async def test_what_a_program_printed_is_returned() -> None:
    assert await SubprocessShell().run("printf", "%s", "a  b") == "a  b"


async def test_a_program_reads_all_that_it_is_given() -> None:
    given = b"x" * 3_000_000
    assert await SubprocessShell().run("cat", stdin=given) == given.decode()


async def test_a_program_need_not_read_what_it_is_given() -> None:
    assert await SubprocessShell().run("echo", "done", stdin=b"x" * 3_000_000) == "done\n"


async def test_a_program_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(Fault, match="sh failed with status 3: no such disk") as failed:
        await SubprocessShell().run("sh", "-c", "echo no such disk >&2; exit 3")
    assert failed.value.code is Code.PROGRAM_FAILED


@pytest.mark.parametrize("words", [("/nowhere/program",), ("echo", "a\0b"), ("echo", "\ud800"), ("\ud800",)])
async def test_words_that_nothing_can_be_started_with_are_a_fault(words: tuple[str, ...]) -> None:
    with pytest.raises(Fault, match="could not start") as failed:
        await SubprocessShell().run(*words)
    assert failed.value.code is Code.PROGRAM_FAILED
    assert str(failed.value).encode()


async def test_a_program_that_is_too_late_is_ended_with_its_children(line: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(Fault, match=r"sh took over 0\.2 s") as failed:
        await SubprocessShell((line[1].fileno(),)).run("sh", "-c", "sleep 60 & sleep 60", timeout_s=0.2)
    assert failed.value.code is Code.PROGRAM_TIMEOUT
    await ended(*line)


async def test_a_call_that_is_cancelled_ends_the_program(line: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await SubprocessShell((line[1].fileno(),)).run("sh", "-c", "sleep 60 & sleep 60")
    await ended(*line)


async def test_a_deadline_holds_also_over_a_child_that_ran_away(runaway: Runaway) -> None:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(Fault, match=r"sh took over 0\.5 s"):
            await SubprocessShell().run("sh", "-c", f"{runaway.words}; sleep 60", timeout_s=0.5)


async def test_a_call_that_is_cancelled_returns_also_over_a_child_that_ran_away(runaway: Runaway) -> None:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await SubprocessShell().run("sh", "-c", f"{runaway.words}; sleep 60", timeout_s=300)


async def test_a_program_has_ended_when_it_did_whatever_it_left_behind(
    runaway: Runaway, line: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = line
    shell = SubprocessShell((theirs.fileno(),))
    assert await shell.run("sh", "-c", f"sleep 60 & {runaway.words}; echo hi", timeout_s=SOON_S) == "hi\n"
    # What ran away lives, and keeps what it was handed down: the next agent waits for it.
    theirs.close()
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    os.kill(runaway.pid, signal.SIGKILL)
    await ended(*line)


async def test_a_program_leaves_no_descriptor_behind(runaway: Runaway) -> None:
    await SubprocessShell().run("true")
    before = opened()
    await SubprocessShell().run("sh", "-c", runaway.words, stdin=b"x")
    await asyncio.sleep(0.01)
    assert opened() == before


async def test_a_program_that_talks_without_end_is_ended_and_named() -> None:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(Fault, match=r"yes printed over 4\.2 MB") as failed:
            await SubprocessShell().run("yes", timeout_s=300)
    assert failed.value.code is Code.PROGRAM_FAILED


async def test_of_endless_complaints_the_last_are_told() -> None:
    script = "head -c 20000000 /dev/zero | tr '\\0' x >&2; echo the last >&2; exit 1"
    with pytest.raises(Fault, match=r"status 1: x+the last") as failed:
        await SubprocessShell().run("sh", "-c", script)
    assert len(str(failed.value)) < 3000
