"""A webhook is called once, at the address its name led to when it was looked at, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import httpx
import pytest

from boardgrid.adapters.webhooks import HttpHooks
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Hooks
from boardgrid.reach import IPAddress
from boardgrid.testing import FakeHooks
from tests.contract.certificate import certificate

LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADERS = {"Content-Type": "application/json", "X-BoardGrid-Delivery": "1"}
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Program:
    """A real HTTP server that keeps what it was sent."""

    answer: bytes = ANSWER
    heard: list[bytes] = field(default_factory=list)
    port: int = 0
    sent_bytes: int = 0
    is_endless: bool = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split()[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        self.heard.append(head + await reader.readexactly(length))
        writer.write(self.answer)
        try:
            while self.is_endless:
                writer.write(b"x" * 4096)
                self.sent_bytes += 4096
                await writer.drain()
        except OSError:
            pass
        writer.close()


@asynccontextmanager
async def serving(program: Program, **how: object) -> AsyncIterator[Program]:
    server = await asyncio.start_server(program.talk, "127.0.0.1", 0, **how)  # type: ignore[arg-type]  # of asyncio
    program.port = server.sockets[0].getsockname()[1]
    try:
        yield program
    finally:
        server.close()


class Names:
    """A resolver that gives each time the next answer."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(one) for one in answer.split()]


def hooks_with(names: Names, **how: object) -> HttpHooks:
    return HttpHooks(allowed=LOOPBACK, look_up=names, within_s=5, **how)  # type: ignore[arg-type]  # fields


async def test_a_call_arrives_with_its_body_and_headers_under_its_own_name() -> None:
    async with serving(Program()) as program:
        await hooks_with(Names("127.0.0.1")).call(f"http://chat.example.org:{program.port}/x?y=1", HEADERS, b"{}")
    [heard] = program.heard
    head, _blank, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x?y=1 HTTP/1.1\r\n") and body == b"{}"
    assert f"host: chat.example.org:{program.port}".encode() in head.lower()
    assert b"x-boardgrid-delivery: 1" in head.lower()


@pytest.mark.parametrize("kind", ["fake", "http"])
async def test_what_does_not_answer_is_a_fault_that_names_the_host_and_not_the_path(kind: str) -> None:
    url = "http://chat.example.org:9/secret-path"
    hooks: Hooks = FakeHooks(silent={url}) if kind == "fake" else hooks_with(Names("127.0.0.1"))
    with pytest.raises(Fault, match=r"chat\.example\.org") as error:
        await hooks.call(url, HEADERS, b"{}")
    assert error.value.code is Code.WEBHOOK_FAILED
    assert kind == "fake" or "secret-path" not in str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "8.8.8.8 127.0.0.1",
    ],
)  # fmt: skip
async def test_nothing_but_the_open_internet_is_reached_where_the_config_does_not_say_so(address: str) -> None:
    async with serving(Program()) as program:
        with pytest.raises(Fault, match="no address of the open internet"):
            await HttpHooks(look_up=Names(address)).call(f"http://evil.example.org:{program.port}/", HEADERS, b"{}")
    assert program.heard == []


async def test_an_address_in_the_place_of_a_name_is_looked_at_alike() -> None:
    for host in ("127.0.0.1", "[::1]", "0x7f000001", "2130706433"):
        with pytest.raises(Fault):
            await HttpHooks().call(f"http://{host}:9/", HEADERS, b"{}")


async def test_a_name_that_leads_elsewhere_a_moment_later_is_looked_up_once() -> None:
    names = Names("127.0.0.1", "127.0.0.2")
    async with serving(Program()) as program:
        await hooks_with(names).call(f"http://evil.example.org:{program.port}/", HEADERS, b"{}")
    assert names.asked == ["evil.example.org"] and len(program.heard) == 1


async def test_nobody_is_followed_to_another_address() -> None:
    async with serving(Program()) as inner:
        moved = f"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n"
        async with serving(Program(moved.encode())) as program:
            with pytest.raises(Fault, match="status 307"):
                await hooks_with(Names("127.0.0.1")).call(f"http://a.example.org:{program.port}/", HEADERS, b"{}")
    assert inner.heard == []


async def test_an_answer_without_end_is_hardly_read() -> None:
    endless = Program(b"HTTP/1.1 200 OK\r\n\r\n", is_endless=True)
    async with serving(endless) as program, asyncio.timeout(5):
        await hooks_with(Names("127.0.0.1")).call(f"http://a.example.org:{program.port}/", HEADERS, b"{}")
    assert endless.sent_bytes < 64 << 20


async def test_a_server_that_is_silent_keeps_nobody_for_longer_than_it_may() -> None:
    async with serving(Program(b"")) as program:
        slow = HttpHooks(allowed=LOOPBACK, look_up=Names("127.0.0.1"), within_s=0.2)
        with pytest.raises(Fault):
            await slow.call(f"http://a.example.org:{program.port}/", HEADERS, b"{}")


async def test_a_certificate_must_be_of_the_name_and_not_of_the_address(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tls = certificate(tmp_path_factory.mktemp("tls"), "chat.example.org")
    async with serving(Program(), ssl=tls.server) as program:
        hooks = hooks_with(Names("127.0.0.1"), transport=httpx.AsyncHTTPTransport(verify=tls.client))
        await hooks.call(f"https://chat.example.org:{program.port}/", HEADERS, b"{}")
        assert len(program.heard) == 1
        hooks = hooks_with(Names("127.0.0.1"), transport=httpx.AsyncHTTPTransport(verify=tls.client))
        with pytest.raises(Fault, match=r"(?i)certificate|hostname"):
            await hooks.call(f"https://other.example.org:{program.port}/", HEADERS, b"{}")
