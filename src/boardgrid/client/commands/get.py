"""``boardgrid get``: files from a board."""

import click

from boardgrid.client.command import BOARDS, Verb
from boardgrid.client.copying import get as copied
from boardgrid.client.passage import passage
from boardgrid.client.seat import Seat, pass_seat


@click.command(cls=Verb, context_settings={"allow_interspersed_args": False})
@click.option("-i", "--identity", metavar="FILE", help="The private key to log in with, at the gateway and the board.")
@click.option("-l", "--login", default="root", show_default=True, metavar="USER", help="Who to be on the board.")
@click.argument("name", shell_complete=BOARDS)
@click.argument("source", nargs=-1, required=True)
@click.argument("dest", type=click.Path())
@pass_seat
def get(seat: Seat, *, identity: str | None, login: str, name: str, source: tuple[str, ...], dest: str) -> None:
    """
    Copy files and folders from a board that you hold, by rsync: only what differs goes over the network. Where this
    machine or the board has no rsync, all of it goes by scp.

    \b
    Examples:
      boardgrid get tk1-1 /var/log/messages .
      boardgrid get tk1-1 '/root/*.log' logs/
    """
    way = passage(seat.farm(), name, login=login, identity=identity)
    click.get_current_context().exit(copied(seat, way, source, dest))
