"""Blocks: a project holds boards for its lessons, and its members get one each, in turn."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from boardgrid.model.board import Act
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.project import Part
from boardgrid.model.report import VolumeReport
from boardgrid.model.reservation import Group, Kind, Reservation, ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.rules import Limits
from boardgrid.model.user import Asker, Role, Scope, User
from boardgrid.model.wish import Deployed
from boardgrid.ports import Use
from boardgrid.services.booking import Fate
from boardgrid.services.farm import Farm
from boardgrid.services.idling import Idling
from boardgrid.services.rosters import RosterRow
from boardgrid.services.views import BlockView
from boardgrid.testing import FakePasswords
from tests.services.house import HOUR, START, House, records_with

MINUTE = timedelta(minutes=1)
LESSON = START + 2 * HOUR
TK1 = Group(2, type="tk1")


@pytest.fixture
def house(engine: str) -> Iterator[House]:
    """Three boards; grace teaches robots, which ada, bob and eve learn."""
    with records_with(boards=3, engine=engine) as records:
        house = House(records)
        house.image()
        house.user("eve")
        house.user("grace")
        members = {"grace": Part.MANAGER} | dict.fromkeys(("ada", "bob", "eve"), Part.MEMBER)
        house.farm.projects.add(house.admin, "robots", members=members, image="tiny")
        limit(house, boards=3)
        yield house


def limit(house: House, boards: int | None) -> None:
    before = house.farm.ruling.rules(house.admin)
    house.farm.ruling.put(house.admin, replace(before, projects={"robots": Limits(boards=boards)}))


def person(house: House, name: str) -> User:
    return next(one for one in house.farm.accounts.users(house.admin) if one.name == name)


def lesson(house: House, group: Group = TK1, **what: Any) -> BlockView:
    [made] = lessons(house, group, **{"starts": [LESSON], **what})
    return made


def lessons(house: House, group: Group = TK1, **what: Any) -> list[BlockView]:
    facts = {"starts": [LESSON], "for_": 2 * HOUR, **what}
    return house.farm.blocks.add(person(house, "grace"), "robots", group, **facts)


def block(house: House, number: int = 1) -> BlockView:
    return house.farm.blocks.block(house.admin, number)


def sitting(house: House, number: int = 1) -> dict[str, str]:
    """Who sits where."""
    return {one.user: one.board for one in block(house, number).seats if one.state is ReservationState.RUNNING}


def waiting(house: House, number: int = 1) -> list[str]:
    return [one.user for one in block(house, number).seats if one.state is ReservationState.WAITING]


def seat(house: House, name: str, number: int = 1, **what: Any) -> Reservation:
    return house.farm.blocks.take_seat(person(house, name), number, **what).reservation


def seat_of(house: House, name: str, number: int = 1) -> Reservation:
    return house.found(next(one.number for one in block(house, number).seats if one.user == name))


def refused(house: House, **what: Any) -> FarmError:
    with pytest.raises(FarmError) as error:
        lessons(house, **what)
    return error.value


# --- how it is made


def test_a_block_holds_boards_for_its_project_from_a_little_before_the_lesson(house: House) -> None:
    made = lesson(house)
    assert made.reservation.kind is Kind.BLOCK and made.block.begins_at == LESSON
    assert (made.reservation.window.start, made.reservation.window.end) == (LESSON - 10 * MINUTE, LESSON + 2 * HOUR)
    assert len(made.boards) == 2 and (made.project, made.user, made.image) == ("robots", "grace", "tiny")
    with pytest.raises(Conflict) as error:
        house.reserve(house.bob, board_type="tk1", count=2, at=LESSON)
    assert error.value.code is Code.BOARD_TAKEN
    assert house.reserve(house.bob, board_type="tk1", at=LESSON).reservation.is_waiting


def test_lessons_that_repeat_are_all_held_or_none(house: House) -> None:
    week = timedelta(days=7)
    made = lessons(house, starts=[LESSON + number * week for number in range(3)])
    assert [one.block.begins_at for one in made] == [LESSON, LESSON + week, LESSON + 2 * week]
    assert {one.block.series for one in made} == {1}
    house.reserve(house.bob, board_type="tk1", count=3, at=LESSON + 3 * week)
    error = refused(house, starts=[LESSON + 2 * week + 6 * HOUR, LESSON + 3 * week])
    assert error.code is Code.BOARD_TAKEN and "the lesson of 2026-03-22 14:00 UTC: " in error.detail
    assert len(house.farm.blocks.blocks(house.admin)) == 3


def test_only_who_manages_a_project_makes_blocks_of_it(house: House) -> None:
    with pytest.raises(NotAllowed) as error:
        house.farm.blocks.add(house.ada, "robots", TK1, starts=[LESSON], for_=HOUR)
    assert error.value.code is Code.ACT_FORBIDDEN
    house.user("mallory")
    with pytest.raises(NotFound) as unknown:
        house.farm.blocks.add(person(house, "mallory"), "robots", TK1, starts=[LESSON], for_=HOUR)
    assert unknown.value.code is Code.PROJECT_UNKNOWN
    assert house.farm.blocks.add(house.admin, "robots", TK1, starts=[LESSON], for_=HOUR)[0].user == "root"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"starts": []}, Code.START_INVALID),
        ({"starts": [LESSON, LESSON]}, Code.START_INVALID),
        ({"starts": [LESSON + number * timedelta(days=1) for number in range(61)]}, Code.START_INVALID),
        ({"starts": [START - HOUR]}, Code.START_INVALID),
        ({"group": Group(0, type="tk1")}, Code.REQUEST_INVALID),
        ({"group": Group(1, board="tk1-1")}, Code.REQUEST_INVALID),
        ({"group": Group(2, type="tk9")}, Code.TYPE_UNKNOWN),
        ({"group": Group(9, type="tk1")}, Code.BOARDS_TOO_FEW),
        ({"for_": timedelta(seconds=5)}, Code.DURATION_INVALID),
        ({"ready": -MINUTE}, Code.DURATION_INVALID),
        ({"ready": 3 * HOUR}, Code.DURATION_INVALID),
        ({"turn": MINUTE}, Code.DURATION_INVALID),
        ({"turn": 3 * HOUR}, Code.DURATION_INVALID),
        ({"image": "nothing"}, Code.IMAGE_UNKNOWN),
    ],
)
def test_what_makes_no_block_is_refused_and_holds_nothing(house: House, wrong: dict[str, Any], code: Code) -> None:
    assert refused(house, **wrong).code is code
    assert house.farm.blocks.blocks(house.admin) == []


def test_a_project_without_an_image_needs_one_to_be_named(house: House) -> None:
    house.farm.projects.describe(house.admin, "robots", image="")
    error = refused(house)
    assert error.code is Code.REQUEST_INVALID and "project describe robots --image" in error.hint
    assert lesson(house, image="tiny").image == "tiny:2026030101"  # it stays with this version


def test_a_block_counts_on_its_project_and_on_nobody(house: House) -> None:
    limit(house, boards=2)
    before = house.farm.ruling.rules(house.admin)
    house.farm.ruling.put(house.admin, replace(before, everyone=replace(before.everyone, boards=1)))
    assert len(lesson(house).boards) == 2
    assert refused(house, starts=[LESSON + HOUR], group=Group(1, type="tk1")).code is Code.QUOTA_EXCEEDED
    assert house.reserve(person(house, "grace"), board_type="tk1", at=LESSON).reservation.is_waiting


def test_without_a_limit_of_its_project_only_an_admin_makes_a_block(house: House) -> None:
    limit(house, boards=None)
    error = refused(house)
    assert error.code is Code.ACT_FORBIDDEN and "quota set --project robots --boards" in error.hint
    assert house.farm.blocks.add(house.admin, "robots", TK1, starts=[LESSON], for_=HOUR)


@pytest.mark.parametrize("kind", [Kind.BLOCK, Kind.SEAT])
def test_neither_block_nor_seat_is_reserved_like_a_board(house: House, kind: Kind) -> None:
    with pytest.raises(Invalid):
        house.reserve(house.ada, board_type="tk1", kind=kind)


# --- who sits there


def test_boards_are_given_out_and_boot_before_the_lesson_begins(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON - 11 * MINUTE)
    assert sitting(house) == {} and not block(house).reservation.is_running
    house.pass_to(LESSON - 10 * MINUTE)
    assert set(sitting(house)) == {"ada", "bob"}
    wishes = [house.wish(board).wish for board in block(house).boards]
    assert {wish.user for wish in wishes if isinstance(wish, Deployed)} == {"ada", "bob"}
    mine = seat_of(house, "ada")
    assert (mine.kind, mine.within, mine.window.end) == (Kind.SEAT, 1, LESSON + 2 * HOUR)
    house.check_plan()


def test_one_that_begins_at_once_tells_who_sits_there(house: House) -> None:
    made = lesson(house, starts=[START])
    assert len(made.boards) == 2 and {one.user for one in made.seats} == {"ada", "bob"}


def test_who_asked_for_a_seat_comes_before_who_did_not(house: House) -> None:
    lesson(house)
    assert seat(house, "eve").is_waiting
    assert waiting(house) == ["eve"]
    house.pass_to(LESSON)
    assert set(sitting(house)) == {"ada", "eve"}


def test_who_had_no_board_last_time_has_one_this_time(house: House) -> None:
    week = timedelta(days=7)
    lessons(house, starts=[LESSON, LESSON + week])
    house.pass_to(LESSON)
    assert set(sitting(house)) == {"ada", "bob"}
    house.pass_to(LESSON + week)
    assert "eve" in sitting(house, 2) and len(sitting(house, 2)) == 2


def test_each_has_one_board_and_who_finds_none_waits_for_the_next(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    assert seat(house, "eve").is_waiting
    for name, words in (("eve", "you wait for a board of block 1 already"), ("ada", "in block 1 already")):
        with pytest.raises(Conflict) as error:
            seat(house, name)
        assert error.value.code is Code.THING_IN_USE and words in error.value.detail
    free = sitting(house)["bob"]
    house.release(seat_of(house, "bob").number)
    assert sitting(house)["eve"] == free and set(sitting(house)) == {"ada", "eve"}
    assert house.reserve(house.bob, board_type="tk1").reservation.boards == ("tk1-3",)  # none of the block's
    house.check_plan()


def test_a_seat_is_for_members_and_a_block_is_seen_by_its_project(house: House) -> None:
    lesson(house)
    house.user("mallory")
    mallory = person(house, "mallory")
    assert house.farm.blocks.blocks(mallory) == []
    with pytest.raises(NotFound) as error:
        house.farm.blocks.take_seat(mallory, 1)
    assert error.value.code is Code.RESERVATION_UNKNOWN
    with pytest.raises(NotAllowed, match="for the members of project robots"):
        house.farm.blocks.take_seat(house.admin, 1)
    assert [one.reservation.number for one in house.farm.blocks.blocks(house.ada, "robots")] == [1]
    other = house.reserve(house.ada, board_type="tk1").reservation
    with pytest.raises(NotFound, match=f"there is no block {other.number}"):
        house.farm.blocks.block(house.ada, other.number)


def test_guests_and_closed_accounts_are_given_no_board(house: House) -> None:
    house.farm.accounts.give_role(house.admin, "ada", Role.GUEST)
    house.farm.accounts.suspend(house.admin, "bob")
    lesson(house)
    house.pass_to(LESSON)
    assert set(sitting(house)) == {"eve"}


def test_a_root_of_the_last_lesson_boots_again(house: House) -> None:
    lessons(house, starts=[LESSON, LESSON + 24 * HOUR])
    house.pass_to(LESSON)
    house.reach(sitting(house)["ada"])
    house.pass_to(LESSON + 2 * HOUR)
    [root] = [one.root for one in house.farm.roots.roots(house.ada)]
    assert root.state is RootState.ASIDE
    house.settle()
    booked = seat(house, "ada", 2, root=root.name)
    assert booked.root == root.id
    house.pass_to(LESSON + 24 * HOUR)
    wish = house.wish(sitting(house, 2)["ada"]).wish
    assert isinstance(wish, Deployed) and wish.root == root.id


def test_the_newest_image_of_the_project_boots(house: House) -> None:
    lesson(house)
    house.image()
    house.pass_to(LESSON)
    wish = house.wish(sitting(house)["ada"]).wish
    assert isinstance(wish, Deployed) and wish.image_ref == "tiny:2026030102"


def test_who_left_the_project_or_is_suspended_has_no_turn(house: House) -> None:
    lesson(house, Group(1, type="tk1"))
    for name in ("ada", "bob", "eve"):
        seat(house, name)
    house.farm.projects.change(person(house, "grace"), "robots", remove=["ada"])
    house.farm.accounts.suspend(house.admin, "bob")
    house.pass_to(LESSON)
    assert set(sitting(house)) == {"eve"} and waiting(house) == ["bob"]
    house.farm.accounts.restore(house.admin, "bob")
    house.release(seat_of(house, "eve").number)
    assert set(sitting(house)) == {"bob"}


# --- turns


def test_with_turns_whoever_had_theirs_gives_way_while_somebody_waits(house: House) -> None:
    lesson(house, turn=30 * MINUTE)
    house.pass_to(LESSON - 10 * MINUTE)
    for board in sitting(house).values():
        house.reach(board)
    house.pass_to(LESSON)
    assert seat_of(house, "ada").gives_way_at is None  # nobody waits
    seat(house, "eve")
    gone = next(one for one in block(house).seats if one.gives_way_at)
    assert gone.gives_way_at == LESSON + 30 * MINUTE  # turns begin with the lesson
    house.pass_to(LESSON + 30 * MINUTE)
    assert sitting(house)["eve"] == gone.board and gone.user not in sitting(house)
    assert house.found(gone.number).ended_because == "its turn was over, and somebody else waited"
    owner = person(house, gone.user)
    assert [one.root.state for one in house.farm.roots.roots(owner)] == [RootState.ASIDE]


def test_who_is_told_late_has_some_minutes_and_may_stay_when_nobody_waits_any_more(house: House) -> None:
    lesson(house, turn=30 * MINUTE)
    house.pass_to(LESSON)
    house.pass_to(LESSON + HOUR)
    waits = seat(house, "eve")
    gone = next(one for one in block(house).seats if one.gives_way_at)
    assert gone.gives_way_at == LESSON + HOUR + 5 * MINUTE
    house.release(waits.number)
    assert house.found(gone.number).gives_way_at is None
    house.pass_to(LESSON + HOUR + 10 * MINUTE)
    assert house.found(gone.number).is_running


def test_without_turns_who_uses_nothing_gives_way(house: House) -> None:
    house.farm = Farm.of(
        house.records, house.changes, lambda: house.now, passwords=FakePasswords(), idling=Idling(HOUR, 15 * MINUTE)
    )
    house.farm.doors.activity("lab", [])
    lesson(house)
    house.pass_to(LESSON - 10 * MINUTE)
    for board in sitting(house).values():
        house.reach(board)
    adas = sitting(house)["ada"]
    seat(house, "eve")
    while house.now < LESSON + 70 * MINUTE:
        house.farm.doors.activity("lab", [Use(adas, 1, 0.0)])
        house.pass_to(house.now + 5 * MINUTE)
    assert set(sitting(house)) == {"ada", "eve"}


# --- how it ends


def test_its_end_ends_all_seats_and_keeps_their_roots(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON - 10 * MINUTE)
    seats = [one.number for one in block(house).seats]
    for board in sitting(house).values():
        house.reach(board)
    waits = seat(house, "eve")
    house.pass_to(LESSON + 2 * HOUR)
    assert not block(house).reservation.is_live and len(block(house).reservation.boards) == 2
    assert [house.found(number).state for number in seats] == [ReservationState.ENDED] * 2
    assert house.found(waits.number).state is ReservationState.CANCELLED
    for who in (house.ada, house.bob):
        assert [one.root.state for one in house.farm.roots.roots(who)] == [RootState.ASIDE]
    house.settle()
    assert house.reserve(house.bob, board_type="tk1", count=3).reservation.is_running
    house.check_plan()


def test_a_root_is_kept_beyond_the_next_lesson_be_there_holidays_between(house: House) -> None:
    lessons(house, starts=[LESSON, LESSON + timedelta(days=14)])
    house.pass_to(LESSON)
    house.reach(sitting(house)["ada"])
    house.pass_to(LESSON + 2 * HOUR)
    [root] = [one.root for one in house.farm.roots.roots(house.ada)]
    assert root.expires_at == LESSON + timedelta(days=14 + 7) + 2 * HOUR


def test_it_is_called_off_with_those_that_follow(house: House) -> None:
    lessons(house, starts=[LESSON + number * 24 * HOUR for number in range(4)])
    grace = person(house, "grace")
    with pytest.raises(NotAllowed):
        house.farm.blocks.remove(house.ada, 2)
    house.farm.blocks.remove(grace, 1)
    house.farm.blocks.remove(grace, 3, later=True)
    assert [one.reservation.number for one in house.farm.blocks.blocks(grace)] == [2]
    with pytest.raises(Conflict) as error:
        house.farm.blocks.remove(grace, 3)
    assert error.value.code is Code.RESERVATION_OVER
    assert house.found(1).ended_because == "grace called it off"


def test_one_that_runs_is_given_back_whole_whoever_sits_in_it(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    assert len(sitting(house)) == 2
    house.farm.booking.release(person(house, "grace"), 1)
    assert house.farm.booking.reservations(house.admin, everyone=True, ended=False) == []
    house.settle()
    assert house.reserve(house.bob, board_type="tk1", count=3).reservation.is_running


def test_neither_block_nor_seat_is_extended(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    for number, who in ((1, "grace"), (seat_of(house, "ada").number, "ada")):
        with pytest.raises(Conflict, match="it ends w"):
            house.farm.booking.extend(person(house, who), number, HOUR)


def test_a_block_outlives_its_teacher(house: House) -> None:
    lesson(house)
    house.farm.accounts.remove(house.admin, "grace")
    assert block(house).user == "root"
    house.pass_to(LESSON)
    assert len(sitting(house)) == 2


# --- boards that break


def test_a_board_that_is_out_of_order_is_replaced_before_and_during_the_lesson(house: House) -> None:
    house.farm.projects.change(house.admin, "robots", remove=["bob", "eve"])
    lesson(house)
    first = block(house).boards
    house.farm.inventory.aside(house.admin, first[0], "broken")
    assert set(block(house).boards) == {"tk1-1", "tk1-2", "tk1-3"} - {first[0]}
    house.farm.inventory.fit(house.admin, first[0])
    house.pass_to(LESSON)
    idle = next(one for one in block(house).boards if one not in sitting(house).values())
    house.farm.inventory.aside(house.admin, idle, "broken")
    assert idle not in block(house).boards and len(block(house).boards) == 2
    house.check_plan()


def test_whose_board_does_not_boot_gets_another_or_waits_for_one(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    board = sitting(house)["ada"]
    house.fail(Blame.BOARD, board)
    assert "ada" in waiting(house) or sitting(house)["ada"] != board
    house.check_plan()


def test_a_lesson_begins_with_the_boards_that_are_in_order(house: House) -> None:
    lesson(house, Group(3, type="tk1"))
    house.farm.inventory.aside(house.admin, "tk1-2", "broken")
    house.pass_to(LESSON)
    assert len(sitting(house)) == 2 and "tk1-2" not in block(house).boards
    assert "tk1-2 is out of order, and no other does: it begins without" in house.told(1)


# --- teams and teachers


def test_the_teacher_comes_in_to_any_seat_and_is_seen(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    mine, grace = seat_of(house, "ada"), person(house, "grace")
    view = house.farm.booking.share(grace, mine.number, ["grace"])
    assert view.members == ("grace",)
    assert "grace lets grace in" in house.told(mine.number)
    with pytest.raises(NotAllowed):
        house.farm.booking.share(house.bob, mine.number, ["bob"])
    house.user("mallory")
    with pytest.raises(NotAllowed, match="mallory is not in the project"):
        house.farm.booking.share(grace, mine.number, ["mallory"])
    assert house.farm.booking.share(house.ada, mine.number, ["mallory"]).members == ("grace", "mallory")
    alone = house.reserve(house.ada, board_type="tk1").reservation
    with pytest.raises(NotAllowed):
        house.farm.booking.share(grace, alone.number, ["grace"])


def test_a_seat_that_others_are_let_in_to_goes_on_without_what_is_its_users_own(house: House) -> None:
    grace = person(house, "grace")
    own = house.farm.volumes.create(house.ada, "home", 10**9).volume
    data = house.farm.volumes.create(grace, "data", 10**9, project="robots").volume
    house.tell(*(VolumeReport(uuid4(), one.id, one.size_bytes) for one in (own, data)))
    lesson(house)
    house.pass_to(LESSON)
    mine = seat_of(house, "ada")

    def mounted() -> set[UUID]:
        wish = house.wish(mine.boards[0]).wish
        assert isinstance(wish, Deployed)
        return {one.volume for one in wish.volumes}

    assert mounted() == {own.id, data.id}
    house.farm.booking.share(grace, mine.number, ["grace"])
    assert mounted() == {data.id}
    assert "it goes on without volume home: others are on this board of a lesson, too" in house.told(mine.number)
    house.user("mallory")
    house.farm.booking.share(house.ada, mine.number, ["mallory"])
    assert mounted() == set()


def test_a_team_that_somebody_has_left_the_project_of_goes_on_without_its_volumes(house: House) -> None:
    grace, parts = person(house, "grace"), dict.fromkeys(("ada", "bob"), Part.MEMBER)
    house.farm.projects.change(grace, "robots", add=parts, team="red")
    data = house.farm.volumes.create(grace, "data", 10**9, project="robots").volume
    house.tell(VolumeReport(uuid4(), data.id, data.size_bytes))
    lesson(house)
    house.pass_to(LESSON)
    mine = seat_of(house, "ada")
    before = house.wish(mine.boards[0]).wish
    assert isinstance(before, Deployed) and [one.volume for one in before.volumes] == [data.id]
    house.farm.projects.change(grace, "robots", remove=["bob"])
    assert house.wish(mine.boards[0]).wish == replace(before, volumes=())


def test_a_team_has_one_board_together(house: House) -> None:
    parts = dict.fromkeys(("ada", "bob"), Part.MEMBER)
    house.farm.projects.change(person(house, "grace"), "robots", add=parts, team="red")
    lesson(house)
    house.pass_to(LESSON)
    seats = {one.user: one for one in block(house).seats}
    assert set(seats) == {"ada", "eve"} and (seats["ada"].members, seats["ada"].team) == (("bob",), "red")
    with pytest.raises(Conflict, match="in block 1 already") as error:
        seat(house, "bob")
    assert error.value.hint == "your team shares one board"
    wish = house.wish(seats["ada"].board).wish
    assert isinstance(wish, Deployed) and set(wish.keys) == {*house.ada.ssh_keys, *house.bob.ssh_keys}


def test_what_a_team_had_counts_for_each_of_them(house: House) -> None:
    grace = person(house, "grace")
    house.farm.projects.change(grace, "robots", add=dict.fromkeys(("ada", "bob"), Part.MEMBER), team="red")
    lessons(house, Group(1, type="tk1"), starts=[LESSON, LESSON + 24 * HOUR])
    house.pass_to(LESSON)
    assert set(sitting(house)) == {"ada"}
    house.pass_to(LESSON + 24 * HOUR)
    assert set(sitting(house, 2)) == {"eve"}


def test_the_teacher_ends_a_seat_and_decides_nothing_about_its_root(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    mine, grace = seat_of(house, "ada"), person(house, "grace")
    house.reach(*mine.boards)
    for fate in (Fate.DISCARD, Fate.KEEP):
        with pytest.raises(NotAllowed, match="is another user's"):
            house.farm.booking.release(grace, mine.number, fate, "taken")
    assert house.farm.booking.release(grace, mine.number).reservation.ended_because == "grace released it"
    assert [one.root.state for one in house.farm.roots.roots(house.ada)] == [RootState.ASIDE]


def test_forced_maintenance_takes_its_boards_out_of_a_block_and_leaves_the_others(house: House) -> None:
    lesson(house, Group(3, type="tk1"))
    what: dict[str, Any] = {"start": LESSON, "end": LESSON + HOUR, "reason": "new fan"}
    with pytest.raises(Conflict) as error:
        house.farm.maintaining.add(house.admin, [Group(board="tk1-2")], **what)
    assert error.value.code is Code.MAINTENANCE_BLOCKED
    house.farm.maintaining.add(house.admin, [Group(board="tk1-2")], force=True, **what)
    assert block(house).boards == ("tk1-1", "tk1-3")
    house.pass_to(LESSON)
    assert set(sitting(house).values()) == {"tk1-1", "tk1-3"}


# --- what is asked of it that it is not for


def test_a_block_is_given_back_whole_shared_with_nobody_and_has_no_heartbeat(house: House) -> None:
    lesson(house, Group(1, type="tk1"))
    grace, booking = person(house, "grace"), house.farm.booking
    with pytest.raises(Conflict, match="is given back whole"):
        booking.release(grace, 1, board="tk1-1")
    with pytest.raises(Conflict):
        booking.share(grace, 1, ["ada"])
    with pytest.raises(Conflict):
        booking.heartbeat(grace, 1, MINUTE)
    house.pass_to(LESSON)
    mine = seat_of(house, "ada")
    for who in (house.ada, grace):
        with pytest.raises(FarmError):
            booking.heartbeat(who, mine.number, MINUTE)


def test_a_block_is_as_long_as_anybody_may_have_a_board_and_within_a_year(house: House) -> None:
    before = house.farm.ruling.rules(house.admin)
    everyone = replace(before.everyone, longest=2 * HOUR, ahead=timedelta(days=1))
    house.farm.ruling.put(house.admin, replace(before, everyone=everyone))
    assert refused(house, for_=2 * HOUR + MINUTE).code is Code.DURATION_INVALID
    assert refused(house, starts=[START + timedelta(days=400)]).code is Code.START_INVALID
    assert lesson(house, starts=[START + timedelta(days=300)]).boards  # the boards' ten minutes before it count nothing


def test_board_hours_of_a_project_are_those_of_its_blocks_whoever_sits_there(house: House) -> None:
    before = house.farm.ruling.rules(house.admin)
    limits = Limits(boards=3, board_hours=5.0)
    house.farm.ruling.put(house.admin, replace(before, projects={"robots": limits}))
    lesson(house)  # twice two hours and ten minutes
    house.pass_to(LESSON)
    for name in ("ada", "bob"):
        house.release(seat_of(house, name).number)
        seat(house, name)
    error = refused(house, starts=[LESSON + 3 * HOUR], group=Group(1, type="tk1"), for_=HOUR)
    assert error.code is Code.QUOTA_EXCEEDED
    [_own, theirs] = house.farm.ruling.usage(person(house, "grace"))
    assert (theirs.project, theirs.boards, round(theirs.board_hours, 2)) == ("robots", 2, 4.33)


def test_a_guest_manages_nothing(house: House) -> None:
    house.farm.blocks.add(house.admin, "robots", TK1, starts=[LESSON], for_=HOUR)
    house.farm.accounts.give_role(house.admin, "grace", Role.GUEST)
    grace = person(house, "grace")
    for act in (
        lambda: house.farm.blocks.remove(grace, 1),
        lambda: house.farm.booking.release(grace, 1),
        lambda: house.farm.projects.change(grace, "robots", add={"bob": Part.MANAGER}),
        lambda: house.farm.links.make(grace, "robots"),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_token_that_is_there_to_use_boards_changes_no_project(house: House) -> None:
    grace = person(house, "grace")
    by_token = Asker(**{one.name: getattr(grace, one.name) for one in fields(User)}, scope=Scope.USE)
    for act in (
        lambda: house.farm.projects.change(by_token, "robots", remove=["eve"]),
        lambda: house.farm.links.make(by_token, "robots"),
        lambda: house.farm.rosters.bring_in(by_token, "robots", [RosterRow(1, "ada")]),
        lambda: house.farm.feeds.create(by_token),
    ):
        with pytest.raises(NotAllowed) as error:
            act()
        assert error.value.code is Code.TOKEN_NARROW
    assert house.farm.blocks.add(by_token, "robots", TK1, starts=[LESSON], for_=HOUR)


def test_a_board_that_a_student_hangs_up_is_reset_by_their_team_and_their_teacher(house: House) -> None:
    house.farm.projects.change(
        person(house, "grace"), "robots", add=dict.fromkeys(("ada", "bob"), Part.MEMBER), team="red"
    )
    lesson(house)
    house.pass_to(LESSON)
    [board] = seat_of(house, "ada").boards
    house.reach(board)
    for who in ("bob", "grace"):
        assert house.farm.orders.order_power(person(house, who), board, Act.RESET)
    with pytest.raises(NotAllowed):
        house.farm.orders.order_power(person(house, "eve"), board, Act.RESET)


# --- images and roots that changed since


def test_a_root_boots_its_own_image_whatever_the_project_boots_by_then(house: House) -> None:
    lessons(house, starts=[LESSON, LESSON + 24 * HOUR])
    house.pass_to(LESSON)
    house.reach(sitting(house)["ada"])
    house.pass_to(LESSON + 2 * HOUR)
    house.settle()
    [root] = [one.root for one in house.farm.roots.roots(house.ada)]
    house.image()  # tiny:2026030102
    seat(house, "ada", 2, root=root.name)
    house.pass_to(LESSON + 24 * HOUR)
    wish = house.wish(sitting(house, 2)["ada"]).wish
    assert isinstance(wish, Deployed) and (wish.root, wish.image) == (root.id, root.image)
    other = house.wish(sitting(house, 2)["eve"]).wish
    assert isinstance(other, Deployed) and other.image_ref == "tiny:2026030102"


@pytest.mark.parametrize("wrong", ["awaited", "misfit", "stranger"])
def test_an_image_that_is_not_ready_does_not_fit_or_is_a_strangers_is_not_booted(house: House, wrong: str) -> None:
    house.image("lab")
    house.farm.projects.describe(house.admin, "robots", image="lab")
    lesson(house)
    match wrong:
        case "awaited":
            house.farm.catalog.open(house.admin, "lab", shared=True)
        case "misfit":
            house.image("lab", arch="arm64")
        case _:
            house.image("other")
            house.farm.projects.describe(house.admin, "robots", image="other")
            house.farm.wastebasket.remove(house.admin, "other:2026030101")
            house.farm.wastebasket.empty(house.admin)
            house.settle()
            house.image("other", house.bob)
    house.pass_to(LESSON)
    wishes = [house.wish(board).wish for board in sitting(house).values()]
    assert [wish.image_ref for wish in wishes if isinstance(wish, Deployed)] == ["lab:2026030101"] * 2


def test_whose_root_is_still_being_taken_from_a_broken_board_waits_for_it(house: House) -> None:
    lessons(house, Group(2, type="tk1"), starts=[LESSON, LESSON + 24 * HOUR])
    house.pass_to(LESSON)
    house.reach(sitting(house)["ada"])
    house.pass_to(LESSON + 2 * HOUR)
    house.settle()
    [root] = [one.root for one in house.farm.roots.roots(house.ada)]
    seat(house, "ada", 2, root=root.name)
    house.pass_to(LESSON + 24 * HOUR)
    broken = sitting(house, 2)["ada"]
    house.fail(Blame.BOARD, broken)
    assert waiting(house, 2) == ["ada"]
    house.reach(broken)
    assert "ada" in sitting(house, 2) and sitting(house, 2)["ada"] != broken
    house.check_plan()


# --- boards that come and go


def test_what_the_farms_queue_waits_for_costs_nobody_their_seat(house: House) -> None:
    house.farm = Farm.of(
        house.records, house.changes, lambda: house.now, passwords=FakePasswords(), idling=Idling(HOUR, 15 * MINUTE)
    )
    house.farm.doors.activity("lab", [])
    lesson(house, Group(3, type="tk1"))
    house.pass_to(LESSON - 10 * MINUTE)
    for board in sitting(house).values():
        house.reach(board)
    house.reserve(house.bob, board_type="tk1", kind=Kind.QUEUED)
    while house.now < LESSON + 90 * MINUTE:
        house.farm.doors.activity("lab", [])
        house.pass_to(house.now + 5 * MINUTE)
    assert len(sitting(house)) == 3


def test_a_block_opens_without_its_boards_and_takes_them_in_when_they_are_mended(house: House) -> None:
    lesson(house, Group(1, where="number == 2"))
    house.farm.inventory.aside(house.admin, "tk1-2", "broken")
    house.pass_to(LESSON)
    assert block(house).reservation.is_running and block(house).boards == ()
    seat(house, "ada")
    house.farm.inventory.fit(house.admin, "tk1-2")
    assert sitting(house) == {"ada": "tk1-2"}
    house.check_plan()


def test_who_loses_their_board_to_maintenance_gets_another(house: House) -> None:
    house.farm.projects.change(house.admin, "robots", remove=["bob", "eve"])
    lesson(house)
    house.pass_to(LESSON)
    board = sitting(house)["ada"]
    house.farm.maintaining.add(
        house.admin, [Group(board=board)], start=None, end=LESSON + HOUR, reason="new fan", force=True
    )
    assert sitting(house)["ada"] != board and len(block(house).boards) == 2
    house.check_plan()


def test_maintenance_within_a_lesson_ends_the_seat_on_its_board_alone(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    adas, bobs = sitting(house)["ada"], sitting(house)["bob"]
    start = LESSON + HOUR
    house.farm.maintaining.add(
        house.admin, [Group(board=adas)], start=start, end=start + HOUR / 2, reason="new fan", force=True
    )
    later = house.reserve(house.bob, board=adas, at=start + HOUR / 2).reservation
    house.pass_to(start)
    assert sitting(house) == {"bob": bobs} and block(house).reservation.window.end == LESSON + 2 * HOUR
    house.pass_to(LESSON + 2 * HOUR)
    assert house.found(later.number).is_running
    house.check_plan()


# --- teams that change


def test_a_team_is_what_it_is_when_its_board_is_given(house: House) -> None:
    grace, projects = person(house, "grace"), house.farm.projects
    projects.change(grace, "robots", add=dict.fromkeys(("ada", "bob"), Part.MEMBER), team="red")
    lesson(house)
    seat(house, "ada")
    projects.change(grace, "robots", add={"bob": Part.MEMBER}, team="blue")
    assert seat(house, "bob").is_waiting
    house.pass_to(LESSON)
    assert seat_of(house, "ada").members == () and set(sitting(house)) == {"ada", "bob"}


def test_who_asked_alone_and_joined_a_team_since_shares_its_board(house: House) -> None:
    lesson(house)
    seat(house, "ada")
    seat(house, "bob")
    parts = dict.fromkeys(("ada", "bob"), Part.MEMBER)
    house.farm.projects.change(person(house, "grace"), "robots", add=parts, team="red")
    house.pass_to(LESSON)
    assert set(sitting(house)) == {"ada", "eve"} and seat_of(house, "ada").members == (house.bob.id,)


def test_a_user_who_waits_for_a_seat_can_be_removed(house: House) -> None:
    lesson(house)
    waits = seat(house, "eve")
    house.farm.accounts.remove(house.admin, "eve")
    assert house.found(waits.number).ended_because == "its user's account was closed"


def test_a_board_of_a_block_that_is_nobodys_is_not_called_free(house: House) -> None:
    house.farm.projects.change(house.admin, "robots", remove=["bob", "eve"])
    lesson(house)
    house.pass_to(LESSON)
    states = {one.board.name: one.state for one in house.farm.inventory.boards(house.bob)}
    assert sorted(states.values()) == ["free", "held", "preparing"]


def test_who_is_let_in_sees_what_is_on_the_board(house: House) -> None:
    lesson(house)
    house.pass_to(LESSON)
    mine = seat_of(house, "ada")
    house.user("mallory")
    house.farm.booking.share(house.ada, mine.number, ["mallory"])
    view = house.farm.booking.reservation(person(house, "mallory"), mine.number)
    assert view.deployment is not None and view.image == "tiny:2026030101"
    assert house.farm.booking.reservation(house.bob, mine.number).deployment is None
