"""A door in front of a furnished house, and one in front of a house that is lived in."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.api.spool import Spool
from boardgrid.model.project import Part
from boardgrid.model.reservation import Group
from boardgrid.services.booking import Fate
from tests.api.door import Door
from tests.services.house import HOUR, START, House, a_board, records_with


def _move_in(house: House) -> None:
    """ada holds tk1-1 (reservation 2), root, the admin, tk1-2 (reservation 4); each has a root aside."""
    for number in (2, 3):
        house.farm.inventory.put_board(house.admin, a_board(number))
    house.image("tiny")
    house.farm.catalog.open(house.admin, "private")
    for who, board, name in ((house.ada, "tk1-1", "of-ada"), (house.admin, "tk1-2", "of-root")):
        made = house.opened(who, board=board)
        house.farm.booking.release(who, made.reservation.number, Fate.ASIDE, name)
        house.settle()
        house.opened(who, board=board)
    house.farm.projects.add_group(house.admin, "vision")
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    house.farm.projects.add(house.admin, "others")
    house.farm.maintaining.add(
        house.admin, [Group(board="tk1-3")], start=START + 24 * HOUR, end=START + 25 * HOUR, reason="new fan"
    )


def _copy(records: SqlRecords, memory: sqlite3.Connection, *, back: bool) -> None:
    with closing(records.engine.raw_connection()) as raw:
        connection = cast(sqlite3.Connection, raw.driver_connection)
        memory.backup(connection) if back else connection.backup(memory)


@cache
def _furnished(*, is_lived_in: bool) -> tuple[sqlite3.Connection, dict[str, str]]:
    """Made once: each test gets a copy."""
    with records_with() as records:
        door = Door.made(House.bare(records), Spool(Path("/nowhere")))
        if is_lived_in:
            _move_in(door.house)
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        _copy(records, memory, back=False)
        return memory, door.tokens


def _found(folder: Path, *, is_lived_in: bool) -> Iterator[Door]:
    memory, tokens = _furnished(is_lived_in=is_lived_in)
    with records_with() as records:
        _copy(records, memory, back=True)
        spool = Spool(folder / "spool")
        spool.prepare()
        yield Door(House(records), spool, dict(tokens))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    yield from _found(tmp_path, is_lived_in=False)


@pytest.fixture
def lived_in(tmp_path: Path) -> Iterator[Door]:
    yield from _found(tmp_path, is_lived_in=True)
