"""``boardgrid save``: an image of what you changed, and the board is yours again."""

import time

import click

from boardgrid.client.command import RESERVATIONS, Verb
from boardgrid.client.commands import image as images
from boardgrid.client.complaint import IMAGE_FAILED, Complaint
from boardgrid.client.duration import seconds, took
from boardgrid.client.resuming import board_of, outcome, resumed
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.which import meant
from boardgrid.messages import _


@click.command(cls=Verb)
@click.argument("which", required=False, shell_complete=RESERVATIONS)
@click.option("--as", "name", metavar="IMAGE", required=True, help="Make a new version of this image.")
@click.option("--release", is_flag=True, help="Give the board back then; without this it boots the same root again.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the board is open again.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; an hour if not given.")
@pass_seat
def save(seat: Seat, *, which: str | None, name: str, release: bool, wait: bool, timeout: str | None) -> None:
    """
    Make an image of a board's root, with all that you changed. WHICH is the name of the board, or the number of a
    reservation with one board; it may be left out while you have one reservation.

    The board writes down what it has in memory and is stopped, so that the image is whole. Then it boots the same root
    again, also where the image could not be made. What is secret or of this board alone is not in the image.

    \b
    Examples:
      boardgrid save tk1-1 --as my-image
      boardgrid save --as my-image --release
    """
    timeout_s = images.LONGEST_S if timeout is None else seconds(timeout)
    farm, began = seat.farm(), time.monotonic()
    told = meant(farm, which)
    before = {one.id for one in images.versions(farm, name)}
    last = farm.events(reservation=told.reservation.number, tail=1)
    mine = farm.save(told.reservation.number, name, told.board, "release" if release else "boot")
    made = next(one for one in reversed(images.versions(farm, name)) if one.id not in before)
    board = board_of(told)
    if release or not wait:
        seat.tell(_("{image} is being made of what was on {board}").format(image=made.ref, board=board))
        images.SHEET.show(images.ready(seat, farm, made, timeout_s) if wait else made, seat.output)
        return
    deployment = resumed(seat, farm, mine, board, after=last[-1].number if last else 0, timeout_s=timeout_s)
    made = farm.image(made.ref)
    if made.state == "failed":
        sentence = _("the image {ref} could not be made: {reason}")
        hint = "" if outcome(deployment) else _("{board} runs again as before").format(board=board)
        raise Complaint(IMAGE_FAILED, sentence.format(ref=made.ref, reason=made.reason), hint=hint)
    if complaint := outcome(deployment):
        raise complaint
    sentence = _("{image} is made, and {board} is yours again after {took}")
    seat.tell(sentence.format(image=made.ref, board=board, took=took(time.monotonic() - began)))
    images.SHEET.show(made, seat.output)
