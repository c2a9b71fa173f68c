"""
The calendar: which board is whose, when. Facts in, plan out.

A *job* is a reservation as the calendar sees it: it asks for so many boards of those that would do, for so long. Each
job that was accepted has its boards and its window at once, so a predicted start is a promise. Three rules keep it
honest:

* nothing that is placed moves anybody to a later start: a newcomer takes what is free, and at most has jobs that have
  not begun change to other boards that do as well;
* what becomes free is offered to the queue in its order, and each may only move to an earlier start;
* a job that yields (best effort) stands on no board's line: the others do not see it, but for the grace it has to go.

A calendar is changed in place; who may have to undo that works on a :meth:`Calendar.copy`. Planning touches the jobs
and boards that it is about and never looks at the whole.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from boardgrid.model.line import EVER, NEVER, Line
from boardgrid.model.window import Window

_TRIES = 4  # so many boards are looked at for making room: of equal ones the next is as full as the last


@dataclass(frozen=True, slots=True)
class Demand:
    """So many boards of those that would do: each with its place on the shelf, which decides between equal ones."""

    count: int
    among: Mapping[str, int]


def among(*boards: str) -> dict[str, int]:
    return {board: place for place, board in enumerate(boards)}


@dataclass(frozen=True, slots=True)
class Job:
    number: int
    demands: tuple[Demand, ...]
    window: Window
    boards: tuple[str, ...] = ()  # the first demand's, then the second's ...
    has_begun: bool = False  # its boards are its own until it ends
    is_queued: bool = False  # its start may become an earlier one
    is_yielding: bool = False  # best effort: gives way to all others
    ends_at: datetime | None = None  # before its window does, as things are

    @property
    def is_movable(self) -> bool:
        return not self.has_begun and not self.is_yielding

    def demand_of(self, board: str) -> Demand:
        """For which of its demands it has this board."""
        place = self.boards.index(board)
        for demand in self.demands:
            if place < demand.count:
                return demand
            place -= demand.count
        return Demand(1, among(board))  # one that it has beyond what it asked for

    def on(self, moves: Mapping[str, str]) -> "Job":
        return replace(self, boards=tuple(moves.get(board, board) for board in self.boards))


@dataclass(frozen=True, slots=True)
class Move:
    """A job that has not begun changes from one board to another, its window stays."""

    job: int
    board: str
    to: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a job fits, and who has to make room by changing to an equal board."""

    window: Window
    boards: tuple[str, ...]
    moves: tuple[Move, ...] = ()


_EMPTY = Line()


