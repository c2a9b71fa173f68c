"""``boardgrid power``: the switch of a board that you hold."""

import click

from boardgrid.client.answers import Order
from boardgrid.client.command import BOARDS, Verb
from boardgrid.client.complaint import POWER_FAILED, Complaint
from boardgrid.client.duration import seconds
from boardgrid.client.progress import running
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json
from boardgrid.client.waiting import left_by_ctrl_c, until
from boardgrid.messages import _

_LONGEST_S = 300.0  # an outlet that takes longer is stuck


@click.command(cls=Verb)
@click.argument("act", type=click.Choice(["on", "off", "cycle", "reset"]))
@click.argument("board", shell_complete=BOARDS)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is done.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; five minutes if not given.")
@pass_seat
def power(seat: Seat, act: str, board: str, wait: bool, timeout: str | None) -> None:
    """
    Switch a board that you hold: on, off, cycle (off and on), reset (the politest restart that works).

    \b
    Example:
      boardgrid power cycle tk1-1
    """
    timeout_s = _LONGEST_S if timeout is None else seconds(timeout)
    farm = seat.farm()
    order = farm.power(board, act)

    def look() -> Order | None:
        seen = farm.order(board, order)
        return seen if seen.state != "waiting" else None

    if wait:
        stands = _("the order stands; `boardgrid board show {board}` tells how the board is").format(board=board)
        what = _("{board} to do {act}").format(board=board, act=act)
        with left_by_ctrl_c(seat, lambda: stands), running(f"{board}: {act}"):
            ended = until(look, what, timeout_s=timeout_s, hint=stands)
        if ended.state != "done":
            sentence = _("{act} of {board} failed: {reason}")
            raise Complaint(POWER_FAILED, sentence.format(act=act, board=board, reason=ended.reason or ended.state))
    else:
        ended = Order("waiting")
    if seat.output is Output.JSON:
        click.echo(as_json({"board": board, "act": act, "order": order, "state": ended.state}))
    else:
        seat.tell(_("{board}: {act}: {state}").format(board=board, act=act, state=ended.state))
