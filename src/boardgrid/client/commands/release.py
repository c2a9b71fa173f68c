"""``boardgrid release``: give boards back, and say what becomes of what you changed."""

import click

from boardgrid.client.answers import Reservation
from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.duration import seconds
from boardgrid.client.images import ready, versions
from boardgrid.client.moment import shown
from boardgrid.client.prompt import chosen
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet
from boardgrid.client.which import Meant, meant
from boardgrid.messages import _

SHEET: Sheet[Reservation] = Sheet(
    lambda one: str(one.number),
    (
        Column("RESERVATION", lambda one: one.number),
        Column("BOARD", lambda one: ", ".join(one.boards) or one.board),
        Column("STATE", lambda one: one.state),
        Column("UNTIL", lambda one: shown(one.end)),
    ),
)


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=RESERVATIONS)
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
    which: str | None,
    keep: str | None,
    aside: bool,
    name: str | None,
    discard: bool,
    yes: bool,
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Give boards back before their time. WHICH is the number of the reservation, or the name of a board: of several, that
    one alone is given back. It may be left out while you have one reservation.

    At a terminal you are asked what becomes of the root. A program says it: --keep, --aside or --discard. A reservation
    that has not begun is withdrawn.

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
    told = meant(farm, which)
    mine, boards = told.reservation, told.board or ", ".join(told.reservation.boards)
    if mine.is_waiting:
        ended = farm.release(mine.number, None)
        sentence = _("reservation {number} of {asked} is withdrawn")
        seat.tell(sentence.format(number=mine.number, asked=boards or mine.asked))
        SHEET.show(ended, seat.output)
        return
    fate, name = _fate(seat, told, boards, keep=keep, aside=aside, name=name, discard=discard)
    if discard:
        # A program has said it by --discard; a person may have typed it for another board.
        question = _("Give {board} back and throw away what was changed on it, for ever?")
        seat.must_say(yes or not seat.has_person, question.format(board=boards), "--yes")
    before = versions(farm, name) if fate == "keep" else ()
    ended = farm.release(mine.number, fate, name, told.board)
    seat.tell((_("{board} are given back") if "," in boards else _("{board} is given back")).format(board=boards))
    if fate == "keep" and wait:
        made = [image for image in versions(farm, name) if image.id not in {one.id for one in before}]
        if made:
            ready(seat, farm, made[-1], timeout_s)
    elif fate == "aside":
        seat.tell(_("its root is kept aside: `boardgrid root list`"))
    SHEET.show(ended, seat.output)


def _fate(
    seat: Seat, told: Meant, boards: str, *, keep: str | None, aside: bool, name: str | None, discard: bool
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
            _("say what becomes of the root of {board}").format(board=boards),
            hint=_("--keep IMAGE, --aside or --discard"),
        )
    mine = told.reservation
    given = [mine.deployment_on(board) for board in (mine.boards if told.board is None else (told.board,))]
    if any(given) and all(one is None or one.state == "preparing" for one in given):
        return None, None  # nobody was on it yet, and the farm knows whether that is still so
    seat.tell(_("What becomes of the root of {board}, with all that was changed on it?").format(board=boards))
    seat.tell(_("  keep     make an image of it"))
    seat.tell(_("  aside    keep it for some days; you decide later"))
    seat.tell(_("  discard  throw it away, for ever"))
    fate = chosen(_("keep, aside or discard"), ("keep", "aside", "discard"), "aside")
    if fate == "keep":
        return fate, str(click.prompt(_("Name of the image"), err=True))
    return fate, None
