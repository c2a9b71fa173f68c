"""Boards are kept free for maintenance: who can make room does, who cannot is named, and nobody is left untold."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.reservation import Group, Kind, Reservation, ReservationState
from boardgrid.services.booking import Fate
from boardgrid.services.views import BoardState, MaintenanceView
from tests.services.house import HOUR, START, House, records_with


@pytest.fixture
def house() -> Iterator[House]:
    """With three boards, and an image that all may boot."""
    with records_with(boards=3) as records:
        house = House(records)
        house.image()
        yield house


def close(
    house: House, *boards: str, start: float = 2, end: float = 4, force: bool = False, where: str = ""
) -> MaintenanceView:
    groups = [Group(board=name) for name in boards] or [Group(where=where)]
    window = {"start": START + start * HOUR, "end": START + end * HOUR}
    return house.farm.maintaining.add(house.admin, groups, **window, reason="new fans", force=force)


def _now(house: House, one: Reservation) -> Reservation:
    return house.farm.booking.reservation(house.admin, one.number).reservation


def _told(house: House, one: Reservation) -> list[str]:
    with house.records.read() as records:
        return [entry.event.detail for entry in records.events(0, limit=999, reservation=one.number)]


def _blocked(house: House, *boards: str, **how: float) -> Conflict:
    with pytest.raises(Conflict) as error:
        close(house, *boards, **how)  # type: ignore[arg-type]  # no switch is among them
    assert error.value.code is Code.MAINTENANCE_BLOCKED
    return error.value


# --- what is kept free


def test_a_closed_board_is_nobodys_in_that_window_and_everybodys_around_it(house: House) -> None:
    close(house, "tk1-1")
    house.reserve(board="tk1-1", for_=2 * HOUR)
    house.reserve(board="tk1-1", at=START + 4 * HOUR)
    with pytest.raises(Conflict, match="tk1-1 is kept free for maintenance then") as error:
        house.reserve(board="tk1-1", at=START + 3 * HOUR, for_=HOUR)
    assert "2026-03-01 17:00 UTC" in error.value.hint


def test_each_board_shows_what_comes_next(house: House) -> None:
    later, sooner = close(house, "tk1-1", start=5, end=6), close(house, "tk1-1", "tk1-2")
    shown = {view.board.name: view.maintenance for view in house.farm.inventory.boards(house.ada)}
    assert shown == {"tk1-1": sooner, "tk1-2": sooner, "tk1-3": None}
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.FREE
    house.now += 3 * HOUR
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.CLOSED
    house.now += HOUR
    house.farm.upkeep.carry_out()
    assert house.farm.inventory.board(house.ada, "tk1-1").maintenance == later
    assert house.farm.maintaining.maintenances(house.ada) == [later]


def test_a_board_that_comes_to_fit_is_kept_free_too(house: House) -> None:
    house.farm.inventory.describe(house.admin, "tk1-1", {}, {"rack.2": True})
    assert close(house, where='tag("rack.2")').boards == ("tk1-1",)
    house.farm.inventory.describe(house.admin, "tk1-2", {}, {"rack.2": True})
    with pytest.raises(Conflict):
        house.reserve(board="tk1-2", at=START + 3 * HOUR)


def test_what_is_no_maintenance_is_refused(house: House) -> None:
    with pytest.raises(NotAllowed):
        house.farm.maintaining.add(house.ada, [Group(board="tk1-1")], start=None, end=START + HOUR, reason="why")
    with pytest.raises(NotFound):
        close(house, "tk1-9")
    with pytest.raises(Invalid, match="does not end after it begins"):
        close(house, "tk1-1", start=-3, end=-1)
    for reason in ("", "  ", "x" * 201, "bell\a"):
        with pytest.raises(Invalid, match="a reason is a line"):
            house.farm.maintaining.add(house.admin, [Group(board="tk1-1")], start=None, end=START + HOUR, reason=reason)
    with pytest.raises(Invalid, match="no board was named"):
        house.farm.maintaining.add(house.admin, [], start=None, end=START + HOUR, reason="why")
    assert house.farm.maintaining.maintenances(house.ada) == []


def test_what_is_called_off_goes_to_who_waits(house: House) -> None:
    one = close(house, "tk1-1", "tk1-2", "tk1-3", start=0, end=9)
    queued = house.reserve(board_type="tk1", kind=Kind.QUEUED).reservation
    assert queued.window.start == START + 9 * HOUR
    house.farm.maintaining.remove(house.admin, one.number)
    assert _now(house, queued).is_running
    with pytest.raises(NotFound) as error:
        house.farm.maintaining.remove(house.admin, one.number)
    assert error.value.code is Code.MAINTENANCE_UNKNOWN
    assert close(house, "tk1-3", start=20, end=21).number == one.number + 1, "no number is given again"


# --- who makes room


def test_a_reservation_that_has_not_begun_changes_its_board_and_is_told_why(house: House) -> None:
    later = house.reserve(board_type="tk1", at=START + 2 * HOUR).reservation
    close(house, *later.boards)
    moved = _now(house, later)
    assert moved.window == later.window and not set(moved.boards) & set(later.boards)
    assert "root keeps boards free for maintenance (new fans)" in _told(house, later)[-1]


def test_one_in_the_queue_moves_to_a_later_turn_where_no_other_board_does(house: House) -> None:
    house.reserve(board="tk1-1", for_=2 * HOUR)
    queued = house.reserve(board="tk1-1", kind=Kind.QUEUED).reservation
    close(house, "tk1-1")
    assert _now(house, queued).window.start == START + 4 * HOUR
    assert "from 2026-03-01 16:00 UTC on in its place" in _told(house, queued)[-1]


def test_who_runs_into_it_and_who_has_a_date_stand_in_the_way_and_are_named(house: House) -> None:
    running = house.reserve(board="tk1-1", for_=3 * HOUR).reservation
    fixed = house.reserve(house.bob, board="tk1-2", at=START + 3 * HOUR).reservation
    refusal = _blocked(house, "tk1-1", "tk1-2")
    assert f"{running.number} of ada (tk1-1) runs until 2026-03-01 15:00 UTC" in str(refusal)
    assert f"{fixed.number} of bob (tk1-2) begins at 2026-03-01 15:00 UTC and no other board does" in str(refusal)
    assert "--force" in refusal.hint
    assert house.farm.maintaining.maintenances(house.admin) == [], "nothing was done"
    house.farm.booking.extend(house.ada, running.number, HOUR)


def test_by_force_what_runs_ends_when_it_begins_and_what_cannot_move_is_cancelled(house: House) -> None:
    running = house.opened(board="tk1-1", for_=3 * HOUR).reservation
    fixed = house.reserve(house.bob, board="tk1-2", at=START + 3 * HOUR).reservation
    close(house, "tk1-1", "tk1-2", force=True)
    assert _now(house, running).window.end == START + 2 * HOUR
    assert "it ends at 2026-03-01 14:00 UTC" in _told(house, running)[-1]
    cancelled = _now(house, fixed)
    assert cancelled.state is ReservationState.CANCELLED and "new fans" in cancelled.ended_because
    with pytest.raises(Conflict, match="maintenance of tk1-1 begins after you"):
        house.farm.booking.extend(house.ada, running.number, HOUR)
    house.now += 2 * HOUR
    house.farm.upkeep.carry_out()
    assert _now(house, running).state is ReservationState.ENDED
    assert [one.root.state for one in house.farm.roots.roots(house.ada)] == ["aside"], "nothing written is lost"


def test_by_force_and_at_once_only_the_boards_that_are_meant_are_taken(house: House) -> None:
    running = house.reserve(board_type="tk1", count=2, for_=3 * HOUR).reservation
    close(house, running.boards[0], start=0, force=True)
    left = _now(house, running)
    assert left.is_running and left.boards == running.boards[1:]
    assert left.window == running.window


def test_who_takes_what_nobody_needs_goes_in_time_and_blocks_nothing(house: House) -> None:
    guest = house.reserve(board="tk1-1", kind=Kind.BEST_EFFORT, for_=9 * HOUR).reservation
    close(house, "tk1-1")
    assert _now(house, guest).window.end == START + 2 * HOUR
    house.now += 2 * HOUR
    house.farm.upkeep.carry_out()
    house.settle()
    patient = house.reserve(board="tk1-1", kind=Kind.BEST_EFFORT, for_=HOUR).reservation
    assert patient.is_waiting
    house.now += 2 * HOUR
    close(house, "tk1-1", start=4.5, end=5)
    house.farm.upkeep.carry_out()
    assert _now(house, patient).window.end == START + 4.5 * HOUR, "it ends before the next"


# --- set aside by hand


def test_a_board_that_is_set_aside_stays_its_holders_and_nobody_elses(house: House) -> None:
    running = house.opened(board="tk1-1", for_=2 * HOUR).reservation
    later = house.reserve(house.bob, board_type="tk1", at=START + 2 * HOUR).reservation
    view = house.farm.inventory.aside(house.admin, later.boards[0], "its fan is loud")
    assert view.board.set_aside == "its fan is loud"
    assert not set(_now(house, later).boards) & set(later.boards)
    assert "is set aside (its fan is loud)" in _told(house, later)[-1]
    house.farm.inventory.aside(house.admin, "tk1-1", "new fan")
    assert _now(house, running).is_running
    house.farm.booking.release(house.ada, running.number, Fate.DISCARD)
    house.settle()
    with pytest.raises(Conflict, match="tk1-1 is set aside: new fan"):
        house.reserve(board="tk1-1")
    assert house.farm.inventory.fit(house.admin, "tk1-1").state is BoardState.FREE
    house.reserve(board="tk1-1", for_=timedelta(minutes=5))


def test_only_admins_set_boards_aside_and_say_why(house: House) -> None:
    with pytest.raises(NotAllowed):
        house.farm.inventory.aside(house.ada, "tk1-1", "why")
    with pytest.raises(Invalid):
        house.farm.inventory.aside(house.admin, "tk1-1", " ")
