"""What the demo says: one line a piece with its time, and below it what a person would see."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

_TITLE, _SAID = 18, 58


@dataclass(slots=True)
class Piece:
    """One piece of the demo while it is done. What it *says* stands in its line; lines may follow below."""

    said: str = ""
    _is_open: bool = field(default=False, init=False)

    def says(self, said: str) -> None:
        self.said = said

    def line(self, text: str) -> None:
        """A line below the piece's own."""
        if not self._is_open:
            click.echo(self.said)
            self._is_open = True
        click.echo(f"    {text}".rstrip())

    def end(self, took_s: float) -> None:
        if self._is_open:
            return
        click.echo(f"{self.said:<{_SAID}}{took_s:6.1f} s")

    def broken(self) -> None:
        if not self._is_open:
            click.echo(self.said or "...")


@contextmanager
def piece(title: str) -> Iterator[Piece]:
    click.echo(f"  {title:<{_TITLE}}", nl=False)
    began = time.monotonic()
    telling = Piece()
    try:
        yield telling
    except BaseException:
        telling.broken()
        raise
    telling.end(time.monotonic() - began)
