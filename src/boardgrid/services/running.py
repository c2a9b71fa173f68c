"""What runs on a board of a reservation, for who may do with its root as its user may."""

from boardgrid.messages import _
from boardgrid.model.deployment import Deployment, DeploymentState
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.reservation import Reservation
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.booking import changeable, check_has, check_may_decide


def running_on(records: Snapshot, asker: User, number: int, board: str | None) -> tuple[Reservation, Deployment]:
    """
    A reservation of the asker's, and what runs on the board that is meant.

    Raises:
        NotFound, NotAllowed, Invalid, Conflict: as ``Restarting.boot``.
    """
    mine = changeable(records, asker, number)
    check_may_decide(asker, mine)  # an image has all that is there, and a kernel of one's own reads it
    if mine.is_waiting or mine.is_block:
        raise Conflict(
            Code.RESERVATION_WAITING,
            _("reservation {number} has not begun") if mine.is_waiting else _("{number} is a block, and nobody's seat"),
            number=number,
        )
    if board is None and len(mine.boards) > 1:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("reservation {number} has several boards, and none was named"),
            hint=_("it has {boards}"),
            number=number,
            boards=", ".join(mine.boards),
        )
    name = board or mine.boards[0]
    check_has(mine, [name])
    live = [one for one in records.deployments(reservations=[number], live=True) if one.board == name]
    if not live:
        raise Conflict(Code.BOARD_NOT_OPEN, _("{board} was not given to you yet"), board=name)
    if live[0].state is DeploymentState.SAVING:
        raise Conflict(
            Code.THING_IN_USE,
            _("the root of {board} is being made an image already"),
            hint=_("wait until it is open again: boardgrid events --follow shows how far it is"),
            board=name,
        )
    return mine, live[0]


def open_on(records: Snapshot, asker: User, number: int, board: str | None) -> tuple[Reservation, Deployment]:
    """
    The same, where it is open.

    Raises:
        NotFound, NotAllowed, Invalid, Conflict: as ``Restarting.save``.
    """
    mine, running = running_on(records, asker, number, board)
    if running.state is not DeploymentState.OPEN:
        raise not_open(running)
    return mine, running


def not_open(deployment: Deployment) -> Conflict:
    return Conflict(
        Code.BOARD_NOT_OPEN,
        _("{board} is not open yet"),
        hint=_("wait until it is; boardgrid events --follow shows how far it is"),
        board=deployment.board,
    )
