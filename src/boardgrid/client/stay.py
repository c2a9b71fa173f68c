"""A stay: boards for as long as something lasts, given back however it ends."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from boardgrid.client.answers import Reservation
from boardgrid.client.complaint import Complaint
from boardgrid.client.farm import Farm
from boardgrid.client.open_board import OpenBoard
from boardgrid.client.opening import Listener, Silent, failure, until_settled
from boardgrid.client.passage import check_means, dialled, passage
from boardgrid.client.waiting import Deadline, until
from boardgrid.messages import _

BEAT_S = 30.0
TTL_S = 300.0  # a farm that is restarted, or a network that hangs for a moment, ends no job
_RELEASED_WITHIN_S = 30.0
_CANNOT_BE_SO = {409, 422}


@dataclass(frozen=True, slots=True)
class Terms:
    """
    Args:
        queue_timeout_s: how long the turn is waited for; None: for ever.
        fate: of the roots when they are given back: keep, aside or discard.
        name: of the image to keep, or of the root kept aside.
        login: who to be on the boards.
        identity: the private key to log in with; None: what ssh's own configuration says.
    """

    queue_timeout_s: float | None = None
    fate: str = "discard"
    name: str | None = None
    login: str = "root"
    identity: str | None = None
    listener: Listener = field(default_factory=Silent)
    beat_s: float = BEAT_S
    ttl_s: float = TTL_S


class Stay:
    """What ``Farm.reserve`` gives. *reservation* is there once it was made, also when it is over."""

    def __init__(self, farm: Farm, book: Callable[[], Reservation], terms: Terms) -> None:
        self._farm = farm
        self._book = book
        self._terms = terms
        self._stack = ExitStack()
        self._is_open = False
        self.reservation: Reservation | None = None

    def __enter__(self) -> tuple[OpenBoard, ...]:
        """
        Raises:
            Complaint: ssh or the key file is not there; it was refused; its turn did not come in time; a board could
                not be made ready. Then nothing is left of it.
        """
        check_means(self._terms.identity)  # before a board is waited for and booted in vain
        with ExitStack() as stack:
            mine = self.reservation = self._book()
            stack.callback(self._give_back)
            stack.enter_context(_Heart(self._farm, mine.number, self._terms))
            what = _("{asked} to be free").format(asked=mine.asked or mine.board)
            deadline = Deadline(what, self._terms.queue_timeout_s)
            mine = self.reservation = until_settled(self._farm, mine, deadline, self._terms.listener, is_for_turn=True)
            if complaint := failure(mine):
                raise complaint
            self._is_open = True
            boards = tuple(self._dial(stack, board) for board in mine.boards or (mine.board,))
            self._stack = stack.pop_all()
        return boards

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _dial(self, stack: ExitStack, board: str) -> OpenBoard:
        way = passage(self._farm, board, login=self._terms.login, identity=self._terms.identity)
        return OpenBoard(board, tuple(stack.enter_context(dialled(way))))

    def _give_back(self) -> None:
        assert self.reservation is not None  # noqa: S101 - this was called for after it was made
        terms = self._terms
        if not self._is_open:
            self.reservation = self._released(None)
            return
        try:
            self.reservation = self._released(terms.fate, terms.name)
        except Complaint as error:
            if error.status not in _CANNOT_BE_SO:
                raise
            # What was to be kept under a name that is another's stays for some days, and the board goes back.
            self.reservation = self._released("aside")
            raise

    def _released(self, fate: str | None, name: str | None = None) -> Reservation:
        assert self.reservation is not None  # noqa: S101 - see above
        number = self.reservation.number

        def release() -> Reservation:
            try:
                return self._farm.release(number, fate, name)
            except Complaint as error:
                if error.code != "reservation.over":
                    raise
                return self._farm.reservation(number)

        what = _("reservation {number} to be given back").format(number=number)
        return until(release, what, timeout_s=_RELEASED_WITHIN_S)


class _Heart:
    """Tells the farm again and again that we live, beside whatever else is done."""

    def __init__(self, farm: Farm, number: int, terms: Terms) -> None:
        self._farm = farm
        self._number = number
        self._terms = terms
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="boardgrid-heartbeat")

    def __enter__(self) -> None:
        self._farm.heartbeat(self._number, self._terms.ttl_s)
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._is_over.wait(self._terms.beat_s):
            try:
                self._farm.heartbeat(self._number, self._terms.ttl_s)
            except Complaint as error:
                if not error.is_passing:
                    return  # it is over, and whoever works on its boards will notice
