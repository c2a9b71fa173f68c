"""The timetable: the calendar as it is recorded, kept in memory between use cases, so that none reads all of it."""

import heapq
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType
from boardgrid.model.calendar import Calendar, Demand, Job
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.facts import facts_of
from boardgrid.model.image import Image
from boardgrid.model.notice import SOON
from boardgrid.model.planning import Standing, kernel_for
from boardgrid.model.reservation import LIVE, Group, Kind, Reservation
from boardgrid.model.wish import Gone
from boardgrid.ports import Revisions, Snapshot
from boardgrid.services.finding import where_for


@dataclass(frozen=True, slots=True)
class Shelf:
    """What planning needs to know of the boards; it remembers which of them would do for what was asked."""

    boards: Mapping[str, Board]  # in the order of the shelf; their ``set_aside`` is not kept up to date here
    types: Mapping[str, BoardType]
    _known: dict[tuple[Group, UUID | None], Mapping[str, int]] = field(default_factory=dict)
    _images: dict[UUID, Image] = field(default_factory=dict)

    def image(self, records: Snapshot, image_id: UUID) -> Image | None:
        if image_id not in self._images:
            found = records.image(image_id)
            if found is None or found.manifest is None:
                return found
            self._images[image_id] = found  # what is in it never changes again
        return self._images[image_id]

    def among(self, group: Group, image: Image | None) -> Mapping[str, int]:
        """The boards that would do for one of *group*, with this image on it; each with its place on the shelf."""
        key = replace(group, count=1), image.id if image else None
        if key not in self._known:
            self._known[key] = self._looked_up(group, image)
        return self._known[key]

    def _looked_up(self, group: Group, image: Image | None) -> Mapping[str, int]:
        named = self._named(group)
        if image is None or image.manifest is None:
            return named
        fitting, refusal = {}, None
        for name, place in named.items():
            try:
                self.check_fits(name, image)
            except Invalid as error:
                refusal = refusal or error
            else:
                fitting[name] = place
        if not fitting and refusal is not None:
            raise refusal
        return fitting

    def _named(self, group: Group) -> Mapping[str, int]:
        if group.board and group.board not in self.boards:
            raise NotFound(
                Code.BOARD_UNKNOWN,
                _("there is no board {board}"),
                hint=_("boardgrid board list shows them"),
                board=group.board,
            )
        if group.board:
            return {group.board: 0}
        if group.type and group.type not in self.types:
            raise NotFound(
                Code.TYPE_UNKNOWN,
                _("there is no board type {type}"),
                hint=_("boardgrid board-type list shows them"),
                type=group.type,
            )
        where = where_for(group.where, self.types.values(), self.boards.values()) if group.where else None
        names = {
            name: place
            for place, (name, board) in enumerate(self.boards.items())
            if group.type in {"", board.type} and (where is None or where.fits(facts_of(board, self.types[board.type])))
        }
        if names:
            return names
        raise NotFound(
            Code.BOARD_UNKNOWN,
            _("there is no board of type {type}") if not group.where else _("no board is as asked for: {group}"),
            hint=_("boardgrid board list shows those that are there"),
            type=group.type,
            group=group,
        )

    def check_fits(self, name: str, image: Image) -> None:
        """
        Raises:
            Invalid: IMAGE_MISFIT, KERNEL_MISSING; this image never runs on this board.
        """
        board = self.boards[name]
        if board.site != image.site:
            raise Invalid(
                Code.IMAGE_MISFIT,
                _("{image} is stored at site {there}, and {board} is at site {here}"),
                hint=_("import the image at site {here}, or choose a board at site {there}"),
                image=image.ref,
                there=image.site,
                board=name,
                here=board.site,
            )
        if image.manifest is not None:
            kernel_for(board, self.types[board.type], image.ref, image.manifest)


