"""``boardgrid events``: what happened, and what happens now."""

import click

from boardgrid.client.answers import Event
from boardgrid.client.command import BOARDS, RESERVATIONS, Verb
from boardgrid.client.duration import took
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.messages import _

_SHOWN = 100
_FOLLOWED = 10
_FORMAT = "{:>6}  {:19}  {:10}  {:11}  {:9}  {:>8}  {}"


@click.command(cls=Verb)
@click.option("--follow", "-f", is_flag=True, help="Go on with each event as it happens.")
@click.option("--board", metavar="NAME", shell_complete=BOARDS, help="Those of one board.")
@click.option(
    "--reservation", type=int, metavar="NUMBER", shell_complete=RESERVATIONS, help="Those of one reservation."
)
@click.option(
    "--tail", type=click.IntRange(1, 500), metavar="N", help="The newest N; 100 if not given, or 10 to follow."
)
@click.option(
    "--after", type=click.IntRange(min=0), metavar="NUMBER", help="All after event NUMBER; 0 is all there are."
)
@pass_seat
def events(
    seat: Seat, *, follow: bool, board: str | None, reservation: int | None, tail: int | None, after: int | None
) -> None:
    """
    Show the history of boards: each step of a deployment, and each change of state. The newest of it, unless --after
    says from where on. What concerns no board has its reservation instead: #7.

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
    if after is None and tail is None:
        tail = _FOLLOWED if follow else _SHOWN
    known = (
        ()
        if follow and tail is None
        else farm.events(after=after or 0, board=board, reservation=reservation, tail=tail)
    )
    if seat.output is Output.JSON and not follow:
        click.echo(as_json(known))
    else:
        for event in known:
            _show(event, seat.output)
    if len(known) == tail and not follow:
        seat.tell(_("these are the newest {count}; all of them: --after 0").format(count=tail))
    if follow:
        last = known[-1].number if known else after or 0
        for following in farm.follow(after=last, board=board, reservation=reservation):
            if following is not None:
                _show(following, seat.output)


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
                plain(event.board) or ("" if event.reservation is None else f"#{event.reservation}"),
                plain(event.step),
                plain(event.outcome or event.phase),
                "" if event.took_s is None else took(event.took_s),
                plain(event.detail),
            ).rstrip()
            click.echo(click.style(line, fg="red") if event.outcome == "failed" else line)
