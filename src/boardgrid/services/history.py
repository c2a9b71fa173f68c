"""History: what happened to boards, images and roots; and whose host keys are theirs."""

from dataclasses import dataclass, replace

from boardgrid.messages import _
from boardgrid.model.access import Log, Owned, can
from boardgrid.model.deployment import DeploymentState, Event
from boardgrid.model.errors import Code, NotFound
from boardgrid.model.next_step import Step
from boardgrid.model.reservation import ReservationState
from boardgrid.model.user import User
from boardgrid.ports import Entry, Snapshot
from boardgrid.services.desk import Desk
from boardgrid.services.finding import reservation_of

_PUBLIC = {"reservation"}  # who has a board until when is everyone's to know
_OF_BOARDS = frozenset(Step)  # what is said on the way of one comes from the board, so from whoever has or had it


@dataclass(frozen=True, slots=True)
class History:
    """A live stream asks again with the last number it saw, whenever the topic EVENTS tells."""

    desk: Desk

    def after(
        self,
        asker: User,
        number: int = 0,
        *,
        board: str | None = None,
        reservation: int | None = None,
        limit: int = 500,
        newest: bool = False,
    ) -> list[Event]:
        """
        Events above *number*, oldest first, as far as *asker* may see them; of more than *limit* the oldest, or the
        *newest*.

        Of another user's board one sees which steps are done, but neither words nor console lines.

        Raises:
            NotFound: BOARD_UNKNOWN, RESERVATION_UNKNOWN.
        """
        with self.desk.records.read() as records:
            if reservation is not None:
                reservation_of(records, asker, reservation)
            if board is not None:
                _check_known(records, board)
            found = records.events(
                number,
                board=board,
                reservation=reservation,
                limit=limit,
                seen_by=None if can(asker, "see", Log()) else asker.id,
                newest=newest,
            )
        return [_seen(asker, one) for one in found]

    def last_number(self) -> int:
        """The number of the newest event; 0: there is none."""
        with self.desk.records.read() as records:
            return records.last_event()

    def known_hosts(self, asker: User) -> str:
        """Lines for OpenSSH's known_hosts: the open boards that *asker* holds, by name and host name."""
        lines = []
        with self.desk.records.read() as records:
            running = records.reservations(user=asker.id, states={ReservationState.RUNNING})
            mine = {one.number for one in running if one.holds(self.desk.now())}
            for deployment in records.deployments(reservations=mine, live=True):
                standing = records.board(deployment.board)
                site = records.site(standing.board.site) if standing else None
                if deployment.state is DeploymentState.OPEN and deployment.host_key and site is not None:
                    name = deployment.board
                    host_name = f"{name}.{site.site.name}.{site.site.domain}"
                    lines.append(f"{name},{host_name} {deployment.host_key}\n")
        return "".join(sorted(lines))


def _check_known(records: Snapshot, board: str) -> None:
    # A board that has left the farm still has a history.
    if records.board(board) is None and not records.events(0, board=board, limit=1):
        raise NotFound(
            Code.BOARD_UNKNOWN, _("there is no board {board}"), hint=_("boardgrid board list shows them"), board=board
        )


def _seen(asker: User, entry: Entry) -> Event:
    event = entry.event
    if can(asker, "see", Owned(entry.owner)):
        return event
    if event.step in _PUBLIC or (entry.owner is None and event.step not in _OF_BOARDS):
        return replace(event, console=(), deployment=event.deployment if entry.owner is None else None)
    return replace(event, detail="", console=(), deployment=None)
