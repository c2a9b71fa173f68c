"""The calendar as text: a row for each board, a character for each span of time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from boardgrid.client.answers import Board, Maintenance, Reservation
from boardgrid.client.chart import chart

PARIS = ZoneInfo("Europe/Paris")
NINE = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)  # in Paris
HOUR = timedelta(hours=1)


def a_board(name: str, state: str = "free") -> Board:
    return Board(name, "tk1", "lab", "", "", "pxelinux", state)


def taken(board: str, start_h: float, end_h: float, user: str = "grace", **facts: Any) -> Reservation:
    what = {"state": "running", "boards": (board,)} | facts
    return Reservation(1, user, board, NINE + start_h * HOUR, NINE + end_h * HOUR, **what)


def closed(board: str, start_h: float, end_h: float) -> Maintenance:
    return Maintenance(1, (board,), NINE + start_h * HOUR, NINE + end_h * HOUR)


def marks(*shown: Reservation | Maintenance, hours: int = 12, width: int = 30, **board: str) -> str:
    reservations = [one for one in shown if isinstance(one, Reservation)]
    maintenances = [one for one in shown if isinstance(one, Maintenance)]
    boards, lasting = [a_board("tk1-1", **board)], hours * HOUR
    drawn = chart(boards, reservations, maintenances, "ada", start=NINE, lasting=lasting, width=width)
    return "".join(drawn.rows[0].marks)


def test_each_kind_of_reservation_has_its_character() -> None:
    assert (
        marks(
            taken("tk1-1", 0, 2, "ada"),
            taken("tk1-1", 2, 4),
            taken("tk1-1", 5, 6, kind="queued", state="waiting"),
            taken("tk1-1", 6, 7, kind="best_effort"),
            taken("tk1-1", 8, 9, members=("ada",)),
            taken("tk1-2", 0, 12),
        )
        == "####====..~~--..##......"
    )
    assert marks(state="set_aside", width=18) == "x" * 12


def test_a_board_that_is_kept_free_for_maintenance_is_not_shown_as_free() -> None:
    shown = (taken("tk1-1", 0, 1), closed("tk1-1", 1, 3), closed("tk1-2", 0, 12))
    assert marks(*shown) == "==mmmm" + "." * 18
    assert marks(*shown, state="set_aside") == "==mmmm" + "x" * 18


def test_a_span_that_holds_several_shows_ones_own() -> None:
    assert marks(taken("tk1-1", 0, 0.2), taken("tk1-1", 0.2, 0.4, "ada"), width=18) == "#..........."


def test_what_has_begun_long_ago_and_ends_long_after_fills_its_row() -> None:
    assert marks(taken("tk1-1", -100, 100), width=18) == "=" * 12


@pytest.mark.parametrize("hours", [1, 5, 12, 24, 48, 24 * 7, 24 * 31])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_it_fits_its_width_and_reaches_as_far_as_was_asked(hours: int, width: int) -> None:
    shown = chart(
        [a_board("tk1-1"), a_board("rpi4-1234")], [], [], "ada", start=NINE, lasting=hours * HOUR, width=width
    )
    assert shown.name_width + shown.columns <= width
    assert len(shown.axis(PARIS)) <= shown.columns
    assert shown.columns * shown.step >= hours * HOUR


def test_the_axis_has_the_hours_of_the_readers_zone_above_their_columns() -> None:
    shown = chart([a_board("tk1-1")], [], [], "ada", start=NINE, lasting=24 * HOUR, width=80)
    axis = shown.axis(PARIS)
    assert axis.startswith("09:00 12:00")
    assert axis.index("18:00") * shown.step == 9 * HOUR
    assert shown.axis(UTC).startswith("08:00")


def test_the_axis_keeps_to_the_clock_where_it_goes_back() -> None:
    night = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Paris, three hours before the clocks go back
    shown = chart([a_board("tk1-1")], [], [], "ada", start=night, lasting=12 * HOUR, width=80)
    axis = shown.axis(PARIS)
    assert axis.index("06:00") * shown.step == 7 * HOUR


def test_without_boards_there_are_no_rows() -> None:
    assert chart([], [], [], "ada", start=NINE, lasting=HOUR, width=80).rows == ()
