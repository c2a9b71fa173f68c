"""From a reservation that was made to boards that are open: what happens meanwhile, and why nothing does."""

from datetime import UTC, datetime
from typing import Protocol

from boardgrid.client.answers import Event, Reservation
from boardgrid.client.complaint import DEPLOYMENT_FAILED, Complaint, ExitCode
from boardgrid.client.farm import Farm
from boardgrid.client.moment import told
from boardgrid.client.progress import STATES
from boardgrid.client.silence import Silence
from boardgrid.client.waiting import Deadline
from boardgrid.messages import _

_UNDER_WAY = frozenset({"preparing", "saving"})
_QUIET_S = 5.0  # how long nothing may happen before the reservation itself is looked at


class Listener(Protocol):
    """Who is told what happens."""

    def tell(self, event: Event) -> None: ...

    def note(self, sentence: str) -> None: ...


class Silent:
    """Who does not want to know."""

    def tell(self, event: Event) -> None:
        pass

    def note(self, sentence: str) -> None:
        pass


def is_settled(mine: Reservation) -> bool:
    """Whether all of its boards are open, or it is over."""
    if mine.is_waiting:
        return False
    made = [mine.deployment_on(board) for board in mine.boards]
    return not mine.is_running or all(one is not None and one.state not in _UNDER_WAY for one in made)


def until_settled(
    farm: Farm,
    mine: Reservation,
    deadline: Deadline,
    listener: Listener,
    *,
    is_for_turn: bool = False,
    after: int = 0,
) -> Reservation:
    """
    Tell each step as it happens, and why none does, until all boards are open or the reservation is over.

    Args:
        is_for_turn: the deadline counts while it waits for its turn alone.
        after: the number of the last event that is not told any more.

    Raises:
        Complaint: WAIT_TIMEOUT; the farm refused, or did not answer for long.
    """
    last, foretold = after, mine.start
    silence: Silence | None = None
    for event in farm.follow(after=after, reservation=mine.number, quiet_s=min(_QUIET_S, max(deadline.left_s(), 0.1))):
        if event is not None:
            last = event.number
            listener.tell(event)
            if silence is not None:
                silence.broken()
            if event.phase != "ended" and event.step not in STATES:
                continue
        try:
            mine = farm.reservation(mine.number)
            if mine.is_waiting and mine.start != foretold:
                foretold = mine.start
                listener.note(_("it begins at the latest {time}").format(time=told(foretold, datetime.now(UTC))))
            elif mine.is_running and mine.boards:
                silence = silence or Silence(farm, mine.board)
                if reason := silence.reason():
                    listener.note(reason)
        except Complaint as error:
            if not error.is_passing:  # the stream has patience for both
                raise
        if is_settled(mine):
            for rest in farm.events(after=last, reservation=mine.number):
                listener.tell(rest)
            return mine
        if mine.is_waiting or not is_for_turn:
            deadline.check()
    raise AssertionError("a stream of events has no end")


def failure(mine: Reservation) -> Complaint | None:
    """Why not all of its boards are open: one could not be made ready, or they were given back meanwhile."""
    failed = [one for one in mine.deployments if one.state == "failed"]
    if mine.is_running and not failed:
        return None
    if not failed and mine.deployment is None:
        sentence = _("reservation {number} is over: {reason}")
        reason = mine.ended_because or _("it was given back")
        return Complaint(
            DEPLOYMENT_FAILED, sentence.format(number=mine.number, reason=reason), exit_code=ExitCode.FAILED
        )
    deployment = failed[0] if failed else mine.deployment
    reason = (deployment and deployment.reason) or mine.ended_because or _("it was given back")
    detail = _("{board} could not be made ready: {reason}").format(
        board=deployment.board if deployment else mine.board, reason=reason
    )
    if rest := ", ".join(one.board for one in failed[1:]):
        detail = _("{detail}; nor could {boards}").format(detail=detail, boards=rest)
    return Complaint(
        (deployment and deployment.code) or DEPLOYMENT_FAILED,
        detail,
        hint=deployment.hint if deployment else "",
        exit_code=ExitCode.FAILED,
    )
