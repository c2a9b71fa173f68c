"""Outlets behind pdudaemon, which is played here; tests/contract/test_power.py has the real one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from boardgrid.drivers.pdudaemon import PduDaemon
from boardgrid.model.errors import Blame, Code, Fault
from tests.drivers.bench import tools


@dataclass
class Daemon:
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\nOK - accepted request\n"
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.splitlines()[0])
        writer.write(self.answer)
        await writer.drain()
        if self.answer:
            writer.close()


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    made = Daemon()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


def outlet(daemon: Daemon, timeout_s: float = 30) -> PduDaemon:
    return PduDaemon(
        pdu="apc 1&2", outlet=7, host="127.0.0.1", port=daemon.port, settle_s=0, timeout_s=timeout_s, tools=tools()
    )


async def test_it_names_the_pdu_and_the_outlet(daemon: Daemon) -> None:
    await outlet(daemon).on()
    await outlet(daemon).off()
    assert [urlsplit(line.split()[1]).path for line in daemon.asked] == ["/power/control/on", "/power/control/off"]
    assert {urlsplit(line.split()[1]).query for line in daemon.asked} == {"hostname=apc+1%262&port=7"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "status 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"what?\r\n\r\n", "illegal status line"),
    ],
)
async def test_a_refusal_is_a_fault_that_names_the_outlet(daemon: Daemon, answer: bytes, said: str) -> None:
    daemon.answer = answer
    with pytest.raises(Fault, match="outlet 7 of apc 1&2, behind pdudaemon on ") as failed:
        await outlet(daemon).on()
    assert said in str(failed.value)
    assert (failed.value.code, failed.value.blame) == (Code.POWER_FAILED, Blame.BOARD)
    assert len(daemon.asked) == 1


async def test_a_daemon_that_hangs_ends_at_its_time() -> None:
    daemon = Daemon(answer=b"")
    server = await asyncio.start_server(daemon.serve, "127.0.0.1", 0)
    daemon.port = server.sockets[0].getsockname()[1]
    with pytest.raises(Fault, match=r"outlet 7 .* no answer in 0.2 s"):
        await outlet(daemon, timeout_s=0.2).off()
    server.close()


async def test_a_daemon_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(Fault, match="outlet 7 of apc 1&2"):
        await outlet(Daemon(port=1)).on()


@pytest.mark.parametrize("keys", [{"port": 0}, {"timeout_s": 0.0}])
def test_nonsense_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="should be"):
        PduDaemon(**{"pdu": "a", "outlet": 1, "tools": tools(), **keys})


@pytest.mark.parametrize(
    "host", ["", "pdu/../x", "user@pdu", "a\nb", "a\0b", "xn--a", "localhost:99999", "[::1", "ä" * 70, "\ud800"]
)
def test_a_host_that_is_none_is_refused_where_it_is_declared(host: str) -> None:
    with pytest.raises(ValueError, match="host should be"):
        PduDaemon(pdu="a", outlet=1, host=host, tools=tools())


@pytest.mark.parametrize("host", ["pdu-1", "pdu_1.example.org", "10.0.0.1", "::1", "büro"])
def test_a_host_may_be_a_name_or_an_address(host: str) -> None:
    assert PduDaemon(pdu="a", outlet=1, host=host, tools=tools()).host == host
