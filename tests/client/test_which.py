"""Which reservation is meant where a board, or nothing, was said."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from boardgrid.client.answers import Board, Reservation
from boardgrid.client.complaint import Complaint
from boardgrid.client.farm import Farm
from boardgrid.client.which import meant

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def held(number: int, state: str = "running", user: str = "ada", kind: str = "fixed", hours: int = 0) -> Reservation:
    start = NOW + timedelta(hours=hours)
    boards = ("tk1-1", "tk1-2") if kind == "block" else ("tk1-1",)
    return Reservation(number, user, "tk1-1", start, start + timedelta(hours=1), state, boards=boards, kind=kind)


@dataclass
class Shelf:
    """ada asks."""

    all: list[Reservation]

    def boards(self) -> tuple[Board, ...]:
        return (Board("tk1-1", "tk1", "lab", "02:00:00:00:00:01", "10.20.0.11", "pxelinux", "free"),)

    def reservations(self, *, running: bool, everyone: bool = False) -> tuple[Reservation, ...]:
        return tuple(one for one in self.all if everyone or one.user == "ada")


def number(word: str | None, *all_: Reservation) -> int:
    return meant(cast(Farm, Shelf(list(all_))), word).reservation.number


def test_what_runs_on_a_board_is_meant_before_what_is_to_come_and_never_a_lesson() -> None:
    lesson = held(47, "waiting", kind="block", hours=24)
    students = held(43, user="hopper", kind="seat")
    assert number("tk1-1", lesson, students) == 43
    assert number("tk1-1", lesson, held(50, "waiting", hours=2), students) == 43
    assert number("tk1-1", lesson, held(50, "waiting", hours=2), held(51, "waiting", "bob", hours=1)) == 50
    with pytest.raises(Complaint, match="you have no reservation of tk1-1"):
        number("tk1-1", lesson)


def test_where_nothing_is_said_the_one_that_runs_is_meant() -> None:
    assert number(None, held(48), held(45, "waiting", hours=9), held(47, "running", kind="block")) == 48
    assert number(None, held(45, "waiting", hours=9)) == 45
    with pytest.raises(Complaint, match="say which"):
        number(None, held(48), held(49))


def test_a_board_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(Complaint, match="there is no board nosuch") as told:
        number("nosuch", held(48))
    assert told.value.code == "board.unknown"
