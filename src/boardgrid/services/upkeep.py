"""Upkeep: what is due by itself, and who is to look when for what is due next."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from boardgrid.model.question import KEPT_FOR
from boardgrid.model.root import RootState
from boardgrid.model.volume import VolumeState
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, Work
from boardgrid.services.ending import discard
from boardgrid.services.errands import Errands
from boardgrid.services.idling import Idling
from boardgrid.services.orders import ORDER_WITHIN, ORDERS_FOR, drop_stale_orders
from boardgrid.services.questions import forget_old_questions
from boardgrid.services.restarting import forget_files, next_file_due
from boardgrid.services.roots import promised_to
from boardgrid.services.timetable import Plan
from boardgrid.services.unfolding import carry_out_due, offer
from boardgrid.services.volumes import discard_volume
from boardgrid.services.wastebasket import Wastebasket

REPORTS_FOR = timedelta(days=7)  # no agent sends a report again after that
EVENTS_FOR = timedelta(days=90)  # so that none of a reservation that runs is forgotten: no rule lets it run for longer


@dataclass(frozen=True, slots=True)
class Upkeep:
    desk: Desk
    wastebasket: Wastebasket
    errands: Errands
    idling: Idling = field(default_factory=Idling)

    def carry_out(self) -> datetime | None:
        """
        Do what is due: end and begin reservations, and give up what nobody came for: roots kept aside, images
        in the wastebasket, volumes that were removed, uploads that never came, exports, power orders that no agent
        carried out.

        Returns when the next such thing is due, for whoever calls this to wait; a reservation made meanwhile may be due
        before that, which the topic EVENTS tells.
        """
        with self.desk.records.read() as records:
            due = self._next_due(records, self.desk.timetable.draft(records), self.desk.now())
        if due is None or due > self.desk.now():
            return due  # looked at often, so that nothing is written where nothing is due
        with self.desk.begin() as work:
            carry_out_due(work)
            offer(work, _reopened(work))
            self.idling.carry_out(work)
            for root in work.tx.roots(states={RootState.ASIDE}):
                if root.expires_at and root.expires_at <= work.now and promised_to(work.tx, root) is None:
                    discard(work, root)
            for volume in work.tx.volumes(states={VolumeState.ASIDE}):
                if volume.expires_at and volume.expires_at <= work.now:
                    discard_volume(work, volume)
            self.wastebasket.carry_out(work)
            self.errands.carry_out(work)
            drop_stale_orders(work)
            forget_files(work)
            forget_old_questions(work)
            work.tx.forget_reports(work.now - REPORTS_FOR)
            work.tx.forget_orders(work.now - ORDERS_FOR)
            work.tx.forget_events(work.now - EVENTS_FOR)
            return self._next_due(work.tx, work.plan, work.now)

    def _next_due(self, records: Snapshot, plan: Plan, now: datetime) -> datetime | None:
        times = (
            _next_due(records, plan, now),
            self.idling.next_due(records, plan, now),
            self.wastebasket.next_due(records),
            self.errands.next_due(records),
        )
        return min((one for one in times if one is not None), default=None)


def _next_due(records: Snapshot, plan: Plan, now: datetime) -> datetime | None:
    times = [plan.next_due(), plan.next_warning(), now if plan.vacated else None]
    times += [one.window.end for one in records.maintenances()]
    # This is asked at each change, so what waits is only looked through for a root whose time is over.
    times += [
        one.expires_at
        for one in records.roots(states={RootState.ASIDE})
        if one.expires_at and (one.expires_at > now or promised_to(records, one) is None)
    ]
    times += [one.expires_at for one in records.volumes(states={VolumeState.ASIDE})]
    times += [one.asked_at + ORDER_WITHIN for one in records.waiting_orders()]
    times.append(next_file_due(records))
    times += [one.at + KEPT_FOR for one in records.questions()]
    return min((one for one in times if one is not None), default=None)


def _reopened(work: Work) -> set[str]:
    """The boards whose maintenance is over by now."""
    over = [one for one in work.tx.maintenances() if one.window.end <= work.now]
    if not over:
        return set()
    closed = work.plan.calendar.closed.items()
    for one in over:
        work.save(replace(one, over=True))
    return {board for board, windows in closed if any(window.end <= work.now for window in windows)}
