"""Answers on standard output: a table for people, JSON for programs, bare names for the shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import click

from boardgrid.messages import _

T = TypeVar("T")


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    NAME = "name"


_COLOURS = {
    **dict.fromkeys(("open", "ready", "free", "done", "sound", "live", "ours", "running"), "green"),
    **dict.fromkeys(("failed", "set aside", "damaged", "silent", "other", "suspended"), "red"),
    **dict.fromkeys(("held", "preparing", "saving", "cleaning", "closed", "going", "waiting"), "yellow"),
    **dict.fromkeys(("awaited", "building", "unpacked", "finishing", "making", "captured", "removed"), "yellow"),
}


def plain(text: object) -> str:
    """
    *text* on one line, without anything that a terminal would obey.

    Names of files, consoles of boards and reasons come from strangers: an escape sequence of theirs must not reach the
    reader's terminal, nor a mark that turns the order of letters.
    """
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" for c in str(text))


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    title: str  # in English; shown in the reader's language
    of: Callable[[T], object]
    is_state: bool = False  # shown in the colour of its word
    is_detail: bool = False  # left out where many things are listed
    most: int = 1000  # characters, where many things are listed

    @property
    def heading(self) -> str:
        return _(self.title)


@dataclass(frozen=True, slots=True)
class Sheet(Generic[T]):
    """How things of one kind are shown. *name* is what commands call one by."""

    name: Callable[[T], str]
    columns: tuple[Column[T], ...]

    def show_all(self, things: Sequence[T], output: Output) -> None:
        match output:
            case Output.JSON:
                click.echo(as_json(things))
            case Output.NAME:
                for thing in things:
                    click.echo(plain(self.name(thing)))
            case Output.TABLE if things:
                columns = [column for column in self.columns if not column.is_detail]
                rows = [[_cut(_cell(column, thing), column.most) for column in columns] for thing in things]
                widths = [
                    max(len(row[at]) for row in [[c.heading for c in columns], *rows]) for at in range(len(columns))
                ]
                click.echo(click.style(_line([column.heading for column in columns], widths), bold=True))
                for row in rows:
                    click.echo(_line(row, widths, columns))
            case Output.TABLE:
                pass  # what an empty list means is said by the command, on standard error

    def show(self, thing: T, output: Output) -> None:
        match output:
            case Output.JSON:
                click.echo(as_json(thing))
            case Output.NAME:
                click.echo(plain(self.name(thing)))
            case Output.TABLE:
                width = max(len(column.heading) for column in self.columns)
                for column in self.columns:
                    if cell := _cell(column, thing):
                        title = click.style(column.heading.lower().ljust(width), bold=True)
                        click.echo(f"{title}  {_painted(column, cell)}")


def as_json(things: object, *, on_one_line: bool = False) -> str:
    import json  # noqa: PLC0415 - tables need neither

    from boardgrid.client.decode import encoded  # noqa: PLC0415

    text = json.dumps(encoded(things), ensure_ascii=False, indent=None if on_one_line else 2)
    # As in `plain`: what a terminal could obey is there, and asleep. No line ends inside of a string.
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _cell(column: Column[T], thing: T) -> str:
    value = column.of(thing)
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return plain(value).replace("_", " ") if column.is_state else plain(value)


def _cut(cell: str, most: int) -> str:
    return cell if len(cell) <= most else cell[: most - 3] + "..."


def _painted(column: Column[T], cell: str) -> str:
    colour = _COLOURS.get(cell) if column.is_state else None
    return click.style(cell, fg=colour) if colour else cell


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column[T]] | None = None) -> str:
    shown = cells if columns is None else [_painted(*both) for both in zip(columns, cells, strict=True)]
    gaps = [" " * (width - len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(text + gap for text, gap in zip(shown, gaps, strict=True)).rstrip()
