"""``boardgrid audit``: who changed what."""

import click

from boardgrid.client.answers import Audited
from boardgrid.client.command import USERS, Verb
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

_SHOWN = 50


def _change(entry: Audited) -> str:
    keys = dict.fromkeys([*entry.before, *entry.after])
    if not entry.before or not entry.after:  # it came, or went: what it is called says enough
        return ""
    return ", ".join(f"{key}: {entry.before.get(key)} -> {entry.after.get(key)}" for key in keys)


SHEET: Sheet[Audited] = Sheet(
    lambda entry: str(entry.number),
    (
        Column("NUMBER", lambda entry: entry.number),
        Column("TIME", lambda entry: entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")),
        Column("WHO", lambda entry: entry.who),
        Column("FROM", lambda entry: entry.origin),
        Column("ACT", lambda entry: entry.act),
        Column("THING", lambda entry: entry.thing),
        Column("CHANGE", _change),
    ),
)


@click.command(cls=Verb)
@click.option("--who", metavar="NAME", shell_complete=USERS, help="Only what this user did.")
@click.option("--thing", help="Only what happened to it: user:ada, board:tk1-1, reservation:7.")
@click.option("--tail", type=click.IntRange(1, 500), metavar="N", help="The newest N; 50 if not given.")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="NUMBER", help="All after entry NUMBER; 0 is all there are."
)
@pass_seat
def audit(seat: Seat, *, who: str | None, thing: str | None, tail: int | None, after: int | None) -> None:
    """
    Show the audit log (for admins): who changed what, from where, and what it was before. With -o json all fields.

    \b
    Examples:
      boardgrid audit --who ada
      boardgrid audit --thing user:ada -o json
    """
    if after is None and tail is None:
        tail = _SHOWN
    entries = seat.farm().audit(after=after or 0, who=who, thing=thing, tail=tail)
    SHEET.show_all(entries, seat.output)
    if len(entries) == tail:
        seat.tell(_("these are the newest {count}; all of them: --after 0").format(count=tail))
