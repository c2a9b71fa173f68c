"""``boardgrid feed``: reservations in your calendar program."""

import click

from boardgrid.client.answers import Feed
from boardgrid.client.command import BOARDS, Noun
from boardgrid.client.moment import shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet, as_json
from boardgrid.messages import _

SHEET: Sheet[Feed] = Sheet(
    lambda feed: feed.id,
    (
        Column("ID", lambda feed: feed.id),
        Column("OF", lambda feed: feed.board or _("you")),
        Column("MADE", lambda feed: shown(feed.created_at)),
    ),
)


@click.group(cls=Noun)
def feed() -> None:
    """Make, list and revoke feeds for calendar programs."""


@feed.command("list")
@pass_seat
def list_(seat: Seat) -> None:
    """List your feeds, oldest first."""
    SHEET.show_all(seat.farm().feeds(), seat.output)


@feed.command("create")
@click.option("--board", metavar="NAME", shell_complete=BOARDS, help="Of a board, in the place of your own.")
@pass_seat
def create(seat: Seat, board: str | None) -> None:
    """
    Make a feed, and print its address, this once. Whoever knows the address may read it.

    \b
    Examples:
      boardgrid feed create
      boardgrid feed create --board tk1-1
    """
    farm = seat.farm()
    made = farm.create_feed(board or "")
    if seat.output is Output.JSON:
        click.echo(as_json(made))
        return
    seat.tell(_("This is feed {id}; its address is shown only now:").format(id=made.id))
    click.echo(f"{farm.url}{made.path}")


@feed.command("revoke")
@click.argument("feed_id", metavar="ID")
@pass_seat
def revoke(seat: Seat, feed_id: str) -> None:
    """End the feed with this ID: its address shows nothing any more."""
    seat.farm().revoke_feed(feed_id)
    seat.show_end(feed_id, "gone", _("feed {id} shows nothing any more").format(id=feed_id))
