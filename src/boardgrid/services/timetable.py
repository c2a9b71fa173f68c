"""The timetable: the calendar as it is recorded, kept in memory between use cases, so that none reads all of it."""

import heapq
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType
from boardgrid.model.calendar import Calendar, Demand, Job, Placement
from boardgrid.model.errors import Code, Invalid, NotAllowed, NotFound
from boardgrid.model.facts import Facts, facts_of
from boardgrid.model.image import Image
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.notice import SOON
from boardgrid.model.planning import Standing, kernel_for
from boardgrid.model.project import UserGroup
from boardgrid.model.reservation import LIVE, Group, Kind, Reservation
from boardgrid.model.rules import Bound, Limits, Rules, Use
from boardgrid.model.where import Where
from boardgrid.model.window import Window
from boardgrid.model.wish import Gone
from boardgrid.ports import Revisions, Snapshot
from boardgrid.services.finding import where_for

_KNOWN_MOST = 2000  # things that were asked for; most people ask for the same


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    What planning needs to know of the boards and of who may have them; it remembers which would do for what was asked.
    """

    boards: Mapping[str, Board]  # in the order of the shelf; their ``set_aside`` is not kept up to date here
    types: Mapping[str, BoardType]
    rules: Rules = field(default_factory=Rules)
    groups: Mapping[UUID, UserGroup] = field(default_factory=dict)  # those that are not removed
    # By board: of each of these sets of groups its user must be in one. Those that are everybody's are left out.
    keepers: Mapping[str, tuple[frozenset[UUID], ...]] = field(default_factory=dict)
    _known: dict[tuple[Group, UUID | None, frozenset[UUID]], Mapping[str, int]] = field(default_factory=dict)
    _images: dict[UUID, Image] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Snapshot, standings: Sequence[Standing]) -> "Shelf":
        shelf = cls(
            {one.board.name: one.board for one in standings},
            {one.name: one for one in records.board_types()},
            records.rules(),
            {one.id: one for one in records.user_groups()},
        )
        tests = [(Where.parsed(one.where), one.groups) for one in shelf.rules.access]
        found = {
            name: tuple(groups for where, groups in tests if where.fits(shelf.facts(name)))
            for name in (shelf.boards if tests else ())
        }
        return replace(shelf, keepers={name: keepers for name, keepers in found.items() if keepers})

    def facts(self, name: str) -> Facts:
        board = self.boards[name]
        return facts_of(board, self.types[board.type])

    def groups_of(self, user: UUID) -> frozenset[UUID]:
        return frozenset(one.id for one in self.groups.values() if user in one.members)

    def limits_of(self, user: UUID) -> Limits:
        return self.rules.for_person(user, self.groups_of(user))

    def image(self, records: Snapshot, image_id: UUID) -> Image | None:
        if image_id not in self._images:
            found = records.image(image_id)
            if found is None or found.manifest is None:
                return found
            self._images[image_id] = found  # what is in it never changes again
        return self._images[image_id]

    def among(self, group: Group, image: Image | None, user: UUID) -> Mapping[str, int]:
        """The boards that *user* may have for one of *group*, with this image; each with its place on the shelf."""
        circles = frozenset[UUID]()
        if self.keepers:  # few groups keep boards, so that most users are alike here
            circles = self.groups_of(user) & frozenset(one for access in self.rules.access for one in access.groups)
        key = replace(group, count=1), image.id if image else None, circles
        if key not in self._known:
            if len(self._known) >= _KNOWN_MOST:
                self._known.clear()  # whoever asks with an expression of their own each time shall not fill the memory
            self._known[key] = self._looked_up(group, image, circles)
        return self._known[key]

    def _looked_up(self, group: Group, image: Image | None, circles: frozenset[UUID]) -> Mapping[str, int]:
        named = self._open_to(circles, self.named(group))
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

    def _open_to(self, circles: frozenset[UUID], named: Mapping[str, int]) -> Mapping[str, int]:
        if not self.keepers:
            return named
        found = {n: place for n, place in named.items() if all(one & circles for one in self.keepers.get(n, ()))}
        if found:
            return found
        board = next(iter(named))
        barring = next(one for one in self.keepers[board] if not one & circles)
        names = sorted(self.groups[one].name for one in barring if one in self.groups)
        raise NotAllowed(
            Code.BOARD_FORBIDDEN,
            _("{board} is for the members of {groups} alone")
            if len(named) == 1
            else _("all of these boards are for members of groups alone, {board} for those of {groups}"),
            hint=_("ask for another board, or ask an admin of the farm to let you in to the group"),
            board=board,
            groups=", ".join(names) or "-",
        )

    def named(self, group: Group) -> Mapping[str, int]:
        """
        All boards that one of *group* may be, whoever may have them.

        Raises:
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN.
            Invalid: WHERE_INVALID.
        """
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
            if group.type in {"", board.type} and (where is None or where.fits(self.facts(name)))
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
            if one.project is not None:
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
        held: dict[UUID, int] = {}
        waiting = []
        for number, job in self.calendar.jobs.items():
            if job.has_begun:
                if owner := self.owners.get(number):
                    held[owner] = held.get(owner, 0) + len(job.boards)
            elif job.is_queued:
                waiting.append(number)
        turns = []
        for number in sorted(waiting):
            owner = self.owners[number]
            turns.append((held.get(owner, 0), number))
            held[owner] = held.get(owner, 0) + len(self.calendar.jobs[number].boards)
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
        return tuple(Use(job.window, len(job.boards)) for job in jobs if not job.is_yielding)

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