@dataclass(slots=True)
class Calendar:
    """
    Boards that are *shut* take nobody new. *closed* are windows in which a board is kept free of jobs that are not
    there yet: maintenance.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    guests: dict[str, int] = field(default_factory=dict)  # by board: the job that yields and is on it now
    shut: frozenset[str] = frozenset()
    closed: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)

    def copy(self) -> "Calendar":
        return Calendar(dict(self.lines), dict(self.jobs), dict(self.guests), self.shut, self.closed)

    def line(self, board: str) -> Line:
        return self.lines.get(board, _EMPTY)

    # --- changing it

    def put(self, job: Job) -> None:
        """
        Have a job where it says, in the place of what it was before.

        Raises:
            ValueError: another has one of its boards then; whoever puts it has looked.
        """
        self.drop(job.number)
        self.jobs[job.number] = job
        if job.is_yielding:
            if job.has_begun:
                self.guests |= dict.fromkeys(job.boards, job.number)
            return
        window = _held(job)
        for board in job.boards:
            line = self.line(board)
            if not line.is_free(window):
                raise ValueError(f"{board} is taken by {line.within(window)} and not free for {job.number}")
            self.lines[board] = line.plus(job.number, window)

    def drop(self, number: int, at: datetime | None = None) -> Job | None:
        """Take a job out; *at*: it had begun, and is over then."""
        job = self.jobs.pop(number, None)
        if job is None:
            return None
        for board in job.boards:
            if job.is_yielding:
                if self.guests.get(board) == number:
                    del self.guests[board]
            else:
                self.lines[board] = self.line(board).minus(number, at)
        return job

    def move(self, moves: Iterable[Move]) -> None:
        for one in moves:
            job = self.jobs[one.job]
            self.put(job.on({one.board: one.to}))

    # --- looking for a place

    def place(self, demands: Sequence[Demand], window: Window, floor: datetime = EVER) -> Placement | None:
        """
        Where a job fits into just this window; None: nowhere, whoever made room.

        Args:
            floor: boards that somebody has who yields come into question from then on only.
        """
        boards = self._pick(demands, window, floor)
        return Placement(window, boards) if boards is not None else self._with_moves(demands, window, floor)

    def earliest(
        self, demands: Sequence[Demand], lasting: timedelta, now: datetime, grace: timedelta
    ) -> Placement | None:
        """The first place from *now* on; None: never, for there are not so many boards."""
        at_once = self.place(demands, Window(now, now + lasting), now + grace)
        return at_once or self._first_free(demands, lasting, now, now + grace)

    def _first_free(
        self, demands: Sequence[Demand], lasting: timedelta, not_before: datetime, floor: datetime
    ) -> Placement | None:
        """The first place where nobody has to move."""
        if not self._are_there(demands):
            return None
        start = not_before
        # For one board the soonest time is one at which it is free; for several each was looked at alone.
        is_exact = len(demands) == 1 and demands[0].count == 1
        while True:
            soonest = max(self._soonest(demand, start, lasting, floor) for demand in demands)
            if soonest > start:
                start = soonest
                if not is_exact:
                    continue
            window = Window(start, start + lasting)
            if boards := self._pick(demands, window, floor):
                return Placement(window, boards)
            # Each demand alone has its boards, all together have not: look after the next change.
            start = self._next_change(demands, start, floor)

    def _are_there(self, demands: Sequence[Demand]) -> bool:
        """Whether there are so many boards at all, none counted twice."""
        offered = [[board for board in demand.among if board not in self.shut] for demand in demands]
        if len(demands) == 1:
            return len(offered[0]) >= demands[0].count
        return _matched(demands, offered) is not None

    def _soonest(self, demand: Demand, not_before: datetime, lasting: timedelta, floor: datetime) -> datetime:
        """A time before which this demand alone cannot be met; met then, where it is *not_before*."""
        times = self._times(demand.among, not_before, lasting, floor)
        if demand.count == 1:
            best = NEVER
            for one in times:
                if one <= not_before:
                    return one
                best = min(best, one)
            return best
        found = heapq.nsmallest(demand.count, times)
        return found[-1] if len(found) == demand.count else NEVER

    def _times(
        self, among: Collection[str], not_before: datetime, lasting: timedelta, floor: datetime
    ) -> Iterator[datetime]:
        lines, guests, shut, closed = self.lines, self.guests, self.shut, self.closed
        for board in among:
            if board in shut:
                continue
            start = max(not_before, floor) if board in guests else not_before
            line = lines.get(board)
            if line is not None:
                start = line.earliest(start, lasting)
            if board in closed:
                start = self._earliest_open(board, start, lasting)
            yield start

    def _earliest_open(self, board: str, start: datetime, lasting: timedelta) -> datetime:
        """The same with regard to what is closed."""
        while True:
            wanted = Window(start, start + lasting)
            ends = [one.end for one in self.closed[board] if one.overlaps(wanted)]
            if not ends:
                return start
            start = self.line(board).earliest(max(ends), lasting)

    def _next_change(self, demands: Sequence[Demand], after: datetime, floor: datetime) -> datetime:
        boards = {board for demand in demands for board in demand.among}
        ends = [end for board in boards for end in self.line(board).ends]
        ends += [one.end for board in boards for one in self.closed.get(board, ())]
        if not boards.isdisjoint(self.guests):
            ends.append(floor)
        # When all of that is over all boards are free, of which there are enough.
        return min(end for end in ends if end > after)

    def _is_free(self, board: str, window: Window, floor: datetime) -> bool:
        if board in self.shut or (board in self.guests and window.start < floor):
            return False
        if any(one.overlaps(window) for one in self.closed.get(board, ())):
            return False
        return self.line(board).is_free(window)

    def _pick(self, demands: Sequence[Demand], window: Window, floor: datetime) -> tuple[str, ...] | None:
        """Boards that are free over a window, none twice: the first demand's, then the second's ..."""
        free = [self._free(demand, window, floor) for demand in demands]
        if any(len(boards) < demand.count for boards, demand in zip(free, demands, strict=True)):
            return None
        if len(demands) == 1:
            best = heapq.nsmallest(demands[0].count, free[0]) if demands[0].count > 1 else [min(free[0])]
            return tuple(board for *_rank, board in best)
        return _matched(demands, [[board for *_rank, board in sorted(boards)] for boards in free])

    def _free(self, demand: Demand, window: Window, floor: datetime) -> list[tuple[datetime, datetime, int, str]]:
        """
        The boards that are free over a window, each with its rank: least room left behind the job first, so that wide
        gaps stay wide; of equal ones the board that rested longest, which is clean and wears evenly.
        """
        # One pass without calls, for it is made over a thousand boards.
        lines, guests, shut, closed, start, end = (
            self.lines, self.guests, self.shut, self.closed, window.start, window.end
        )  # fmt: skip
        found = []
        for board, place in demand.among.items():
            if board in shut or (board in guests and start < floor):
                continue
            if board in closed and any(one.overlaps(window) for one in closed[board]):
                continue
            line = lines.get(board, _EMPTY)
            after = bisect_right(line.ends, start)
            following = line.starts[after] if after < len(line.starts) else NEVER
            if following >= end or following is NEVER:
                found.append((following, line.idle_since, place, board))
        return found

    # --- making room

    def _with_moves(self, demands: Sequence[Demand], window: Window, floor: datetime) -> Placement | None:
        """Where it fits when jobs that have not begun change to boards that do as well."""
        wanted = {board: place for demand in demands for board, place in demand.among.items()}
        busy = heapq.nsmallest(_TRIES, self._movable(wanted, window))
        if not busy:
            return None
        trial, moves = self.copy(), list[Move]()
        # One board after the other is freed, those with least on them first, until there are enough.
        for _jobs, _place, board in busy:
            made = trial._freeing(board, window, floor, wanted)
            if made is None:
                continue
            trial.move(made)
            moves += made
            if boards := trial._pick(demands, window, floor):
                return Placement(window, boards, tuple(moves))
        return None

    def _movable(self, wanted: Mapping[str, int], window: Window) -> Iterator[tuple[int, int, str]]:
        """The boards that somebody has over a window who may not have begun; each with how many that are."""
        lines, jobs = self.lines, self.jobs
        for board, place in wanted.items():
            line = lines.get(board)
            # Most boards are in use now, and who is first has begun.
            if line is not None and (within := line.within(window)) and jobs[within[0]].is_movable:
                yield len(within), place, board

    def _freeing(self, board: str, window: Window, floor: datetime, wanted: Collection[str]) -> list[Move] | None:
        """The moves that make a board free over a window; None: it cannot be."""
        if board in self.shut or (board in self.guests and window.start < floor):
            return None
        if any(one.overlaps(window) for one in self.closed.get(board, ())):
            return None
        moves: list[Move] = []
        for number in self.line(board).within(window):
            job = self.jobs[number]
            if not job.is_movable:
                return None
            to = next(
                (
                    other
                    for other in job.demand_of(board).among
                    if other not in job.boards
                    and self._is_free(other, job.window, floor)
                    # What is free for whom room is made must stay so.
                    and not (other in wanted and job.window.overlaps(window) and self._is_free(other, window, floor))
                    and all(one.to != other or not self.jobs[one.job].window.overlaps(job.window) for one in moves)
                ),
                None,
            )
            if to is None:
                return None
            moves.append(Move(number, board, to))
        return moves

    # --- what became free, what broke, who wants to stay

    def advance(
        self,
        queue: Iterable[int],
        freed: Collection[str],
        now: datetime,
        grace: timedelta,
        may: Callable[[Job, Placement], bool] = lambda _job, _found: True,
    ) -> tuple[list[tuple[Job, Placement]], set[str]]:
        """
        Offer boards that became free to the *queue*, once through, in its order. Everything is put where it moves to.

        Args:
            may: whether a job may have what was found for it; one that may not stays where it is.

        Returns who moved to an earlier start, with where to; and the boards that became free thereby, to be offered in
        turn. That ends, for starts only become earlier.
        """
        moved: list[tuple[Job, Placement]] = []
        vacated: set[str] = set()
        holes = _Holes(self.lines, freed, now)
        for number in queue:
            job = self.jobs.get(number)
            if job is None or not job.is_queued or job.has_begun or not holes.may_take(job, now):
                continue
            self.drop(number)
            # One board alone can only become another's earlier where one was freed.
            few = len(job.boards) == 1 and len(freed) < len(job.demands[0].among)
            demands = [replace(job.demands[0], among=_both(job.demands[0].among, freed))] if few else job.demands
            found = self._first_free(demands, job.window.lasting, now, now + grace)
            if found is None or found.window.start >= job.window.start or not may(job, found):
                self.put(job)
                continue
            vacated |= set(job.boards)
            self.put(replace(job, window=found.window, boards=found.boards))
            holes.look_again(found.boards)
            moved.append((job, found))
        return moved, vacated

    def evicted(
        self, board: str, now: datetime, grace: timedelta, within: Window | None = None
    ) -> tuple[list[tuple[Job, Placement]], list[Job]]:
        """
        Have the jobs that have not begun leave a board that was shut, or is closed *within* a window: to an equal one
        at the same time, else, in the queue, to the next time there is. Everything is put where it moves to.

        Returns who moved, with where to, and who could not: they stay, for the board may be fit again in time.
        """
        moved: list[tuple[Job, Placement]] = []
        stuck: list[Job] = []
        line = self.line(board)
        for number in line.jobs if within is None else line.within(within):
            job = self.jobs[number]
            if job.has_begun:
                continue
            self.drop(number)
            found = self.place(job.demands, job.window, now + grace)
            if found is None and job.is_queued:
                found = self._first_free(job.demands, job.window.lasting, max(now, job.window.start), now + grace)
            if found is None:
                self.put(job)
                stuck.append(job)
                continue
            self.move(found.moves)
            self.put(replace(job, window=found.window, boards=found.boards))
            moved.append((job, found))
        return moved, stuck

    def longest(self, number: int, until: datetime, floor: datetime) -> tuple[datetime, tuple[Move, ...]]:
        """
        How far a job that has begun may be extended towards *until*, and who changes to another board for it. What is
        closed begins on time.

        Args:
            floor: see :meth:`place`.
        """
        job = self.jobs[number]
        trial, moves, reach = self.copy(), list[Move](), until
        for board in job.boards:
            reach = min([reach, *(one.start for one in self.closed.get(board, ()) if one.start >= job.window.end)])
            for other in trial.line(board).within(Window(job.window.end, reach)):
                theirs = trial.jobs[other].window
                made = trial._freeing(board, theirs, floor, job.boards)
                if made is None:
                    reach = min(reach, theirs.start)
                    break
                trial.move(made)
                moves += made
        reach = max(reach, job.window.end)
        return reach, tuple(one for one in moves if self.jobs[one.job].window.start < reach)

    def in_the_way(self, boards: Iterable[str], start: datetime) -> list[Job]:
        """Who yields and is on one of these boards, and would be still when another is to have it."""
        found = {self.guests[board] for board in boards if board in self.guests}
        return [job for number in sorted(found) if (job := self.jobs[number]).window.end > start]

    def idle(
        self, demands: Sequence[Demand], now: datetime, at_least: timedelta, lasting: timedelta
    ) -> Placement | None:
        """For who yields: boards that nobody needs now, until one of them is needed."""
        window = Window(now, now + at_least)
        boards = self._pick([replace(one, among=self._without_guests(one.among)) for one in demands], window, NEVER)
        if boards is None:
            return None
        end = min([now + lasting, *(self._next_need(board, now) for board in boards)])
        return Placement(Window(now, end), boards)

    def _next_need(self, board: str, now: datetime) -> datetime:
        closed = (one.start for one in self.closed.get(board, ()) if one.start > now)
        return min([self.line(board).next_after(now), *closed])

    def _without_guests(self, boards: Mapping[str, int]) -> Mapping[str, int]:
        return {board: place for board, place in boards.items() if board not in self.guests}


class _Holes:
    """Where boards that became free are free, to see at a glance whom they are of no use to."""

    def __init__(self, lines: Mapping[str, Line], freed: Collection[str], now: datetime) -> None:
        self._lines, self._now = lines, now
        self._gaps: dict[str, list[tuple[datetime, datetime]]] = {board: [] for board in freed}
        self.look_again(freed)

    def look_again(self, boards: Iterable[str]) -> None:
        for board in boards:
            if board in self._gaps:
                self._gaps[board] = list(self._lines.get(board, _EMPTY).gaps(self._now))
        self._longest = max(
            (end - start for gaps in self._gaps.values() for start, end in gaps if end < NEVER), default=timedelta(0)
        )
        self._open = min((gaps[-1][0] for gaps in self._gaps.values()), default=NEVER)

    def may_take(self, job: Job, now: datetime) -> bool:
        start, lasting = job.window.start, job.window.lasting
        if start <= now:
            return False
        # Its own place may stand in the way of an earlier one on the same board.
        if not self._gaps.keys().isdisjoint(job.boards):
            return True
        if lasting > self._longest and start <= self._open:
            return False
        gaps = self._gaps
        for demand in job.demands:
            among = demand.among
            for board in gaps if len(gaps) <= len(among) else among:
                if board in gaps and board in among:
                    for begins, ends in gaps[board]:
                        if begins >= start:
                            break
                        if ends - begins >= lasting:
                            return True
        return False


def _both(boards: Mapping[str, int], freed: Collection[str]) -> dict[str, int]:
    return {board: boards[board] for board in freed if board in boards}


def _held(job: Job) -> Window:
    # Whoever has begun has the board, also before its own start when the clock was set back.
    return Window(EVER, job.window.end) if job.has_begun else job.window


def _matched(demands: Sequence[Demand], free: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """A board for each, none for two (Kuhn's algorithm: who comes later may have who came before choose another)."""
    owner: dict[str, int] = {}

    def settle(demand: int, tried: frozenset[int]) -> bool:
        for board in free[demand]:
            if board not in owner:
                owner[board] = demand
                return True
        # What one of a demand cannot get none of it can, so each is asked once: that bounds how deep this goes.
        asked = tried | {demand}
        for other in sorted({owner[board] for board in free[demand]} - asked):
            if settle(other, asked):
                left = next(board for board in free[demand] if owner[board] == other)
                owner[left] = demand
                return True
        return False

    for place, demand in enumerate(demands):
        for _one in range(demand.count):
            if not settle(place, frozenset()):
                return None
    return tuple(board for place in range(len(demands)) for board in free[place] if owner.get(board) == place)
