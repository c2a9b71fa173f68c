"""A session: the bytes between one channel of a user and the SSH port of their board."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import asyncssh
import structlog

from boardgrid.gateway.wire import Wire
from boardgrid.ports import Route

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 65536
_PENDING_BYTES = 65536  # what waits for a board before its user is made to wait too
_LAST_BYTES_S = 5.0  # how long a board may take to accept what its user sent before they left


@dataclass(eq=False)
class Session(asyncssh.SSHTCPSession[bytes]):
    """
    Carries both directions, each no faster than its end takes it.

    The board is connected before the channel is: data never waits for a connection that is still being made.
    """

    user: str
    board: str
    route: Route
    wire: Wire
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    on_end: Callable[["Session"], None]
    sent_bytes: int = 0  # from the user to the board
    received_bytes: int = 0
    has_ended: bool = False
    _channel: asyncssh.SSHTCPChannel[bytes] | None = None
    _may_send: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _is_draining: bool = False
    _user_is_done: bool = False
    _board_is_done: bool = False

    # --- what asyncssh calls

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self._channel = chan
        self._may_send.set()
        self.writer.transport.set_write_buffer_limits(high=_PENDING_BYTES)
        self._start(self._from_board(chan))

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.sent_bytes += len(data)
        self.writer.write(data)
        if not self._is_draining and self.writer.transport.get_write_buffer_size() > _PENDING_BYTES:
            assert self._channel is not None  # noqa: S101 - data comes after connection_made
            self._is_draining = True
            self._channel.pause_reading()
            self._start(self._drain(self._channel))

    def eof_received(self) -> bool:
        self._user_is_done = True
        with contextlib.suppress(OSError):
            self.writer.write_eof()
        self._close_when_both_are_done()
        return True  # the board may have more to say

    def pause_writing(self) -> None:
        self._may_send.clear()

    def resume_writing(self) -> None:
        self._may_send.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writer.close()  # what its user sent last still goes to the board
        asyncio.get_running_loop().call_later(_LAST_BYTES_S, self.writer.transport.abort)
        self._end()

    # --- what the door calls

    def cut(self) -> None:
        """End it now: nothing more goes either way."""
        self.writer.transport.abort()
        if self._channel is not None:
            self._channel.abort()
        self._end()

    # ---

    async def _from_board(self, channel: asyncssh.SSHTCPChannel[bytes]) -> None:
        while data := await self.reader.read(_CHUNK_BYTES):
            self.received_bytes += len(data)
            channel.write(data)
            await self._may_send.wait()
            await self.wire.room()
        self._board_is_done = True
        channel.write_eof()
        self._close_when_both_are_done()

    async def _drain(self, channel: asyncssh.SSHTCPChannel[bytes]) -> None:
        await self.writer.drain()
        self._is_draining = False
        channel.resume_reading()

    def _close_when_both_are_done(self) -> None:
        if self._user_is_done and self._board_is_done and self._channel is not None:
            self._channel.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, OSError):  # else the board hung up, or the channel closed while data was on its way
            log.error("session.broke", user=self.user, board=self.board, exc_info=error)
        self.cut()

    def _end(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        for task in self._tasks:
            task.cancel()
        self.on_end(self)
        log.info("session.ended", user=self.user, board=self.board, sent=self.sent_bytes, received=self.received_bytes)
