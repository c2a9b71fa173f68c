"""Who gets which boards when, and what of that changes when the farm or its people change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.notice import SOON
from boardgrid.model.reservation import Group, Kind, Reservation, ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.window import Window
from boardgrid.model.wish import Deployed
from boardgrid.services.booking import Fate
from boardgrid.services.unfolding import GRACE
from tests.services.house import HOUR, KEY_A, KEY_B, START, House, a_board, records_with

MINUTE = timedelta(minutes=1)
ENDED, CANCELLED = ReservationState.ENDED, ReservationState.CANCELLED
ANY = Group(1, type="tk1")


@pytest.fixture
def house() -> Iterator[House]:
    """Three boards and an image."""
    with records_with(boards=3) as records:
        house = House(records)
        house.image()
        yield house


def made(house: House, *boards: str, **what: Any) -> Reservation:
    """Of the boards named, or of any tk1."""
    if boards:
        what["groups"] = tuple(Group(board=board) for board in boards)
    elif "groups" not in what:
        what["board_type"] = "tk1"
    return house.reserve(**what).reservation


def queued(house: House, *boards: str, **what: Any) -> Reservation:
    return made(house, *boards, kind=Kind.QUEUED, **what)


def guest(house: House, *boards: str, **what: Any) -> Reservation:
    return made(house, *boards, kind=Kind.BEST_EFFORT, **what)


def hours(start: float, end: float) -> Window:
    return Window(START + start * HOUR, START + end * HOUR)


def refused(house: House, *boards: str, **what: Any) -> FarmError:
    with pytest.raises(FarmError) as error:
        made(house, *boards, **what)
    return error.value


# --- several boards


def test_all_boards_of_a_reservation_are_deployed_and_each_has_a_root_of_its_own(house: House) -> None:
    mine = made(house, count=3)
    wishes = [house.wish(board).wish for board in mine.boards]
    assert sorted(mine.boards) == ["tk1-1", "tk1-2", "tk1-3"] and mine.is_running
    assert len({wish.root for wish in wishes if isinstance(wish, Deployed)}) == 3


def test_when_one_of_several_boards_fails_the_rest_goes_on_and_the_last_that_fails_ends_it(house: House) -> None:
    mine = made(house, count=2)
    first, last = mine.boards
    house.fail(Blame.BOARD, first)
    assert house.found(mine.number).is_running and house.found(mine.number).boards == (last,)
    house.fail(Blame.IMAGE, last)
    assert house.found(mine.number).state is ENDED
    assert house.found(mine.number).ended_because == "its deployment failed"


def test_one_board_of_several_is_given_back_and_goes_to_the_next(house: House) -> None:
    mine = made(house, count=3)
    waiting = queued(house, who=house.bob)
    assert not waiting.is_running
    board = mine.boards[1]
    house.release(mine.number, board=board)
    assert house.found(waiting.number).boards == (board,) and house.found(waiting.number).is_running
    assert house.found(mine.number).is_running and board not in house.found(mine.number).boards
    with pytest.raises(NotFound, match=f"has no board {board}"):
        house.release(mine.number, board=board)


def test_a_board_that_was_taken_from_one_that_waits_does_not_come_back_when_it_moves(house: House) -> None:
    ahead = made(house, count=2, at=START + HOUR)
    left = house.release(ahead.number, board=ahead.boards[0]).boards
    assert left == ahead.boards[1:] and house.found(ahead.number).groups == (ANY,)
    busy = made(house, *left)
    house.fail(Blame.BOARD, *busy.boards)
    moved = house.found(ahead.number)
    assert len(moved.boards) == 1 and moved.boards != left and moved.is_waiting


def test_a_board_keeps_to_its_own_group_when_one_of_another_was_given_back(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(4, tags=frozenset({"camera"})))
    mine = made(house, groups=(Group(board="tk1-1"), Group(1, where='tag("camera")')))
    assert mine.boards == ("tk1-1", "tk1-4")
    rest = house.release(mine.number, board="tk1-1")
    assert (rest.boards, rest.groups) == (("tk1-4",), (Group(1, where='tag("camera")'),))


@pytest.mark.parametrize(("fate", "name"), [(Fate.KEEP, "mine"), (Fate.ASIDE, "mine"), (Fate.KEEP, "")])
def test_the_roots_of_several_boards_cannot_all_have_one_name(house: House, fate: Fate, name: str) -> None:
    mine = made(house, count=2)
    for board in mine.boards:
        house.reach(board)
    with pytest.raises(Invalid) as error:
        house.farm.booking.release(house.ada, mine.number, fate, name)
    assert error.value.code is Code.REQUEST_INVALID and "one by one" in error.value.hint
    assert house.found(mine.number) == mine
    house.farm.booking.release(house.ada, mine.number, fate, name or "mine", mine.boards[0])
    assert house.found(mine.number).boards == mine.boards[1:]


def test_groups_are_of_a_type_by_name_or_as_an_expression_says(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2, tags=frozenset({"camera"})))
    asked = (ANY, Group(1, where='tag("camera")'), Group(board="tk1-1"))
    assert made(house, groups=asked).boards == ("tk1-3", "tk1-2", "tk1-1")
    assert refused(house, groups=(Group(1, where='tag("camera")'), Group(board="tk1-1"))).code is Code.BOARD_TAKEN


def test_groups_that_share_boards_are_told_when_there_are_too_few_for_all(house: House) -> None:
    for kind in (Kind.FIXED, Kind.QUEUED):
        error = refused(house, groups=(Group(2, type="tk1"), Group(2, type="tk1")), kind=kind)
        assert error.code is Code.BOARDS_TOO_FEW and "2 tk1 + 2 tk1" in str(error)


# --- at a date


def test_a_reservation_at_a_date_waits_and_is_begun_when_its_time_comes(house: House) -> None:
    ahead = made(house, "tk1-1", at=START + HOUR)
    assert ahead.is_waiting and ahead.window == hours(1, 2)
    assert house.farm.upkeep.carry_out() == START + HOUR
    house.pass_to(START + HOUR - MINUTE)
    assert house.found(ahead.number).is_waiting and not isinstance(house.wish().wish, Deployed)
    house.pass_to(START + HOUR)
    assert house.found(ahead.number).is_running and isinstance(house.wish().wish, Deployed)
    assert house.farm.upkeep.carry_out() == START + 2 * HOUR - SOON, "its user is warned before it ends"


def test_who_follows_at_once_has_the_board_when_it_is_clean_and_not_before(house: House) -> None:
    first = house.opened(board="tk1-1").reservation
    second = made(house, "tk1-1", who=house.bob, at=first.window.end)
    house.pass_to(first.window.end)
    assert house.found(first.number).state is ENDED and house.found(second.number).is_running
    assert not isinstance(house.wish().wish, Deployed), "the root of the one before may still be there"
    house.reach()
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.user == "bob"


def test_a_reservation_that_does_not_fit_before_the_next_is_refused_and_one_that_just_fits_is_not(house: House) -> None:
    made(house, "tk1-1", at=START + HOUR)
    assert refused(house, "tk1-1", for_=HOUR + MINUTE).code is Code.BOARD_TAKEN
    assert made(house, "tk1-1", for_=HOUR).is_running


@pytest.mark.parametrize("seconds", [0.0, 7.0, 30.25])
@pytest.mark.parametrize("at", [None, 0.5])
def test_the_earliest_time_that_a_refusal_names_is_free(house: House, seconds: float, at: float | None) -> None:
    house.now += timedelta(seconds=seconds)
    made(house, count=3, for_=HOUR)
    made(house, count=2, at=house.now + 2 * HOUR)
    wanted: dict[str, Any] = {"who": house.bob, "count": 2, "for_": HOUR}
    error = refused(house, **wanted, at=None if at is None else START + at * HOUR)
    named = error.hint.split("--at ")[1].split(",")[0]
    found = made(house, **wanted, at=house.now.fromisoformat(named))
    assert found.window.start - house.now - HOUR < MINUTE


def test_who_has_it_then_is_told_in_a_refusal(house: House) -> None:
    made(house, "tk1-1", at=START + HOUR)
    error = refused(house, "tk1-1", who=house.bob, for_=2 * HOUR)
    assert "tk1-1 is reserved by ada from 2026-03-01 13:00 UTC until 2026-03-01 14:00 UTC" in str(error)
    assert "--at 2026-03-01T14:00Z" in error.hint


def test_a_controller_that_was_away_for_all_of_its_window_says_so(house: House) -> None:
    missed = made(house, "tk1-1", at=START + HOUR)
    late = made(house, "tk1-1", who=house.bob, at=START + 2 * HOUR, for_=3 * HOUR)
    house.pass_to(START + 4 * HOUR)
    assert house.found(missed.number).state is CANCELLED
    assert house.found(missed.number).ended_because == "the farm was away for the whole of its time"
    assert house.found(late.number).is_running and house.found(late.number).window == hours(2, 5)


def test_who_was_in_the_queue_while_the_controller_was_away_has_no_date_to_miss(house: House) -> None:
    made(house, count=3)
    waiting = queued(house, who=house.bob, count=3, for_=2 * HOUR)
    house.now += 3 * HOUR + MINUTE
    assert refused(house).code is Code.BOARD_TAKEN, "whoever asks first finds it as it is by then"
    house.pass_to(house.now)
    assert house.found(waiting.number).is_running and house.found(waiting.number).window.start == house.now


def test_a_board_that_is_given_back_late_goes_on_to_who_wants_others_that_are_over_too(house: House) -> None:
    one, two = made(house, "tk1-1"), made(house, "tk1-2")
    made(house, "tk1-3", for_=9 * HOUR)
    waiting = queued(house, "tk1-1", "tk1-2", who=house.bob)
    house.now += HOUR + MINUTE
    house.release(one.number)
    assert house.found(two.number).state is ENDED
    assert house.found(waiting.number).is_running and house.found(waiting.number).boards == ("tk1-1", "tk1-2")


# --- late binding


def test_who_waits_for_any_board_makes_room_for_who_names_one_and_not_once_it_has_begun(house: House) -> None:
    ahead = made(house, at=START + HOUR)
    named = made(house, *ahead.boards, who=house.bob, for_=2 * HOUR)
    moved = house.found(ahead.number)
    assert named.is_running and moved.boards != ahead.boards and moved.window == ahead.window
    assert f"{moved.boards[0]} in the place of {ahead.boards[0]}" in house.told(ahead.number)
    house.pass_to(START + HOUR)
    assert house.found(ahead.number).is_running
    assert refused(house, *moved.boards).code is Code.BOARD_TAKEN


def test_who_named_a_board_makes_room_for_nobody(house: House) -> None:
    ahead = made(house, "tk1-1", at=START + HOUR)
    assert refused(house, "tk1-1", who=house.bob, for_=2 * HOUR).code is Code.BOARD_TAKEN
    assert house.found(ahead.number) == ahead


def test_who_changes_to_a_board_where_somebody_yields_has_it_free_in_time(house: House) -> None:
    made(house, "tk1-2", for_=9 * HOUR)
    made(house, "tk1-3", for_=9 * HOUR)
    ahead = made(house, at=START + 2 * HOUR)
    house.farm.inventory.put_board(house.admin, a_board(4))
    house.farm.inventory.put_board(house.admin, a_board(4))
    yielding = guest(house, "tk1-4", for_=9 * HOUR)
    assert made(house, "tk1-1", who=house.bob, for_=3 * HOUR).is_running
    assert house.found(ahead.number).boards == ("tk1-4",)
    assert house.found(yielding.number).window == hours(0, 2)


# --- the queue


def test_the_queue_is_told_a_start_that_only_becomes_earlier(house: House) -> None:
    running = made(house, count=3, for_=4 * HOUR)
    first = queued(house, who=house.bob, count=3)
    second = queued(house, count=3)
    assert (first.window, second.window) == (hours(4, 5), hours(5, 6))
    assert "at the latest until 2026-03-01 16:00 UTC" in house.told(first.number)[0]
    house.pass_to(START + HOUR)
    house.release(running.number)
    assert house.found(first.number).is_running and house.found(first.number).window == hours(1, 2)
    assert house.found(second.number).window == hours(2, 3)


def test_who_withdraws_from_the_queue_lets_those_behind_move_up(house: House) -> None:
    made(house, count=3, for_=4 * HOUR)
    first, second = queued(house, count=3), queued(house, who=house.bob, count=3)
    house.farm.booking.release(house.ada, first.number)
    assert house.found(first.number).state is CANCELLED
    assert house.found(second.number).window == hours(4, 5)


def test_a_small_one_in_the_queue_passes_a_big_one_where_that_is_not_delayed(house: House) -> None:
    made(house, "tk1-1", for_=2 * HOUR)
    big = queued(house, count=3)
    small = queued(house, who=house.bob, for_=2 * HOUR)
    assert small.is_running and house.found(big.number).window == hours(2, 3)
    assert not queued(house, who=house.bob, for_=3 * HOUR).is_running


def test_the_failure_of_anothers_deployment_frees_the_board_for_the_queue(house: House) -> None:
    running = made(house, count=3, for_=4 * HOUR)
    waiting = queued(house, who=house.bob)
    house.fail(Blame.IMAGE, running.boards[0])
    assert house.found(waiting.number).is_running and house.found(waiting.number).boards == running.boards[:1]


@pytest.mark.parametrize("how", ["put", "apply", "fit", "describe"])
def test_a_board_that_joins_or_is_mended_goes_to_the_queue(house: House, how: str) -> None:
    mine = made(house, "tk1-1", "tk1-2", for_=4 * HOUR)
    house.fail(Blame.BOARD, made(house, "tk1-3").boards[0])
    where = {"where": 'tag("camera")'} if how == "describe" else {}
    if how == "describe":
        house.farm.inventory.describe(house.admin, "tk1-1", {}, {"camera": True})
    waiting = queued(house, who=house.bob, groups=(Group(1, type="tk1", **where),))
    assert waiting.window.start == mine.window.end
    match how:
        case "put":
            house.farm.inventory.put_board(house.admin, a_board(4))
        case "apply":
            house.farm.inventory.apply(house.admin, (), (a_board(4),), dry_run=False)
        case "fit":
            house.farm.inventory.fit(house.admin, "tk1-3")
        case _:
            house.farm.inventory.put_board(house.admin, a_board(4))
            assert house.found(waiting.number).is_waiting
            house.farm.inventory.describe(house.admin, "tk1-4", {}, {"camera": True})
    assert house.found(waiting.number).is_running


def test_the_queue_is_served_by_who_holds_least_and_then_by_who_asked_first(house: House) -> None:
    ending = made(house, "tk1-1", who=house.admin, for_=4 * HOUR)
    made(house, "tk1-2", for_=9 * HOUR)
    made(house, "tk1-3", who=house.admin, for_=9 * HOUR)
    of_ada, of_bob, later = queued(house), queued(house, who=house.bob), queued(house, who=house.bob)
    house.release(ending.number)
    assert house.found(of_bob.number).is_running, "bob holds nothing, and ada holds a board"
    assert house.found(of_ada.number).window.start == START + HOUR
    assert house.found(later.number).window.start > house.found(of_ada.number).window.start


def test_who_cannot_begin_when_its_turn_comes_lets_the_next_one_in(house: House) -> None:
    """Its image fits no more, which shows only when it is handed over."""
    running = made(house, "tk1-1", for_=4 * HOUR)
    image = house.image("other")
    first = queued(house, "tk1-1", image="other")
    second = queued(house, "tk1-1", who=house.bob)
    with house.records.write() as tx:
        tx.save(replace(image, manifest=None))
    house.reach("tk1-1")
    house.release(running.number)
    house.reach("tk1-1")
    assert house.found(first.number).state is ENDED
    assert "other:2026030101 is not ready" in house.found(first.number).ended_because
    assert house.found(second.number).is_running and isinstance(house.wish().wish, Deployed)


def test_who_cannot_begin_on_a_clean_board_lets_the_next_one_in_too(house: House) -> None:
    blocking = made(house, "tk1-1", at=START + MINUTE)
    image = house.image("other")
    first = queued(house, "tk1-1", image="other")
    second = queued(house, "tk1-1", who=house.bob)
    with house.records.write() as tx:
        tx.save(replace(image, manifest=None))
    house.release(blocking.number)
    assert house.found(first.number).state is ENDED
    house.pass_to(house.now)
    assert house.found(second.number).is_running


def test_a_farm_that_starts_offers_what_the_one_before_had_no_time_to_offer(house: House) -> None:
    blocking = made(house, count=3, for_=9 * HOUR)
    waiting = queued(house, who=house.bob)
    with house.records.write() as tx:
        tx.save(house.found(blocking.number).ended(house.now))
    again = House(house.records)
    assert again.farm.upkeep.carry_out() is not None
    assert again.found(waiting.number).is_running


# --- best effort


def test_best_effort_begins_where_boards_are_idle_and_waits_where_none_is(house: House) -> None:
    made(house, "tk1-1", "tk1-2")
    first, second = guest(house, for_=9 * HOUR), guest(house, who=house.bob)
    assert first.is_running and first.boards == ("tk1-3",)
    assert second.is_waiting and second.boards == ()
    house.pass_to(START + HOUR)
    assert house.found(second.number).is_running, "boards have become idle"


def test_best_effort_ends_before_what_is_promised_and_does_not_begin_for_nothing(house: House) -> None:
    made(house, count=3, at=START + 2 * HOUR)
    assert guest(house, for_=9 * HOUR).window == hours(0, 2)
    house.pass_to(START + 2 * HOUR - 5 * MINUTE)
    assert guest(house).is_waiting


def test_best_effort_yields_after_its_grace_to_whoever_asks(house: House) -> None:
    yielding = guest(house, count=3, for_=9 * HOUR)
    asked = made(house, who=house.bob, count=2)
    assert asked.is_waiting and asked.window == Window(START + GRACE, START + GRACE + HOUR)
    assert house.found(yielding.number).is_running and house.found(yielding.number).window.end == START + GRACE
    house.pass_to(START + GRACE)
    assert house.found(yielding.number).state is ENDED and house.found(asked.number).is_running


def test_best_effort_yields_to_the_queue_too_and_where_there_is_an_idle_board_to_nobody(house: House) -> None:
    yielding = guest(house, "tk1-1", for_=9 * HOUR)
    assert made(house, count=2).is_running
    assert house.found(yielding.number).window == hours(0, 9)
    assert queued(house, who=house.bob).window.start == START + GRACE
    assert house.found(yielding.number).window.end == START + GRACE


def test_who_moves_up_in_the_queue_has_those_who_yield_go_first(house: House) -> None:
    made(house, "tk1-2", for_=9 * HOUR)
    blocking = made(house, "tk1-3", for_=9 * HOUR)
    yielding = guest(house, "tk1-1", for_=9 * HOUR)
    fixed = made(house, "tk1-1", at=START + HOUR, for_=HOUR)
    waiting = queued(house, "tk1-1", "tk1-3", who=house.bob)
    assert waiting.window.start == START + 9 * HOUR
    house.release(blocking.number)
    house.release(fixed.number)
    assert house.found(waiting.number).window.start == START + GRACE
    assert house.found(yielding.number).window.end == START + GRACE
    house.pass_to(START + GRACE)
    assert house.found(waiting.number).is_running


def test_best_effort_is_released_as_any_other_and_not_extended(house: House) -> None:
    yielding, waiting = guest(house, count=3), guest(house, who=house.bob)
    with pytest.raises(Conflict, match="cannot be extended"):
        house.farm.booking.extend(house.ada, yielding.number, HOUR)
    house.release(yielding.number)
    assert house.found(yielding.number).state is ENDED and house.found(waiting.number).is_running
    assert house.release(guest(house, count=3).number).state is CANCELLED


def test_a_clock_that_was_set_back_keeps_nobody_from_a_board_where_somebody_yields(house: House) -> None:
    yielding = guest(house, "tk1-1", for_=9 * HOUR)
    house.now -= 5 * HOUR
    asked = made(house, "tk1-1", who=house.bob)
    house.pass_to(asked.window.start)
    assert house.found(asked.number).is_running and house.found(yielding.number).state is ENDED


# --- extending


def test_who_extends_has_who_follows_change_to_an_equal_board(house: House) -> None:
    mine = made(house, "tk1-1")
    ahead = made(house, who=house.bob, at=START + HOUR, count=3)
    house.release(ahead.number, board="tk1-3")
    longer = house.farm.booking.extend(house.ada, mine.number, HOUR).reservation
    assert longer.window == hours(0, 2)
    assert sorted(house.found(ahead.number).boards) == ["tk1-2", "tk1-3"]


def test_who_cannot_extend_as_far_is_told_how_far_and_can(house: House) -> None:
    mine = made(house, "tk1-1")
    made(house, "tk1-1", who=house.bob, at=START + 1.5 * HOUR)
    with pytest.raises(Conflict, match="from 2026-03-01 13:30 UTC on") as error:
        house.farm.booking.extend(house.ada, mine.number, HOUR)
    assert error.value.code is Code.BOARD_FOLLOWED and "boardgrid extend 1 +30m" in error.value.hint
    assert house.farm.booking.extend(house.ada, mine.number, 30 * MINUTE).reservation.window == hours(0, 1.5)
    with pytest.raises(Conflict) as error:
        house.farm.booking.extend(house.ada, mine.number, timedelta(seconds=1))
    assert "+0m" not in error.value.hint


def test_who_extends_moves_nobody_to_a_board_where_the_grace_of_who_yields_would_be_cut(house: House) -> None:
    mine = made(house, "tk1-1")
    made(house, "tk1-3", for_=9 * HOUR)
    yielding = guest(house, "tk1-2", for_=9 * HOUR)
    house.pass_to(START + HOUR - MINUTE)
    made(house, who=house.bob, at=START + HOUR)
    with pytest.raises(Conflict):
        house.farm.booking.extend(house.ada, mine.number, HOUR)
    assert house.found(yielding.number).window.end >= house.now + GRACE


def test_the_queue_is_not_delayed_by_an_extension(house: House) -> None:
    mine = made(house, "tk1-1")
    waiting = queued(house, "tk1-1", who=house.bob)
    with pytest.raises(Conflict):
        house.farm.booking.extend(house.ada, mine.number, HOUR)
    assert house.found(waiting.number).window == hours(1, 2)


@pytest.mark.parametrize("by", [timedelta(0), -HOUR, timedelta(days=40), timedelta(days=999_999_999)])
def test_an_extension_that_cannot_be_is_refused(house: House, by: timedelta) -> None:
    mine = made(house)
    with pytest.raises(Invalid):
        house.farm.booking.extend(house.ada, mine.number, by)
    assert house.found(mine.number) == mine


# --- sharing


def test_whom_a_reservation_is_shared_with_enters_its_boards_and_no_longer_when_it_is_not(house: House) -> None:
    share, doors = house.farm.booking.share, house.farm.doors
    mine = house.opened(board="tk1-1").reservation
    version = house.wishes.version
    share(house.ada, mine.number, ["bob"])
    assert doors.route("lab", KEY_B, "tk1-1").address == a_board(1).address
    assert (KEY_B, "tk1-1") in doors.holdings("lab").pairs and house.wishes.version > version
    assert house.farm.history.known_hosts(house.bob) == house.farm.history.known_hosts(house.ada) != ""
    with pytest.raises(NotAllowed):
        house.farm.booking.release(house.bob, mine.number)
    with pytest.raises(NotAllowed):
        share(house.bob, mine.number, remove=["ada"])
    share(house.ada, mine.number, remove=["bob"])
    with pytest.raises(NotFound):
        doors.route("lab", KEY_B, "tk1-1")
    assert doors.holdings("lab").pairs == {(KEY_A, "tk1-1")}


def test_what_is_deployed_after_it_was_shared_has_the_members_keys(house: House) -> None:
    ahead = made(house, "tk1-1", at=START + HOUR)
    house.farm.booking.share(house.ada, ahead.number, ["bob", "bob", "ada"])
    assert house.found(ahead.number).members == (house.bob.id,)
    house.pass_to(START + HOUR)
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.keys == (KEY_A, KEY_B)


def test_sharing_with_nobody_that_is_there_and_of_what_is_over_is_refused(house: House) -> None:
    mine = made(house)
    with pytest.raises(NotFound, match="no user eve"):
        house.farm.booking.share(house.ada, mine.number, ["bob", "eve"])
    assert house.found(mine.number).members == ()
    house.release(mine.number)
    with pytest.raises(Conflict):
        house.farm.booking.share(house.ada, mine.number, ["bob"])


# --- boards that break and leave


def broken(house: House, board: str) -> None:
    """A board fails under somebody else."""
    house.fail(Blame.BOARD, *made(house, board, who=house.admin).boards)


def test_who_waits_for_a_board_that_breaks_gets_an_equal_one_at_the_same_time(house: House) -> None:
    ahead = made(house, at=START + 2 * HOUR)
    broken(house, *ahead.boards)
    moved = house.found(ahead.number)
    assert moved.boards != ahead.boards and moved.window == ahead.window
    assert "is out of order" in house.told(ahead.number)[-1]


def test_who_gets_another_board_has_who_yields_there_go_in_time(house: House) -> None:
    made(house, "tk1-3", for_=9 * HOUR)
    ahead = made(house, at=START + 2 * HOUR)
    [other] = {"tk1-1", "tk1-2"} - set(ahead.boards)
    yielding = guest(house, other, for_=9 * HOUR)
    broken(house, *ahead.boards)
    assert house.found(ahead.number).boards == (other,) and house.found(yielding.number).window == hours(0, 2)


def test_who_waits_in_the_queue_goes_later_when_no_other_board_is_free_then(house: House) -> None:
    made(house, "tk1-2", "tk1-3", for_=6 * HOUR)
    running = made(house, "tk1-1", for_=2 * HOUR)
    waiting = queued(house, who=house.bob)
    assert waiting.window == hours(2, 3)
    house.fail(Blame.BOARD, *running.boards)
    assert house.found(waiting.number).window == hours(6, 7)
    house.farm.inventory.fit(house.admin, "tk1-1")
    assert house.found(waiting.number).is_running


def test_who_named_a_board_that_breaks_ends_at_its_start_unless_it_is_mended_in_time(house: House) -> None:
    lost = made(house, "tk1-1", at=START + HOUR)
    kept = made(house, "tk1-1", who=house.bob, at=START + 2 * HOUR)
    broken(house, "tk1-1")
    assert "it ends then unless tk1-1 is mended" in house.told(lost.number)[-1]
    assert house.found(lost.number) == lost
    house.pass_to(START + HOUR)
    assert house.found(lost.number).state is CANCELLED
    assert house.found(lost.number).ended_because == "tk1-1 is set aside: it does not boot"
    house.farm.inventory.fit(house.admin, "tk1-1")
    house.reach()
    house.pass_to(START + 2 * HOUR)
    assert house.found(kept.number).is_running and isinstance(house.wish().wish, Deployed)


def test_a_broken_board_goes_to_nobody_new_however_it_is_asked_for(house: House) -> None:
    broken(house, "tk1-1")
    assert refused(house, "tk1-1").code is Code.BOARD_SET_ASIDE
    assert refused(house, "tk1-1", at=START + HOUR).code is Code.BOARD_SET_ASIDE
    assert refused(house, "tk1-1", kind=Kind.QUEUED).code is Code.BOARD_SET_ASIDE
    assert guest(house, "tk1-1").is_waiting
    assert refused(house, count=3).code is Code.BOARD_TAKEN


@pytest.mark.parametrize("has_agent", [True, False])
def test_a_board_that_leaves_gives_who_waits_for_it_to_another_and_whoever_named_it_ends_then(
    house: House, has_agent: bool
) -> None:
    """Where there never was an agent its record goes at once; else when the agent has told."""
    any_one, named = made(house, at=START + HOUR), made(house, "tk1-3", at=START + 3 * HOUR, who=house.bob)
    with house.records.write() as tx:
        site = tx.site("lab")
        assert site is not None
        tx.save(site if has_agent else replace(site, epoch=0))
    for board in ("tk1-3", *any_one.boards):
        house.farm.inventory.remove_board(house.admin, board)
    moved = house.found(any_one.number)
    assert moved.window == any_one.window and moved.boards == tuple({"tk1-1", "tk1-2"} - set(any_one.boards))
    house.pass_to(START + HOUR)
    assert house.found(any_one.number).is_running
    house.pass_to(START + 3 * HOUR)
    assert house.found(named.number).state is CANCELLED
    assert house.found(named.number).ended_because == "tk1-3 has left the farm"


def test_who_waits_for_an_idle_board_that_leaves_never_begins_on_nothing(house: House) -> None:
    broken(house, "tk1-3")
    waiting = guest(house, "tk1-3")
    house.farm.inventory.remove_board(house.admin, "tk1-3")
    house.reach("tk1-3")
    house.release(made(house).number)
    assert house.found(waiting.number) == waiting
    house.farm.inventory.put_board(house.admin, a_board(3))
    assert house.found(waiting.number).is_running and house.found(waiting.number).boards == ("tk1-3",)


# --- what a reservation that waits hangs on


def test_an_image_that_a_reservation_waits_for_is_not_removed(house: House) -> None:
    for kind in (Kind.FIXED, Kind.QUEUED, Kind.BEST_EFFORT):
        made(house, count=3, for_=4 * HOUR) if kind is Kind.FIXED else None
        waiting = made(house, who=house.bob, kind=kind, at=START + 5 * HOUR if kind is Kind.FIXED else None)
        with pytest.raises(Conflict) as error:
            house.farm.wastebasket.remove(house.admin, "tiny:2026030101")
        assert error.value.code is Code.THING_IN_USE
        house.release(waiting.number)


def test_a_root_kept_aside_is_reserved_ahead_and_stays_until_it_boots(house: House) -> None:
    first = house.opened(board="tk1-1").reservation
    house.farm.booking.release(house.ada, first.number, Fate.ASIDE, "mine")
    house.reach()
    ahead = made(house, "tk1-2", root="mine", at=START + timedelta(days=10))
    for act in (house.farm.roots.discard, lambda who, name: house.farm.roots.keep(who, name, "image")):
        with pytest.raises(Conflict) as error:
            act(house.ada, "mine")
        assert error.value.code is Code.THING_IN_USE
    assert refused(house, "tk1-3", root="mine", at=START + timedelta(days=20)).code is Code.THING_IN_USE
    house.pass_to(START + timedelta(days=9))
    assert house.farm.roots.root(house.ada, "mine").root.state is RootState.ASIDE, "its seven days are over"
    house.pass_to(START + timedelta(days=10))
    wish = house.wish("tk1-2").wish
    assert house.found(ahead.number).is_running and isinstance(wish, Deployed)
    assert wish.root == house.farm.roots.root(house.ada, "mine").root.id


def test_a_root_goes_at_its_date_when_who_waited_for_it_withdraws(house: House) -> None:
    first = house.opened(board="tk1-1").reservation
    house.farm.booking.release(house.ada, first.number, Fate.ASIDE, "mine")
    house.reach()
    ahead = made(house, "tk1-2", root="mine", at=START + timedelta(days=10))
    house.pass_to(START + timedelta(days=9))
    house.release(ahead.number)
    house.pass_to(house.now)
    with house.records.read() as records:
        assert [one.state for one in records.roots(name="mine")] == [RootState.GOING]


def test_a_user_who_has_reservations_ahead_is_not_removed(house: House) -> None:
    ahead = made(house, who=house.bob, at=START + HOUR)
    with pytest.raises(Conflict) as error:
        house.farm.accounts.remove(house.admin, "bob")
    assert error.value.code is Code.THING_IN_USE
    house.release(ahead.number)
    house.farm.accounts.remove(house.admin, "bob")


# --- the clock


def test_a_clock_that_was_set_back_takes_no_board_from_who_has_it_and_gives_it_to_nobody_else(house: House) -> None:
    mine, ahead = made(house, "tk1-1"), made(house, "tk1-1", who=house.bob, at=START + 2 * HOUR)
    house.pass_to(START - 5 * HOUR)
    assert house.found(mine.number).is_running and house.found(ahead.number).is_waiting
    assert refused(house, "tk1-1", who=house.bob).code is Code.BOARD_TAKEN
    house.release(mine.number)
    assert made(house, "tk1-1", who=house.bob).is_running
    house.pass_to(START + 2 * HOUR)
    assert house.found(ahead.number).is_running


def test_a_clock_that_was_set_back_does_not_stop_the_farm_when_somebody_cannot_begin(house: House) -> None:
    running = made(house, "tk1-1", for_=4 * HOUR)
    waiting = queued(house, "tk1-1", who=house.bob, image="tiny")
    house.now -= 3 * HOUR
    house.fail(Blame.BOARD, "tk1-1")
    assert house.found(running.number).state is ENDED
    house.farm.inventory.fit(house.admin, "tk1-1")
    house.pass_to(house.now)
    assert house.found(waiting.number).is_live


def test_a_clock_that_was_set_forward_ends_what_is_over_and_begins_what_is_due(house: House) -> None:
    mine, ahead = made(house, "tk1-1"), made(house, "tk1-1", who=house.bob, at=START + HOUR, for_=5 * HOUR)
    house.pass_to(START + 3 * HOUR)
    assert house.found(mine.number).state is ENDED and house.found(mine.number).window == hours(0, 1)
    assert house.found(ahead.number).is_running
    house.pass_to(START)
    assert house.found(ahead.number).is_running
