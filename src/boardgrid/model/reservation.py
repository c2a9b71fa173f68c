"""Reservations: who has which board, and when."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ReservationState(StrEnum):
    RUNNING = "running"  # the user holds the board
    ENDED = "ended"  # given back, its time ran out, or its deployment failed


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, half open: ``start`` is inside, ``end`` is not. Both carry UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    number: int
    user: UUID
    board: str
    window: Window
    state: ReservationState
    ended_because: str = ""  # a sentence for everybody, when it ended otherwise than by release

    @property
    def is_running(self) -> bool:
        return self.state is ReservationState.RUNNING

    def holds(self, at: datetime) -> bool:
        """One that nobody has ended yet is over all the same when its time is."""
        return self.is_running and at < self.window.end

    def ended(self, at: datetime, because: str = "") -> "Reservation":
        # A clock that was set back ends none before it began.
        window = Window(self.window.start, max(self.window.start, min(self.window.end, at)))
        return replace(self, state=ReservationState.ENDED, window=window, ended_because=because)
