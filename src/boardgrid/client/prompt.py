"""Questions to whoever sits there; what is no answer is told as all mistakes are, and asked again."""

from collections.abc import Sequence

import click

from boardgrid.client.tables import plain
from boardgrid.messages import _


def agreed(question: str) -> bool:
    while True:
        said = click.prompt(f"{plain(question)} [y/N]", default="", show_default=False, err=True).strip().lower()
        if said in {"", "n", "no", "y", "yes"}:
            return said.startswith("y")
        _tell(_("answer y or n"))


def chosen(question: str, choices: Sequence[str], default: str) -> str:
    while True:
        said = str(click.prompt(question, default=default, err=True)).strip().lower()
        if said in choices:
            return said
        _tell(_("{said!r} is none of {choices}").format(said=said[:40], choices=", ".join(choices)))


def twice_typed() -> str:
    """A new password."""
    while True:
        said = str(click.prompt(_("New password"), hide_input=True, err=True))
        if said == click.prompt(_("Again"), default="", show_default=False, hide_input=True, err=True):
            return said
        _tell(_("these were two different ones"))


def _tell(sentence: str) -> None:
    click.echo(f"{click.style(_('error:'), fg='red', bold=True)} {plain(sentence)}", err=True)
