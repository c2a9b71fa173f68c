"""The holder's socket and what is kept behind it, on a network that is only spoken of."""

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from boardgrid.lab.client import LabClient
from boardgrid.lab.definition import Definition, Kind
from boardgrid.lab.door import Door
from boardgrid.lab.holder import Holder
from boardgrid.lab.network import LabNetwork
from boardgrid.lab.shelf import Shelf
from boardgrid.model.errors import Code, Conflict, Fault, Invalid, NotFound
from boardgrid.testing import FakeShell

BOARD = Definition(name="tk1-1", kind=Kind.UBOOT, mac="52:54:00:00:00:21", address=IPv4Address("10.77.0.21"))
OTHER = Definition(name="tk1-2", kind=Kind.CABLE, mac="52:54:00:00:00:22", address=IPv4Address("10.77.0.22"))


@dataclass
class Lab:
    folder: Path
    shell: FakeShell
    client: LabClient


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    shell = FakeShell()
    network = LabNetwork("br0", IPv4Interface("10.77.0.1/24"), shell)
    door = Door(Holder(tmp_path, network), network)
    await door.open(tmp_path / "lab.sock")
    yield Lab(tmp_path, shell, LabClient(tmp_path / "lab.sock"))
    door.close()


async def test_what_is_defined_is_told_and_kept(lab: Lab) -> None:
    sight = await lab.client.define(BOARD)
    assert (sight.definition, sight.port, sight.is_on) == (BOARD, "bgp1", False)
    assert await lab.client.all() == [sight]
    assert Shelf(lab.folder / "boards").read() == [(1, BOARD)]
    about = await lab.client.about()
    assert (about.interface, str(about.server), about.boards) == ("br0", "10.77.0.1/24", [sight])


async def test_define_and_remove_may_be_called_twice(lab: Lab) -> None:
    first = await lab.client.define(BOARD)
    assert await lab.client.define(BOARD) == first
    await lab.client.remove("tk1-1")
    await lab.client.remove("tk1-1")
    assert await lab.client.all() == []
    assert Shelf(lab.folder / "boards").read() == []


async def test_a_board_that_is_off_can_be_changed_and_keeps_its_port(lab: Lab) -> None:
    await lab.client.define(BOARD)
    await lab.client.define(OTHER)
    changed = replace(BOARD, memory_mib=512)
    assert (await lab.client.define(changed)).port == "bgp1"
    assert Shelf(lab.folder / "boards").read() == [(1, changed), (2, OTHER)]


async def test_a_port_that_was_left_is_used_again(lab: Lab) -> None:
    await lab.client.define(BOARD)
    await lab.client.define(OTHER)
    await lab.client.remove("tk1-1")
    assert (await lab.client.define(replace(BOARD, name="tk1-3"))).port == "bgp1"


@pytest.mark.parametrize(
    ("double", "what"),
    [
        (replace(OTHER, mac=BOARD.mac), "tk1-2 cannot have 52:54:00:00:00:21: tk1-1 has it"),
        (replace(OTHER, address=BOARD.address), "tk1-2 cannot have 10.77.0.21: tk1-1 has it"),
    ],
)
async def test_no_two_boards_have_the_same_address(lab: Lab, double: Definition, what: str) -> None:
    await lab.client.define(BOARD)
    with pytest.raises(Conflict) as refused:
        await lab.client.define(double)
    assert str(refused.value) == what


async def test_a_network_that_fails_leaves_no_half_board(lab: Lab) -> None:
    lab.shell.answers = {"nft": Fault(Code.PROGRAM_FAILED, "nft: no such table")}
    with pytest.raises(Fault, match="nft: no such table"):
        await lab.client.define(BOARD)
    assert await lab.client.all() == []
    lab.shell.answers = {}
    assert (await lab.client.define(BOARD)).port == "bgp1"


async def test_an_unknown_board_is_told_with_the_known_ones(lab: Lab) -> None:
    await lab.client.define(BOARD)
    with pytest.raises(NotFound) as missing:
        await lab.client.on("tk1-9")
    assert str(missing.value) == "there is no virtual board tk1-9 in the lab"
    assert missing.value.hint == "it has: tk1-1"


async def test_a_cable_cannot_be_switched(lab: Lab) -> None:
    await lab.client.define(OTHER)
    with pytest.raises(Invalid, match="tk1-2 is a cable"):
        await lab.client.on("tk1-2")


async def test_a_board_that_is_off_is_not_reset(lab: Lab) -> None:
    await lab.client.define(BOARD)
    assert not await lab.client.is_on("tk1-1")
    with pytest.raises(Fault, match="tk1-1 is off"):
        await lab.client.reset("tk1-1")
    with pytest.raises(Conflict, match="tk1-1 is off"):
        await lab.client.signal("tk1-1", "STOP")


async def test_only_its_owner_may_come_in(lab: Lab) -> None:
    assert stat.S_IMODE((lab.folder / "lab.sock").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[]",
        b'{"do": "explode"}',
        b'{"do": "on", "board": 7}',
        b'{"do": "on", "more": 7}',
        b'{"do": "define"}',
        b'{"do": "signal", "board": "tk1-1"}',
        b'{"do": "define", "definition": {"name": "tk1-1", "kind": "uboot", "more": 1}}',
    ],
)
async def test_nonsense_is_answered_with_a_sentence_and_the_line_stays_open(lab: Lab, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(lab.folder / "lab.sock")
    writer.write(line + b'\n{"do": "list"}\n')
    assert json.loads(await reader.readline())["error"]["code"] == "request.invalid"
    assert json.loads(await reader.readline())["ok"] == []
    writer.close()


async def test_a_line_without_an_end_is_let_go(lab: Lab) -> None:
    reader, writer = await asyncio.open_unix_connection(lab.folder / "lab.sock")
    writer.write(b"x" * (3 << 20))
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert await lab.client.all() == []


async def test_a_lab_that_is_not_there_is_a_fault_that_names_the_socket(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=str(tmp_path / "lab.sock")):
        await LabClient(tmp_path / "lab.sock").all()


def test_a_definition_that_cannot_be_read_does_not_keep_the_others_away(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "boards")
    shelf.write(2, BOARD)
    (tmp_path / "boards" / "tk1-7.json").write_text("{")
    assert shelf.read() == [(2, BOARD)]
    assert (tmp_path / "boards" / "tk1-7.json").exists()
