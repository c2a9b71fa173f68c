"""The reference has every driver and every key, and its examples and the how-to's are right."""

import asyncio
import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from boardgrid.adapters.driverbook import DriverBook, installed, keys_of
from boardgrid.model.board import DriverSpec
from boardgrid.model.errors import Fault
from boardgrid.ports import HasConsole, Quiesces, Resets, SwitchesOff, SwitchesOn, TellsPower, WritesDown
from boardgrid.testing import FakeClock, FakeShell, a_board
from tests.drivers.bench import SITE, tools

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "drivers.md").read_text()
HOWTO = (DOCS / "howto" / "write-a-driver.md").read_text()
OURS = sorted(name for name, point in installed().items() if point.value.startswith("boardgrid."))
ABILITIES = (SwitchesOn, SwitchesOff, TellsPower, Resets, Quiesces, WritesDown, HasConsole)
# What each needs to be made, with all that it can do.
FULL: dict[str, dict[str, Any]] = {
    "pdudaemon": {"pdu": "apc", "outlet": 7},
    "command": {key: ["true"] for key in ("on", "off", "reset", "state")},
}


def section(driver: str) -> str:
    found = re.search(rf"^## {driver}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"{driver} has no section"
    return found[1]


def test_there_is_a_section_for_every_driver_and_no_other() -> None:
    assert sorted(re.findall(r"^## (\w+)$", REFERENCE, re.MULTILINE)) == OURS


@pytest.mark.parametrize("driver", OURS)
def test_every_key_is_written_down_with_its_default(driver: str) -> None:
    declaration = installed()[driver].load()
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \| .* \|$", section(driver), re.MULTILINE)
    assert [key for key, _default in rows] == keys_of(declaration)
    for each in fields(declaration):
        told = dict(rows).get(each.name)
        if told is None:
            continue
        if each.default is MISSING:
            assert told == "needed"
        elif each.default not in ("", ()):
            assert tomllib.loads(f"value = {told.strip('`')}")["value"] == each.default


@pytest.mark.parametrize("driver", OURS)
def test_what_it_can_do_is_written_down(driver: str) -> None:
    (row,) = re.findall(rf"^\| `{driver}` \|(.*)\|$", REFERENCE, re.MULTILINE)
    told = [bool(cell.strip()) for cell in row.split("|")]
    book = DriverBook(SITE, FakeShell(), FakeClock())
    (made,) = book.of(a_board(power=(DriverSpec(driver, FULL.get(driver, {})),)))
    assert told == [isinstance(made, ability) for ability in ABILITIES]


@pytest.mark.parametrize("example", re.findall(r"```toml\n(power.*?)```", REFERENCE, re.DOTALL))
def test_the_examples_are_read(example: str) -> None:
    power = tomllib.loads(example)["power"]
    specs = tuple(DriverSpec(spec.pop("driver"), spec) for spec in power)
    assert len(DriverBook(SITE, FakeShell(), FakeClock()).of(a_board(power=specs))) == len(specs)


async def test_the_how_tos_driver_works() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", HOWTO, re.DOTALL)
    written: dict[str, Any] = {"__name__": "howto"}
    exec(compile(code, "write-a-driver.md", "exec"), written)  # noqa: S102 - it is our own documentation
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.write(b"OK\n" if heard[-1].startswith(b"ON") else b"no\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outlet = written["ExampleOutlet"](host="127.0.0.1", outlet=7, port=port, tools=tools())
    await outlet.on()
    with pytest.raises(Fault, match=r"outlet 7 of 127\.0\.0\.1 could not be switched: it said b'no"):
        await outlet.off()
    assert heard == [b"ON 7\n", b"OFF 7\n"]
    with pytest.raises(ValueError, match="outlet should be"):
        written["ExampleOutlet"](host="127.0.0.1", outlet=99, tools=tools())
    server.close()
