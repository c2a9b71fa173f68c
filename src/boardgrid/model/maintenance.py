"""Maintenance: windows in which boards are kept free of reservations."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from boardgrid.model.board import Board
from boardgrid.model.facts import Facts
from boardgrid.model.reservation import Group
from boardgrid.model.where import Where
from boardgrid.model.window import Window


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A board that comes to fit later is kept free too."""

    number: int
    groups: tuple[Group, ...]  # which boards; their counts mean nothing
    window: Window
    reason: str  # for everybody
    created_at: datetime
    over: bool = False  # its time has passed, or it was called off

    def concerns(self) -> Callable[[Board, Facts], bool]:
        """Whether a board is among them; expressions are read once."""
        tests = [(one.board, one.type, Where.parsed(one.where) if one.where else None) for one in self.groups]
        return lambda board, facts: any(
            name in {"", board.name} and kind in {"", board.type} and (where is None or where.fits(facts))
            for name, kind, where in tests
        )
