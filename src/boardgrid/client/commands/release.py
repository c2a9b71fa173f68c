"""``boardgrid release``: give a board back, and say what becomes of what you changed."""

import re

import click

from boardgrid.client.answers import Image, Reservation
from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.commands.image import ready
from boardgrid.client.complaint import NUMBER_MISSING, REQUEST_INVALID, Complaint
from boardgrid.client.duration import moment, seconds
from boardgrid.client.farm import Farm
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.messages import _

_NUMBER = re.compile(r"[0-9]{1,18}")  # what is longer is no reservation, and no board either

SHEET: Sheet[Reservation] = Sheet(
    lambda one: str(one.number),
    (
        Column("RESERVATION", lambda one: one.number),
        Column("BOARD", lambda one: one.board),
        Column("STATE", lambda one: one.state),
        Column("UNTIL", lambda one: moment(one.end)),
    ),
)


@click.command(cls=Verb)
@click.argument("number", required=False, shell_complete=RESERVATIONS)
@click.option("--keep", metavar="IMAGE", help="Make a new version of this image of what you changed.")
@click.option("--aside", is_flag=True, help="Keep the root for some days, to boot it again or decide later.")
@click.option("--name", metavar="NAME", help="With --aside, what the root is called from now on.")
@click.option("--discard", is_flag=True, help="Throw away what you changed, for ever.")
@click.option("--yes", is_flag=True, help="Do not ask a person whether --discard is meant.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="With --keep, wait until the image is ready.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; an hour if not given.")
@pass_seat
def release(
    seat: Seat,
    *,
    number: str | None,
    keep: str | None,
    aside: bool,
    name: str | None,
    discard: bool,
    yes: bool,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Give a board back before its time. NUMBER is the reservation's, or the board's name; it may be left out while you
    hold one board.

    At a terminal you are asked what becomes of the root. A program says it: --keep, --aside or --discard.

    \b
    Examples:
      boardgrid release --keep my-image
      boardgrid release 7 --aside --name before-the-upgrade
      boardgrid release tk1-1 --discard
    """
    if sum((keep is not None, aside, discard)) > 1:
        raise Complaint(REQUEST_INVALID, _("--keep, --aside and --discard exclude each other"))
    if name is not None and not aside:
        raise Complaint(REQUEST_INVALID, _("--name is for a root that is kept aside: it goes with --aside"))
    timeout_s = None if timeout is None else seconds(timeout)
    farm = seat.farm()
    mine = _which(farm, number)
    fate, name = _fate(seat, mine, keep=keep, aside=aside, name=name, discard=discard)
    if discard:
        # A program has said it by --discard; a person may have typed it for another board.
        question = _("Give {board} back and throw away what was changed on it, for ever?")
        seat.must_say(yes or not seat.has_person, question.format(board=mine.board), "--yes")
    before = _versions(farm, name) if fate == "keep" else ()
    ended = farm.release(mine.number, fate, name)
    seat.tell(_("{board} is given back").format(board=ended.board))
    if fate == "keep" and wait:
        made = [image for image in _versions(farm, name) if image.id not in {one.id for one in before}]
        if made:
            ready(seat, farm, made[-1], timeout_s)
    elif fate == "aside":
        seat.tell(_("its root is kept aside: `boardgrid root list`"))
    SHEET.show(ended, seat.output)


def _which(farm: Farm, number: str | None) -> Reservation:
    if number is not None and _NUMBER.fullmatch(number):
        return farm.reservation(int(number))
    mine = [one for one in farm.reservations(running=True) if number in {None, one.board}]
    if len(mine) == 1:
        return mine[0]
    if number is not None:
        # Whoever else holds it: the farm says who may give it back.
        for one in farm.reservations(running=True, everyone=True):
            if one.board == number:
                return one
        raise Complaint(
            "reservation.unknown",
            _("you have no reservation of {board}").format(board=number[:80]),
            hint=_("`boardgrid status` lists those that you have"),
            status=404,
        )
    if not mine:
        raise Complaint("reservation.unknown", _("you hold no board"), status=404)
    held = ", ".join(f"{one.number} ({one.board})" for one in mine)
    raise Complaint(NUMBER_MISSING, _("you hold several boards: say which, {held}").format(held=held))


def _fate(
    seat: Seat, mine: Reservation, *, keep: str | None, aside: bool, name: str | None, discard: bool
) -> tuple[str | None, str | None]:
    if keep is not None:
        return "keep", keep
    if aside:
        return "aside", name
    if discard:
        return "discard", None
    if not seat.has_person:
        raise Complaint(
            REQUEST_INVALID,
            _("say what becomes of the root of {board}").format(board=mine.board),
            hint=_("--keep IMAGE, --aside or --discard"),
        )
    if mine.deployment is not None and mine.deployment.state == "preparing":
        return None, None  # nobody was on it yet, and the farm knows whether that is still so
    seat.tell(_("What becomes of the root of {board}, with all that was changed on it?").format(board=mine.board))
    seat.tell(_("  keep     make an image of it"))
    seat.tell(_("  aside    keep it for some days; you decide later"))
    seat.tell(_("  discard  throw it away, for ever"))
    choice = click.Choice(["keep", "aside", "discard"])
    fate = str(click.prompt(_("keep, aside or discard"), type=choice, default="aside", show_choices=False, err=True))
    if fate == "keep":
        return fate, str(click.prompt(_("Name of the image"), err=True))
    return fate, None


def _versions(farm: Farm, name: str | None) -> tuple[Image, ...]:
    """All versions of an image, the newest last."""
    return tuple(sorted((image for image in farm.images() if image.name == name), key=lambda image: image.version))
