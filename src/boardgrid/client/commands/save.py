"""``boardgrid save``: an image of what you changed, and the board is yours again."""

import contextlib
import time

import click

from boardgrid.client import images
from boardgrid.client.answers import Image
from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.complaint import IMAGE_FAILED, REQUEST_INVALID, Complaint
from boardgrid.client.differences import difference, summary
from boardgrid.client.duration import seconds, took
from boardgrid.client.farm import Farm
from boardgrid.client.resuming import board_of, outcome, resumed
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.which import meant
from boardgrid.messages import _


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=RESERVATIONS)
@click.option("--as", "name", metavar="IMAGE", required=True, help="Make a new version of this image.")
@click.option("--release", is_flag=True, help="Give the board back then; without this it boots the same root again.")
@click.option(
    "--checkpoint", is_flag=True, help="While the board goes on. The image is crash consistent: as after a power cut."
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the board is open again.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; an hour if not given.")
@pass_seat
def save(
    seat: Seat, *, which: str | None, name: str, release: bool, checkpoint: bool, wait: bool, timeout: str | None
) -> None:
    """
    Make an image of a board's root, with all that you changed. WHICH is the name of the board, or the number of a
    reservation with one board; it may be left out while you have one reservation.

    The board writes down what it has in memory and is stopped, so that the image is whole. Then it boots the same root
    again, also where the image could not be made. What is secret or of this board alone is not in the image.

    \b
    Examples:
      boardgrid save tk1-1 --as my-image
      boardgrid save --as my-image --release
      boardgrid save tk1-1 --as my-image --checkpoint
    """
    if release and checkpoint:
        raise Complaint(REQUEST_INVALID, _("--release and --checkpoint exclude each other: a checkpoint stops nothing"))
    timeout_s = images.LONGEST_S if timeout is None else seconds(timeout)
    farm, began = seat.farm(), time.monotonic()
    told = meant(farm, which)
    if checkpoint:
        made = farm.checkpoint(told.reservation.number, name, board=told.board)
        sentence = _(
            "{ref} is being made of what {board} runs, while it goes on: crash consistent, as after a power cut"
        )
        seat.tell(sentence.format(ref=made.ref, board=board_of(told)))
        _show(seat, farm, images.ready(seat, farm, made, timeout_s) if wait else made)
        return
    before = {one.id for one in images.versions(farm, name)}
    last = farm.events(reservation=told.reservation.number, tail=1)
    mine = farm.save(told.reservation.number, name, told.board, "release" if release else "boot")
    made = next(one for one in reversed(images.versions(farm, name)) if one.id not in before)
    board = board_of(told)
    if release or not wait:
        seat.tell(_("{image} is being made of what was on {board}").format(image=made.ref, board=board))
        _show(seat, farm, images.ready(seat, farm, made, timeout_s) if wait else made)
        return
    deployment = resumed(seat, farm, mine, board, after=last[-1].number if last else 0, timeout_s=timeout_s)
    made = farm.image(made.ref)
    if made.state == "failed":
        sentence = _("the image {ref} could not be made: {reason}")
        hint = made.hint if outcome(deployment) else _("{board} runs again as before").format(board=board)
        raise Complaint(IMAGE_FAILED, sentence.format(ref=made.ref, reason=made.reason), hint=hint)
    if complaint := outcome(deployment):
        raise complaint
    sentence = _("{image} is made, and {board} is yours again after {took}")
    seat.tell(sentence.format(image=made.ref, board=board, took=took(time.monotonic() - began)))
    _show(seat, farm, made)


def _show(seat: Seat, farm: Farm, made: Image) -> None:
    """The image, and to a person how much of it is new."""
    if made.state == "ready" and made.parent and seat.has_person:
        with contextlib.suppress(Complaint):  # the image is made: what cannot be told of it is no failure
            seat.tell(_("since {parent}: {summary}").format(parent=made.parent, summary=_new_in(farm, made)))
    images.SHEET.show(made, seat.output)


def _new_in(farm: Farm, made: Image) -> str:
    return summary(difference(farm, made.ref, image=made.ref, since=None))
