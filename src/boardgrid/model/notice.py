"""Notices: what people and programs are told of reservations without having asked."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from boardgrid.model.reservation import Kind, Reservation

SOON = timedelta(minutes=15)  # so long before its end a reservation's user is warned, where it was not said
_WORTH = timedelta(minutes=5)  # a start that moves by less than this is not told


class Occasion(StrEnum):
    BEGAN = "began"  # all of its boards are open
    MOVED = "moved"  # it begins at another time than was foretold
    ENDING = "ending"  # its time is nearly over
    IDLE = "idle"  # nobody uses it and others wait: it is released soon
    ENDED = "ended"  # it is over, or could not be kept
    FAILED = "failed"  # one of its deployments failed


ALL = frozenset(Occasion)


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, with the facts of that moment: it is sent as often as it must be, and stays the same."""

    occasion: Occasion
    at: datetime
    reservation: int
    user: str  # whose it is
    boards: tuple[str, ...]
    start: datetime
    end: datetime
    detail: str = ""  # why, in a sentence
    before: datetime | None = (
        None  # of one that MOVED: the start that was foretold; of an IDLE one: when it is released
    )


@dataclass(frozen=True, slots=True)
class Contact:
    """How a user is reached, and of what they are told."""

    user: UUID
    email: str = ""  # empty: not by mail
    zone: str = ""  # "Europe/Paris"; empty: they are told times in UTC
    occasions: frozenset[Occasion] = ALL


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is called whenever something happens: to one user's reservations, or to anybody's."""

    id: str  # 16 lower-case hex digits
    owner: UUID | None  # None: the farm's
    url: str
    secret: str = field(repr=False)  # with which each call is signed; not hashed, for it must be
    created_at: datetime
    occasions: frozenset[Occasion] = ALL


@dataclass(frozen=True, slots=True)
class Posting:
    """A notice on its way to one address. It is recorded with what it tells of, and goes when it was taken there."""

    id: UUID  # told with each try, so that whoever gets it twice may know
    notice: Notice
    made_at: datetime
    due_at: datetime  # when it is tried next
    user: UUID | None = None  # to whom by mail; or else
    webhook: str | None = None  # which is called
    tries: int = 0


def occasion_of(before: Reservation, after: Reservation) -> Occasion | None:
    """What is to be told of a change."""
    if before.is_live and not after.is_live:
        return Occasion.ENDED
    if before.is_waiting and after.is_waiting:
        # Best effort has no more than a guess.
        has_moved = after.kind is not Kind.BEST_EFFORT and abs(after.window.start - before.window.start) >= _WORTH
        return Occasion.MOVED if has_moved else None
    if after.is_running and after.idle_until is not None and before.idle_until is None:
        return Occasion.IDLE
    if after.is_running and after.warned_of == after.until and before.warned_of != after.warned_of:
        return Occasion.ENDING
    return None
