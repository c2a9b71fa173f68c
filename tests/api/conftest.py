"""A door in front of a furnished house, and one in front of a house that is lived in."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.api.spool import Spool
from boardgrid.model.project import Part
from boardgrid.model.report import VolumeReport
from boardgrid.model.reservation import Group
from boardgrid.model.user import Role, Scope
from boardgrid.services.booking import Fate
from tests.api.door import Door
from tests.databases import records_of
from tests.services.house import HOUR, START, House, a_board


def _move_in(door: Door) -> None:
    """
    ada holds tk1-1 (reservation 2), root, the admin, tk1-2 (reservation 4); each has a root aside, and the admin has a
    volume. A user of each role has nothing, and the admin has tokens that are good for less.
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
    volume = house.farm.volumes.create(house.admin, "roots-own", 1 << 30).volume
    house.tell(VolumeReport(uuid4(), volume.id, volume.size_bytes))
    house.farm.projects.add_group(house.admin, "vision")
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    house.farm.projects.add(house.admin, "others", image="tiny")
    house.farm.maintaining.add(
        house.admin, [Group(board="tk1-3")], start=START + 24 * HOUR, end=START + 25 * HOUR, reason="new fan"
    )
    lesson = START + 48 * HOUR
    house.farm.blocks.add(house.admin, "others", Group(1, type="tk1"), starts=[lesson], for_=HOUR)


_TOKENS: dict[str, dict[str, str]] = {}


def _found(engine: str, folder: Path, *, is_lived_in: bool) -> Iterator[Door]:
    """Made once: each test gets a copy."""
    name = f"{engine} door, {is_lived_in=}"

    def furnish(records: SqlRecords) -> None:
        door = Door.made(House.bare(records), Spool(Path("/nowhere")))
        if is_lived_in:
            _move_in(door)
        _TOKENS[name] = door.tokens

    records = records_of(engine, name, furnish)
    spool = Spool(folder / "spool")
    spool.prepare()
    yield Door(House(records), spool, dict(_TOKENS[name]))


@pytest.fixture
def door(engine: str, tmp_path: Path) -> Iterator[Door]:
    yield from _found(engine, tmp_path, is_lived_in=False)


@pytest.fixture
def lived_in(engine: str, tmp_path: Path) -> Iterator[Door]:
    yield from _found(engine, tmp_path, is_lived_in=True)
