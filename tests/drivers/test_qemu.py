"""Virtual boards, whose holder is played here; tests/world/test_lab.py has the real one."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from boardgrid.drivers.qemu import VirtualBoard
from boardgrid.model.errors import Blame, Code, Fault
from tests.drivers.bench import tools


@dataclass
class Lab:
    socket: Path
    answer: bytes = b'{"ok": null}\n'
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(json.loads(await reader.readline()))
        writer.write(self.answer)
        await writer.drain()
        if self.answer:
            writer.close()


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    made = Lab(tmp_path / "lab.sock")
    server = await asyncio.start_unix_server(made.serve, made.socket)
    yield made
    server.close()


async def test_it_asks_by_the_boards_name(lab: Lab) -> None:
    board = VirtualBoard(tools=tools(lab=lab.socket))
    await board.on()
    await board.off()
    await board.reset()
    assert lab.asked == [{"do": do, "board": "tk1-1"} for do in ("on", "off", "reset")]


async def test_the_lab_may_know_it_by_another_name(lab: Lab) -> None:
    await VirtualBoard(name="virtual-7", tools=tools(lab=lab.socket)).on()
    assert lab.asked == [{"do": "on", "board": "virtual-7"}]


async def test_it_tells_power_and_what_was_printed(lab: Lab) -> None:
    board = VirtualBoard(tools=tools(lab=lab.socket))
    lab.answer = b'{"ok": true}\n'
    assert await board.is_on() is True
    lab.answer = b'{"ok": ["U-Boot 2023.01", "=>"]}\n'
    assert await board.console_tail(2) == ("U-Boot 2023.01", "=>")
    assert lab.asked[-1] == {"do": "tail", "board": "tk1-1", "lines": 2}


async def test_what_the_lab_complains_of_is_said_of_the_board(lab: Lab) -> None:
    lab.answer = b'{"error": {"kind": "Fault", "code": "power.failed", "detail": "no answer", "hint": "try {x}"}}\n'
    with pytest.raises(Fault, match="the virtual board tk1-1 does not obey 'reset': no answer") as failed:
        await VirtualBoard(tools=tools(lab=lab.socket)).reset()
    assert (failed.value.code, failed.value.blame, failed.value.hint) == (Code.POWER_FAILED, Blame.BOARD, "try {x}")


@pytest.mark.parametrize("answer", [b"what?\n", b"\n", b"{" * 2_000_000])
async def test_nonsense_is_a_fault(lab: Lab, answer: bytes) -> None:
    lab.answer = answer
    with pytest.raises(Fault, match="tk1-1 does not obey 'on'"):
        await VirtualBoard(tools=tools(lab=lab.socket)).on()


async def test_a_lab_that_hangs_ends_at_its_time(lab: Lab) -> None:
    lab.answer = b""
    with pytest.raises(Fault, match=r"tk1-1 does not obey 'on': no answer in 0.2 s") as failed:
        await VirtualBoard(timeout_s=0.2, tools=tools(lab=lab.socket)).on()
    assert failed.value.blame is Blame.BOARD


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_lab_that_is_not_there_is_the_sites_fault(tmp_path: Path, is_there: bool) -> None:
    board = VirtualBoard(tools=tools(lab=tmp_path / "lab.sock" if is_there else None))
    with pytest.raises(Fault, match="the lab is not there") as failed:
        await board.is_on()
    assert failed.value.blame is Blame.SITE
