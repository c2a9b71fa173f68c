"""
Idling: boards that nobody uses go to who waits for them.

A reservation is idle when all of its boards are open, and for a time nobody was logged in to any of them and no serial
console that the farm hears said anything. Where somebody waits for one of its boards, its user is warned; a while later
it ends, with its roots kept aside. Whatever anybody does on a board meanwhile calls that off. What is not known is
taken for use: without a gateway that tells, nothing is idle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import DeploymentState, Phase
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.ports import Activity, Snapshot
from boardgrid.services.beginning import note
from boardgrid.services.desk import Work
from boardgrid.services.ending import Fate, end
from boardgrid.services.showing import as_utc
from boardgrid.services.timetable import Plan
from boardgrid.services.unfolding import offer

log = structlog.get_logger()

GRACE = timedelta(minutes=15)
GAP = timedelta(minutes=10)  # a gateway tells every five; what happened in a longer silence nobody knows


@dataclass(frozen=True, slots=True)
class Idling:
    after: timedelta | None = None  # None: nobody is asked to go
    grace: timedelta = GRACE  # from the warning to the end

    def next_due(self, records: Snapshot, plan: Plan, now: datetime) -> datetime | None:
        """When somebody is to be warned, released, or left in peace again."""
        times = [_next(one, warn_at, now) for one, warn_at in self._looked_at(records, plan, now)]
        return min((one for one in times if one is not None), default=None)

    def carry_out(self, work: Work) -> None:
        for one, warn_at in self._looked_at(work.tx, work.plan, work.now):
            due_at = _next(one, warn_at, work.now)
            if due_at is None or due_at > work.now:
                continue
            if one.idle_until is None:
                until = work.now + self.grace
                work.save(replace(one, idle_until=until))
                told = _("nobody uses it and somebody waits: it is released at {at} unless somebody logs in")
                note(work, one, Phase.NOTED, told.format(at=as_utc(until)))
                log.info("reservation.idle", reservation=one.number, until=until.isoformat())
            elif _is_in_use(warn_at, work.now):
                work.save(replace(one, idle_until=None))
                note(work, one, Phase.NOTED, _("it is in use again, or nobody waits for it any more"))
            else:
                end(work, one, because=_("nobody used it, and somebody waited for it"), fate=Fate.ASIDE)
                offer(work, one.boards)
                self.carry_out(work)  # who got it waits no more, so that others may keep theirs
                return

    def _looked_at(self, records: Snapshot, plan: Plan, now: datetime) -> Sequence[tuple[Reservation, datetime | None]]:
        """Those that run, and when each has been idle for long enough; None: it is in use, or nobody waits for it."""
        if self.after is None:
            return []
        wanted, crowded, activity = _wanted(plan), _crowded(records), records.activity()
        found: list[tuple[Reservation, datetime | None]] = []
        for one in records.reservations(states={ReservationState.RUNNING}):
            # What is given back of a block is the block's: it helps nobody but who waits there.
            is_wanted = one.within in crowded if one.is_seat else bool(wanted & set(one.boards))
            since = _idle_since(records, one, activity, now) if is_wanted else None
            found.append((one, None if since is None else since + self.after))
        return found


def _is_in_use(warn_at: datetime | None, now: datetime) -> bool:
    return warn_at is None or warn_at > now


def _next(reservation: Reservation, warn_at: datetime | None, now: datetime) -> datetime | None:
    if reservation.idle_until is None:
        return warn_at
    return now if _is_in_use(warn_at, now) else reservation.idle_until


def used(work: Work, boards: Iterable[str]) -> None:
    """Somebody did something with these boards otherwise than through a gateway."""
    known = work.tx.activity()
    for board in boards:
        work.save(Activity(board, known[board].sessions if board in known else 0, work.now))


def _wanted(plan: Plan) -> set[str]:
    """The boards that would do for somebody in the queue."""
    # Who asks for the same has the same mapping: a thousand of them are looked at once.
    among = {id(one.among): one.among for number in plan.queue() for one in plan.calendar.jobs[number].demands}
    return set().union(*among.values())


def _crowded(records: Snapshot) -> set[int | None]:
    """The blocks in which somebody waits for a seat."""
    return {one.within for one in records.reservations(states={ReservationState.WAITING}) if one.is_seat}


def _idle_since(
    records: Snapshot, reservation: Reservation, activity: Mapping[str, Activity], now: datetime
) -> datetime | None:
    """None: it is in use, or nobody knows."""
    live = {one.board: one for one in records.deployments(reservations=[reservation.number], live=True)}
    since = reservation.window.start
    for board in reservation.boards:
        standing, deployment, seen = records.board(board), live.get(board), activity.get(board)
        site = records.site(standing.board.site) if standing else None
        if deployment is None or deployment.state is not DeploymentState.OPEN or deployment.opened_at is None:
            return None
        if site is None or site.watched_since is None or site.watched_at is None or now - site.watched_at > GAP:
            return None
        if seen is not None and seen.sessions:
            return None
        since = max(since, deployment.opened_at, site.watched_since, seen.active_at if seen else since)
    return since
