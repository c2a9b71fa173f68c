"""What a board may answer instead of SSH. Every wait ends, and each ends in the same complaint."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Address

import asyncssh
import pytest

from boardgrid.adapters.hostkeys import SshHostKeys
from boardgrid.model.errors import Code, Fault

HERE = IPv4Address("127.0.0.1")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def a_peer(talk: Talk) -> AsyncIterator[SshHostKeys]:
    async def carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(carried, str(HERE), 0)
    async with server:
        yield SshHostKeys(server.sockets[0].getsockname()[1])


async def says_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass


async def stalls_after_its_version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-slow\r\n")
    await says_nothing(reader, writer)


async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def floods_with_lines(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"hello\r\n" * 4096)
        await writer.drain()


async def floods_after_its_version(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-loud\r\n")
    # A well-formed packet that says "ignore me", again and again.
    packet = (12).to_bytes(4, "big") + b"\x04\x02" + (0).to_bytes(4, "big") + b"\0" * 6
    while True:
        writer.write(packet * 4096)
        await writer.drain()


async def speaks_garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-odd\r\n" + bytes(range(256)) * 20)
    await writer.drain()


async def speaks_something_else(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def hangs_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    pass


@pytest.mark.parametrize(
    "talk",
    [
        says_nothing,
        stalls_after_its_version,
        floods,
        floods_with_lines,
        floods_after_its_version,
        speaks_garbage,
        speaks_something_else,
        hangs_up,
    ],
    ids=lambda talk: talk.__name__,
)
async def test_a_peer_that_is_no_honest_server_is_silent_to_us_and_the_wait_ends(talk: Talk) -> None:
    async with asyncio.timeout(30), a_peer(talk) as keys:
        with pytest.raises(Fault) as caught:
            await keys.of(HERE, timeout_s=0.5)
    assert caught.value.code is Code.SSH_SILENT


async def test_a_server_without_an_ed25519_key_is_not_taken_for_the_deployment() -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    async with asyncssh.listen(str(HERE), 0, server_host_keys=[key]) as server:
        with pytest.raises(Fault) as caught:
            await SshHostKeys(server.get_port()).of(HERE, timeout_s=10)
    assert caught.value.code is Code.SSH_SILENT


async def test_a_server_that_would_have_us_inflate_what_it_says_is_silent_to_us() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(
        str(HERE), 0, server_host_keys=[key], compression_algs=["zlib@openssh.com", "zlib"]
    ) as server:
        with pytest.raises(Fault, match="compression") as caught:
            await SshHostKeys(server.get_port()).of(HERE, timeout_s=10)
    assert caught.value.code is Code.SSH_SILENT
