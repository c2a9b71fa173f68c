"""Whoever connects to the controller and keeps it waiting takes nothing from the others."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from boardgrid.daemon.wiring.connection import Connection

ASK = b"GET / HTTP/1.1\r\nHost: farm\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: farm\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: farm\r\nContent-Length: 6\r\n\r\n"


class Hasty(Connection):
    patience_s = 0.8


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with how long the body was; at /slow after more than anybody's patience."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": b"%d" % size})


@asynccontextmanager
async def served(kind: type[Connection]) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application, http=kind, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        async with asyncio.timeout(60):
            while not server.started:  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0.01)
            yield listening.getsockname()[1]
        server.should_exit = True
        await serving


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int, says: bytes = b"") -> "Client":
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        client.writer.write(says)
        return client

    async def hears(self) -> bytes:
        """The body of an answer; nothing if the connection ended."""
        try:
            await self.reader.readuntil(b"\r\n\r\n")
            return await self.reader.readexactly(1)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@pytest.mark.parametrize("says", [b"", ASK[:20]], ids=["nothing", "half a head"])
async def test_who_does_not_ask_is_hung_up_on(says: bytes) -> None:
    async with served(Hasty) as port:
        assert await (await Client.to(port, says)).hears() == b""


async def test_a_head_that_trickles_is_hung_up_on_however_steadily_it_does() -> None:
    async with served(Hasty) as port:
        client = await Client.to(port, ASK[:-2])
        with pytest.raises(ConnectionError):
            while True:
                client.writer.write(b"X: y\r\n")
                await client.writer.drain()
                await asyncio.sleep(0.05)


async def test_a_slow_answer_is_waited_for_and_the_next_question_too() -> None:
    async with served(Hasty) as port:
        client = await Client.to(port, SLOW)
        assert await client.hears() == b"0"
        client.writer.write(ASK[:20])
        await asyncio.sleep(0.1)
        client.writer.write(ASK[20:])
        assert await client.hears() == b"0"


async def test_a_body_may_come_as_slowly_as_it_is_made() -> None:
    async with served(Hasty) as port:
        client = await Client.to(port, UPLOAD)
        for piece in (b"xxx", b"xxx"):
            await asyncio.sleep(1.2)
            client.writer.write(piece)
        assert await client.hears() == b"6"


class Crowded(Connection):
    most = 8


@pytest.mark.slow
@pytest.mark.parametrize("says", [b"", ASK, UPLOAD], ids=["silent", "asked before", "no body"])
async def test_any_number_of_idle_connections_keeps_nobody_out(says: bytes) -> None:
    async with served(Crowded) as port:
        served_long = await Client.to(port, SLOW)
        idle = [await Client.to(port, says) for _ in range(40)]
        assert await (await Client.to(port, ASK)).hears() == b"0"
        assert await served_long.hears() == b"0"
        del idle
