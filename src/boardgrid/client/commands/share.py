"""``boardgrid share``: let others in to your boards."""

import re

import click

from boardgrid.client.answers import Reservation
from boardgrid.client.command import USERS, Verb
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.client.which import meant
from boardgrid.messages import _

_BOARD = re.compile(r"[a-z][a-z0-9]*-[0-9]+")

SHEET: Sheet[Reservation] = Sheet(
    lambda one: str(one.number),
    (
        Column("RESERVATION", lambda one: one.number),
        Column("BOARDS", lambda one: ", ".join(one.boards) or one.asked),
        Column("USER", lambda one: one.user),
        Column("SHARED WITH", lambda one: ", ".join(one.members)),
    ),
)


@click.command(cls=Verb)
@click.argument("which", metavar="[WHICH]")
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=USERS)
@click.option("--remove", is_flag=True, help="Let them in no longer.")
@pass_seat
def share(seat: Seat, which: str, names: tuple[str, ...], remove: bool) -> None:
    """
    Let others in to the boards of a reservation: they log in as you do. They cannot extend it or give it back.

    WHICH is its number or a board that it has; it may be left out while you have one reservation.

    \b
    Examples:
      boardgrid share ada grace
      boardgrid share tk1-1 grace
      boardgrid share 7 grace --remove
    """
    farm = seat.farm()
    # No name of a user is a number, and none that has a dash and a number behind it is likely to be one's name.
    is_told = bool(names) and (which.isdecimal() or _BOARD.fullmatch(which) is not None)
    mine = meant(farm, which if is_told else None).reservation
    people = names if is_told else (which, *names)
    shared = farm.share(mine.number, remove=people) if remove else farm.share(mine.number, add=people)
    with_ = ", ".join(shared.members) or _("nobody")
    seat.tell(_("reservation {number} is shared with {names}").format(number=shared.number, names=with_))
    SHEET.show(shared, seat.output)
