"""Following a file that another process writes to, woken by the kernel (inotify) instead of looking again and again."""

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_MODIFY, _MOVED_TO, _CREATE, _DELETE, _MOVED_FROM = 0x2, 0x80, 0x100, 0x200, 0x40
_MASK = _MODIFY | _MOVED_TO | _CREATE | _DELETE | _MOVED_FROM
_CHUNK_BYTES = 1 << 16
_LONGEST_LINE = 4096  # what goes on after that is nothing that dnsmasq writes


@contextlib.contextmanager
def changes_in(folder: Path) -> Iterator[asyncio.Event]:
    """
    An event that is set whenever a file in *folder* is written to, made, moved or removed.

    Raises:
        OSError: the folder cannot be watched.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if number < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        if libc.inotify_add_watch(number, os.fsencode(folder), _MASK) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
        changed = asyncio.Event()

        def woken() -> None:
            # What happened does not matter, only that something did; a lost event (queue full) still wakes.
            with contextlib.suppress(BlockingIOError):
                os.read(number, _CHUNK_BYTES)
            changed.set()

        loop = asyncio.get_running_loop()
        loop.add_reader(number, woken)
        try:
            yield changed
        finally:
            loop.remove_reader(number)
    finally:
        os.close(number)


@dataclass(slots=True)
class Tail:
    """
    The lines that are added to a file.

    It may be truncated, moved away and made anew, or not be there yet: what is written to its name is told, once.
    """

    path: Path
    _file: BinaryIO | None = None
    _rest: bytes = b""
    _is_overlong: bool = field(default=False)

    def to_end(self, last_bytes: int) -> list[str]:
        """Go to the end of the file; return the lines in the last part of it."""
        self._open()
        if self._file is None:
            return []
        size = os.fstat(self._file.fileno()).st_size
        self._file.seek(max(size - last_bytes, 0))
        lines = self._read(last_bytes)
        return lines[1:] if size > last_bytes else lines  # the first one begins somewhere in its middle

    def new_lines(self) -> list[str]:
        """At most some hundred at a time; more are there when it is not empty."""
        if self._file is None:
            self._open()
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # truncated
            self._begin_again()
        lines = self._read(_CHUNK_BYTES)
        if not lines and self._is_replaced():
            self._open()
            lines = self._read(_CHUNK_BYTES)
        return lines

    def shorten(self, longest: int) -> bool:
        """Empty the file if it is longer than that and read to its end; who writes to it appends, and goes on."""
        size = os.fstat(self._file.fileno()).st_size if self._file else 0
        if self._file is None or size <= longest or self._file.tell() < size:
            return False
        os.truncate(self._file.fileno(), 0)
        self._begin_again()
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        self.close()
        with contextlib.suppress(FileNotFoundError):
            self._file = self.path.open("r+b", buffering=0)  # also to shorten it, whatever became of its name
        self._begin_again()

    def _begin_again(self) -> None:
        if self._file is not None:
            self._file.seek(0)
        self._rest, self._is_overlong = b"", False

    def _read(self, most: int) -> list[str]:
        data = self._rest + (self._file.read(most) if self._file else b"")
        *whole, self._rest = data.split(b"\n")
        if whole and self._is_overlong:
            whole, self._is_overlong = whole[1:], False
        if len(self._rest) > _LONGEST_LINE:
            self._rest, self._is_overlong = b"", True
        return [line.decode("utf-8", "replace") for line in whole if len(line) <= _LONGEST_LINE]

    def _is_replaced(self) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False  # moved away, and no new one yet: the old one may still be written to
        mine = os.fstat(self._file.fileno()) if self._file else None
        return mine is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)
