"""Whose fault it is that a step of a board did not come to its end."""

from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Fault, NotFound
from boardgrid.model.next_step import Step
from boardgrid.model.wish import BoardWish


def blame_of(step: Step, error: FarmError) -> Blame:
    """Whose fault it is where the error does not say: what the farm refused to do, by the thing that it was told of."""
    match error:
        case Fault():
            return error.blame
        case _ if step in {Step.CLONE, Step.MOUNT, Step.FETCH, Step.PERSONALISE}:
            return Blame.IMAGE
        case NotFound():
            return Blame.IMAGE  # of the files that are handed to a board, all are an image's
        case Conflict():
            return Blame.SITE  # what is in the way is no deployment's: it goes, or is mended by hand
        case _:
            return Blame.BOARD  # the record of the board, or of its type


def bug() -> Fault:
    return Fault(Code.BUG, _("the agent has a bug: its log has the whole of it"))


def too_late(step: Step, wished: BoardWish) -> Fault:
    return Fault(
        Code.PROGRAM_TIMEOUT,
        _("{step} of {board} took too long and was ended"),
        blame=Blame.BOARD if step is Step.BOOT else Blame.SITE,
        step=step,
        board=wished.board.name,
    )