@dataclass(slots=True)
class Plan:
    """One use case's own calendar, with what it rests on."""

    shelf: Shelf
    calendar: Calendar
    revisions: Revisions
    vacated: set[str] = field(default_factory=set)  # boards that are still to be offered to the queue
    owners: dict[int, UUID] = field(default_factory=dict)  # whose each job is
    soon: timedelta = SOON  # so long before its end the user of a job is warned
    _agenda: list[tuple[datetime, int]] = field(default_factory=list)  # what is due when; may hold what is no more so
    _warnings: list[tuple[datetime, int]] = field(default_factory=list)  # likewise, of whom to warn
    _warn_at: dict[int, datetime] = field(default_factory=dict)  # what of it is still so

    @classmethod
    def of(cls, records: Snapshot, soon: timedelta = SOON) -> "Plan":
        standings = records.boards()
        shelf = Shelf(
            {one.board.name: one.board for one in standings}, {one.name: one for one in records.board_types()}
        )
        shut = frozenset(one.board.name for one in standings if is_shut(one))
        plan = cls(shelf, Calendar(shut=shut), records.revisions(), soon=soon)
        plan.put(records, records.reservations(states=LIVE))
        return plan

    def copy(self) -> "Plan":
        return replace(
            self,
            calendar=self.calendar.copy(),
            vacated=set(self.vacated),
            owners=dict(self.owners),
            _agenda=list(self._agenda),
            _warnings=list(self._warnings),
            _warn_at=dict(self._warn_at),
        )

    def demands(self, groups: tuple[Group, ...], image: Image | None) -> tuple[Demand, ...]:
        """
        Raises:
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN.
            Invalid: IMAGE_MISFIT, KERNEL_MISSING, WHERE_INVALID.
        """
        return tuple(Demand(group.count, self.shelf.among(group, image)) for group in groups)

    def put(self, records: Snapshot, reservations: list[Reservation]) -> None:
        """Bring it to these reservations, as they are recorded."""
        for one in reservations:
            self.calendar.drop(one.number, None if one.is_live else one.window.end)
            self.owners.pop(one.number, None)
            self._warn_at.pop(one.number, None)
        for one in reservations:
            if not one.is_live:
                continue
            job = self._job(records, one)
            self.calendar.put(job)
            self.owners[one.number] = one.user
            self.note_due(job.number)
            if (at := one.warn_at(self.soon)) is not None:
                self._warn_at[one.number] = at
                heapq.heappush(self._warnings, (at, one.number))

    def _job(self, records: Snapshot, reservation: Reservation) -> Job:
        try:
            demands = self.demands(reservation.groups, self.shelf.image(records, reservation.image))
        except (NotFound, Invalid):
            # The shelf has changed since: it keeps what it has, and may change to nothing else.
            demands = tuple(Demand(1, {board: 0}) for board in reservation.boards)
        return Job(
            reservation.number,
            demands,
            reservation.window,
            reservation.boards,
            has_begun=reservation.is_running,
            is_queued=reservation.kind is Kind.QUEUED,
            is_yielding=reservation.kind is Kind.BEST_EFFORT,
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
        """The jobs that begin or end by now, in the order of time; they are not told again."""
        found = []
        while (at := self.next_due()) is not None and at <= now:
            found.append(heapq.heappop(self._agenda)[1])
        return found

    # --- who is next

    def queue(self) -> list[int]:
        """The jobs that wait for their turn: who holds fewest boards first, then who asked first."""
        held: dict[UUID, int] = {}
        waiting = []
        for number, job in self.calendar.jobs.items():
            if job.has_begun:
                owner = self.owners[number]
                held[owner] = held.get(owner, 0) + len(job.boards)
            elif job.is_queued:
                waiting.append(number)
        return sorted(waiting, key=lambda number: (held.get(self.owners[number], 0), number))

    def patient(self) -> list[int]:
        """The jobs that wait for boards that nobody needs, likewise."""
        jobs = self.calendar.jobs
        return sorted(number for number, job in jobs.items() if job.is_yielding and not job.has_begun)


def is_shut(standing: Standing) -> bool:
    return not standing.board.is_fit or isinstance(standing.wish, Gone)


def _due(job: Job) -> datetime | None:
    if job.has_begun:
        return job.window.end
    return None if job.is_yielding else job.window.start


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
            return Plan.of(records, self._soon)
        plan = kept.copy()
        if kept.revisions.reservations != now.reservations:
            # Another controller wrote, or a use case that looked at no plan.
            plan.put(records, records.reservations(since=kept.revisions.reservations))
        plan.revisions = now
        return plan

    def keep(self, plan: Plan) -> None:
        with self._lock:
            if self._kept is None or _order(plan) > _order(self._kept):
                self._kept = plan


def _order(plan: Plan) -> tuple[int, int]:
    return plan.revisions.shelf, plan.revisions.reservations
