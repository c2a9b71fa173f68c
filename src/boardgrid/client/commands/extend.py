"""``boardgrid extend``: more time."""

from datetime import UTC, datetime

import click

from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.commands.release import SHEET
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds
from boardgrid.client.moment import read, told
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.which import meant
from boardgrid.messages import _


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=RESERVATIONS)
@click.argument("span", required=False)
@click.option("--until", metavar="TIME", help="Up to then, instead of SPAN: 18:00, 'tomorrow 9:00'.")
@pass_seat
def extend(seat: Seat, which: str | None, span: str | None, until: str | None) -> None:
    """
    Give a reservation more time, as long as nobody else has its boards by then; otherwise the answer says how far it
    can go.

    WHICH is its number or a board that it has; it may be left out while you hold one.

    \b
    Examples:
      boardgrid extend +1h
      boardgrid extend tk1-1 90m
      boardgrid extend 7 --until 18:00
    """
    if until is None and span is None:
        which, span = None, which  # what stands alone says for how long
    if (span is None) == (until is None):
        raise Complaint(REQUEST_INVALID, _("say for how long: +1h, or --until TIME"))
    by_s: float | None = None if span is None else seconds(span)
    to = None if until is None else read(until, datetime.now(UTC))
    farm = seat.farm()
    mine = meant(farm, which, lambda one: one.is_running).reservation
    if by_s is None:
        assert to is not None  # noqa: S101 - one of both was said
        by_s = (to - mine.end).total_seconds()  # to the fraction: it ends at the time that was said
        if by_s <= 0:
            sentence = _("reservation {number} lasts until {end} already")
            raise Complaint(REQUEST_INVALID, sentence.format(number=mine.number, end=told(mine.end, datetime.now(UTC))))
    longer = farm.extend(mine.number, by_s)
    boards = ", ".join(longer.boards) or longer.board
    seat.tell(_("{board} until {end}").format(board=boards, end=told(longer.end, datetime.now(UTC))))
    SHEET.show(longer, seat.output)
