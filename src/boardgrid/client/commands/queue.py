"""``boardgrid queue``: who waits for what, and since when."""

from dataclasses import dataclass
from datetime import UTC, datetime

import click

from boardgrid.client.answers import Reservation
from boardgrid.client.command import Verb
from boardgrid.client.duration import span
from boardgrid.client.farm import Farm
from boardgrid.client.moment import shown, told
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.client.watching import shown_again
from boardgrid.messages import _


@dataclass(frozen=True, slots=True)
class Waiting:
    place: int
    reservation: Reservation


def _begins(one: Waiting) -> str:
    if one.reservation.kind == "best_effort":
        return _("when it is idle")
    return told(one.reservation.start, datetime.now(UTC))


SHEET: Sheet[Waiting] = Sheet(
    lambda one: str(one.reservation.number),
    (
        Column("PLACE", lambda one: one.place),
        Column("RESERVATION", lambda one: one.reservation.number),
        Column("USER", lambda one: one.reservation.user),
        Column("ASKED FOR", lambda one: one.reservation.asked, most=40),
        Column("FOR", lambda one: span((one.reservation.end - one.reservation.start).total_seconds())),
        Column("BEGINS AT THE LATEST", _begins),
        Column("SINCE", lambda one: one.reservation.created_at and shown(one.reservation.created_at)),
    ),
)


@click.command(cls=Verb)
@click.option("--watch", "-w", is_flag=True, help="Go on, and show it again when it changes.")
@pass_seat
def queue(seat: Seat, watch: bool) -> None:
    """
    Show who waits for their turn, the next first: who holds fewest boards, then who asked first. Whoever takes what
    nobody needs (best effort) comes after all others.

    When one begins is a promise: it only becomes earlier, unless a board breaks.
    """
    farm = seat.farm()
    if watch:
        shown_again(farm, lambda: _show(seat, farm))
    else:
        _show(seat, farm)


def _show(seat: Seat, farm: Farm) -> None:
    waiting = farm.queue()
    if seat.output is Output.JSON:
        click.echo(as_json(waiting))
        return
    if not waiting:
        seat.tell(_("nobody waits"))
    SHEET.show_all([Waiting(place, one) for place, one in enumerate(waiting, 1)], seat.output)
