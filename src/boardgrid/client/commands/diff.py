"""``boardgrid diff``: what was changed on a root."""

import click

from boardgrid.client import differences
from boardgrid.client.command import ROOTS, Verb
from boardgrid.client.duration import seconds
from boardgrid.client.farm import Farm
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.which import meant


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=ROOTS)
@click.option("--most", metavar="N", type=click.IntRange(0), help="Show at most so many files and packages; 40.")
@click.option("--all", "-a", "everything", is_flag=True, help="Also what the farm itself wrote: keys, names, volumes.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; five minutes if not given.")
@pass_seat
def diff(seat: Seat, which: str | None, most: int | None, everything: bool, timeout: str | None) -> None:
    """
    Show what was changed on a root since it was made from its image: files, the largest first, and packages. WHICH is
    one of your boards, or the name of a root; it may be left out while you have one board.

    What the farm wrote for the deployment (host keys, machine-id, who may log in, volumes) is left out as long as
    nobody changed it. The board goes on meanwhile. A file of the same size and time counts as the same; what the board
    has not written down yet is not seen.

    \b
    Examples:
      boardgrid diff tk1-1
      boardgrid diff before-the-upgrade --most 500
    """
    timeout_s = None if timeout is None else seconds(timeout)
    farm = seat.farm()
    board, root = _meant(farm, which)
    what = board or root or ""
    found = differences.difference(farm, what, timeout_s, without_farms=not everything, board=board, root=root)
    differences.show(seat, found, differences.SHOWN if most is None else most)


def _meant(farm: Farm, which: str | None) -> tuple[str | None, str | None]:
    """A board, or else a root."""
    if which is None:
        return meant(farm, None, lambda one: len(one.boards) == 1).reservation.boards[0], None
    held = {board for one in farm.reservations(running=True) for board in one.boards}
    return (which, None) if which in held else (None, which)
