"""
How far a program of the store is: it writes that down in a file beside its work, and whoever started it looks.

A file, for whoever looks may come late or never, and the program waits for nobody.
"""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from boardgrid.model.errand import Progress
from boardgrid.ports import Tell

_EVERY_S = 1.0
_FIRST_S = 0.2  # most of what is small is over then

Look = Callable[[], int]  # how many bytes of a phase are done


@dataclass(frozen=True, slots=True)
class Diary:
    """The program's side. Where *file* cannot be written, nobody is told."""

    file: Path | None

    @contextlib.contextmanager
    def phase(self, name: str, total_bytes: int = 0, look: Look = lambda: 0) -> Iterator[None]:
        """What is done in the block is called so, and *look* is asked now and then how much of it is."""
        over = threading.Event()

        def keep() -> None:
            while True:
                self._write(Progress(name, look(), total_bytes))
                if over.wait(_EVERY_S):
                    return

        keeper = threading.Thread(target=keep, daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def _write(self, progress: Progress) -> None:
        if self.file is None:
            return
        beside = self.file.with_suffix(".new")
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(asdict(progress)))
            beside.rename(self.file)


NO_DIARY = Diary(None)


def position(fd: int) -> Look:
    """How far a file was read, by whichever program has it from here."""
    return lambda: os.lseek(fd, 0, os.SEEK_CUR)


def read_by(pid: int) -> Look:
    """How much a program has read."""
    file = Path(f"/proc/{pid}/io")

    def look() -> int:
        try:
            told = dict(line.split(": ") for line in file.read_text().splitlines())
            return int(told["rchar"])
        except (OSError, ValueError, KeyError):
            return 0  # it has ended

    return look


@contextlib.asynccontextmanager
async def followed(look: Callable[[], Progress | None], tell: Tell) -> AsyncIterator[None]:
    """While the block runs, tell what *look*, which blocks, sees."""

    async def follow() -> None:
        before, pause_s = None, _FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            seen = await asyncio.to_thread(look)
            if seen is not None and seen != before:
                tell(seen)
            before, pause_s = seen, _EVERY_S

    following = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def diary_of(file: Path) -> Callable[[], Progress | None]:
    """Looks into a program's diary."""

    def look() -> Progress | None:
        try:
            return Progress(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None  # it has not begun, or its folder is gone already

    return look


def size_of(file: Path, phase: str, total_bytes: int) -> Callable[[], Progress | None]:
    """Looks how large a file has become that is being written."""

    def look() -> Progress | None:
        try:
            return Progress(phase, file.stat().st_size, total_bytes)
        except OSError:
            return None

    return look
