"""``boardgrid events``: what happened, and what happens now."""

import click

from boardgrid.client.answers import Event
from boardgrid.client.command import BOARDS, RESERVATIONS, Verb
from boardgrid.client.duration import took
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json, plain

_FORMAT = "{:>6}  {:19}  {:10}  {:11}  {:9}  {:>8}  {}"


@click.command(cls=Verb)
@click.option("--follow", "-f", is_flag=True, help="Go on with each event as it happens.")
@click.option("--board", metavar="NAME", shell_complete=BOARDS, help="Those of one board.")
@click.option(
    "--reservation", type=int, metavar="NUMBER", shell_complete=RESERVATIONS, help="Those of one reservation."
)
@click.option("--after", type=click.IntRange(min=0), metavar="NUMBER", default=0, help="Those after event NUMBER.")
@pass_seat
def events(seat: Seat, follow: bool, board: str | None, reservation: int | None, after: int) -> None:
    """
    Show the history of boards: each step of a deployment, and each change of state.

    With --follow and -o json each event is one line of JSON.

    \b
    Examples:
      boardgrid events --reservation 7
      boardgrid events --follow --board tk1-1 -o json
    """
    farm = seat.farm()
    if seat.output is Output.TABLE:
        titles = _FORMAT.format("NUMBER", "TIME", "BOARD", "STEP", "PHASE", "TOOK", "DETAIL")
        click.echo(click.style(titles.rstrip(), bold=True))
    if follow:
        for event in farm.follow(after=after, board=board, reservation=reservation):
            if event is not None:
                _show(event, seat.output)
        return
    known = farm.events(after=after, board=board, reservation=reservation)
    if seat.output is Output.JSON:
        click.echo(as_json(known))
    else:
        for event in known:
            _show(event, seat.output)


def _show(event: Event, output: Output) -> None:
    match output:
        case Output.JSON:
            click.echo(as_json(event, on_one_line=True))
        case Output.NAME:
            click.echo(event.number)
        case Output.TABLE:
            line = _FORMAT.format(
                event.number,
                event.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
                plain(event.board),
                plain(event.step),
                plain(event.outcome or event.phase),
                "" if event.took_s is None else took(event.took_s),
                plain(event.detail),
            ).rstrip()
            click.echo(click.style(line, fg="red") if event.outcome == "failed" else line)
