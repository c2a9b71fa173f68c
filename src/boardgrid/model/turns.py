"""Turns: in a block a board is whose turn it is. Facts in, order out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.model.reservation import Reservation

NOTHING = timedelta(0)


def had_by(seats: Iterable[Reservation], now: datetime) -> dict[UUID, timedelta]:
    """For how long each has had a board, alone or in a team, by the *seats* that ran or run."""
    had: dict[UUID, timedelta] = {}
    for one in seats:
        lasted = min(one.window.end, now) - one.window.start if one.is_seat and one.boards else NOTHING
        for person in {one.user, *one.members}:
            had[person] = had.get(person, NOTHING) + max(lasted, NOTHING)
    return had


def in_turn(waiting: Iterable[Reservation], had: Mapping[UUID, timedelta]) -> list[Reservation]:
    """Who had a board for the shortest time first, then who asked first."""
    return sorted(waiting, key=lambda one: (had.get(one.user, NOTHING), one.number))


def giving_way(
    seats: Sequence[Reservation], waiting: int, turn: timedelta | None, now: datetime, grace: timedelta
) -> dict[int, datetime | None]:
    """
    When each of the *seats* that run gives way to one of so many that wait, by number; None: it may stay.

    Whose turn is over first goes first, and none before it was told for as long as *grace*. Who was told keeps to that
    while somebody waits.
    """
    if turn is None:
        return dict.fromkeys((one.number for one in seats), None)
    order = sorted(seats, key=lambda one: (one.gives_way_at or max(one.window.start + turn, now + grace), one.number))
    return {
        one.number: (one.gives_way_at or max(one.window.start + turn, now + grace)) if place < waiting else None
        for place, one in enumerate(order)
    }
