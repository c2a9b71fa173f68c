"""Programs, run as lists of words; the one place of the farm where a process of a step begins."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault


@dataclass(frozen=True, slots=True)
class SubprocessShell:
    """
    Each program leads a process group of its own, so that it can be ended with all its children.

    *inherit* are file descriptors that every program gets: the agent hands down its lock on the store here, so that
    whoever comes after it waits for what it left running.
    """

    inherit: tuple[int, ...] = ()

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=self.inherit,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            raise Fault(
                Code.PROGRAM_FAILED, _("{program} could not start: {error}"), program=argv[0], error=error
            ) from error
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(stdin or None)
        except TimeoutError as error:
            raise Fault(
                Code.PROGRAM_TIMEOUT, _("{program} took over {timeout_s:g} s"), program=argv[0], timeout_s=timeout_s
            ) from error
        finally:
            # Also what the program left behind in its group when it ended by itself.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
        if process.returncode:
            said = (err or out).decode("utf-8", "replace").strip()
            raise Fault(
                Code.PROGRAM_FAILED,
                _("{program} failed with status {status}: {said}"),
                program=argv[0],
                status=process.returncode,
                said=said[-2000:] or "-",
            )
        return out.decode("utf-8", "replace")
