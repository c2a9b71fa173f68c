"""A checkpoint: an image of what a board runs, while it goes on."""

from boardgrid.client.answers import Image
from boardgrid.client.commands.image import ready
from boardgrid.client.farm import Farm
from boardgrid.client.seat import Seat
from boardgrid.client.which import Meant
from boardgrid.messages import _


def checkpoint(seat: Seat, farm: Farm, told: Meant, name: str, *, wait: bool, timeout_s: float | None) -> Image:
    """
    Have it made, and wait for it unless told not to.

    Raises:
        Complaint: what the farm says, IMAGE_FAILED or WAIT_TIMEOUT.
    """
    made = farm.checkpoint(told.reservation.number, name, board=told.board)
    board = told.board or ", ".join(told.reservation.boards)
    sentence = _("{ref} is being made of what {board} runs, while it goes on: crash consistent, as after a power cut")
    seat.tell(sentence.format(ref=made.ref, board=board))
    return ready(seat, farm, made, timeout_s) if wait else made
