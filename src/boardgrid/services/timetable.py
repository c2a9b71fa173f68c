"""The timetable: the calendar as it is recorded, kept in memory between use cases, so that none reads all of it."""

import heapq
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.model.calendar import Calendar, Demand, Job, Placement
from boardgrid.model.errors import Invalid, NotAllowed, NotFound
from boardgrid.model.image import Image
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.notice import SOON
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import LIVE, Group, Kind, Reservation
from boardgrid.model.rules import Bound, Limits, Use
from boardgrid.model.window import Window
from boardgrid.model.wish import Gone
from boardgrid.ports import Revisions, Snapshot
from boardgrid.services.shelf import Shelf


@dataclass(slots=True)
class Plan:
    """One use case's own calendar, with what it rests on."""

    shelf: Shelf
    calendar: Calendar
    revisions: Revisions
    vacated: set[str] = field(default_factory=set)  # boards that are still to be offered to the queue
    owners: dict[int, UUID] = field(default_factory=dict)  # whose each job is that counts as theirs
    projects: dict[int, UUID] = field(default_factory=dict)  # on which each job counts, if on one
    blocks: frozenset[int] = frozenset()  # those that run
    soon: timedelta = SOON  # so long before its end the user of a job is warned
    _agenda: list[tuple[datetime, int]] = field(default_factory=list)  # what is due when; may hold what is no more so
    _warnings: list[tuple[datetime, int]] = field(default_factory=list)  # likewise, of whom to warn
    _warn_at: dict[int, datetime] = field(default_factory=dict)  # what of it is still so

    @classmethod
    def of(cls, records: Snapshot, soon: timedelta = SOON) -> "Plan":
        standings = records.boards()
        shelf = Shelf.of(records, standings)
        shut = frozenset(one.board.name for one in standings if is_shut(one))
        closed = _closed(shelf, records.maintenances())
        plan = cls(shelf, Calendar(shut=shut, closed=closed), records.revisions(), soon=soon)
        plan.put(records, records.reservations(states=LIVE))
        return plan

    def copy(self) -> "Plan":
        return replace(
            self,
            calendar=self.calendar.copy(),
            vacated=set(self.vacated),
            owners=dict(self.owners),
            projects=dict(self.projects),
            _agenda=list(self._agenda),
            _warnings=list(self._warnings),
            _warn_at=dict(self._warn_at),
        )

    def demands(self, groups: tuple[Group, ...], image: Image | None, user: UUID) -> tuple[Demand, ...]:
        """
        Raises:
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN.
            NotAllowed: BOARD_FORBIDDEN.
            Invalid: IMAGE_MISFIT, KERNEL_MISSING, WHERE_INVALID.
        """
        return tuple(Demand(group.count, self.shelf.among(group, image, user)) for group in groups)

    def types(self, demands: Sequence[Demand]) -> set[str]:
        """Of all boards that would do."""
        return {self.shelf.boards[name].type for demand in demands for name in demand.among}

    def put(self, records: Snapshot, reservations: list[Reservation]) -> None:
        """Bring it to these reservations, as they are recorded."""
        for one in reservations:
            self.calendar.drop(one.number, None if one.is_live else one.window.end)
            self.owners.pop(one.number, None)
            self.projects.pop(one.number, None)
            self._warn_at.pop(one.number, None)
        self.blocks -= {one.number for one in reservations}
        for one in reservations:
            if not one.is_live or (one.is_seat and one.is_waiting):
                continue  # who waits within a block has no place in the calendar: it is the block's
            job = self._job(records, one)
            self.calendar.put(job)
            if one.is_block and one.is_running:
                self.blocks |= {one.number}
            if not (one.is_block or one.is_seat):
                self.owners[one.number] = one.user
            if one.project is not None and not one.is_seat:
                self.projects[one.number] = one.project
            self.note_due(job.number)
            if (at := one.warn_at(self.soon)) is not None:
                self._warn_at[one.number] = at
                heapq.heappush(self._warnings, (at, one.number))

    def _job(self, records: Snapshot, reservation: Reservation) -> Job:
        try:
            image = self.shelf.image(records, reservation.image)
            demands = self.demands(reservation.groups, image, reservation.user)
        except (NotFound, NotAllowed, Invalid):
            # Shelf or rules have changed since: it keeps what is there of what it has, and may change to nothing else.
            there = [{board: 0} if board in self.shelf.boards else {} for board in reservation.boards]
            demands = tuple(Demand(1, among) for among in there or [{}])
        return Job(
            reservation.number,
            demands,
            reservation.window,
            reservation.boards,
            has_begun=reservation.is_running,
            is_queued=reservation.kind is Kind.QUEUED,
            is_yielding=reservation.kind is Kind.BEST_EFFORT,
            ends_at=min((at for at in (reservation.alive_until, reservation.gives_way_at) if at), default=None),
        )

    # --- what is due

    def note_due(self, number: int) -> None:
        if (at := _due(self.calendar.jobs[number])) is not None:
            heapq.heappush(self._agenda, (at, number))

    def next_warning(self) -> datetime | None:
        """When the next user is to be warned that their time is nearly over."""
        while self._warnings:
            at, number = self._warnings[0]
            if self._warn_at.get(number) == at:
                return at
            heapq.heappop(self._warnings)
        return None

    def warnings(self, now: datetime) -> list[int]:
        """The jobs whose users are to be warned by now; they are not told again."""
        found = []
        while (at := self.next_warning()) is not None and at <= now:
            found.append(heapq.heappop(self._warnings)[1])
        return found

    def next_due(self) -> datetime | None:
        """When the next job begins or ends."""
        while self._agenda:
            at, number = self._agenda[0]
            job = self.calendar.jobs.get(number)
            if job is not None and _due(job) == at:
                return at
            heapq.heappop(self._agenda)
        return None

    def due(self, now: datetime) -> list[int]:
        """The jobs that begin or end by now, or were heard no more, in the order of time; they are not told again."""
        found = []
        while (at := self.next_due()) is not None and at <= now:
            found.append(heapq.heappop(self._agenda)[1])
        return found

    # --- who is next

    def queue(self) -> list[int]:
        """
        The jobs that wait for their turn: who holds fewest boards first, then who asked first. Of one user's the later
        ones count with those before them as held, so that who asks for much at once does not keep others waiting.
        """
        held: dict[int, int] = {}  # by the number of their id: ids themselves take longer to look up
        waiting = []
        for number, job in self.calendar.jobs.items():
            if job.has_begun:
                if owner := self.owners.get(number):
                    held[owner.int] = held.get(owner.int, 0) + len(job.boards)
            elif job.is_queued:
                waiting.append(number)
        turns = []
        for number in sorted(waiting):
            whose = self.owners[number].int
            before = held.get(whose, 0)
            turns.append((before, number))
            held[whose] = before + len(self.calendar.jobs[number].boards)
        return [number for _turn, number in sorted(turns)]

    def may_have(self, job: Job, found: Placement) -> bool:
        """
        Whether who waits in the queue may come to have their boards at the time that was found: never more at once
        than their limits say. What they were promised they may have.
        """
        whose, project = self.owners[job.number], self.projects.get(job.number)
        wanted = Use(found.window, len(found.boards))
        limits = [(self.owners, whose, self.shelf.limits_of(whose))]
        if project is not None:
            limits.append((self.projects, project, self.shelf.rules.for_project(project)))
        return all(
            Bound(Limits(boards=one.boards), uses=self._uses(of, owner, but=job.number)).fits(wanted)
            for of, owner, one in limits
            if one.boards is not None
        )

    def _uses(self, of: Mapping[int, UUID], owner: UUID, *, but: int) -> tuple[Use, ...]:
        jobs = (self.calendar.jobs[number] for number, one in of.items() if one == owner and number != but)
        return tuple(
            Use(job.window, sum(demand.count for demand in job.demands)) for job in jobs if not job.is_yielding
        )

    def patient(self) -> list[int]:
        """The jobs that wait for boards that nobody needs, likewise."""
        jobs = self.calendar.jobs
        return sorted(number for number, job in jobs.items() if job.is_yielding and not job.has_begun)


