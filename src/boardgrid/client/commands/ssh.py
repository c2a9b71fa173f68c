"""``boardgrid ssh``: the system's ssh, through the farm's gateway, with host keys that the farm vouches for."""

import click

from boardgrid.client.command import BOARDS, Verb
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.messages import _

_SSH_FAILED = 255  # or what ran on the board ended so


@click.command(cls=Verb, context_settings={"allow_interspersed_args": False, "show_default": False})
@click.option("-i", "--identity", metavar="FILE", help="The private key to log in with, at the gateway and the board.")
@click.option(
    "-l", "--login", "login", default="root", show_default=True, metavar="USER", help="Who to be on the board."
)
@click.argument("name", shell_complete=BOARDS)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SSH OPTIONS] [--] [COMMAND]...")
@pass_seat
def ssh(seat: Seat, identity: str | None, login: str, name: str, words: tuple[str, ...]) -> None:
    """
    Log in to a board that you hold, or run a command there.

    What stands after NAME goes to ssh as it is. Your own ssh configuration gives the keys to try. The host keys of
    gateway and board come from the farm and must match. The exit status is that of the command.

    \b
    Examples:
      boardgrid ssh tk1-1
      boardgrid ssh tk1-1 -- uname -a
      boardgrid ssh tk1-1 -L 8080:localhost:80
      boardgrid ssh -i ~/.ssh/farm tk1-1 -- cat /etc/boardgrid/deployment
    """
    from boardgrid.client.passage import passage, run_ssh  # noqa: PLC0415

    user, at, board = name.rpartition("@")
    way = passage(seat.farm(), board, login=user if at else login, identity=identity)
    status = run_ssh(way, words)
    if status == _SSH_FAILED and seat.has_person:
        seat.tell(_("note: where a key was refused, compare yours with those that `boardgrid whoami` shows"))
    click.get_current_context().exit(status)
