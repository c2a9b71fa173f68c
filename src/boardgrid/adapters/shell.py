"""Programs, run as lists of words; the one place of the farm where a process of a step begins."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass

from boardgrid.finishing import finished
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Fault

# Before a program's own words: it is killed with whoever started it. The kernel forgets that when the user changes.
DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")

_MOST_BYTES = 4 << 20  # of what is answered: the longest that we ask for, Debian's lists, are some hundred kilobytes
_TAIL_BYTES = 1 << 16  # of complaints, the last of which tell
_GRACE_S = 0.2  # for what a program said just before it ended


@dataclass(frozen=True, slots=True)
class SubprocessShell:
    """
    Each program leads a process group of its own, so that it can be ended with all its children.

    Its own end is what counts. A child that began a group of its own goes on, also with the program's output open, and
    is not waited for here. *inherit* are file descriptors that every program gets: the agent hands down its lock on the
    store here, so that whoever comes after it waits for what it left running, such a child too.
    """

    inherit: tuple[int, ...] = ()

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        try:
            transport, talk = await asyncio.get_running_loop().subprocess_exec(
                _Talk,
                *argv,
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=self.inherit,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except (OSError, ValueError) as error:  # the latter of words that no program can be given
            raise Fault(
                Code.PROGRAM_FAILED, _("{program} could not start: {error}"), program=_shown(argv[0]), error=error
            ) from error
        try:
            async with asyncio.timeout(timeout_s):
                _write(transport, stdin)
                await talk.enough.wait()
        except TimeoutError as error:
            raise Fault(
                Code.PROGRAM_TIMEOUT, _("{program} took over {timeout_s:g} s"), program=argv[0], timeout_s=timeout_s
            ) from error
        finally:
            # Also what the program left behind in its group when it ended by itself.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await finished(_let_go(transport, talk))
        if talk.is_too_much:
            raise Fault(
                Code.PROGRAM_FAILED,
                _("{program} printed over {most} and was ended"),
                program=argv[0],
                most=bytes_text(_MOST_BYTES),
            )
        if status := transport.get_returncode():
            said = (talk.err or talk.out).decode("utf-8", "replace").strip()
            raise Fault(
                Code.PROGRAM_FAILED,
                _("{program} failed with status {status}: {said}"),
                program=argv[0],
                status=status,
                said=said[-2000:] or "-",
            )
        return talk.out.decode("utf-8", "replace")


class _Talk(asyncio.SubprocessProtocol):
    """
    What a program says, as much of it as we keep, and when it ends.

    asyncio's own Process is not asked: up to Python 3.11.2 it calls a program ended only once nobody at all has its
    output open.
    """

    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.is_too_much = False
        self.enough = asyncio.Event()  # it has ended, or is to
        self.ended = asyncio.Event()
        self.silent = asyncio.Event()  # nobody can say any more
        self._speak = {1, 2}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.err += data
            del self.err[:-_TAIL_BYTES]
        elif len(self.out) + len(data) <= _MOST_BYTES:
            self.out += data
        else:
            self.is_too_much = True
            self.enough.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._speak.discard(fd)
        if not self._speak:
            self.silent.set()

    def process_exited(self) -> None:
        self.ended.set()
        self.enough.set()


def _write(transport: asyncio.SubprocessTransport, stdin: bytes) -> None:
    if isinstance(pipe := transport.get_pipe_transport(0), asyncio.WriteTransport):
        pipe.write(stdin)
        pipe.close()


async def _let_go(transport: asyncio.SubprocessTransport, talk: _Talk) -> None:
    await talk.ended.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await talk.silent.wait()
    transport.close()


def _shown(word: str) -> str:
    return word.encode("utf-8", "backslashreplace").decode()
