"""
One client's SSH connection, with the back-pressure that asyncssh leaves to others.

Whoever sends faster than the other side takes must be made to wait, or their bytes pile up in this process. asyncssh
heeds the SSH windows, but the client grants those, and it ignores its own transport when that asks it to stop writing.
"""

import asyncio
import inspect
import socket

import asyncssh
from asyncssh.misc import MaybeAwait
from asyncssh.session import SSHSession

from boardgrid.messages import _

WINDOW_BYTES = 1 << 20  # what a client may send on one channel before we take it
_CHUNK_BYTES = 4096
_LEAST_PACKET_BYTES = 4096
_DEFERRED_PACKETS = 64


def notice_the_dead(transport: asyncio.BaseTransport) -> None:
    """Have TCP end a connection whose other machine is gone, within two minutes; one that is only slow lives on."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


class Channel(asyncssh.SSHTCPChannel[bytes]):
    """A channel whose memory is bounded by its window, however small the client's packets are."""

    def process_open(
        self,
        send_chan: int,
        send_window: int,
        send_pktsize: int,
        session: MaybeAwait[SSHSession[bytes]],
    ) -> None:
        if send_pktsize < _LEAST_PACKET_BYTES:
            # Each packet costs the same work, so that one byte in each would keep the gateway busy for everyone.
            if inspect.iscoroutine(session):
                session.close()
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_CONNECT_FAILED, _("this door sends no packets as small as that")
            )
        super().process_open(send_chan, send_window, send_pktsize, session)

    def _accept_data(self, data: bytes, datatype: int | None = None) -> None:
        super()._accept_data(data, datatype)
        # A paused channel keeps each packet by itself, at a hundred bytes of overhead: join the small ones.
        if len(self._recv_buf) > 1:
            (before, kind), (last, _kind) = self._recv_buf[-2:]
            if len(before) + len(last) <= _CHUNK_BYTES:
                self._recv_buf[-2:] = [(before + last, kind)]


class Wire(asyncssh.SSHServerConnection):
    """
    A connection that stops reading while its client does not take the answers.

    Each answer has a request, so nothing piles up then; what boards send is held back by :meth:`room`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHServerConnectionOptions) -> None:
        super().__init__(loop, options)
        self._below: asyncio.Transport | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server makes no other
        self._below = transport
        notice_the_dead(transport)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        self._may_write.clear()
        if self._below is not None:
            self._below.pause_reading()

    def resume_writing(self) -> None:
        self._may_write.set()
        if self._below is not None:
            self._below.resume_reading()

    async def room(self) -> None:
        """Return when the client has taken most of what was written to it."""
        await self._may_write.wait()
        # During a key exchange packets wait in a list of their own, and the client decides when it ends.
        while len(self._deferred_packets) > _DEFERRED_PACKETS and not self.is_closed():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)

    def hang_up(self, reason: str) -> None:
        """End the connection. asyncssh's own way closes its channels first, after which no client reads why."""
        self._send_disconnect(asyncssh.DISC_BY_APPLICATION, reason, "en")
        self._force_close(None)

    def create_tcp_channel(
        self, encoding: str | None = None, errors: str = "strict", window: int = 0, max_pktsize: int = 32768
    ) -> Channel:
        return Channel(self, self._loop, encoding, errors, window or WINDOW_BYTES, max_pktsize)
