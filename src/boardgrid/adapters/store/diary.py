"""
How far a program of the store is: it writes that down in a file beside its work, and whoever started it looks.

A file, for whoever looks may come late or never, and the program waits for nobody.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from boardgrid.model.errand import Progress

_EVERY_S = 1.0

Look = Callable[[], int]  # how many bytes of a phase are done


@dataclass(frozen=True, slots=True)
class Diary:
    """Where *file* cannot be written, nobody is told."""

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


def written(file: Path) -> Look:
    """How much of a file is there that is as large as it may become from the beginning."""

    def look() -> int:
        try:
            return file.stat().st_blocks * 512
        except OSError:
            return 0  # it is not there yet

    return look


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