def is_shut(standing: Standing) -> bool:
    return not standing.board.is_fit or isinstance(standing.wish, Gone)


def _closed(shelf: Shelf, maintenances: Sequence[Maintenance]) -> dict[str, tuple[Window, ...]]:
    tests = [(one.window, one.concerns()) for one in maintenances]
    windows = {
        name: tuple(window for window, concerns in tests if concerns(board, shelf.facts(name)))
        for name, board in (shelf.boards.items() if tests else ())
    }
    return {name: closed for name, closed in windows.items() if closed}


def _due(job: Job) -> datetime | None:
    waits_for = None if job.is_yielding else job.window.start
    turn = job.window.end if job.has_begun else waits_for
    return min((at for at in (turn, job.ends_at) if at is not None), default=None)


class Timetable:
    """The plan as it was last recorded. A use case works on a draft; only what was recorded is kept."""

    def __init__(self, soon: timedelta = SOON) -> None:
        self._soon = soon
        self._lock = threading.Lock()
        self._kept: Plan | None = None

    def draft(self, records: Snapshot) -> Plan:
        with self._lock:
            kept = self._kept
        now = records.revisions()
        if kept is None or kept.revisions.shelf != now.shelf:
            plan = Plan.of(records, self._soon)
            if kept is not None:
                plan.vacated = set(kept.vacated)
            elif plan.queue() or plan.patient():
                # What was still to be offered when the last process ended nobody knows any more.
                plan.vacated = set(plan.shelf.boards)
            return plan
        plan = kept.copy()
        if kept.revisions.reservations != now.reservations:
            # Another controller wrote, or a use case that looked at no plan.
            plan.put(records, records.reservations(since=kept.revisions.reservations))
        plan.revisions = now
        return plan

    def keep(self, plan: Plan) -> None:
        with self._lock:
            # Of one revision too: what is still to be offered, and what is due, may be others by then.
            if self._kept is None or _order(plan) >= _order(self._kept):
                self._kept = plan


def _order(plan: Plan) -> tuple[int, int]:
    return plan.revisions.shelf, plan.revisions.reservations
