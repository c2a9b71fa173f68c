"""What happens meanwhile, on standard error: the steps of a deployment with their times, bytes on their way."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from boardgrid.client.answers import Event, Measure
from boardgrid.client.duration import span, took
from boardgrid.client.tables import plain
from boardgrid.messages import _, bytes_text

if TYPE_CHECKING:
    from rich.progress import TaskID

    from boardgrid.client.lines import Lines

STATES = frozenset({"board", "reservation", "deployment", "image", "root"})  # steps that tell a change of state
_CONSOLE_LINES = 8
_TOLD = ("phase", "done", "rate", "left")  # of what the farm does, at a terminal
_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{6}([0-9a-f]{6})\b")


class Steps:
    """
    Tells events as they come: a line for each step that ended, and what was seen on its way.

    At a terminal the step that runs is shown below them, with its seconds. With *as_data* the lines are what was asked
    for, on standard output, and nothing runs. Where *are_several* boards each line names its own. Of a step that failed
    so many *console_lines* are told.
    """

    def __init__(
        self, *, as_data: bool = False, are_several: bool = False, console_lines: int = _CONSOLE_LINES
    ) -> None:
        self._as_data = as_data
        self._are_several = are_several
        self._console_lines = console_lines
        self._began: dict[tuple[str, str], datetime] = {}
        self._running: dict[str, TaskID] = {}
        self._live: Lines | None = None

    def __enter__(self) -> Self:
        if not self._as_data and sys.stderr.isatty():
            self._live = _progress()
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, event: Event) -> None:
        if event.step in STATES:
            # Who has the board until when, and why not any more, is told by the command itself.
            if event.detail and event.step != "reservation":
                self._line(f"  {self._whose(event)}{_detail(event)}", is_ok=event.outcome != "failed")
            return
        match event.phase:
            case "began":
                self._began[event.board, event.step] = event.at
                self._run(event, is_over=False)
            case "noted":
                began = self._began.get((event.board, event.step))
                after = f"+{took(max(0.0, (event.at - began).total_seconds()))}" if began else ""
                self._line(f"    {self._whose(event)}{after:<10}{_detail(event)}")
            case _:
                self._run(event, is_over=True)
                self._ended(event)

    def note(self, sentence: str) -> None:
        """Say something that is no event."""
        self._line(f"  {sentence}")

    def _whose(self, event: Event) -> str:
        return f"{event.board:<8} " if self._are_several else ""

    def _ended(self, event: Event) -> None:
        time = "" if event.took_s is None else took(event.took_s)
        is_ok = event.outcome in {"ok", None}
        outcome = "" if is_ok else f"{event.outcome}  "
        self._line(f"  {self._whose(event)}{event.step:<12}{time:>9}  {outcome}{_detail(event)}", is_ok=is_ok)
        if not is_ok:
            for line in event.console[-self._console_lines :]:
                self._line(f"    | {line}")

    def _line(self, text: str, *, is_ok: bool = True) -> None:
        text = plain(text).rstrip()
        styled = text if is_ok else click.style(text, fg="red")
        if self._live is None:
            click.echo(styled, err=not self._as_data)
        else:
            # As it is: neither wrapped, nor read as markup, for parts of it come from boards.
            self._live.console.print(
                text, style=None if is_ok else "red", markup=False, highlight=False, soft_wrap=True
            )

    def _run(self, event: Event, *, is_over: bool) -> None:
        """One step of each board runs at a time."""
        if self._live is None:
            return
        if event.board in self._running:
            self._live.remove_task(self._running.pop(event.board))
        if not is_over:
            self._running[event.board] = self._live.add_task(plain(f"{self._whose(event)}{event.step}"), total=None)


def _detail(event: Event) -> str:
    """With as much of each id as names of roots end with; `events` has them whole."""
    return _ID.sub(r"…\1", event.detail)


@contextmanager
def running(what: str) -> Iterator[None]:
    """Show at a terminal that something is waited for, and for how long so far."""
    if not sys.stderr.isatty():
        yield
        return
    with _progress() as live:
        live.add_task(what, total=None)
        yield


@contextmanager
def counted(
    chunks: Iterable[bytes], what: str, total_bytes: int | None, *, done_bytes: int = 0
) -> Iterator[Iterable[bytes]]:
    """The same chunks, with a bar of bytes at a terminal while they go by; *done_bytes* have before."""
    if not sys.stderr.isatty():
        yield chunks
        return
    from rich.progress import (  # noqa: PLC0415 - rich is for people who watch
        BarColumn,
        DownloadColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from boardgrid.client.lines import Lines, What  # noqa: PLC0415

    speed, elapsed, left = TransferSpeedColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Lines(What(), BarColumn(), DownloadColumn(), speed, elapsed, left, least=(speed, left, elapsed)) as bar:
        task = bar.add_task(f"  {what}", total=total_bytes, completed=done_bytes)

        def passing() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk
                bar.advance(task, len(chunk))
            bar.update(task, description=f"  {_('being written')}")

        yield passing()


@contextmanager
def measured(what: str) -> Iterator[Callable[[Measure | None], None]]:
    """Show at a terminal how far something is that the farm does; what comes is called with what it told last."""
    if not sys.stderr.isatty():
        yield lambda _measure: None
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from boardgrid.client.lines import Lines, What  # noqa: PLC0415

    spinner, elapsed = SpinnerColumn(), TimeElapsedColumn()
    phase, done, rate, left = (TextColumn(f"{{task.fields[told][{word}]}}", markup=False) for word in _TOLD)
    columns = (spinner, What(), BarColumn(), phase, done, rate, left, elapsed)
    with Lines(*columns, least=(rate, left, done, elapsed, spinner)) as live:
        task = live.add_task(what, total=None, told=dict.fromkeys(_TOLD, ""))

        def show(measure: Measure | None) -> None:
            if measure is None:
                return
            # A phase that nobody knows the length of has a bar that only moves.
            total = measure.total_bytes or None
            so_far = min(measure.done_bytes, measure.total_bytes) if total else measure.done_bytes
            live.show_phase(task, total=total, completed=so_far, told=_told(measure))

        yield show


def rate_text(measure: Measure) -> str:
    """The phase, how fast it goes, and how long it will take yet; how much is done where nobody knows of how much."""
    return "  ".join(word for word in _told(measure).values() if word)


def _told(measure: Measure) -> dict[str, str]:
    is_open = measure.done_bytes and not measure.total_bytes
    words = (
        plain(measure.phase),
        bytes_text(measure.done_bytes) if is_open else "",
        f"{bytes_text(measure.rate)}/s" if measure.rate >= 1 else "",
        "" if measure.left_s is None else _("{took} left").format(took=span(measure.left_s)),
    )
    return dict(zip(_TOLD, words, strict=True))


def _progress() -> "Lines":
    from rich.progress import SpinnerColumn, TimeElapsedColumn  # noqa: PLC0415

    from boardgrid.client.lines import Lines, What  # noqa: PLC0415

    spinner, elapsed = SpinnerColumn(), TimeElapsedColumn()
    return Lines(spinner, What(), elapsed, least=(elapsed, spinner))
