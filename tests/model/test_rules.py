"""How much of the farm one may have: whose limits count, what counts on them, and what is told who asks for more."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.rules import (
    EVERYONE,
    WEEK,
    Bound,
    Limits,
    Rules,
    Use,
    boards_at_once,
    check_images,
    hours_in_a_week,
    most_generous,
)
from boardgrid.model.window import Window

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA, VISION, STAFF, ROBOTS = uuid4(), uuid4(), uuid4(), uuid4()


def hours(start: float, end: float) -> Window:
    return Window(NOON + start * HOUR, NOON + end * HOUR)


# --- whose limits


def test_what_nobody_limits_for_a_person_is_limited_as_for_everyone() -> None:
    rules = Rules(everyone=Limits(boards=2, waiting=5), users={ADA: Limits(boards=9)})
    assert rules.for_person(ADA, ()) == Limits(boards=9, waiting=5)
    assert rules.for_person(uuid4(), ()) == rules.everyone


def test_of_a_persons_own_limit_and_those_of_their_groups_the_most_generous_wins() -> None:
    rules = Rules(
        everyone=Limits(boards=2, longest_of={"tk1": HOUR}),
        groups={VISION: Limits(boards=1, longest_of={"tk1": 2 * HOUR}), STAFF: Limits(boards=8)},
        users={ADA: Limits(boards=4, longest_of={"rpi4": HOUR})},
    )
    assert rules.for_person(ADA, {VISION, STAFF}).boards == 8
    assert rules.for_person(ADA, {VISION}) == Limits(boards=4, longest_of={"tk1": 2 * HOUR, "rpi4": HOUR})
    assert rules.for_person(uuid4(), {VISION}).boards == 1, "a group may also have less than everyone"


def test_a_project_has_its_own_limits_and_no_others() -> None:
    rules = Rules(projects={ROBOTS: Limits(boards=3)})
    assert rules.for_project(ROBOTS) == Limits(boards=3)
    assert rules.for_project(uuid4()) == rules.for_project(None) == Limits()
    assert rules.without(ROBOTS).for_project(ROBOTS) == Limits()


many_limits = st.lists(
    st.builds(Limits, boards=st.none() | st.integers(0, 9), board_hours=st.none() | st.floats(0, 99)), max_size=5
)


@given(many_limits, many_limits)
def test_one_more_group_never_makes_anybody_poorer(some: list[Limits], more: list[Limits]) -> None:
    before, after = most_generous(some), most_generous([*some, *more])
    assert before.boards is None or (after.boards or 0) >= before.boards
    assert before.board_hours is None or (after.board_hours or 0) >= before.board_hours


@pytest.mark.parametrize(
    "rules",
    [
        Rules(everyone=Limits(longest=HOUR)),
        Rules(everyone=Limits(ahead=HOUR)),
        Rules(groups={VISION: Limits(boards=-1)}),
        Rules(users={ADA: Limits(board_hours=-0.5)}),
        Rules(projects={ROBOTS: Limits(longest=timedelta(days=61))}),
        Rules(users={ADA: Limits(longest_of={"tk1": timedelta(0)})}),
        Rules(users={ADA: Limits(ahead=timedelta(days=-1))}),
    ],
)
def test_what_can_be_no_rule_is_refused(rules: Rules) -> None:
    with pytest.raises(Invalid) as error:
        rules.checked()
    assert error.value.code is Code.RULES_INVALID
    assert Rules().checked() == Rules()


# --- what is had


def test_boards_are_counted_at_the_fullest_moment_of_a_window() -> None:
    uses = [Use(hours(0, 2), 2), Use(hours(1, 3), 3), Use(hours(3, 5), 4)]
    assert boards_at_once(uses, hours(0, 5)) == 5
    assert boards_at_once(uses, hours(0, 1)) == 2
    assert boards_at_once(uses, hours(2, 4)) == 4, "who ends when another begins is gone by then"
    assert boards_at_once(uses, hours(5, 9)) == boards_at_once([], hours(0, 9)) == 0


def test_board_hours_are_counted_in_the_fullest_seven_days_that_meet_a_window() -> None:
    day = 24
    uses = [Use(hours(0, 10), 2), Use(hours(6 * day, 6 * day + 10), 1)]
    assert hours_in_a_week(uses, hours(0, 1)) == 30
    assert hours_in_a_week(uses, hours(8 * day, 8 * day + 1)) == 10, "the first has left"
    assert hours_in_a_week(uses, hours(30 * day, 31 * day)) == 0
    assert hours_in_a_week([Use(hours(0, 30 * day), 1)], hours(0, 1)) == WEEK / HOUR


windows = st.builds(lambda start, long: hours(start, start + long), st.integers(0, 400), st.integers(1, 60))
uses = st.lists(st.builds(Use, windows, st.integers(1, 3)), max_size=6)


def _inside(had: list[Use], week: Window) -> float:
    spans = ((min(one.window.end, week.end) - max(one.window.start, week.start), one.boards) for one in had)
    return sum(max(timedelta(0), span) * boards / HOUR for span, boards in spans)


@settings(max_examples=30)
@given(uses, st.builds(Use, windows, st.integers(1, 3)))
def test_who_kept_to_a_limit_and_may_have_more_keeps_to_it_in_any_seven_days(had: list[Use], wanted: Use) -> None:
    weeks = [Window(start, start + WEEK) for start in (NOON + at * HOUR / 2 for at in range(-400, 1000, 3))]
    most = max(hours_in_a_week(had, hours(-1000, 2000)), hours_in_a_week([*had, wanted], wanted.window))
    assert all(_inside([*had, wanted], week) <= most + 1e-9 for week in weeks)


# --- what is asked for


@given(uses, windows, st.integers(1, 4), st.integers(1, 60))
def test_what_is_said_to_be_possible_later_is(had: list[Use], window: Window, boards: int, most_hours: int) -> None:
    bound = Bound(Limits(boards=4, board_hours=most_hours), uses=tuple(had))
    wanted = Use(window, boards)
    try:
        bound.check_boards(wanted)
    except Conflict as error:
        assert error.code is Code.QUOTA_EXCEEDED and not bound.fits(wanted)
        if "possible from" in error.hint:
            told = error.hint.split("from ")[1].removesuffix(" UTC on")
            start = datetime.strptime(told, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
            assert start > window.start and bound.fits(Use(window.from_(start), boards))
    else:
        assert bound.fits(wanted)


def test_a_refusal_says_the_limit_what_is_used_and_when_it_would_be_possible() -> None:
    bound = Bound(Limits(boards=3), uses=(Use(hours(0, 4), 2),))
    with pytest.raises(Conflict, match="you may have at most 3 boards at once, and 2 are taken at that time") as error:
        bound.check_boards(Use(hours(1, 2), 2))
    assert error.value.hint == "it is possible from 2026-03-01 16:00 UTC on"
    with pytest.raises(Conflict, match="project robots may have at most 10 board hours") as error:
        Bound(Limits(board_hours=10), "robots").check_boards(Use(hours(0, 11), 1))
    assert "ask an admin" in error.value.hint


def test_a_reservation_is_neither_too_long_nor_too_far_ahead() -> None:
    bound = Bound(Limits(longest=4 * HOUR, longest_of={"tk1": HOUR}, ahead=24 * HOUR))
    bound.check_lasting(4 * HOUR, {"rpi4"})
    with pytest.raises(Invalid, match="a board cannot be reserved for 14401 s") as error:
        bound.check_lasting(4 * HOUR + timedelta(seconds=1))
    assert error.value.hint == "ask for something between one minute and 4 h"
    with pytest.raises(Invalid, match="a board of type tk1 cannot be reserved for 2 h") as error:
        bound.check_lasting(2 * HOUR, {"rpi4", "tk1"})
    assert error.value.code is Code.DURATION_INVALID
    bound.check_start(NOON + 24 * HOUR, NOON)
    with pytest.raises(Invalid, match="2026-03-02 13:00 UTC is too far ahead") as error:
        bound.check_start(NOON + 25 * HOUR, NOON)
    assert (error.value.code, error.value.hint) == (Code.START_INVALID, "reserve at most 1 days ahead")


def test_only_so_many_wait() -> None:
    Bound(Limits(waiting=2), waiting=1).check_waiting()
    Bound(EVERYONE, waiting=1000).check_waiting()
    with pytest.raises(Conflict, match="2 reservations of yours wait already, and at most 2 may") as error:
        Bound(Limits(waiting=2), waiting=2).check_waiting()
    assert error.value.code is Code.QUOTA_EXCEEDED


def test_images_take_no_more_than_they_may() -> None:
    limits = Limits(awaited=0, image_bytes=5_000_000_000)
    check_images(limits, kept_bytes=4_000_000_000, more_bytes=1_000_000_000)
    with pytest.raises(Conflict, match=r"images may take 5\.0 GB, and 5\.0 GB is taken") as error:
        check_images(limits, kept_bytes=5_000_000_000)
    assert error.value.code is Code.QUOTA_EXCEEDED
    with pytest.raises(Conflict, match=r"may take 5\.0 GB, 5\.0 GB is taken, and this one takes 3\.0 MB"):
        check_images(limits, kept_bytes=4_999_000_000, more_bytes=3_000_000)
    with pytest.raises(Conflict, match="0 images of yours await") as error:
        check_images(limits, kept_bytes=0, awaited=[])
    assert error.value.code is Code.REQUESTS_TOO_MANY
