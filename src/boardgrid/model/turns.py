"""Turns: in a block a board is whose turn it is. Facts in, order out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.model.reservation import Block, Reservation

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
    seats: Sequence[Reservation], waiting: int, block: Block, now: datetime, grace: timedelta
) -> dict[int, datetime | None]:
    """
    When each of the *seats* that run gives way to one of so many that wait, by number; None: it may stay. Turns begin
    with the lesson, however long before it boards were given out.

    Whose turn is over first goes first, and none before it was told for as long as *grace*. Who was told keeps to that
    while somebody waits.
    """
    if block.turn is None:
        return dict.fromkeys((one.number for one in seats), None)
    ends = {
        one.number: one.gives_way_at or max(max(one.window.start, block.begins_at) + block.turn, now + grace)
        for one in seats
    }
    order = sorted(ends, key=lambda number: (ends[number], number))
    return {number: ends[number] if place < waiting else None for place, number in enumerate(order)}
