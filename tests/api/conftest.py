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
from boardgrid.model.user import Role, Scope
from boardgrid.services.booking import Fate
from tests.api.door import Door
from tests.services.house import House, a_board, records_with


def _move_in(door: Door) -> None:
    """
    ada holds tk1-1 (reservation 2), root, the admin, tk1-2 (reservation 4); each has a root aside. A user of each role
    has nothing, and the admin has tokens that are good for less.
    """
    house = door.house
    for role in (Role.GUEST, Role.USER, Role.OPERATOR):
        door.user(f"some-{role}", role, role=role)
    for token, scope in (("reader", Scope.READ), ("worker", Scope.USE)):
        door.narrow("admin", scope, token)
    for number in (2, 3):
        house.farm.inventory.put_board(house.admin, a_board(number))
    house.image("tiny")
    house.farm.catalog.open(house.admin, "private")
    for who, board, name in ((house.ada, "tk1-1", "of-ada"), (house.admin, "tk1-2", "of-root")):
        made = house.opened(who, board=board)
        house.farm.booking.release(who, made.reservation.number, Fate.ASIDE, name)
        house.settle()
        house.opened(who, board=board)


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
            _move_in(door)
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
