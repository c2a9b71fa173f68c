"""How a reservation begins: it runs from now on, and its boards are given to it."""

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import Event, Outcome, Phase
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.reservation import Kind, Reservation
from boardgrid.model.wish import Gone
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.giving import hand_over
from boardgrid.services.showing import as_utc

log = structlog.get_logger()


def begun(work: Work, waiting: Reservation, *, is_new: bool = False) -> Reservation:
    for board in waiting.boards:
        check_fit(work, board)
    running = waiting.begun()
    if is_new:
        work.add(running)
    else:
        work.save(running)
    # Of a block each board is given to who sits there.
    for board in () if running.is_block else running.boards:
        if standing := work.tx.board(board):
            hand_over(work, running, standing)
    log.info("reservation.began", reservation=running.number, boards=running.boards)
    return running


def check_fit(work: Work, board: str) -> None:
    standing = work.tx.board(board)
    if standing is None or isinstance(standing.wish, Gone):
        raise NotFound(Code.BOARD_UNKNOWN, _("{board} has left the farm"), board=board)
    if not standing.board.is_fit:
        raise Conflict(
            Code.BOARD_SET_ASIDE, _("{board} is set aside: {why}"), board=board, why=standing.board.set_aside
        )


def planned(work: Work, number: int) -> Reservation:
    if one := work.tx.reservation(number):
        return one
    raise ValueError(f"the plan has a reservation {number} that is not recorded")


def foretold(records: Snapshot, reservation: Reservation) -> str:
    user = records.user(reservation.user)
    name = user.name if user else "-"
    window = reservation.window
    match reservation.kind:
        case Kind.FIXED | Kind.BLOCK:
            said = _("{user} has {boards} from {start} until {end}")
        case Kind.QUEUED:
            said = _("{user} waits for {asked}, at the latest until {start}")
        case Kind.BEST_EFFORT:
            said = _("{user} waits for {asked} to be idle")
        case Kind.SEAT:
            said = _("{user} waits for a board of block {within}")
    return said.format(
        user=name,
        boards=", ".join(reservation.boards),
        asked=" + ".join(str(one) for one in reservation.groups),
        start=as_utc(window.start),
        end=as_utc(window.end),
        within=reservation.within,
    )


def note(work: Work, reservation: Reservation, phase: Phase, told: str, outcome: Outcome | None = None) -> None:
    """Something about a reservation as a whole, whatever board it has."""
    number = reservation.number
    event = Event(0, work.now, "", 0, "reservation", phase, outcome=outcome, detail=told, reservation=number)
    work.note(event, owner=reservation.user)
