"""``boardgrid calendar``: who has which board in the next hours."""

import shutil
from datetime import UTC, datetime, timedelta

import click

from boardgrid.client.chart import Chart, Mark, chart
from boardgrid.client.command import TYPES, Verb
from boardgrid.client.moment import read, shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Output, as_json, plain
from boardgrid.messages import _

_NARROWEST, _WIDEST = 40, 120
_LEGEND = {
    Mark.MINE: "yours",
    Mark.OTHERS: "others'",
    Mark.QUEUED: "queued",
    Mark.BEST_EFFORT: "best effort",
    Mark.MAINTENANCE: "maintenance",
    Mark.FREE: "free",
    Mark.SHUT: "set aside",
}
_COLOURS = {
    Mark.MINE: "green",
    Mark.OTHERS: "red",
    Mark.QUEUED: "yellow",
    Mark.BEST_EFFORT: "blue",
    Mark.MAINTENANCE: "magenta",
}


@click.command(cls=Verb)
@click.option("--from", "from_", metavar="TIME", help="From then on; now if not given.")
@click.option("--hours", type=click.IntRange(1, 24 * 31), default=24, show_default=True, help="For so many hours.")
@click.option("--type", "-t", "type_", metavar="TYPE", shell_complete=TYPES, help="Boards of this type.")
@click.option("--where", metavar="EXPR", help="Boards that fit: 'ram_mb >= 2048 and tag(\"camera\")'.")
@pass_seat
def calendar(seat: Seat, from_: str | None, hours: int, type_: str | None, where: str | None) -> None:
    """
    Show who has which board in the next hours, and which is kept free for maintenance, by the clock of your own time
    zone.

    With -o json, the reservations of that time.

    \b
    Examples:
      boardgrid calendar
      boardgrid calendar --type tk1 --from 'mon 8:00' --hours 12
    """
    now = datetime.now(UTC)
    start = now if from_ is None else read(from_, now)
    lasting = timedelta(hours=hours)
    farm = seat.farm()
    boards = farm.boards(type_=type_, where=where)
    names = {board.name for board in boards}
    reservations = [
        one
        for one in farm.reservations(everyone=True, running=True)
        if names & set(one.boards) and one.start < start + lasting and start < one.end
    ]
    match seat.output:
        case Output.JSON:
            click.echo(as_json(reservations))
        case Output.NAME:
            for one in reservations:
                click.echo(one.number)
        case Output.TABLE:
            width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size().columns))
            maintenances, me = farm.maintenances(), farm.me().name
            _draw(chart(boards, reservations, maintenances, me, start=start, lasting=lasting, width=width))
            if not boards:
                seat.tell(_("there is no such board"))


def _draw(drawn: Chart) -> None:
    if not drawn.rows:
        return
    click.echo(click.style(_("from {time}").format(time=shown(drawn.start)), bold=True))
    click.echo(click.style(" " * drawn.name_width + drawn.axis(), bold=True))
    for row in drawn.rows:
        marks = "".join(click.style(mark, fg=_COLOURS.get(mark)) if mark in _COLOURS else mark for mark in row.marks)
        click.echo(plain(row.board).ljust(drawn.name_width) + marks)
    used = {mark for row in drawn.rows for mark in row.marks}
    click.echo("  ".join(f"{mark} {_(word)}" for mark, word in _LEGEND.items() if mark in used))
