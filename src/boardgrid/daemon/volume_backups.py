"""
The volumes of this machine's store in a backup: a folder beside the file with the records, with an archive of each.

Its name tells what an archive is of, and how large that volume is: ``<id>-<bytes>.tar.zst``.
"""

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault

_NAME = re.compile(r"(?P<volume>[0-9a-f-]{36})-(?P<size>[0-9]{1,18})\.tar\.zst")


def folder_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.volumes")


@contextmanager
def packed_beside(config: Config, file: Path) -> Iterator[int]:
    """
    Pack all volumes, and tell how many these are. Their folder has its name once the block has ended well; where there
    is none there is no folder.

    Raises:
        Conflict: FILE_TAKEN.
        Fault: one of them cannot be read, or the folder not be written.
    """
    # Loads adapters, which no other command of this program needs.
    from boardgrid.adapters.store.place import Places  # noqa: PLC0415

    store, to = Layout(config.state).store, folder_of(file)
    # The store is root's; who may back up the records alone has no volume in their backup.
    volumes = Places(store).volumes() if os.geteuid() == 0 else []
    if not volumes:
        yield 0
        return
    if to.exists():
        raise Conflict(Code.FILE_TAKEN, _("{file} is there already"), hint=_("name a new file"), file=to)
    beside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        beside.mkdir(mode=0o700)
        for volume in volumes:
            _pack(store, volume, beside)
        yield len(volumes)
        beside.rename(to)
    except OSError as error:
        raise Fault(Code.PROGRAM_FAILED, _("{file} cannot be written: {why}"), file=to, why=error.strerror) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def restore(config: Config, file: Path) -> tuple[int, list[UUID]]:
    """
    Bring back the volumes of a backup; how many these were, and which were left as they are because they are there.

    Raises:
        Conflict: STATE_LOCKED, an agent runs.
        Fault: STORE_FULL; PROGRAM_FAILED, an archive cannot be unpacked.
    """
    archives = [(match, path) for path in sorted(_archives(file)) if (match := _NAME.fullmatch(path.name))]
    if not archives:
        return 0, []
    from boardgrid.adapters.shell import SubprocessShell  # noqa: PLC0415 - as above
    from boardgrid.adapters.store.store import Store  # noqa: PLC0415
    from boardgrid.adapters.store.volumes import StoredVolumes  # noqa: PLC0415

    folder = Layout(config.state).store
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def unpack(lock: int) -> list[UUID]:
        shell = SubprocessShell(inherit=(lock,))
        volumes = StoredVolumes(Store(folder, shell, promise=not config.agent.overcommit))
        told = [(UUID(match["volume"]), int(match["size"]), path) for match, path in archives]
        return [volume for volume, size, path in told if not await volumes.restore(volume, size, path)]

    with _locked(folder) as lock:
        left = asyncio.run(unpack(lock))
    return len(archives) - len(left), left


def _archives(file: Path) -> Sequence[Path]:
    folder = folder_of(file)
    return list(folder.iterdir()) if folder.is_dir() else []


def _pack(store: Path, volume: UUID, folder: Path) -> None:
    from boardgrid.adapters.store.place import Places  # noqa: PLC0415 - as above
    from boardgrid.adapters.store.volume_archive import ALONE, PROGRAM  # noqa: PLC0415

    file = Places(store).volume(volume).file
    size = file.stat().st_size
    agent = _agent(store / "lock")
    # Its mounts are seen in its namespace alone, where virtual boards have one of their own.
    inside = ("nsenter", f"--target={agent}", "--mount", "--root", "--") if agent else ()
    with (folder / f"{volume}-{size}.tar.zst").open("xb") as archive, file.open("rb") as lock:
        # Before the program has mounts of its own: what is seen there must not be unmounted and made larger here.
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = (*inside, *ALONE, *PROGRAM, "pack", str(store.resolve()), str(volume), str(lock.fileno()))
        ended = subprocess.run(
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=archive,
            stderr=subprocess.PIPE,
            pass_fds=(lock.fileno(),),
        )
        os.fsync(archive.fileno())
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip()
        raise Fault(Code.PROGRAM_FAILED, _("a volume could not be backed up: {said}"), said=said[-500:])


def _agent(lock: Path) -> int | None:
    """The process that has locked the store."""
    try:
        seen = lock.stat()
    except FileNotFoundError:
        return None
    place = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5] == place and int(words[4]) > 0:
            return int(words[4])
    return None


@contextmanager
def _locked(store: Path) -> Iterator[int]:
    lock = os.open(store / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lock
    except BlockingIOError as error:
        raise Conflict(
            Code.STATE_LOCKED,
            _("an agent works on the store {store}"),
            hint=_("end it first: boardgrid down, or stop boardgrid-agent"),
            store=store,
        ) from error
    finally:
        os.close(lock)
