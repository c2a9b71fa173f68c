"""A board that boots its root again: until it is open, and what came of it."""

from boardgrid.client.answers import Deployment, Reservation
from boardgrid.client.complaint import DEPLOYMENT_FAILED, REQUEST_INVALID, Complaint, ExitCode
from boardgrid.client.farm import Farm
from boardgrid.client.opening import until_settled
from boardgrid.client.progress import Steps
from boardgrid.client.seat import Seat
from boardgrid.client.waiting import Deadline, left_by_ctrl_c
from boardgrid.client.which import Meant
from boardgrid.messages import _

_CONSOLE_LINES = 40  # all that the farm keeps


def board_of(told: Meant) -> str:
    """
    The one that is meant.

    Raises:
        Complaint: the reservation has several, and none was named.
    """
    mine = told.reservation
    if told.board is None and len(mine.boards) > 1:
        raise Complaint(
            REQUEST_INVALID,
            _("reservation {number} has several boards").format(number=mine.number),
            hint=_("name one of: {boards}").format(boards=", ".join(mine.boards)),
        )
    return told.board or mine.board


def resumed(
    seat: Seat, farm: Farm, mine: Reservation, board: str, *, after: int, timeout_s: float | None
) -> Deployment | None:
    """
    Tell what happens until the board is open again; the deployment that it was asked for, however it ended.

    Args:
        mine: as the farm answered.
        after: the number of the last event before.

    Raises:
        Complaint: WAIT_TIMEOUT.
    """
    asked = mine.deployment_on(board)
    hint = _("it goes on; `boardgrid status {number}` shows how far it is").format(number=mine.number)
    deadline = Deadline(_("{board} to be open again").format(board=board), timeout_s, hint)
    with left_by_ctrl_c(seat, lambda: hint), Steps(console_lines=_CONSOLE_LINES) as steps:
        mine = until_settled(farm, mine, deadline, steps, after=after)
    return next((one for one in mine.deployments if asked is not None and one.id == asked.id), None)


def outcome(deployment: Deployment | None) -> Complaint | None:
    """Why nothing answers on the board; None: it is open."""
    if deployment is None:
        return Complaint(DEPLOYMENT_FAILED, _("the board was given back meanwhile"), exit_code=ExitCode.FAILED)
    board, reason = deployment.board, deployment.reason
    if deployment.state == "open" and not reason:
        return None
    if deployment.state == "open":
        hint = _("it is yours as it is; `boardgrid boot {board}` boots its image's own kernel")
        code = deployment.code or DEPLOYMENT_FAILED
        return Complaint(code, reason, hint=hint.format(board=board), exit_code=ExitCode.FAILED)
    sentence = _("{board} could not boot so: {reason}")
    reason = reason or _("it was given back, or booted anew, meanwhile")
    return Complaint(
        deployment.code or DEPLOYMENT_FAILED,
        sentence.format(board=board, reason=reason),
        hint=deployment.hint,
        exit_code=ExitCode.FAILED,
    )
