"""``boardgrid notices``: of what you are told, and where."""

import click

from boardgrid.client.answers import Contact
from boardgrid.client.command import USERS
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet

OCCASIONS = ["began", "moved", "ending", "idle", "ended", "failed"]
OCCASION = click.Choice(OCCASIONS)
SHEET: Sheet[Contact] = Sheet(
    lambda contact: contact.email,
    (
        Column("E-MAIL", lambda contact: contact.email),
        Column("ZONE", lambda contact: contact.zone),
        Column("OF", lambda contact: " ".join(contact.occasions)),
    ),
)


@click.command()
@click.option("--email", metavar="ADDRESS", help='Where mails go; "" for none.')
@click.option("--zone", metavar="ZONE", help='In which zone times are told, like Europe/Paris; "" for UTC.')
@click.option(
    "--only",
    multiple=True,
    type=OCCASION,
    help="Of what you are told by mail; may be given several times. began: the boards are open. moved: the start "
    "that was foretold changed. ending: the time is nearly over. idle: nobody uses it and somebody waits. ended: it "
    "is over. failed: a deployment failed.",
)
@click.option("--all", "all_", is_flag=True, help="Be told of all of it.")
@click.option("--user", metavar="NAME", shell_complete=USERS, help="Those of another user (for admins).")
@pass_seat
def notices(
    seat: Seat, *, email: str | None, zone: str | None, only: tuple[str, ...], all_: bool, user: str | None
) -> None:
    """
    Show of what you are told, and where; or change it.

    \b
    Examples:
      boardgrid notices
      boardgrid notices --email ada@example.org --zone Europe/Paris
      boardgrid notices --only ending --only failed
    """
    farm = seat.farm()
    occasions = OCCASIONS if all_ else list(only) or None
    is_change = (email, zone, occasions) != (None, None, None)
    contact = (
        farm.change_notices(user, email=email, zone=zone, occasions=occasions) if is_change else farm.notices(user)
    )
    SHEET.show_all([contact], seat.output)
