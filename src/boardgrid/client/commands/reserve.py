"""``boardgrid reserve``: a board, an image, a span of time."""

import time

import click

from boardgrid.client.answers import Deployment, Reservation
from boardgrid.client.command import BOARDS, IMAGES, ROOTS, TYPES, Verb
from boardgrid.client.complaint import (
    DEPLOYMENT_FAILED,
    REQUEST_INVALID,
    THING_IN_USE,
    WAIT_TIMEOUT,
    Complaint,
    ExitCode,
)
from boardgrid.client.duration import moment, seconds, took
from boardgrid.client.farm import Farm
from boardgrid.client.progress import STATES, Steps
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.silence import Silence
from boardgrid.client.tables import Column, Sheet
from boardgrid.client.waiting import Deadline
from boardgrid.messages import _

_TAKEN_WITHIN_S, _AGAIN_S = 60.0, 0.3
_QUIET_S = 5.0  # how long nothing may happen before the reservation itself is looked at


def _deployment(reservation: Reservation, key: str) -> object:
    return getattr(reservation.deployment, key) if reservation.deployment else None


SHEET: Sheet[Reservation] = Sheet(
    lambda reservation: str(reservation.number),
    (
        Column("RESERVATION", lambda one: one.number),
        Column("BOARD", lambda one: one.board),
        Column("IMAGE", lambda one: _deployment(one, "image")),
        Column("ROOT", lambda one: _deployment(one, "root")),
        Column("STATE", lambda one: _deployment(one, "state") or one.state, is_state=True),
        Column("UNTIL", lambda one: moment(one.end)),
        Column("LOG IN", lambda one: f"boardgrid ssh {one.board}" if _deployment(one, "state") == "open" else ""),
    ),
)


@click.command(cls=Verb)
@click.argument("board", required=False, shell_complete=BOARDS)
@click.option("--type", "-t", "type_", metavar="TYPE", shell_complete=TYPES, help="Any free board of this type.")
@click.option("--image", "-i", metavar="REF", shell_complete=IMAGES, help="What it boots: tiny, or tiny:2.")
@click.option("--root", metavar="NAME", shell_complete=ROOTS, help="Boot a root again that was kept aside.")
@click.option("--for", "for_", metavar="SPAN", default="2h", show_default=True, help="How long: 30m, 2h, 1d.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Watch each step until the board is yours.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; the reservation goes on.")
@pass_seat
def reserve(
    seat: Seat,
    *,
    board: str | None,
    type_: str | None,
    image: str | None,
    root: str | None,
    for_: str,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Reserve BOARD, or any of a type, now, and boot an image on it.

    \b
    Examples:
      boardgrid reserve tk1-1 --image tiny
      boardgrid reserve --type tk1 --image debian-12:3 --for 1d
      boardgrid reserve tk1-1 --root before-the-upgrade --no-wait -o json
    """
    if (board is None) == (type_ is None):
        raise Complaint(REQUEST_INVALID, _("say which board: BOARD, or any of a type with --type TYPE"))
    if (image is None) == (root is None):
        raise Complaint(REQUEST_INVALID, _("say what it boots: --image REF, or --root NAME"))
    for_s = seconds(for_)
    timeout_s = None if timeout is None else seconds(timeout)
    farm = seat.farm()
    ends_s = time.monotonic() + (_TAKEN_WITHIN_S if wait else 0)
    while True:
        try:
            mine = farm.reserve(board=board, type_=type_, image=image, root=root, for_s=for_s)
            break
        except Complaint as error:
            # A root that was kept aside a moment ago is still being taken from its board.
            if error.code != THING_IN_USE or time.monotonic() > ends_s:
                raise
        time.sleep(_AGAIN_S)
    seat.tell(
        _("reservation {number}: {board} with {what} until {end}").format(
            number=mine.number, board=mine.board, what=image or root, end=moment(mine.end)
        )
    )
    if wait:
        mine = _until_open(seat, farm, mine, timeout_s)
    SHEET.show(mine, seat.output)


def _until_open(seat: Seat, farm: Farm, mine: Reservation, timeout_s: float | None) -> Reservation:
    began = time.monotonic()
    later = _("`boardgrid status {number}` shows it, `boardgrid release {number}` gives it back").format(
        number=mine.number
    )
    try:
        mine = _watched(farm, mine, Deadline(_("{board} to be ready").format(board=mine.board), timeout_s, later))
    except Complaint as error:
        if error.code == WAIT_TIMEOUT and seat.is_for_programs:
            SHEET.show(mine, seat.output)  # its number is needed to go on
        raise
    except KeyboardInterrupt:
        seat.tell(
            _("reservation {number} of {board} goes on: {later}").format(
                number=mine.number, board=mine.board, later=later
            )
        )
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
    deployment = mine.deployment
    if deployment is None or deployment.state != "open":
        if seat.is_for_programs:
            SHEET.show(mine, seat.output)
        raise _failed(mine, deployment)
    seat.tell(_("{board} is yours after {took}").format(board=mine.board, took=took(time.monotonic() - began)))
    return mine


def _watched(farm: Farm, mine: Reservation, deadline: Deadline) -> Reservation:
    """Tell each step as it happens, and why none does, until the deployment is open or has ended."""
    last = 0
    silence = Silence(farm, mine.board)
    with Steps() as steps:
        for event in farm.follow(reservation=mine.number, quiet_s=min(_QUIET_S, max(deadline.left_s(), 0.1))):
            if event is not None:
                last = event.number
                silence.broken()
                steps.tell(event)
                if event.phase != "ended" and event.step not in STATES:
                    continue
            try:
                mine = farm.reservation(mine.number)
                if reason := silence.reason():
                    steps.note(reason)
            except Complaint as error:
                if not error.is_passing:  # the stream has patience for both
                    raise
            if mine.state != "running" or (mine.deployment and mine.deployment.state != "preparing"):
                for rest in farm.events(after=last, reservation=mine.number):
                    steps.tell(rest)
                return mine
            deadline.check()
    raise AssertionError("a stream of events has no end")


def _failed(mine: Reservation, deployment: Deployment | None) -> Complaint:
    """Why there is no open board at the end: it could not be made, or someone gave it back meanwhile."""
    reason = (deployment and deployment.reason) or mine.ended_because or _("it was given back")
    sentence = _("{board} could not be made ready: {reason}")
    return Complaint(
        (deployment and deployment.code) or DEPLOYMENT_FAILED,
        sentence.format(board=mine.board, reason=reason),
        hint=deployment.hint if deployment else "",
        exit_code=ExitCode.FAILED,
    )
