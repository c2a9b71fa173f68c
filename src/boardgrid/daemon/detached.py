"""A farm in the background: started, watched until it is ready, then left alone."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from boardgrid.client.complaint import ExitCode
from boardgrid.daemon.complaint import complain, exit_code_of
from boardgrid.daemon.config import Config
from boardgrid.daemon.processes import own_program
from boardgrid.daemon.state import StateFolder
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError


@dataclass(slots=True)
class Told:
    """What a running farm says: to a person at a terminal, or to the one who started it in the background."""

    fd: int | None = None

    def tell(self, line: str) -> None:
        if self.fd is not None:
            self._send({"line": line})
            return
        # Who watches may go away (a pipe that is closed); the farm stays.
        with contextlib.suppress(OSError):
            click.echo(f"{time.strftime('%H:%M:%S')}  {line}")

    def ready(self) -> None:
        if self.fd is not None:
            self._send({"ready": True})
            os.close(self.fd)
            self.fd = None
            # From here on nobody reads what it says; its log does.
            with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a descriptor is what is wanted
                os.dup2(nothing.fileno(), sys.stdout.fileno())

    def failed(self, error: FarmError) -> None:
        if self.fd is not None:
            told = {"error": str(error), "hint": error.hint, "code": error.code, "exit_code": exit_code_of(error)}
            self._send(told)
            return
        complain(str(error), error.hint, error.code)

    def _send(self, said: dict[str, object]) -> None:
        assert self.fd is not None  # noqa: S101 - asked by the callers
        with contextlib.suppress(OSError):
            os.write(self.fd, json.dumps(said).encode() + b"\n")


def start(config: Config, tell: Callable[[str], None]) -> int:
    """
    Start a farm that outlives this process, and return an exit status when it is ready or failed.

    Nothing of ours is left open in it: a pipe that this process writes into ends when this process does.
    """
    StateFolder(config.state).make()
    log = config.state / "log" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    reads, writes = os.pipe()
    with log.open("ab") as said:
        process = subprocess.Popen(
            own_program("up", "--config", str(config.file), "--notify-fd", str(writes)),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[writes],
            cwd="/",
            start_new_session=True,
        )
    os.close(writes)
    with os.fdopen(reads) as lines:
        for line in lines:
            message = json.loads(line)
            if "line" in message:
                tell(message["line"])
            if "ready" in message:
                return 0
            if "error" in message:
                process.wait()
                complain(message["error"], message["hint"], message["code"])
                return int(message["exit_code"])
    status = process.wait()
    sentence = _("the farm ended with status {status} before it was ready").format(status=status)
    complain(sentence, _("its log is {log}").format(log=log), Code.PROGRAM_FAILED)
    return ExitCode.FAULT
