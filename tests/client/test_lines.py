"""Lines that move at a terminal: they fit it, whatever its width."""

import io
import re

import pytest
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from boardgrid.client.lines import Lines, What

LONG = "making a-very-long-name-of-an-image:2026112801"


def seen(width: int, what: str, *, phase: str = "unpacking", rate: str = "12.5 MB/s", left: str = "3 min left") -> str:
    """What is shown, and on one line."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    spinner, elapsed = SpinnerColumn(), TimeElapsedColumn()
    told = [TextColumn(f"{{task.fields[{word}]}}") for word in ("phase", "rate", "left")]
    columns = (spinner, What(), BarColumn(), *told, elapsed)
    lines = Lines(*columns, least=(*told[1:], elapsed, spinner), console=console)
    lines.add_task(what, total=100, completed=50, phase=phase, rate=rate, left=left)
    return drawn(lines, console)


def drawn(lines: Lines, console: Console) -> str:
    rendered = ["".join(part.text for part in line) for line in console.render_lines(lines.get_renderable())]
    [line] = [line for line in rendered if line.strip()]
    return line


@pytest.mark.parametrize("what", ["making tiny:2026112801", LONG])
@pytest.mark.parametrize("phase", ["unpacking", "copying to the site"])
def test_in_any_width_all_is_on_one_line_and_its_phase_the_spinner_and_the_clock_are_there(
    what: str, phase: str
) -> None:
    for width in (*range(40, 130), 200):
        line = seen(width, what, phase=phase)
        assert len(line) <= width
        assert phase in line
        assert line[0] not in " m"
        assert "0:00:00" in line
        assert what in line or "…" in line or width < len(phase) + 44


def test_a_name_is_cut_first_and_then_what_matters_least_is_left_out() -> None:
    what = "making tiny:2026112801"
    told = ("making tiny:", "12.5 MB/s", "3 min left", "0:00:00", "━")
    assert [[word in seen(width, what) for word in told] for width in (200, 80, 64, 54, 40, 34, 24)] == [
        [True, True, True, True, True],
        [True, True, True, True, True],
        [True, True, True, True, False],
        [True, True, True, True, False],
        [False, True, True, True, False],
        [False, False, True, True, False],
        [False, False, False, True, False],
    ]


def test_what_nobody_knows_takes_no_room() -> None:
    assert re.search("unpacking +-:--:--$|unpacking 0:00:00", seen(200, "making tiny:1", rate="", left="").rstrip())


def test_clock_and_spinner_go_on_when_the_bar_of_a_phase_is_full() -> None:
    now = 0.0
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None, get_time=lambda: now)
    lines = Lines(SpinnerColumn(), What(), BarColumn(), TimeElapsedColumn(), console=console)
    task = lines.add_task("making tiny:1", total=None)
    for total, completed in ((100, 100), (None, 7), (50, 50), (80, 1)):
        lines.show_phase(task, total=total, completed=completed)
        before = drawn(lines, console)
        now += 1.1
        assert drawn(lines, console)[0] not in {" ", before[0]}
        assert f"0:00:0{int(now)}" in drawn(lines, console)
        assert (lines.tasks[0].total, lines.tasks[0].completed) == (total, completed)
