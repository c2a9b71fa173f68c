"""
Backup and restore, as people ask for them on the controller's machine.

Whoever asks opens the file, which the controller's user may not be able to reach; what touches the records is a process
of that user, which has the file as its standard output or input.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from boardgrid.daemon import local
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, NotFound


def back_up(config: Config, file: Path) -> None:
    """
    Raises:
        Conflict: FILE_TAKEN.
        Fault: it cannot be written.
        SystemExit: it failed, and the process that did said why.
    """
    if file.exists():
        raise _taken(file)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as written:
            _by_controller(config, "backup-out", stdout=written)
            os.fsync(written.fileno())
        os.link(beside, file)  # unlike a rename, never over what is there
    except FileExistsError as error:
        raise _taken(file) from error
    except OSError as error:
        raise Fault(Code.RECORDS_FAILED, _("{file} cannot be written: {why}"), file=file, why=error.strerror) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def restore(config: Config, file: Path, *, force: bool) -> None:
    """
    Raises:
        NotFound: PATH_UNKNOWN.
        SystemExit: it was refused or failed, and the process that did said why.
    """
    try:
        with file.open("rb") as read:
            words = ("--called", str(file), *(("--force",) if force else ()))
            _by_controller(config, "restore-in", *words, stdin=read)
    except OSError as error:
        raise NotFound(
            Code.PATH_UNKNOWN,
            _("{file} cannot be read: {why}"),
            hint=_("name a file that boardgrid backup has written"),
            file=file,
            why=error.strerror,
        ) from error


@contextmanager
def through_a_file(config: Config) -> Iterator[Path]:
    """For the controller's user: where a database is a file while it is only bytes to others."""
    with tempfile.TemporaryDirectory(dir=Layout(config.state).controller, prefix=".backup-") as folder:
        yield Path(folder) / "farm.db"


def send(file: Path) -> None:
    with file.open("rb") as read:
        shutil.copyfileobj(read, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def receive(file: Path) -> None:
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as written:
        shutil.copyfileobj(sys.stdin.buffer, written)


def _by_controller(
    config: Config, *words: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
) -> None:
    command = local.as_controller(config, words)
    ended = subprocess.run(command, stdin=stdin or subprocess.DEVNULL, stdout=stdout, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


def _taken(file: Path) -> Conflict:
    return Conflict(Code.FILE_TAKEN, _("{file} is there already"), hint=_("name a new file"), file=file)
