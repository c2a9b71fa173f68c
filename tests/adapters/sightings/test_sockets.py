from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.adapters.sightings.sockets import peers

_HEAD = "  sl  local_address rem_address   st\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "tcp"


def test_established_connections_to_the_port_are_told(table: Path) -> None:
    table.write_text(
        _HEAD
        + "   0: 0100140A:0801 0B00140A:0384 01 x\n"  # established
        + "   1: 00000000:0801 00000000:0000 0A x\n"  # the listening socket
        + "   2: 0100140A:0016 0C00140A:0385 01 x\n"  # another port
        + "   3: 0100140A:0801 0D00140A:0386 06 x\n"  # going away
    )
    assert peers([table], 2049) == {(IPv4Address("10.20.0.11"), 900)}


def test_a_board_on_a_socket_of_both_protocols_is_told_by_its_address(table: Path) -> None:
    mapped, own = "0000000000000000FFFF00000B00140A", "000080FE00000000FF005450010000FE"
    table.write_text(_HEAD + f"   0: {mapped}:0801 {mapped}:0384 01 x\n   1: {own}:0801 {own}:0385 01 x\n")
    assert peers([table], 2049) == {(IPv4Address("10.20.0.11"), 900)}


def test_a_table_that_is_not_there_or_is_cut_tells_nothing(table: Path) -> None:
    assert peers([table], 2049) == set()
    table.write_text(_HEAD + "   0: 0100140A:08")
    assert peers([table], 2049) == set()
