"""``boardgrid block``: boards that a project holds for its lessons, and seats in them."""

from datetime import UTC, date, datetime, timedelta

import click

from boardgrid.client.answers import Block, BlockSeat
from boardgrid.client.command import BLOCKS, IMAGES, PROJECTS, ROOTS, Noun
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds, span
from boardgrid.client.farm import Farm
from boardgrid.client.groups import group
from boardgrid.client.moment import read, repeated, shown
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet
from boardgrid.messages import _

_DAY = timedelta(days=1)
_EVERY = {"day": _DAY, "week": 7 * _DAY, "fortnight": 14 * _DAY}


def _sitting(one: Block) -> str:
    waiting = sum(seat.state == "waiting" for seat in one.seats)
    taken = sum(seat.state == "running" for seat in one.seats)
    words = _("{taken} of {all}").format(taken=taken, all=len(one.boards) or one.group.count)
    return _("{words}, {waiting} wait").format(words=words, waiting=waiting) if waiting else words


SHEET: Sheet[Block] = Sheet(
    lambda one: str(one.number),
    (
        Column("BLOCK", lambda one: one.number),
        Column("PROJECT", lambda one: one.project),
        Column("BOARDS", lambda one: str(one.group)),
        Column("BEGINS", lambda one: shown(one.begins_at)),
        Column("ENDS", lambda one: shown(one.ends_at)),
        Column("STATE", lambda one: one.state, is_state=True),
        Column("SEATS", _sitting),
        Column("IMAGE", lambda one: one.image, is_detail=True),
        Column("OPENS", lambda one: shown(one.opens_at), is_detail=True),
        Column("TURN", lambda one: None if one.turn_s is None else span(one.turn_s), is_detail=True),
        Column("SERIES", lambda one: one.series, is_detail=True),
    ),
)

SEATS: Sheet[BlockSeat] = Sheet(
    lambda one: str(one.number),
    (
        Column("SEAT", lambda one: one.number),
        Column("USER", lambda one: one.user),
        Column("TEAM", lambda one: one.team),
        Column("WITH", lambda one: " ".join(one.members), most=40),
        Column("BOARD", lambda one: one.board),
        Column("STATE", lambda one: one.state, is_state=True),
        Column("SINCE", lambda one: shown(one.since)),
        Column("GIVES WAY", lambda one: one.gives_way_at and shown(one.gives_way_at)),
    ),
)


@click.group(cls=Noun)
def block() -> None:
    """Boards that a project holds for its lessons: its members take one each."""


@block.command("add")
@click.argument("project", shell_complete=PROJECTS)
@click.argument("what")
@click.option("--at", required=True, metavar="TIME", help="When it begins: 'mon 14:00', '2026-11-30 14:00'.")
@click.option("--for", "for_", required=True, metavar="SPAN", help="How long it lasts: 90m, 2h.")
@click.option("--every", type=click.Choice(list(_EVERY)), help="Hold it again by the same clock, summer and winter.")
@click.option("--times", type=click.IntRange(1, 1000), metavar="N", help="How often in all, with --every.")
@click.option("--skip", multiple=True, metavar="DATE", help="Not on this day, a holiday; may be said again.")
@click.option("--ready", metavar="SPAN", help="Boards begin to boot so long before it; 10m if not given.")
@click.option("--turn", metavar="SPAN", help="So long a member has a board when others wait; else to the end.")
@click.option("--image", "-i", default="", metavar="REF", shell_complete=IMAGES, help="Where the project has none.")
@pass_seat
def add(
    seat: Seat,
    *,
    project: str,
    what: str,
    at: str,
    for_: str,
    every: str | None,
    times: int | None,
    skip: tuple[str, ...],
    ready: str | None,
    turn: str | None,
    image: str,
) -> None:
    """
    Hold boards for a project, once or again and again (its managers and admins). All of it or nothing.

    WHAT is how many of a kind: '10 tk1', '4 tk1 (ram_mb >= 2048)'.

    \b
    Examples:
      boardgrid block add robots '10 tk1' --at 'mon 14:00' --for 2h
      boardgrid block add robots '10 tk1' --at 'mon 14:00' --for 2h --every week --times 12 --skip 2026-12-28
    """
    if (every is None) != (times is None) or (skip and every is None):
        raise Complaint(REQUEST_INVALID, _("say both how often and how many times: --every week --times 12"))
    starts = [read(at, datetime.now(UTC))]
    if every is not None and times is not None:
        starts = repeated(starts[0], _EVERY[every], times, {_day(one) for one in skip})
    added = seat.farm().add_blocks(
        project,
        group(what),
        starts=starts,
        for_s=seconds(for_),
        ready_s=None if ready is None else seconds(ready),
        turn_s=None if turn is None else seconds(turn),
        image=image,
    )
    seat.tell(_("{count} held for {project}").format(count=len(added), project=project))
    SHEET.show_all(added, seat.output)


