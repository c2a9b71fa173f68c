"""Whoever does not take what is sent to them makes the sender wait, and not the gateway's memory grow."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN
from asyncssh.packet import String, UInt32

from boardgrid.gateway.wire import Wire

pytestmark = pytest.mark.slow

MIB = 1 << 20
GROWTH_BYTES = 24 * MIB  # what a gateway may grow by: its windows, and the noise of a young process
OFFERED_BYTES = 256 * MIB
ASKED = 9_000
HERE = Path(__file__).parent


@dataclass
class Alone:
    """A gateway in its own process, and a key that it lets in."""

    port: int
    pid: int
    key: asyncssh.SSHKey

    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the gateway has ended")

    async def connect(self, port: int = 0, **options: object) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            "127.0.0.1", port or self.port, username="ada", client_keys=[self.key], known_hosts=None, config=None,
            agent_path=None, **options,
        )  # fmt: skip


@asynccontextmanager
async def gateway(folder: Path, board_port: int) -> AsyncIterator[Alone]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    line = " ".join(key.export_public_key().decode().split()[:2])
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "alone.py"), str(folder), str(board_port), line,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            port = int(await process.stdout.readline())
        drain = asyncio.ensure_future(process.stdout.read())
        try:
            yield Alone(port, process.pid, key)
        finally:
            drain.cancel()
    finally:
        process.kill()
        await process.wait()


@dataclass
class Board:
    """A board that takes nothing, or that sends as much as is taken."""

    floods: bool
    given_bytes: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.set()
        try:
            while self.floods and self.given_bytes < OFFERED_BYTES:
                writer.write(bytes(65536))
                await writer.drain()
                self.given_bytes += 65536
            await asyncio.sleep(600)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def listening(
    met: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]], limit: int
) -> AsyncIterator[int]:
    tasks = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(met(reader, writer)))

    server = await asyncio.start_server(take, "127.0.0.1", 0, limit=limit)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def board(*, floods: bool) -> AsyncIterator[tuple[int, Board]]:
    made = Board(floods)
    # A small limit: what the test's own side reads ahead is not what we measure.
    async with listening(made.met, 1024) as port:
        yield port, made


@dataclass
class Valve:
    """A client's network that can be made to take nothing from the gateway any more, while it still sends."""

    port: int
    is_open: bool = True
    sent_bytes: int = 0  # to the gateway

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = socket.socket()
        for kind in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, kind, 65536)
        sock.connect(("127.0.0.1", self.port))
        from_gateway, to_gateway = await asyncio.open_connection(sock=sock)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, to_gateway, is_stoppable=False))
                tasks.create_task(self._pass_on(from_gateway, writer, is_stoppable=True))
        finally:
            to_gateway.transport.abort()
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_stoppable: bool) -> None:
        while data := await reader.read(65536):
            while is_stoppable and not self.is_open:  # noqa: ASYNC110 - a test turns it
                await asyncio.sleep(0.05)
            writer.write(data)
            await writer.drain()
            self.sent_bytes += 0 if is_stoppable else len(data)


@asynccontextmanager
async def valve(port: int) -> AsyncIterator[tuple[int, Valve]]:
    made = Valve(port)
    async with listening(made.met, 65536) as through:
        yield through, made


async def settled(*, of: object, name: str) -> None:
    """Return when a figure has not changed for two seconds."""
    before, since = None, 0
    async with asyncio.timeout(90):
        while since < 20:
            await asyncio.sleep(0.1)
            now = getattr(of, name)
            since = since + 1 if now == before else 0
            before = now


@dataclass
class Pushed:
    sent_bytes: int = 0

    async def push(self, writer: "asyncssh.SSHWriter[bytes]") -> None:
        with suppress(OSError, asyncssh.Error):
            while self.sent_bytes < OFFERED_BYTES:
                writer.write(bytes(65536))
                await writer.drain()
                self.sent_bytes += 65536


async def test_a_board_that_takes_nothing_stops_its_user(tmp_path: Path) -> None:
    async with board(floods=False) as (port, _board), gateway(tmp_path, port) as alone, await alone.connect() as conn:
        _reader, writer = await conn.open_connection("tk1-1", 22)
        before = alone.resident_bytes()
        pushed = Pushed()
        pushing = asyncio.create_task(pushed.push(writer))
        await settled(of=pushed, name="sent_bytes")
        assert alone.resident_bytes() - before < GROWTH_BYTES
        assert pushed.sent_bytes <= GROWTH_BYTES
        pushing.cancel()


async def test_what_waits_on_a_channel_takes_no_more_than_its_bytes_however_small_they_come() -> None:
    async with board(floods=False) as (port, _board):
        loop = asyncio.get_running_loop()
        options = asyncssh.SSHServerConnectionOptions(
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")], config=None, gss_host=None
        )
        transport, wire = await loop.create_connection(lambda: Wire(loop, options), "127.0.0.1", port)
        channel = wire.create_tcp_channel()
        channel._send_state = "open"
        for number in range(10_000):
            channel._accept_data(bytes([number % 256]))
        kept = [data for data, _kind in channel._recv_buf]
        assert b"".join(kept) == bytes(number % 256 for number in range(10_000))
        assert len(kept) < 10
        transport.abort()


async def test_a_user_who_takes_nothing_stops_their_board_whatever_window_they_grant(tmp_path: Path) -> None:
    async with (
        board(floods=True) as (port, flooding),
        gateway(tmp_path, port) as alone,
        valve(alone.port) as (through, one),
        await alone.connect(through) as conn,
    ):
        before = alone.resident_bytes()
        opening = asyncio.create_task(conn.open_connection("tk1-1", 22, window=0x7FFFFFFF))
        await flooding.connected.wait()
        one.is_open = False
        await settled(of=flooding, name="given_bytes")
        assert alone.resident_bytes() - before < GROWTH_BYTES
        assert flooding.given_bytes < OFFERED_BYTES
        opening.cancel()


async def test_a_user_who_never_ends_a_key_exchange_stops_their_board_too(tmp_path: Path) -> None:
    async with (
        board(floods=True) as (port, flooding),
        gateway(tmp_path, port) as alone,
        valve(alone.port) as (through, one),
        await alone.connect(through, rekey_bytes=1000) as conn,
    ):
        before = alone.resident_bytes()
        opening = asyncio.create_task(conn.open_connection("tk1-1", 22, window=0x7FFFFFFF))
        await flooding.connected.wait()
        one.is_open = False
        for _ in range(100):
            conn.send_debug("x" * 100)  # past a thousand bytes the client asks for new keys
        await settled(of=flooding, name="given_bytes")
        assert alone.resident_bytes() - before < GROWTH_BYTES
        assert flooding.given_bytes < OFFERED_BYTES
        opening.cancel()


async def test_answers_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    async with (
        board(floods=False) as (port, _board),
        gateway(tmp_path, port) as alone,
        valve(alone.port) as (through, one),
        await alone.connect(through) as conn,
    ):
        one.is_open = False
        for number in range(ASKED):
            asked = (String("direct-tcpip"), UInt32(number), UInt32(65536), UInt32(32768))
            where = (String("x" * 100), UInt32(22), String("127.0.0.1"), UInt32(1))
            conn.send_packet(MSG_CHANNEL_OPEN, *asked, *where)
        await settled(of=one, name="sent_bytes")
        assert one.sent_bytes < ASKED * 150
        conn.abort()
