"""A virtual board's serial line: what comes is told, and is kept nowhere on the way."""

import asyncio
import contextlib
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass

_AT_ONCE_BYTES = 4096
_PACE_S = 0.005  # a flood of that much every so often is 70 times a real line's speed; the rest waits in the board


@dataclass(slots=True)
class SerialLine:
    end: socket.socket
    printed: Callable[[bytes], None]

    def __post_init__(self) -> None:
        self.end.setblocking(False)

    async def hear(self) -> None:
        """Returns when the other end is gone."""
        # A connection that was cut is an end like any other.
        with contextlib.suppress(OSError):
            while True:
                await self._has_come()
                with contextlib.suppress(BlockingIOError):  # somebody caught up meanwhile
                    if not self._tell():
                        return
                await asyncio.sleep(_PACE_S)

    async def catch_up(self) -> None:
        """Returns when all is told that has come by now, however much that is."""
        with contextlib.suppress(OSError, ValueError):  # it was heard already, or the machine is gone
            left = int.from_bytes(fcntl.ioctl(self.end, termios.FIONREAD, bytes(4)), sys.byteorder)
            while left > 0 and (told := self._tell()):
                left -= told
                await asyncio.sleep(0)

    def _tell(self) -> int:
        said = self.end.recv(_AT_ONCE_BYTES)
        if said:
            self.printed(said)
        return len(said)

    async def _has_come(self) -> None:
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.end, come.set)
        try:
            await come.wait()
        finally:
            loop.remove_reader(self.end)