@block.command("list")
@click.option("--project", metavar="NAME", shell_complete=PROJECTS, help="Of this project alone.")
@pass_seat
def list_(seat: Seat, project: str | None) -> None:
    """List the blocks of your projects that run or are to come."""
    found = seat.farm().blocks(project)
    if not found:
        seat.tell(_("no board is held for your projects"))
    SHEET.show_all(found, seat.output)


@block.command("show")
@click.argument("number", type=int, required=False, shell_complete=BLOCKS)
@pass_seat
def show(seat: Seat, number: int | None) -> None:
    """Show who sits where in a block, and who waits; the present or next one if no NUMBER is given."""
    farm = seat.farm()
    found = farm.block(number) if number is not None else _next(farm)
    SHEET.show(found, seat.output)
    if seat.output is Output.TABLE and found.seats:
        click.echo()
        SEATS.show_all(found.seats, seat.output)


@block.command("take")
@click.argument("number", type=int, required=False, shell_complete=BLOCKS)
@click.option("--root", metavar="NAME", shell_complete=ROOTS, help="Go on with a root that was kept aside.")
@click.option("--wait/--no-wait", default=None, help="Wait for your turn, too; or return at once.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; your place in the line stays.")
@pass_seat
def take(seat: Seat, number: int | None, root: str | None, wait: bool | None, timeout: str | None) -> None:
    """
    Take a board of a block, for you and your team; where none is left, wait in line for the next.

    NUMBER may be left out: the block that goes on, else the next one.

    \b
    Examples:
      boardgrid block take
      boardgrid block take 17 --root my-homework
    """
    from boardgrid.client.commands import reserve  # noqa: PLC0415 - much of a module, for this command alone

    farm = seat.farm()
    timeout_s = None if timeout is None else seconds(timeout)
    mine = farm.take_seat(number if number is not None else _next(farm).number, root=root)
    if mine.is_waiting:
        sentence = _("reservation {number} waits for a board of block {block}")
        seat.tell(sentence.format(number=mine.number, block=mine.block))
    if wait or (wait is None and not mine.is_waiting):
        mine = reserve.until_open(seat, farm, mine, timeout_s)
    reserve.show(mine, seat.output)


@block.command("remove")
@click.argument("number", type=int, shell_complete=BLOCKS)
@click.option("--later", is_flag=True, help="With it those of its series that come after it.")
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, number: int, later: bool, yes: bool) -> None:
    """Call a block off, or give it back; who sits there keeps their root (its managers, operators, admins)."""
    seat.must_say(yes, _("Give block {number} back?").format(number=number), "--yes")
    seat.farm().remove_block(number, later=later)
    sentence = (
        _("block {number} and what follows in its series are given back") if later else _("block {number} is over")
    )
    seat.show_end(str(number), "over", sentence.format(number=number))


def _next(farm: Farm) -> Block:
    found = farm.blocks()
    running = [one for one in found if one.is_running]
    if len(running) > 1:
        told = ", ".join(f"{one.number} ({one.project})" for one in running)
        raise Complaint(REQUEST_INVALID, _("several blocks go on: say which, {told}").format(told=told))
    if not found:
        raise Complaint("reservation.unknown", _("no board is held for your projects"), status=404)
    return (running or list(found))[0]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Complaint(
            REQUEST_INVALID,
            _("{text!r} is no day").format(text=text[:40]),
            hint=_("it looks like 2026-12-28"),
        ) from None
