"""``boardgrid version``: which release this is."""

import click

from boardgrid.client import VERSION
from boardgrid.client.command import Verb
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json


@click.command(cls=Verb)
@pass_seat
def version(seat: Seat) -> None:
    """Show the release of this program."""
    click.echo(as_json({"boardgrid": VERSION}) if seat.output is Output.JSON else VERSION)
