"""Presses a tree into an image's file, while its maker reads the same tree: each has a core of its own."""

import os
import signal
import threading
from pathlib import Path
from types import TracebackType

from boardgrid.adapters.store import resolve
from boardgrid.adapters.store.cage import run_bounded
from boardgrid.adapters.store.diary import Diary, read_by
from boardgrid.adapters.store.tree import TreePath
from boardgrid.adapters.store.workroom import Disk
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.headroom import no_room

_NEARLY = 1 << 20
_EVERY_S = 0.1


class Pressing:
    """mkfs.erofs at work from here on. When the block is left it has ended, if not by itself, then by force."""

    def __init__(self, tree: TreePath, to: Path, disk: Disk) -> None:
        self._disk, self._free = disk, disk.free_bytes
        self._file = os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._over = threading.Event()
        self._ahead = threading.Thread(target=self._write_ahead, daemon=True)
        # It reads what it may not own; nothing else of root's powers is of use to it.
        limited = ["prlimit", f"--fsize={self._free}", "--", "mkfs.erofs", "--quiet", "-zlz4", str(to), str(tree)]
        self._run = run_bounded(limited, ("dac_read_search",))

    def __enter__(self) -> "Pressing":
        self._ahead.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.end()
        self._over.set()
        self._ahead.join()
        os.close(self._file)

    def finish(self, diary: Diary, size_bytes: int) -> None:
        """
        Wait until all is in the file.

        Raises:
            Fault: STORE_FULL; PROGRAM_FAILED.
        """
        with diary.phase("pressing", size_bytes, read_by(self._run.pid)):
            status = self._run.ended()
        if not status:
            return
        # It has a sentence of its own for each way of meeting the end of the room: how far it came tells.
        written, free = os.fstat(self._file).st_size, self._disk.free_bytes
        if status == -signal.SIGXFSZ or written + _NEARLY >= self._free or free < _NEARLY:
            raise no_room(self._free + 1, self._free)
        said = self._run.complaints.first()
        raise Fault(Code.PROGRAM_FAILED, _("the image's file could not be made: {said}"), said=said or "-")

    def _write_ahead(self) -> None:
        # Left alone, the kernel would keep all of it in memory until somebody waits for the disk.
        while not self._over.wait(_EVERY_S):
            resolve.begin_to_write(self._file)
