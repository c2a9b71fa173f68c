"""Rules hold for what is asked from now on, wherever it comes from, and break nothing that was promised."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from boardgrid.model.errors import Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.image import ImageState
from boardgrid.model.project import Part
from boardgrid.model.report import ImageReport
from boardgrid.model.reservation import Group, Kind, Reservation
from boardgrid.model.rules import EVERYONE, Limits, Use, boards_at_once
from boardgrid.model.window import Window
from boardgrid.services.booking import Fate
from boardgrid.services.views import AccessView, BoardState, RulesView
from tests.services.house import HOUR, START, House, a_manifest, records_with

BOARDS = ("tk1-1", "tk1-2", "tk1-3", "tk1-4")


@pytest.fixture
def house() -> Iterator[House]:
    """With three boards, and an image that all may boot."""
    with records_with(boards=3) as records:
        house = House(records)
        house.image()
        yield house


def rule(house: House, **changes: Any) -> RulesView:
    before = house.farm.ruling.rules(house.admin)
    return house.farm.ruling.put(house.admin, replace(before, **changes))


def limit(house: House, **limits: Any) -> None:
    rule(house, everyone=replace(EVERYONE, **limits))


def _refused(house: House, **what: Any) -> Conflict:
    with pytest.raises(Conflict) as error:
        house.reserve(**what)
    assert error.value.code is Code.QUOTA_EXCEEDED
    return error.value


# --- making them


def test_rules_are_read_by_all_and_changed_by_admins(house: House) -> None:
    before = house.farm.ruling.rules(house.ada)
    assert before.everyone == EVERYONE and before.version == 0
    with pytest.raises(NotAllowed):
        house.farm.ruling.put(house.ada, before)
    after = rule(house, users={"ada": Limits(boards=2)}, needs_project=True)
    assert house.farm.ruling.rules(house.bob) == after
    assert (after.users, after.needs_project, after.version) == ({"ada": Limits(boards=2)}, True, 1)


def test_who_did_not_see_the_last_change_changes_nothing(house: House) -> None:
    before = house.farm.ruling.rules(house.admin)
    house.farm.ruling.put(house.admin, before)
    with pytest.raises(Conflict) as error:
        house.farm.ruling.put(house.admin, before)
    assert error.value.code is Code.RULES_CHANGED


def test_rules_speak_of_what_is_there(house: House) -> None:
    for changes, code in (
        ({"users": {"eve": Limits()}}, Code.USER_UNKNOWN),
        ({"groups": {"vision": Limits()}}, Code.GROUP_UNKNOWN),
        ({"projects": {"robots": Limits()}}, Code.PROJECT_UNKNOWN),
        ({"users": {"ada": Limits(longest_of={"rpi4": HOUR})}}, Code.TYPE_UNKNOWN),
        ({"access": (AccessView("number == 1", ("vision",)),)}, Code.GROUP_UNKNOWN),
    ):
        with pytest.raises(NotFound) as error:
            rule(house, **changes)
        assert error.value.code is code
    house.farm.projects.add_group(house.admin, "vision")
    for access, refusal in (
        (AccessView("number == 1", ()), Code.RULES_INVALID),
        (AccessView("ramm == 1", ("vision",)), Code.WHERE_INVALID),
    ):
        with pytest.raises(Invalid) as refused:
            rule(house, access=(access,))
        assert refused.value.code is refusal


def test_the_limits_of_a_removed_group_are_gone_and_its_boards_must_be_somebodys(house: House) -> None:
    house.farm.projects.add_group(house.admin, "vision", ["ada"])
    rule(house, groups={"vision": Limits(boards=0)}, access=(AccessView("number == 1", ("vision",)),))
    with pytest.raises(Conflict, match="boards with number == 1 are for vision"):
        house.farm.projects.remove_group(house.admin, "vision")
    rule(house, access=())
    house.farm.projects.remove_group(house.admin, "vision")
    assert house.farm.ruling.rules(house.ada).groups == {}
    house.reserve()


# --- limits


def test_boards_at_once_are_counted_at_the_time_that_is_asked_for(house: House) -> None:
    limit(house, boards=2)
    house.reserve(board_type="tk1", count=2)
    assert "from 2026-03-01 13:00 UTC on" in _refused(house, board_type="tk1").hint
    house.reserve(board_type="tk1", at=START + HOUR)
    house.reserve(house.bob, board_type="tk1")


def test_board_hours_are_counted_with_those_that_were_had_and_those_to_come(house: House) -> None:
    limit(house, board_hours=4)
    number = house.reserve(for_=3 * HOUR).reservation.number
    house.now += HOUR
    house.farm.booking.release(house.ada, number, Fate.DISCARD)
    house.settle()
    house.reserve(board="tk1-2", at=START + timedelta(days=2), for_=2 * HOUR)
    house.reserve(board="tk1-3", for_=HOUR)
    assert "2.0 are taken" not in str(_refused(house, board="tk1-2"))
    house.now += timedelta(days=7)
    house.reserve(board="tk1-2")


def test_only_so_many_reservations_wait(house: House) -> None:
    limit(house, waiting=1)
    house.reserve()
    house.reserve(at=START + 5 * HOUR)
    _refused(house, at=START + 9 * HOUR)
    with pytest.raises(Conflict, match="1 reservations of yours wait already"):
        house.reserve(board="tk1-1", kind=Kind.BEST_EFFORT)


def test_time_is_limited_for_all_and_by_type_also_when_it_is_extended(house: House) -> None:
    limit(house, longest=3 * HOUR, longest_of={"tk1": 2 * HOUR}, ahead=24 * HOUR)
    number = house.reserve(board_type="tk1").reservation.number
    for what in ({"for_": 4 * HOUR}, {"board": "tk1-2", "for_": 3 * HOUR}, {"at": START + 25 * HOUR}):
        with pytest.raises(Invalid):
            house.reserve(**what)
    house.farm.booking.extend(house.ada, number, HOUR)
    with pytest.raises(Invalid, match="a board of type tk1 cannot be reserved for 3 h"):
        house.farm.booking.extend(house.ada, number, HOUR)


def test_who_extends_keeps_to_the_limits_of_boards(house: House) -> None:
    limit(house, boards=1)
    number = house.reserve(board="tk1-1").reservation.number
    house.reserve(board="tk1-2", at=START + 2 * HOUR)
    house.farm.booking.extend(house.ada, number, HOUR)
    with pytest.raises(Conflict) as error:
        house.farm.booking.extend(house.ada, number, HOUR)
    assert error.value.code is Code.QUOTA_EXCEEDED


def test_what_nobody_needs_counts_on_no_limit_of_boards(house: House) -> None:
    limit(house, boards=1, board_hours=1)
    house.reserve(board_type="tk1", count=2, kind=Kind.BEST_EFFORT)
    house.reserve(board_type="tk1")


def test_a_project_binds_all_its_members_together(house: House) -> None:
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER, "bob": Part.MEMBER})
    rule(house, projects={"robots": Limits(boards=2, longest=2 * HOUR)})
    house.reserve(board="tk1-1", project="robots")
    house.reserve(house.bob, board="tk1-2", project="robots")
    assert "project robots may have at most 2 boards" in str(_refused(house, board="tk1-3", project="robots"))
    with pytest.raises(Invalid) as error:
        house.reserve(board="tk1-3", project="robots", for_=3 * HOUR)
    assert "project robots has boards for at most 2 h" in error.value.hint
    house.reserve(board="tk1-3")


def test_where_a_project_is_needed_who_is_in_one_need_not_name_it(house: House) -> None:
    rule(house, needs_project=True)
    with pytest.raises(Invalid, match="counts on a project"):
        house.reserve()
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    assert house.reserve().project == "robots"
    house.farm.projects.add(house.admin, "vision", members={"ada": Part.MEMBER})
    with pytest.raises(Invalid) as error:
        house.reserve(board="tk1-2")
    assert "robots, vision" in error.value.hint


def test_a_queued_reservation_moves_up_only_as_far_as_its_user_may_have_boards(house: House) -> None:
    limit(house, boards=2)
    others = house.reserve(house.bob, board_type="tk1", count=2, for_=4 * HOUR).reservation.number
    house.reserve(board="tk1-3", for_=2 * HOUR)
    queued = house.reserve(board_type="tk1", count=2, kind=Kind.QUEUED).reservation
    assert queued.window.start == START + 4 * HOUR
    house.farm.booking.release(house.bob, others, Fate.DISCARD)
    house.settle()
    assert house.farm.booking.reservation(house.ada, queued.number).reservation.window == queued.window


def test_a_new_rule_breaks_no_promise(house: House) -> None:
    made = [house.reserve(board_type="tk1", count=2, at=START + HOUR), house.reserve(board="tk1-1")]
    limit(house, boards=0, longest=timedelta(minutes=1), ahead=timedelta(0), waiting=0)
    for one in made:
        assert house.farm.booking.reservation(house.ada, one.reservation.number).reservation == one.reservation
    house.now += HOUR
    house.farm.upkeep.carry_out()
    house.settle()
    assert house.farm.booking.reservation(house.ada, made[0].reservation.number).reservation.is_running
    with pytest.raises(Invalid):
        house.reserve(board="tk1-3")


# --- images


def test_images_take_no_more_room_than_their_owner_may_have(house: House) -> None:
    house.image("mine", house.ada)
    number = house.opened().reservation.number
    limit(house, image_bytes=3_000_000)
    with pytest.raises(Conflict) as error:
        house.farm.catalog.open(house.ada, "more")
    assert error.value.code is Code.QUOTA_EXCEEDED
    with pytest.raises(Conflict):
        house.farm.booking.release(house.ada, number, Fate.KEEP, "more")
    limit(house, image_bytes=4_000_000, awaited=1)
    opened = house.farm.catalog.open(house.ada, "more").image
    with pytest.raises(Conflict) as error:
        house.farm.catalog.open(house.ada, "again")
    assert error.value.code is Code.REQUESTS_TOO_MANY
    with pytest.raises(Conflict):
        house.farm.catalog.content_arrived(house.ada, opened.id, "c" * 64, 1_000_001)
    house.farm.catalog.content_arrived(house.ada, opened.id, "c" * 64, 1_000_000)


# --- who may have which boards


def keep_for_vision(house: House, where: str = "number != 3", *members: str) -> None:
    house.farm.projects.add_group(house.admin, "vision", members or ("ada",))
    rule(house, access=(AccessView(where, ("vision",)),))


def test_boards_that_are_kept_for_a_group_are_its_members_alone(house: House) -> None:
    keep_for_vision(house)
    for who in (house.bob, house.admin):
        with pytest.raises(NotAllowed, match="tk1-1 is for the members of vision alone") as error:
            house.reserve(who)
        assert error.value.code is Code.BOARD_FORBIDDEN
    house.reserve(board="tk1-1")
    assert house.reserve(house.bob, board_type="tk1").reservation.boards == ("tk1-3",)
    with pytest.raises(Conflict, match="2 tk1 were asked for, and you may have 1 of them with tiny:2026030101"):
        house.reserve(house.bob, board_type="tk1", count=2)
    with pytest.raises(Conflict):
        house.reserve(house.bob, board_type="tk1")
    assert len(house.farm.inventory.boards(house.bob)) == 3, "all are seen by all"


def test_where_all_that_would_do_are_kept_for_others_that_is_said(house: House) -> None:
    keep_for_vision(house, 'type == "tk1"')
    with pytest.raises(NotAllowed, match="all of these boards are for members of groups alone"):
        house.reserve(house.bob, board_type="tk1")


def test_a_board_that_several_rules_are_about_is_for_who_is_in_a_group_of_each(house: House) -> None:
    house.farm.projects.add_group(house.admin, "vision", ["ada", "bob"])
    house.farm.projects.add_group(house.admin, "staff", ["ada"])
    rule(house, access=(AccessView("number <= 2", ("vision",)), AccessView("number == 1", ("staff",))))
    house.reserve(house.ada, board="tk1-1")
    house.reserve(house.bob, board="tk1-2")
    with pytest.raises(NotAllowed, match="of staff alone"):
        house.reserve(house.bob, board="tk1-1", at=START + 9 * HOUR)


def test_a_reservation_that_waits_never_moves_to_a_board_that_its_user_may_not_have(house: House) -> None:
    keep_for_vision(house)
    later = house.reserve(house.bob, board_type="tk1", at=START + HOUR).reservation
    assert later.boards == ("tk1-3",)
    with pytest.raises(Conflict):
        house.reserve(board="tk1-3", at=START + HOUR)
    house.farm.inventory.aside(house.admin, "tk1-3", "new fan")
    assert house.farm.booking.reservation(house.bob, later.number).reservation.boards == ("tk1-3",)
    again = House(house.records, now=house.now)  # with nothing in memory
    again.farm.inventory.fit(again.admin, "tk1-3")
    again.farm.inventory.aside(again.admin, "tk1-3", "new fan")
    assert again.farm.booking.reservation(again.bob, later.number).reservation.boards == ("tk1-3",)


def test_who_is_let_in_may_have_the_boards_at_once_and_who_leaves_keeps_what_was_promised(house: House) -> None:
    keep_for_vision(house, 'type == "tk1"')
    house.reserve(board="tk1-3", for_=HOUR / 2)
    promised = house.reserve(board_type="tk1", at=START + HOUR).reservation
    queued = house.reserve(board_type="tk1", count=3, kind=Kind.QUEUED, for_=2 * HOUR).reservation
    patient = house.reserve(board_type="tk1", count=3, kind=Kind.BEST_EFFORT).reservation
    house.farm.projects.change_group(house.admin, "vision", add=["bob"], remove=["ada"])
    house.reserve(house.bob, board_type="tk1")
    with pytest.raises(NotAllowed):
        house.reserve(board_type="tk1")
    for one in (promised, queued):
        assert house.farm.booking.reservation(house.ada, one.number).reservation == one
    house.now += HOUR
    house.farm.upkeep.carry_out()
    assert house.farm.booking.reservation(house.ada, promised.number).reservation.is_running
    assert house.farm.booking.reservation(house.ada, patient.number).reservation.is_waiting, "it was promised nothing"


# --- what is used


def test_everybody_sees_what_binds_them_and_what_they_use(house: House) -> None:
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    rule(house, users={"ada": Limits(boards=5)}, projects={"robots": Limits(board_hours=9)})
    house.image("mine", house.ada)
    house.farm.catalog.open(house.ada, "more")
    house.reserve(board_type="tk1", count=2, project="robots")
    house.reserve(at=START + 3 * HOUR, for_=2 * HOUR)
    own, robots = house.farm.ruling.usage(house.ada)
    assert (own.project, own.limits.boards, own.boards, own.board_hours, own.waiting) == ("", 5, 2, 4.0, 1)
    assert (own.awaited, own.image_bytes) == (1, 3_000_000)
    assert (robots.project, robots.limits, robots.boards, robots.board_hours) == (
        "robots", Limits(board_hours=9), 2, 2.0
    )  # fmt: skip
    assert house.farm.ruling.usage(house.bob)[0].boards == 0


# --- in whatever order


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_asked_nobody_comes_to_a_board_or_a_time_that_the_rules_keep_from_them(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    with records_with(boards=4) as records:
        house = House(records)
        house.image()
        keep_for_vision(house, "number <= 2")
        rule(house, everyone=replace(EVERYONE, boards=2))
        for _step in range(60):
            before = {one.number: one for one in _live(house)}
            with suppress(FarmError):
                _one_of_all(house, chance)
            house.settle()
            closed = house.farm.maintaining.maintenances(house.admin)
            for one in _live(house):
                known = before.get(one.number)
                came_to = set(one.boards) - set(known.boards if known else ())
                may = set(BOARDS) if _is_in_vision(house, one.user) else {"tk1-3", "tk1-4"}
                assert came_to <= may
                assert not any(set(one.boards) & set(it.boards) and one.window.overlaps(it.window) for it in closed)
            for who in (house.ada, house.bob):
                had = [Use(one.window, len(one.boards)) for one in _live(house) if one.user == who.id]
                assert boards_at_once(had, Window(START, START + timedelta(days=99))) <= 2


def _live(house: House) -> list[Reservation]:
    return [view.reservation for view in house.farm.booking.reservations(house.admin, everyone=True, ended=False)]


def _is_in_vision(house: House, user: UUID) -> bool:
    with house.records.read() as records:
        return any(user in group.members for group in records.user_groups())


def _one_of_all(house: House, chance: random.Random) -> None:
    who, board = chance.choice((house.ada, house.bob)), chance.choice(BOARDS)
    hours_ahead = chance.randint(1, 12) * HOUR
    match chance.choice("qqqfffrrtagm"):
        case "q":
            house.reserve(who, board_type="tk1", count=chance.choice((1, 1, 2)), kind=Kind.QUEUED)
        case "f":
            house.reserve(who, board_type="tk1", at=house.now + hours_ahead, for_=chance.randint(1, 4) * HOUR)
        case "r":
            if live := _live(house):
                house.farm.booking.release(house.admin, chance.choice(live).number, Fate.DISCARD)
        case "t":
            house.now += HOUR
            house.farm.upkeep.carry_out()
        case "a":
            if house.farm.inventory.board(house.admin, board).state is BoardState.SET_ASIDE:
                house.farm.inventory.fit(house.admin, board)
            else:
                house.farm.inventory.aside(house.admin, board, "new fan")
        case "g":
            is_in = _is_in_vision(house, who.id)
            change: dict[str, Any] = {"remove" if is_in else "add": [who.name]}
            house.farm.projects.change_group(house.admin, "vision", **change)
        case _:
            start = house.now + hours_ahead
            house.farm.maintaining.add(
                house.admin,
                [Group(board=board)],
                start=start,
                end=start + 2 * HOUR,
                reason="new fan",
                force=chance.random() < 0.5,
            )


def test_images_that_are_being_made_of_what_comes_in_are_bounded_and_saves_are_not(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    limit(house, awaited=2)
    for name in ("one", "two"):
        house.farm.catalog.open(house.ada, name, url="https://images.example.org/a.tar")
    for url in (None, "https://images.example.org/a.tar"):
        with pytest.raises(Conflict) as error:
            house.farm.catalog.open(house.ada, "three", url=url)
        assert error.value.code is Code.REQUESTS_TOO_MANY
    assert house.farm.ruling.usage(house.ada)[0].awaited == 2
    house.farm.booking.release(house.ada, number, Fate.KEEP, "mine")
    house.settle()
    house.farm.catalog.open(house.ada, "three")


def test_an_image_that_turns_out_larger_than_its_owner_may_have_fails_and_is_removed(house: House) -> None:
    limit(house, image_bytes=4_000_000)
    image = house.farm.catalog.open(house.ada, "mine", url="https://images.example.org/a.tar").image
    house.tell(ImageReport(uuid4(), image.id, a_manifest(stored_bytes=4_000_001)))
    failed = house.farm.catalog.image(house.ada, "mine").image
    assert failed.state is ImageState.FAILED and "images may take" in failed.reason
    assert [(one.image, one.source) for one in house.wishes.images] == [(image.id, None)]
    house.tell(ImageReport(uuid4(), image.id))
    assert not house.wishes.images and house.farm.catalog.image(house.ada, "mine").image.state is ImageState.FAILED
    again = house.farm.catalog.open(house.ada, "mine", url="https://images.example.org/a.tar").image
    house.tell(ImageReport(uuid4(), again.id, a_manifest(stored_bytes=4_000_000)))
    assert house.farm.catalog.image(house.ada, "mine").image.state is ImageState.READY


def test_what_is_to_come_of_an_upload_counts_before_it_is_there(house: House) -> None:
    limit(house, image_bytes=4_000_000)
    first, second = (house.farm.catalog.open(house.ada, name).image for name in ("one", "two"))
    house.farm.catalog.coming(house.ada, first.id, 0, 3_000_000)
    house.farm.catalog.coming(house.ada, first.id, 2_000_000, 3_000_000)
    with pytest.raises(Conflict) as error:
        house.farm.catalog.coming(house.ada, second.id, 0, 1_000_001)
    assert error.value.code is Code.QUOTA_EXCEEDED
    house.farm.catalog.coming(house.ada, second.id, 0, 1_000_000)
    house.farm.catalog.content_arrived(house.ada, first.id, "c" * 64, 3_000_000)
    assert house.farm.ruling.usage(house.ada)[0].image_bytes == 4_000_000
    assert house.farm.catalog.image(house.ada, "one").progress is None
