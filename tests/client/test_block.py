"""Blocks and seats at the command line, against the real API on a real database."""

from dataclasses import replace

import pytest

from boardgrid.model.project import Part
from boardgrid.model.rules import Limits
from tests.api.door import Door
from tests.client.conftest import Ask
from tests.services.house import START

AT = f"{START:%Y-%m-%d} 14:00Z"


@pytest.fixture
async def door(door: Door) -> Door:
    """ada manages robots, and bob is in it; it may have a board."""
    farm, admin = door.house.farm, door.house.admin
    farm.projects.add(admin, "robots", members={"ada": Part.MANAGER, "bob": Part.MEMBER}, image="tiny")
    farm.ruling.put(admin, replace(farm.ruling.rules(admin), projects={"robots": Limits(boards=1)}))
    return door


async def test_a_block_is_made_shown_and_called_off(ask: Ask) -> None:
    made = await ask("block", "add", "robots", "tk1", "--at", AT, "--for", "2h", "-o", "json", who="user")
    assert (made.code, made.json[0]["begins_at"], made.json[0]["seats"]) == (0, "2026-03-01T14:00:00Z", [])
    assert (await ask("block", "list", "-o", "name", who="bob")).out == "1\n"
    shown = await ask("block", "show", who="bob")
    assert "2026-03-01 14:00 +00:00" in shown.out and "0 of 1" in shown.out
    assert (await ask("block", "remove", "1", "--yes", who="bob")).code == 4
    assert (await ask("block", "remove", "1", who="user")).code == 2  # a program must say so
    assert "block 1 is over" in (await ask("block", "remove", "1", "--yes", who="user")).err
    assert "no board is held" in (await ask("block", "list", who="user")).err
    assert (await ask("block", "show", who="user")).code == 3


async def test_a_block_repeats_by_the_week_but_on_holidays(ask: Ask) -> None:
    every = ("--every", "week", "--times", "3", "--skip", "2026-03-08")
    made = await ask(
        "block", "add", "robots", "tk1", "--at", AT, "--for", "2h", *every, "--turn", "45m", "-o", "json", who="user"
    )
    assert [one["begins_at"][:10] for one in made.json] == ["2026-03-01", "2026-03-15"]
    assert {one["series"] for one in made.json} == {1} and made.json[0]["turn_s"] == 2700
    assert (await ask("block", "remove", "1", "--later", "--yes", who="user")).code == 0
    assert (await ask("block", "list", "-o", "json", who="user")).json == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--every", "week"), "say both how often and how many times"),
        (("--skip", "2026-03-08"), "say both how often and how many times"),
        (("--every", "week", "--times", "2", "--skip", "easter"), "'easter' is no day"),
        (("--ready", "5h"), "between 0 and 120 minutes"),
        (("--turn", "1m"), "a turn lasts 10 minutes at least"),
    ],
)
async def test_what_makes_no_block_is_told(ask: Ask, wrong: tuple[str, ...], words: str) -> None:
    ended = await ask("block", "add", "robots", "tk1", "--at", AT, "--for", "2h", *wrong, who="user")
    assert (ended.code, words in ended.err) == (2, True)


async def test_a_member_takes_a_seat_and_the_teacher_sees_who_sits_where(ask: Ask, door: Door) -> None:
    assert (await ask("block", "add", "robots", "tk1", "--at", AT, "--for", "2h", who="user")).code == 0
    waits = await ask("block", "take", who="bob")
    assert "waits for a board of block 1" in waits.err and waits.code == 0
    again = await ask("block", "take", "1", who="bob")
    assert (again.code, "you wait for a board of block 1 already" in again.err) == (5, True)
    door.house.pass_to(door.house.now.replace(hour=14))
    seat = (await ask("block", "show", "1", "-o", "json", who="user")).json["seats"][0]
    assert (seat["user"], seat["board"], seat["state"]) == ("bob", "tk1-1", "running")
    table = (await ask("block", "show", who="user")).out
    assert "GIVES WAY" in table and "tk1-1" in table
    assert (await ask("share", "tk1-1", "ada", who="user")).code == 0
    mine = (await ask("status", str(seat["number"]), "-o", "json", who="bob")).json
    assert "ada" in str(mine)
