"""``boardgrid reserve``: boards, an image, a span of time."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from boardgrid.client.answers import Deployment, Group, Reservation
from boardgrid.client.command import BOARDS_AND_TYPES, IMAGES, PROJECTS, ROOTS, TYPES, Verb
from boardgrid.client.complaint import REQUEST_INVALID, THING_IN_USE, WAIT_TIMEOUT, Complaint
from boardgrid.client.duration import seconds, took
from boardgrid.client.farm import Farm
from boardgrid.client.groups import group
from boardgrid.client.kernel import kernel_text
from boardgrid.client.moment import read, shown, told
from boardgrid.client.opening import failure, until_settled
from boardgrid.client.progress import Steps
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Output, Sheet
from boardgrid.client.waiting import Deadline, left_by_ctrl_c
from boardgrid.messages import _

_TAKEN_WITHIN_S, _AGAIN_S = 60.0, 0.3


@dataclass(frozen=True, slots=True)
class Place:
    """One board of a reservation."""

    reservation: Reservation
    board: str
    deployment: Deployment | None

    @property
    def state(self) -> str:
        if self.deployment is None:
            return self.reservation.state
        return self.deployment.state

    @property
    def is_open(self) -> bool:
        return self.deployment is not None and self.deployment.state == "open"


SHEET: Sheet[Place] = Sheet(
    lambda place: str(place.reservation.number),
    (
        Column("RESERVATION", lambda place: place.reservation.number),
        Column("BOARD", lambda place: place.board),
        Column("IMAGE", lambda place: place.deployment.image if place.deployment else place.reservation.image),
        Column("ROOT", lambda place: place.deployment and place.deployment.root),
        Column("KERNEL", lambda place: kernel_text(place.deployment), is_detail=True),
        Column("STATE", lambda place: place.state, is_state=True),
        Column("FROM", lambda place: shown(place.reservation.start) if place.reservation.is_promised else None),
        Column("UNTIL", lambda place: shown(place.reservation.until)),
        Column("LOG IN", lambda place: f"boardgrid ssh {place.board}" if place.is_open else ""),
    ),
)


def places_of(mine: Reservation) -> list[Place]:
    """Its boards, and those that it lost because they could not be made ready."""
    lost = [one.board for one in mine.deployments if one.state == "failed" and one.board not in mine.boards]
    boards = dict.fromkeys((*mine.boards, *lost) or (mine.board or mine.asked,))
    return [Place(mine, board, mine.deployment_on(board)) for board in boards]


def show(mine: Reservation, output: Output) -> None:
    """A program gets the reservation; people its boards."""
    places = places_of(mine)
    match output:
        case Output.JSON:
            RESERVATION.show(mine, output)
        case Output.TABLE if len(places) > 1:
            SHEET.show_all(places, output)
        case _:
            SHEET.show(places[0], output)


RESERVATION: Sheet[Reservation] = Sheet(lambda one: str(one.number), ())


@click.command(cls=Verb)
@click.argument("what", nargs=-1, shell_complete=BOARDS_AND_TYPES)
@click.option("--type", "-t", "type_", metavar="TYPE", shell_complete=TYPES, help="Any boards of this type.")
@click.option("--count", "-n", type=int, metavar="N", help="So many; one if not given.")
@click.option("--where", metavar="EXPR", help="Any boards that fit: 'ram_mb >= 2048 and tag(\"camera\")'.")
@click.option("--image", "-i", metavar="REF", shell_complete=IMAGES, help="What they boot: tiny, or tiny:stable.")
@click.option("--root", metavar="NAME", shell_complete=ROOTS, help="Boot a root again that was kept aside.")
@click.option("--for", "for_", metavar="SPAN", default="2h", show_default=True, help="How long: 30m, 2h, 1d.")
@click.option("--at", metavar="TIME", help="From then on: 14:00, 'tomorrow 9:00', '2026-11-28 09:00'.")
@click.option(
    "--project",
    metavar="NAME",
    shell_complete=PROJECTS,
    help="What it counts on, and whose image boots where none is named.",
)
@click.option("--queue", is_flag=True, help="Where they are not free now, as soon as their turn comes.")
@click.option("--best-effort", is_flag=True, help="On boards that nobody needs, until somebody does.")
@click.option(
    "--wait/--no-wait",
    default=None,
    help="Wait for the turn, too, and watch until they are yours; or return at once. Without either, what begins now is"
    " watched.",
)
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; the reservation goes on.")
@pass_seat
def reserve(
    seat: Seat,
    *,
    what: tuple[str, ...],
    type_: str | None,
    count: int | None,
    where: str | None,
    image: str | None,
    project: str | None,
    root: str | None,
    for_: str,
    at: str | None,
    queue: bool,
    best_effort: bool,
    wait: bool | None,
    timeout: str | None,
) -> None:
    """
    Reserve boards and boot an image on them: now, at a date, or as soon as they are free.

    WHAT is a board, or any of a type: tk1-1, tk1, '2 tk1', '2 tk1 (ram_mb >= 2048)'. Several make one reservation.

    \b
    Examples:
      boardgrid reserve tk1-1 --image tiny
      boardgrid reserve --type tk1 --image debian-12:3 --for 1d --wait
      boardgrid reserve '2 tk1' 'rpi4 (tag("camera"))' --image tiny --at 'tomorrow 9:00'
      boardgrid reserve tk1-1 --root before-the-upgrade --no-wait -o json
    """
    groups = _groups(what, type_, count, where)
    if image is not None and root is not None:
        raise Complaint(REQUEST_INVALID, _("--image and --root exclude each other: a root was made from an image"))
    if sum((at is not None, queue, best_effort)) > 1:
        raise Complaint(REQUEST_INVALID, _("--at, --queue and --best-effort exclude each other"))
    for_s = seconds(for_)
    timeout_s = None if timeout is None else seconds(timeout)
    start = None if at is None else read(at, datetime.now(UTC))
    kind = "best_effort" if best_effort else "queued" if (queue or wait) and at is None else "fixed"
    farm = seat.farm()
    ends_s = time.monotonic() + (0 if wait is False else _TAKEN_WITHIN_S)
    while True:
        try:
            mine = farm.book(*groups, image=image, root=root, for_s=for_s, at=start, kind=kind, project=project)
            break
        except Complaint as error:
            # A root that was kept aside a moment ago is still being taken from its board.
            if error.code != THING_IN_USE or time.monotonic() > ends_s:
                raise
        time.sleep(_AGAIN_S)
    seat.tell(_accepted(mine, image or root or mine.image))
    # What was to begin now may have to wait some minutes for a best-effort reservation to go.
    if wait or (wait is None and (not mine.is_waiting or (at is None and kind == "fixed"))):
        mine = until_open(seat, farm, mine, timeout_s)
    elif mine.is_waiting:
        seat.tell(_later(mine))
    show(mine, seat.output)


def _groups(what: tuple[str, ...], type_: str | None, count: int | None, where: str | None) -> list[Group]:
    is_by_options = (type_, where) != (None, None)
    if bool(what) == is_by_options or (what and count is not None):
        raise Complaint(
            REQUEST_INVALID,
            _("say which boards: WHAT, or any with --type TYPE, --where EXPR or both"),
            hint=_("several groups are written as boardgrid reserve '2 tk1' 'rpi4 (ram_mb >= 2048)'"),
        )
    return (
        [group(text) for text in what] if what else [Group(1 if count is None else count, "", type_ or "", where or "")]
    )


def _accepted(mine: Reservation, boots: str) -> str:
    if not mine.is_waiting:
        sentence = _("reservation {number}: {boards} with {what} until {end}")
    elif mine.kind == "queued":
        sentence = _("reservation {number} waits for {asked}: it begins at the latest {start}")
    elif mine.kind == "best_effort":
        sentence = _("reservation {number} waits until {asked} is idle and nobody needs it")
    else:
        sentence = _("reservation {number}: {boards} with {what} from {start} until {end}")
    return sentence.format(
        number=mine.number,
        boards=", ".join(mine.boards) or mine.board,
        asked=mine.asked,
        what=boots,
        start=told(mine.start, datetime.now(UTC)),
        end=shown(mine.end),
    )


def _later(mine: Reservation) -> str:
    ends = _("withdraws it") if mine.is_waiting else _("gives it back")
    sentence = _("`boardgrid status {number}` shows it, `boardgrid release {number}` {ends}")
    return sentence.format(number=mine.number, ends=ends)


def _parting(farm: Farm, mine: Reservation, names: str) -> str:
    with suppress(Complaint):
        mine = farm.reservation(mine.number)  # it may have begun meanwhile
    sentence = (
        _("reservation {number} keeps its place for {boards}: {later}")
        if mine.is_waiting
        else _("reservation {number} of {boards} goes on: {later}")
    )
    return sentence.format(number=mine.number, boards=names, later=_later(mine))


def until_open(seat: Seat, farm: Farm, mine: Reservation, timeout_s: float | None) -> Reservation:
    began = time.monotonic()
    names = mine.asked if mine.is_waiting else ", ".join(mine.boards) or mine.board
    deadline = Deadline(_("{board} to be ready").format(board=names), timeout_s, _later(mine))
    try:
        with (
            left_by_ctrl_c(seat, lambda: _parting(farm, mine, names)),
            Steps(are_several=len(mine.boards) > 1) as steps,
        ):
            mine = until_settled(farm, mine, deadline, steps)
    except Complaint as error:
        if error.code == WAIT_TIMEOUT and seat.is_for_programs:
            show(mine, seat.output)  # its number is needed to go on
        raise
    if complaint := failure(mine):
        if seat.is_for_programs or (mine.is_running and mine.boards):
            show(mine, seat.output)
        raise complaint
    names, sentence = ", ".join(mine.boards), _("{board} is yours after {took}")
    if len(mine.boards) > 1:
        sentence = _("{board} are yours after {took}")
    seat.tell(sentence.format(board=names, took=took(time.monotonic() - began)))
    return mine
