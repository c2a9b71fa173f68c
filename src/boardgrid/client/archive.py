"""An image's content on its way to the farm: a tar archive as it is, standard input, or a directory through GNU tar."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from boardgrid.client.complaint import PROGRAM_FAILED, PROGRAM_MISSING, REQUEST_INVALID, Complaint, ExitCode
from boardgrid.client.reading import unreadable
from boardgrid.messages import _

_CHUNK = 1 << 18
_BLOCK = 512  # of a tar archive
_MANIFEST, _MANIFEST_MOST = "manifest.json", 1 << 20  # of an export

# Whatever a tree can hold comes along, and nothing of when or by which process it was packed.
TAR_OPTIONS = (
    "--create",
    "--file=-",
    "--format=posix",
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
    "--xattrs",
    "--xattrs-include=*",
    "--acls",
    "--selinux",
    "--numeric-owner",
    "--sparse",
    "--one-file-system",
    "--sort=name",
)


@dataclass(frozen=True, slots=True)
class Archive:
    what: str  # for people
    chunks: Iterator[bytes]
    size_bytes: int | None = None  # None: not known before its end
    file: IO[bytes] | None = None  # where it can be read again from anywhere


@contextmanager
def archive_of(source: str) -> Iterator[Archive]:
    """
    The archive that *source* names: a file, a directory, or ``-`` for standard input.

    Raises:
        Complaint: there is no such thing, or it cannot be read. That a directory could not be read whole shows only at
            the end of its chunks; who sends them must then break off.
    """
    path = Path(source)
    if source == "-":
        if sys.stdin.isatty():
            raise Complaint(REQUEST_INVALID, _("standard input is a terminal, not a tar archive"))
        yield Archive(_("standard input"), chunks_of(sys.stdin.buffer, source))
    elif path.is_dir():
        with _packed(path) as chunks:
            yield Archive(source, chunks)
    else:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size or None  # a pipe or a device tells none
            if size is None and path.is_file():
                raise Complaint(REQUEST_INVALID, _("{path} is empty").format(path=source))
            yield Archive(source, chunks_of(file, source), size, file if size and path.is_file() else None)


def labels_in(archive: Archive) -> dict[str, str]:
    """The labels that an image had on the farm that exported it; none of what is no export."""
    if archive.file is None:
        return {}
    try:
        first = tarfile.TarInfo.frombuf(archive.file.read(_BLOCK), "utf-8", "surrogateescape")
        if first.name != _MANIFEST or first.size > _MANIFEST_MOST:
            return {}
        told = json.loads(archive.file.read(first.size))["labels"]
        return {str(name): str(value) for name, value in told.items()}
    except (tarfile.TarError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def chunks_of(file: IO[bytes], name: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise unreadable(name, error) from error


@contextmanager
def _packed(folder: Path) -> Iterator[Iterator[bytes]]:
    # Its complaints go to a file: a pipe that nobody reads would make it wait once it is full.
    with tempfile.TemporaryFile() as said:
        tar = subprocess.Popen(
            [_gnu_tar(), *TAR_OPTIONS, f"--directory={folder}", "."],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )

        def chunks() -> Iterator[bytes]:
            assert tar.stdout is not None  # noqa: S101 - it was asked for above
            yield from chunks_of(tar.stdout, "tar")
            if tar.wait():
                said.seek(0)
                raise _unpackable(folder, said.read().decode("utf-8", "replace"))

        try:
            yield chunks()
        finally:
            if tar.poll() is None:
                tar.send_signal(signal.SIGKILL)
            tar.wait()
            if tar.stdout is not None:
                tar.stdout.close()


def _gnu_tar() -> str:
    for name in ("gtar", "tar"):
        if found := shutil.which(name):
            told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=30)
            if "GNU tar" in told.stdout:
                return found
    raise Complaint(
        PROGRAM_MISSING,
        _("GNU tar is not on this machine, and no other program packs a directory without losing something"),
        hint=_("install it, or give a tar archive"),
    )


def _unpackable(folder: Path, said: str) -> Complaint:
    lines = [line.removeprefix("tar: ") for line in said.splitlines() if "exit" not in line.lower()]
    hint = ""
    if any("Permission denied" in line for line in lines):
        hint = _("a whole system is read by root: run this with sudo")
    elif any("changed as we read it" in line for line in lines):
        hint = _("something still writes there: stop it, or take a snapshot")
    return Complaint(
        PROGRAM_FAILED,
        _("{folder} could not be packed whole: {why}").format(folder=folder, why="; ".join(lines[:3]) or "tar failed"),
        hint=hint,
        exit_code=ExitCode.FAILED,
    )
