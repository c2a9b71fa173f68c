"""The calendar as a chart of text: a row for each board, a character for each span of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from boardgrid.client.answers import Board, Maintenance, Reservation

_STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440, 2880)  # a character is one of these
_LABELS_H = (1, 2, 3, 4, 6, 12, 24)
_LABEL_WIDTH = 6  # "09:00" and what parts it from the next


class Mark(StrEnum):
    """What a character stands for; where a span has several, the first of these is shown."""

    MINE = "#"
    OTHERS = "="
    QUEUED = "~"  # somebody waits for their turn, and it may come earlier
    BEST_EFFORT = "-"
    MAINTENANCE = "m"
    SHUT = "x"
    FREE = "."


_RANK = list(Mark)
Span = tuple[datetime, datetime]
Taken = tuple[datetime, datetime, Mark]


@dataclass(frozen=True, slots=True)
class Row:
    board: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    start: datetime  # UTC, as are all times here
    step: timedelta
    columns: int
    rows: tuple[Row, ...]

    @property
    def name_width(self) -> int:
        return max((len(row.board) for row in self.rows), default=0) + 1

    def axis(self, zone: tzinfo | None = None) -> str:
        """The hours of a zone above their columns, as wide apart as they need to be."""
        step_h = self.step.total_seconds() / 3600
        every = next((hours for hours in _LABELS_H if hours / step_h >= _LABEL_WIDTH), _LABELS_H[-1])
        line = ""
        for column in range(self.columns):
            there = (self.start + column * self.step).astimezone(zone)
            # The first column in an hour: where clocks change, or a column is wide, it need not be its first minute.
            before = (self.start + (column - 1) * self.step).astimezone(zone)
            is_new = column == 0 or (there.date(), there.hour) != (before.date(), before.hour)
            if is_new and (column == 0 or there.hour % every == 0) and len(line) <= column:
                line = line.ljust(column) + f"{there:%H:%M}" + " "
        return line[: self.columns].rstrip()


def chart(
    boards: Sequence[Board],
    reservations: Sequence[Reservation],
    maintenances: Sequence[Maintenance],
    me: str,
    *,
    start: datetime,
    lasting: timedelta,
    width: int,
) -> Chart:
    """
    Args:
        reservations: those that run or wait; of others none is shown.
        width: at most so many characters, the boards' names included.
    """
    names = max((len(board.name) for board in boards), default=0) + 1
    room = max(12, width - names)
    minutes = lasting / timedelta(minutes=1)
    step_min = next((step for step in _STEPS_MIN if minutes / step <= room), _STEPS_MIN[-1])
    step = timedelta(minutes=step_min)
    first = _floor(start, step)
    columns = min(room, -((first - start - lasting) // step))
    by_board: dict[str, list[Taken]] = {}
    shown: tuple[Reservation | Maintenance, ...] = (*reservations, *maintenances)
    for one in shown:
        mark = _mark(one, me) if isinstance(one, Reservation) else Mark.MAINTENANCE
        for board in one.boards:
            by_board.setdefault(board, []).append((one.start, one.end, mark))
    spans = [(first + column * step, first + (column + 1) * step) for column in range(columns)]
    rows = tuple(Row(board.name, tuple(_marks(board, by_board.get(board.name, ()), spans))) for board in boards)
    return Chart(first, step, columns, rows)


def _marks(board: Board, taken: Sequence[Taken], spans: Sequence[Span]) -> Iterator[Mark]:
    idle = Mark.SHUT if board.state in {"set_aside", "going"} else Mark.FREE
    for start, end in spans:
        there = [mark for begin, over, mark in taken if begin < end and start < over]
        yield min(there, key=_RANK.index, default=idle)


def _mark(one: Reservation, me: str) -> Mark:
    if one.user == me or me in one.members:
        return Mark.MINE
    if one.kind == "best_effort":
        return Mark.BEST_EFFORT
    return Mark.QUEUED if one.kind == "queued" and one.is_waiting else Mark.OTHERS


def _floor(at: datetime, step: timedelta) -> datetime:
    midnight = datetime(at.year, at.month, at.day, tzinfo=UTC)
    return midnight + (at - midnight) // step * step
