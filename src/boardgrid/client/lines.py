"""Lines at a terminal that move: as wide as it is. Names are cut first, what matters least goes next; nothing wraps."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

_ENDLESS = 10_000
_BAR_LEAST, _BAR_MOST = 8, 40  # a narrower one tells nothing
_WHAT_LEAST = 12  # nor does a shorter piece of a name

Cells = dict[ProgressColumn, list[RenderableType]]  # of each column, from the first line to the last


class What(TextColumn):
    """What goes on. It gets the room that the others leave: whoever began it knows, and how far it is they do not."""

    def __init__(self) -> None:
        super().__init__("{task.description}", markup=False)


class Lines(Progress):
    """
    Args:
        columns: what a line shows, in this order; a bar gets the room that the others leave.
        least: those that may be left out after the name of what goes on, the first one first.
        console: standard error, if not given.
    """

    def __init__(
        self, *columns: ProgressColumn, least: Sequence[ProgressColumn] = (), console: Console | None = None
    ) -> None:
        # First: a line is drawn before the next call ends.
        self._ours, self._least, self._terminal = columns, least, console or Console(stderr=True)
        super().__init__(*columns, console=self._terminal, transient=True)

    def show_phase(self, task: TaskID, *, total: float | None, completed: float, **fields: Any) -> None:
        """What goes on may have phases: each has a length of its own, or one that nobody knows (None)."""
        with self._lock:
            self._tasks[task].total = total  # rich's own call keeps the one before where it is told None
            self.update(task, completed=completed, **fields)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        seen = [task for task in tasks if task.visible]
        for task in seen:
            # A full bar is the end of a phase; what goes on ends when its line goes. Rich would stop clock and spinner.
            task.finished_time = None
        cells = {one: [one(task) for task in seen] for one in self._ours if not isinstance(one, BarColumn)}
        cells = {one: column for one, column in cells.items() if any(map(self._width, column))}
        for one in (*(column for column in cells if isinstance(column, What)), *self._least):
            spare = self._spare(cells)
            if spare < 0 and not (isinstance(one, What) and _is_cut(cells[one], -spare)):
                cells.pop(one, None)
        spare = self._spare(cells)
        for column in self._ours:
            if isinstance(column, BarColumn) and spare > _BAR_LEAST:
                column.bar_width = min(spare - 1, _BAR_MOST)
                cells[column] = [column(task) for task in seen]
        shown = [column for column in self._ours if column in cells]
        table = Table.grid(*(column.get_table_column().copy() for column in shown), padding=(0, 1))
        for line in zip(*(cells[column] for column in shown), strict=True):
            table.add_row(*line)
        return table

    def _spare(self, cells: Cells) -> int:
        """The room that these leave, with a blank between them."""
        widths = [max(map(self._width, column), default=0) for column in cells.values()]
        return self._terminal.width - sum(widths) - max(len(widths) - 1, 0)

    def _width(self, cell: RenderableType) -> int:
        """As it is: the terminal's own width bounds what it is asked for."""
        return Measurement.get(self._terminal, self._terminal.options.update(width=_ENDLESS), cell).maximum


def _is_cut(texts: Sequence[RenderableType], by: int) -> bool:
    """Cut the longest of them by so much, the others to its length, if that leaves enough to be read."""
    ours = [text for text in texts if isinstance(text, Text)]
    left = max((text.cell_len for text in ours), default=0) - by
    if left < _WHAT_LEAST:
        return False
    for text in ours:
        text.truncate(left, overflow="ellipsis")
    return True
