"""Whatever is asked of the calendar in whatever order, what was promised holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from boardgrid.model.calendar import Calendar, Demand, Job, Move, Placement, among
from boardgrid.model.window import Window

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=5)
A, B, C = "tk1-1", "tk1-2", "tk1-3"
ANY = among(A, B, C)


def hours(start: float, end: float) -> Window:
    return Window(NOON + start * HOUR, NOON + end * HOUR)


def a_job(number: int, window: Window, *boards: str, **changes: object) -> Job:
    job = Job(number, (Demand(len(boards), ANY),), window, boards)
    return replace(job, **changes)  # type: ignore[arg-type]  # the fields that a test is about


def calendar_of(*jobs: Job) -> Calendar:
    calendar = Calendar()
    for job in jobs:
        calendar.put(job)
    return calendar


def advanced(calendar: Calendar, queue: list[int], freed: set[str], now: datetime) -> list[tuple[Job, Placement]]:
    moved: list[tuple[Job, Placement]] = []
    while freed:
        more, freed = calendar.advance(queue, freed, now, GRACE)
        moved += more
    return moved


# --- one by one


def test_two_jobs_cannot_have_a_board_at_once() -> None:
    calendar = calendar_of(a_job(1, hours(0, 2), A))
    with pytest.raises(ValueError, match="tk1-1 is taken"):
        calendar.put(a_job(2, hours(1, 3), A))


def test_one_job_may_begin_when_another_ends() -> None:
    calendar = calendar_of(a_job(1, hours(0, 2), A), a_job(3, hours(4, 5), A))
    calendar.put(a_job(2, hours(2, 4), A))
    assert calendar.line(A).jobs == (1, 2, 3)


def test_of_equal_boards_the_one_with_the_tightest_gap_is_taken() -> None:
    calendar = calendar_of(a_job(1, hours(5, 6), B), a_job(2, hours(3, 4), C))
    found = calendar.place([Demand(1, ANY)], hours(0, 2))
    assert found is not None and found.boards == (C,)


def test_of_boards_that_are_free_for_good_the_one_that_rested_longest_is_taken() -> None:
    calendar = calendar_of(a_job(1, hours(0, 9), A, has_begun=True), a_job(2, hours(0, 9), B, has_begun=True))
    calendar.drop(2, NOON + HOUR)
    calendar.drop(1, NOON + 2 * HOUR)
    found = calendar.place([Demand(1, among(A, B))], hours(3, 4))
    assert found is not None and found.boards == (B,)


def test_the_earliest_place_for_one_is_the_first_gap_that_is_long_enough() -> None:
    calendar = calendar_of(
        a_job(1, hours(0, 2), A), a_job(2, hours(3, 9), A), a_job(3, hours(0, 5), B), a_job(4, hours(0, 7), C)
    )
    one_hour = calendar.earliest([Demand(1, ANY)], HOUR, NOON, GRACE)
    two_hours = calendar.earliest([Demand(1, ANY)], 2 * HOUR, NOON, GRACE)
    assert one_hour is not None and (one_hour.window, one_hour.boards) == (hours(2, 3), (A,))
    assert two_hours is not None and (two_hours.window, two_hours.boards) == (hours(5, 7), (B,))


def test_the_earliest_place_for_several_is_when_all_of_them_are_free() -> None:
    calendar = calendar_of(
        a_job(1, hours(0, 2), A),
        a_job(2, hours(3, 9), A, has_begun=False),
        a_job(3, hours(0, 5), B, has_begun=True),
        a_job(4, hours(0, 7), C, has_begun=True),
    )
    found = calendar.earliest([Demand(2, ANY)], HOUR, NOON, GRACE)
    assert found is not None and found.window == hours(7, 8)


def test_groups_that_share_boards_are_matched_where_taking_the_first_that_comes_would_fail() -> None:
    demands = [Demand(1, ANY), Demand(1, among(A)), Demand(1, among(A, B))]
    found = Calendar().place(demands, hours(0, 1))
    assert found is not None and found.boards == (C, A, B)


def test_large_groups_that_share_their_boards_are_matched_too() -> None:
    shelf = among(*(f"tk1-{number}" for number in range(1, 2001)))
    first, rest = among(*list(shelf)[:1000]), Demand(900, shelf)
    found = Calendar().place([rest, Demand(100, shelf), Demand(1000, first)], hours(0, 1))
    assert found is not None and len(set(found.boards)) == 2000
    assert set(found.boards[1000:]) == set(first)
    assert Calendar().place([rest, Demand(101, shelf), Demand(1000, first)], hours(0, 1)) is None


def test_more_boards_than_there_are_fit_nowhere_and_never() -> None:
    assert Calendar().place([Demand(4, ANY)], hours(0, 1)) is None
    assert Calendar().earliest([Demand(4, ANY)], HOUR, NOON, GRACE) is None
    assert Calendar().earliest([Demand(2, among(A)), Demand(1, among(A, B))], HOUR, NOON, GRACE) is None


def test_a_job_that_has_not_begun_makes_room_by_changing_to_an_equal_board() -> None:
    calendar = calendar_of(a_job(1, hours(1, 3), A))
    found = calendar.place([Demand(1, among(A))], hours(2, 4))
    assert found is not None and found.moves in [(Move(1, A, B),), (Move(1, A, C),)]


def test_a_free_hour_here_and_a_free_hour_there_become_two_in_a_row() -> None:
    two = among(A, B)
    calendar = Calendar()
    calendar.put(Job(1, (Demand(1, two),), hours(1, 2), (A,)))
    calendar.put(Job(2, (Demand(1, two),), hours(2, 3), (B,)))
    found = calendar.place([Demand(1, two)], hours(1, 3))
    assert found is not None
    calendar.move(found.moves)
    calendar.put(Job(3, (Demand(1, two),), found.window, found.boards))


def test_a_job_that_has_begun_makes_no_room() -> None:
    calendar = calendar_of(a_job(1, hours(0, 3), A, has_begun=True))
    assert calendar.place([Demand(1, among(A))], hours(2, 4)) is None


def test_whoever_has_a_board_has_it_also_where_the_clock_was_set_back() -> None:
    calendar = calendar_of(a_job(1, hours(0, 3), A, has_begun=True))
    assert calendar.place([Demand(1, among(A))], hours(-5, -4)) is None


def test_a_shut_board_takes_nobody_new() -> None:
    calendar = Calendar(shut=frozenset({A}))
    assert calendar.place([Demand(1, among(A))], hours(0, 1)) is None
    assert calendar.earliest([Demand(1, among(A))], HOUR, NOON, GRACE) is None


def test_a_closed_window_is_kept_free() -> None:
    calendar = Calendar(closed={A: (hours(1, 2), hours(3, 4))})
    found = calendar.earliest([Demand(1, among(A))], timedelta(hours=1.5), NOON, GRACE)
    assert found is not None and found.window == hours(4, 5.5)
    assert calendar.place([Demand(1, among(A))], hours(1.5, 1.75)) is None


def test_what_is_released_early_goes_to_the_first_in_the_queue_whom_it_fits() -> None:
    calendar = calendar_of(
        a_job(1, hours(0, 4), A, demands=(Demand(1, among(A)),), has_begun=True),
        a_job(2, hours(4, 6), A, demands=(Demand(1, among(A)),), is_queued=True),
        a_job(3, hours(6, 7), A, demands=(Demand(1, among(A)),), is_queued=True),
    )
    calendar.drop(1, NOON + HOUR)
    moved = advanced(calendar, [2, 3], {A}, NOON + HOUR)
    assert [(job.number, place.window) for job, place in moved] == [(2, hours(1, 3)), (3, hours(3, 4))]


def test_a_short_job_goes_ahead_where_the_one_before_it_does_not_fit() -> None:
    calendar = calendar_of(
        a_job(1, hours(0, 2), A, demands=(Demand(1, among(A)),), has_begun=True),
        a_job(2, hours(2, 3), A, demands=(Demand(1, among(A)),)),  # fixed
        a_job(3, hours(3, 6), A, demands=(Demand(1, among(A)),), is_queued=True),
        a_job(4, hours(6, 7), A, demands=(Demand(1, among(A)),), is_queued=True),
    )
    calendar.drop(1, NOON + HOUR)
    moved = advanced(calendar, [3, 4], {A}, NOON + HOUR)
    assert [(job.number, place.window) for job, place in moved] == [(4, hours(1, 2))]


def test_jobs_leave_a_broken_board_for_an_equal_one_at_the_same_time() -> None:
    calendar = calendar_of(a_job(1, hours(1, 2), A), a_job(2, hours(3, 4), A, demands=(Demand(1, among(A)),)))
    calendar.shut = frozenset({A})
    moved, stuck = calendar.evicted(A, NOON, GRACE)
    assert [(job.number, place.window) for job, place in moved] == [(1, hours(1, 2))]
    assert [job.number for job in stuck] == [2]
    assert calendar.line(A).jobs == (2,)


def test_an_extension_goes_as_far_as_the_next_who_cannot_move() -> None:
    calendar = calendar_of(
        a_job(1, hours(0, 2), A, has_begun=True),
        a_job(2, hours(3, 4), A),
        a_job(3, hours(5, 6), A, demands=(Demand(1, among(A)),)),
    )
    reach, moves = calendar.longest(1, NOON + 9 * HOUR, NOON)
    assert reach == NOON + 5 * HOUR
    assert [move.job for move in moves] == [2]


def test_an_extension_ends_where_maintenance_begins() -> None:
    calendar = calendar_of(a_job(1, hours(0, 2), A, has_begun=True))
    calendar.closed = {A: (hours(4, 5),)}
    assert calendar.longest(1, NOON + 9 * HOUR, NOON) == (NOON + 4 * HOUR, ())


def test_who_yields_is_not_seen_by_the_others_but_for_its_grace() -> None:
    guest = a_job(1, hours(0, 8), A, has_begun=True, is_yielding=True)
    calendar = calendar_of(guest)
    found = calendar.earliest([Demand(1, among(A))], HOUR, NOON, GRACE)
    assert found is not None and found.window.start == NOON + GRACE
    assert calendar.in_the_way(found.boards, found.window.start) == [guest]


def test_groups_that_share_a_board_of_who_yields_wait_for_its_grace() -> None:
    calendar = calendar_of(a_job(1, hours(0, 8), A, has_begun=True, is_yielding=True))
    found = calendar.earliest([Demand(1, among(A, B)), Demand(1, among(A, B))], HOUR, NOON, GRACE)
    assert found is not None and found.window.start == NOON + GRACE and set(found.boards) == {A, B}


def test_who_yields_gets_boards_that_are_idle_until_they_are_needed() -> None:
    calendar = calendar_of(a_job(1, hours(3, 4), A), a_job(2, hours(0, 1), B), a_job(3, hours(0, 1), C))
    found = calendar.idle([Demand(1, ANY)], NOON, timedelta(minutes=10), 8 * HOUR)
    assert found is not None and (found.boards, found.window) == ((A,), hours(0, 3))
    assert calendar.idle([Demand(2, ANY)], NOON, timedelta(minutes=10), 8 * HOUR) is None


# --- all together


class Lab(RuleBasedStateMachine):
    """Whoever uses the calendar as booking does, in any order of acts."""

    @initialize(boards=st.integers(1, 4))
    def open(self, boards: int) -> None:
        self.boards = [f"tk1-{number}" for number in range(1, boards + 1)]
        self.all = among(*self.boards)
        self.calendar, self.now, self.count = Calendar(), NOON, 0
        self.promised: dict[int, Window] = {}
        self.excused: set[int] = set()  # by a broken board, which is a cause

    def _new(self, job: Job) -> None:
        self.calendar.put(job)
        self.promised[job.number] = job.window

    def _advance(self, freed: set[str]) -> None:
        queue = sorted(number for number, job in self.calendar.jobs.items() if job.is_queued and not job.has_begun)
        for job, found in advanced(self.calendar, queue, freed, self.now):
            assert found.window.start < job.window.start

    @rule(
        count=st.integers(1, 3),
        start=st.integers(0, 6),
        lasting=st.integers(1, 4),
        named=st.one_of(st.none(), st.integers(0, 3)),
    )
    def ask_for_a_date(self, count: int, start: int, lasting: int, named: int | None) -> None:
        demand = Demand(1, among(self.boards[named])) if named is not None and named < len(self.boards) else None
        demands = (demand or Demand(count, self.all),)
        start_at = self.now + start * HOUR
        found = self.calendar.place(demands, Window(start_at, start_at + lasting * HOUR), self.now + GRACE)
        if found is None:
            return
        self.calendar.move(found.moves)
        self.count += 1
        self._new(Job(self.count, demands, found.window, found.boards))

    @rule(count=st.integers(1, 4), lasting=st.integers(1, 4))
    def queue_up(self, count: int, lasting: int) -> None:
        demands = (Demand(count, self.all),)
        found = self.calendar.earliest(demands, lasting * HOUR, self.now, GRACE)
        if found is None:
            assert count > len(set(self.boards) - self.calendar.shut)
            return
        self.calendar.move(found.moves)
        self.count += 1
        self._new(Job(self.count, demands, found.window, found.boards, is_queued=True))

    @rule(minutes=st.integers(1, 300))
    def time_passes(self, minutes: int) -> None:
        """What ends and begins meanwhile does so in order."""
        until = self.now + timedelta(minutes=minutes)
        while True:
            ends = [job.window.end for job in self.calendar.jobs.values() if job.has_begun]
            starts = [job.window.start for job in self.calendar.jobs.values() if not job.has_begun]
            due = min([*ends, *starts], default=until + HOUR)
            if due > until:
                break
            self.now = max(due, self.now)
            for job in [job for job in self.calendar.jobs.values() if job.has_begun and job.window.end <= self.now]:
                self.calendar.drop(job.number, self.now)
            for job in [job for job in self.calendar.jobs.values() if not job.has_begun]:
                if job.window.start <= self.now:
                    self.calendar.put(replace(job, has_begun=True))
        self.now = until

    @precondition(lambda self: self.calendar.jobs)
    @rule(data=st.data())
    def release_or_cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.calendar.jobs)))
        job = self.calendar.drop(number, self.now)
        assert job is not None
        self.promised.pop(number)
        self._advance(set(job.boards))

    @precondition(lambda self: any(job.has_begun for job in self.calendar.jobs.values()))
    @rule(data=st.data(), by=st.integers(1, 5))
    def extend(self, data: st.DataObject, by: int) -> None:
        running = sorted(number for number, job in self.calendar.jobs.items() if job.has_begun)
        job = self.calendar.jobs[data.draw(st.sampled_from(running))]
        until, moves = self.calendar.longest(job.number, job.window.end + by * HOUR, self.now)
        assert until >= job.window.end
        self.calendar.move(moves)
        self.calendar.put(replace(job, window=Window(job.window.start, until)))

    @rule(place=st.integers(0, 3))
    def break_a_board(self, place: int) -> None:
        board = self.boards[place % len(self.boards)]
        self.calendar.shut |= {board}
        before = dict(self.calendar.jobs)
        moved, stuck = self.calendar.evicted(board, self.now, GRACE)
        vacated = {one for job, _found in moved for one in job.boards}
        for job, found in moved:
            if found.window.start > job.window.start:
                assert before[job.number].is_queued
                self.promised[job.number] = found.window
        self.excused |= {job.number for job in stuck}
        self._advance(vacated)

    @rule()
    def mend_all_boards(self) -> None:
        mended, self.calendar.shut = self.calendar.shut, frozenset()
        self._advance(set(mended))

    @invariant()
    def no_board_has_two_jobs_at_once(self) -> None:
        for board, line in self.calendar.lines.items():
            assert all(end <= start for end, start in zip(line.ends, line.starts[1:], strict=False)), board
            assert all(start < end for start, end in zip(line.starts, line.ends, strict=True))
        for job in self.calendar.jobs.values():
            assert len(set(job.boards)) == len(job.boards) == sum(demand.count for demand in job.demands)
            assert all(job.number in self.calendar.line(board).jobs for board in job.boards)
            assert all(board in job.demand_of(board).among for board in job.boards)

    @invariant()
    def promised_starts_never_slip(self) -> None:
        for job in self.calendar.jobs.values():
            promised = self.promised[job.number]
            if job.is_queued:
                assert job.window.start <= promised.start
                self.promised[job.number] = job.window
            elif job.has_begun:
                assert job.window.start == promised.start and job.window.end >= promised.end
            else:
                assert job.window == promised

    @invariant()
    def no_idle_board_waits_beside_a_job_that_it_fits(self) -> None:
        for job in self.calendar.jobs.values():
            if not job.is_queued or job.has_begun or job.window.start <= self.now:
                continue
            without = self.calendar.copy()
            without.drop(job.number)
            now = Window(self.now, self.now + job.window.lasting)
            assert without._pick(job.demands, now, self.now + GRACE) is None, job

    def teardown(self) -> None:
        """Nobody starves: everyone begins within the time that all together last."""
        if not hasattr(self, "calendar"):
            return
        waiting = {number for number, job in self.calendar.jobs.items() if not job.has_begun}
        latest = max((job.window.end for job in self.calendar.jobs.values()), default=self.now)
        self.time_passes(int((latest - self.now) / timedelta(minutes=1)) + 1)
        assert not waiting & set(self.calendar.jobs)


TestLab = Lab.TestCase
TestLab.settings = settings(max_examples=60, stateful_step_count=25)
