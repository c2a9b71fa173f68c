"""Lines at a terminal that move: as wide as it is. What matters least is left out first, and nothing is wrapped."""

from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

_ENDLESS = 10_000
_BAR_LEAST, _BAR_MOST = 8, 40  # a narrower one tells nothing

Cells = dict[ProgressColumn, list[RenderableType]]  # of each column, from the first line to the last


class What(TextColumn):
    """What goes on. It is never left out, and cut where the others leave it no room."""

    def __init__(self) -> None:
        super().__init__("{task.description}", markup=False)


class Lines(Progress):
    """
    Args:
        columns: what a line shows, in this order; a bar gets the room that the others leave.
        least: those that may be left out, the first one first.
        console: standard error, if not given.
    """

    def __init__(
        self, *columns: ProgressColumn, least: Sequence[ProgressColumn] = (), console: Console | None = None
    ) -> None:
        # First: a line is drawn before the next call ends.
        self._ours, self._least, self._terminal = columns, least, console or Console(stderr=True)
        super().__init__(*columns, console=self._terminal, transient=True)

    def show_phase(self, task: TaskID, *, total: float | None, completed: float, **fields: object) -> None:
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
        for one in self._least:
            if self._spare(cells) < 0:
                cells.pop(one, None)
        spare = self._spare(cells)
        for column in cells:
            if spare < 0 and isinstance(column, What):
                _cut(cells[column], -spare)
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


def _cut(texts: Sequence[RenderableType], by: int) -> None:
    """The longest of them by so much, the others to its length."""
    ours = [text for text in texts if isinstance(text, Text)]
    left = max((text.cell_len for text in ours), default=0) - by
    for text in ours:
        text.truncate(max(left, 1), overflow="ellipsis")
