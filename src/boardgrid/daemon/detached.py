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

from boardgrid.daemon.config import Config
from boardgrid.daemon.processes import own_program
from boardgrid.messages import _
from boardgrid.model.errors import FarmError


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
            self._send({"error": str(error), "hint": error.hint})
            return
        click.echo(_("error: {error}").format(error=error), err=True)
        if error.hint:
            click.echo(_("hint: {hint}").format(hint=error.hint), err=True)

    def _send(self, said: dict[str, object]) -> None:
        assert self.fd is not None  # noqa: S101 - asked by the callers
        with contextlib.suppress(OSError):
            os.write(self.fd, json.dumps(said).encode() + b"\n")


def start(config: Config, tell: Callable[[str], None]) -> int:
    """
    Start a farm that outlives this process, and return an exit status when it is ready or failed.

    Nothing of ours is left open in it: a pipe that this process writes into ends when this process does.
    """
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
                click.echo(_("error: {error}").format(error=message["error"]), err=True)
                if message["hint"]:
                    click.echo(_("hint: {hint}").format(hint=message["hint"]), err=True)
                return 1
    status = process.wait()
    click.echo(_("error: the farm ended with status {status} before it was ready").format(status=status), err=True)
    click.echo(_("hint: its log is {log}").format(log=log), err=True)
    return 1
