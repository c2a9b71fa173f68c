"""``boardgrid maintenance``: windows in which boards are kept free."""

from datetime import UTC, datetime

import click

from boardgrid.client.answers import Maintenance
from boardgrid.client.command import BOARDS, MAINTENANCES, TYPES, Noun
from boardgrid.client.moment import read, shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

SHEET: Sheet[Maintenance] = Sheet(
    lambda one: str(one.number),
    (
        Column("NUMBER", lambda one: one.number),
        Column("FROM", lambda one: shown(one.start)),
        Column("TO", lambda one: shown(one.end)),
        Column("BOARDS", lambda one: " ".join(one.boards), most=50),
        Column("REASON", lambda one: one.reason),
    ),
)


@click.group(cls=Noun)
def maintenance() -> None:
    """Windows in which boards are kept free (changed by admins)."""


@maintenance.command("add")
@click.argument("boards", nargs=-1, metavar="[BOARD]...", shell_complete=BOARDS)
@click.option("--type", "-t", "type_", metavar="TYPE", shell_complete=TYPES, help="All boards of this type.")
@click.option("--where", metavar="EXPR", help="All boards that an expression fits.")
@click.option("--from", "start", metavar="TIME", help="When it begins: 'mon 8:00', '2026-03-02 08:00', +2h; else now.")
@click.option("--to", "end", required=True, metavar="TIME", help="When it ends.")
@click.option("--reason", required=True, help="Why, for everybody: 'new power supplies'.")
@click.option("--force", is_flag=True, help="End what runs when it begins, and cancel what no other board does for.")
@pass_seat
def add(
    seat: Seat,
    *,
    boards: tuple[str, ...],
    type_: str | None,
    where: str | None,
    start: str | None,
    end: str,
    reason: str,
    force: bool,
) -> None:
    """
    Keep boards free over a window. Who has not begun gets other boards, or a later turn in the queue, and is told why.
    Where somebody is in the way still, nothing is done unless --force is said.

    \b
    Examples:
      boardgrid maintenance add tk1-1 tk1-2 --from 2026-03-02T08:00 --to 2026-03-02T12:00 --reason 'new fans'
      boardgrid maintenance add --where 'tag("rack.2")' --to 2026-03-02T12:00 --reason 'the rack moves' --force
    """
    now = datetime.now(UTC)
    added = seat.farm().add_maintenance(
        boards,
        type_=type_,
        where=where,
        start=None if start is None else read(start, now),
        end=read(end, now),
        reason=reason,
        force=force,
    )
    SHEET.show(added, seat.output)


@maintenance.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List what goes on and what is to come."""
    found = seat.farm().maintenances()
    if not found:
        seat.tell(_("no board is kept free"))
    SHEET.show_all(found, seat.output)


@maintenance.command("remove")
@click.argument("number", type=int, shell_complete=MAINTENANCES)
@pass_seat
def remove(seat: Seat, number: int) -> None:
    """Call it off, or end it early: who waits gets the boards at once."""
    seat.farm().remove_maintenance(number)
    seat.show_end(str(number), "over", _("maintenance {number} is over").format(number=number))
