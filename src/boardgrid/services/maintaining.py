"""Maintaining: windows in which boards are kept free, and who makes room for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict, Invalid, NotFound
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.reservation import Group, Reservation
from boardgrid.model.rules import AHEAD_MOST
from boardgrid.model.user import User
from boardgrid.model.window import Window
from boardgrid.services.beginning import note
from boardgrid.services.desk import Desk, Work, check_operator
from boardgrid.services.ending import end
from boardgrid.services.finding import checked_reason
from boardgrid.services.seating import seat_again
from boardgrid.services.showing import Showing, as_utc
from boardgrid.services.unfolding import carry_out_due, offer, vacate
from boardgrid.services.views import MaintenanceView

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Maintaining:
    desk: Desk

    def maintenances(self, asker: User) -> list[MaintenanceView]:
        """Those that go on or are to come, in the order of time."""
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).maintenances()

    def add(
        self,
        asker: User,
        groups: Sequence[Group],
        *,
        start: datetime | None,
        end: datetime,
        reason: str,
        force: bool = False,
    ) -> MaintenanceView:
        """
        Keep boards free over a window. Who has not begun gets other boards, or a later turn in the queue.

        Args:
            groups: which boards; their counts mean nothing.
            start: None: now.
            force: end what runs at the window's start, and cancel what no other board does for; of several boards only
                those concerned.

        Raises:
            NotAllowed: only operators and admins may.
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN.
            Invalid: START_INVALID, DURATION_INVALID, WHERE_INVALID, REQUEST_INVALID.
            Conflict: MAINTENANCE_BLOCKED, the sentence names who is in the way.
        """
        check_operator(asker)
        why = checked_reason(reason)
        if not groups:
            raise Invalid(Code.REQUEST_INVALID, _("no board was named"), hint=_("name boards, a type or an expression"))
        with self.desk.begin(asker) as work:
            carry_out_due(work)
            window = _checked_window(start, end, work.now)
            boards = {name for group in groups for name in work.plan.shelf.named(group)}
            one = Maintenance(work.tx.next_maintenance(), tuple(groups), window, why, work.now)
            work.save(one)
            because = _("{user} keeps boards free for maintenance ({why})").format(user=asker.name, why=why)
            vacated, blocking = vacate(work, sorted(boards), window, because)
            if blocking and not force:
                raise _blocked(work, blocking)
            for reservation in blocking:
                _yield(work, reservation, boards, window, because)
                vacated |= set(reservation.boards)
            offer(work, vacated)
            log.info("maintenance.added", number=one.number, boards=sorted(boards), by=asker.name)
            return _shown(work, asker, one)

    def remove(self, asker: User, number: int) -> None:
        """
        Call it off, or end it early: what it kept free is offered to who waits.

        Raises:
            NotAllowed: only operators and admins may.
            NotFound: MAINTENANCE_UNKNOWN.
        """
        check_operator(asker)
        with self.desk.begin(asker) as work:
            one = work.tx.maintenance(number)
            if one is None or one.over:
                raise NotFound(
                    Code.MAINTENANCE_UNKNOWN,
                    _("there is no maintenance {number}"),
                    hint=_("boardgrid maintenance list shows what is to come"),
                    number=number,
                )
            boards = _shown(work, asker, one).boards
            work.save(replace(one, over=True))
            offer(work, boards)
        log.info("maintenance.removed", number=number, by=asker.name)


def _checked_window(start: datetime | None, end: datetime, now: datetime) -> Window:
    start = now if start is None else max(now, start.astimezone(UTC))
    if end <= start:
        raise Invalid(
            Code.DURATION_INVALID,
            _("a maintenance that ends at {end} does not end after it begins, at {start}"),
            hint=_("name an end to come"),
            start=as_utc(start),
            end=as_utc(end),
        )
    if end > now + AHEAD_MOST:
        raise Invalid(
            Code.START_INVALID,
            _("{end} is too far ahead"),
            hint=_("set a board aside that nobody is to have for years: boardgrid board aside"),
            end=as_utc(end),
        )
    return Window(start, end.astimezone(UTC))


def _yield(work: Work, reservation: Reservation, boards: set[str], window: Window, because: str) -> None:
    if reservation.is_block and (reservation.is_running or set(reservation.boards) - boards):
        # It takes in others, where there are any.
        for board in boards & set(reservation.boards):
            reservation = reservation.without(board)
        work.save(reservation)
        note(work, reservation, Phase.NOTED, because)
        return
    left = set(reservation.boards) - boards
    if reservation.is_waiting and not left:
        end(work, reservation, because=because)
    elif reservation.is_waiting or window.start <= work.now:
        # It goes on with those that are not concerned.
        end(work, reservation, boards=boards & set(reservation.boards), because=because)
        if reservation.is_seat:
            seat_again(work, reservation)
    else:
        work.save(replace(reservation, window=Window(reservation.window.start, window.start)))
        told = _("{because}: it ends at {at}").format(because=because, at=as_utc(window.start))
        note(work, reservation, Phase.NOTED, told)


def _blocked(work: Work, blocking: Sequence[Reservation]) -> Conflict:
    told = []
    for one in blocking:
        user = work.tx.user(one.user)
        sentence = (
            _("{number} of {user} ({boards}) runs until {end}")
            if one.is_running
            else _("{number} of {user} ({boards}) begins at {start} and no other board does")
        )
        told.append(
            sentence.format(
                number=one.number,
                user=user.name if user else "-",
                boards=", ".join(one.boards),
                start=as_utc(one.window.start),
                end=as_utc(one.window.end),
            )
        )
    return Conflict(
        Code.MAINTENANCE_BLOCKED,
        _("these reservations are in the way: {told}"),
        hint=_("choose another time; --force ends what runs when it begins, and cancels the others"),
        told="; ".join(told),
    )


def _shown(work: Work, asker: User, one: Maintenance) -> MaintenanceView:
    found = next((view for view in Showing(work.tx, asker, work.now).maintenances() if view.number == one.number), None)
    # One whose time has just passed keeps nothing free.
    return found or MaintenanceView(one.number, one.groups, (), one.window, one.reason)
