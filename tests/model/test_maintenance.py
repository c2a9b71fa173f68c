"""Which boards a maintenance is about, and what the calendar keeps of its window."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from boardgrid.model.board import Board, BoardType
from boardgrid.model.calendar import Calendar, Demand, Job, among
from boardgrid.model.facts import facts_of
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.reservation import Group
from boardgrid.model.window import Window

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=5)
A, B = "tk1-1", "tk1-2"

TYPES = {name: BoardType(name, "armhf") for name in ("tk1", "rpi4")}
BOARDS = [
    Board(name, name.split("-", maxsplit=1)[0], "lab", "52:54:00:00:00:01", IPv4Address("10.20.0.11"), tags=tags)
    for name, tags in ((A, frozenset({"old"})), (B, frozenset()), ("rpi4-1", frozenset({"old"})))
]


def hours(start: float, end: float) -> Window:
    return Window(NOON + start * HOUR, NOON + end * HOUR)


def concerned(*groups: Group) -> list[str]:
    concerns = Maintenance(1, groups, hours(0, 1), "why", NOON).concerns()
    return [board.name for board in BOARDS if concerns(board, facts_of(board, TYPES[board.type]))]


def test_it_is_about_boards_by_name_by_type_by_expression_and_by_both() -> None:
    assert concerned(Group(board=B), Group(board="rpi4-1")) == [B, "rpi4-1"]
    assert concerned(Group(type="tk1")) == [A, B]
    assert concerned(Group(where='tag("old")')) == [A, "rpi4-1"]
    assert concerned(Group(type="tk1", where='tag("old")')) == [A]
    assert concerned(Group(board=B), Group(where='tag("old")')) == [A, B, "rpi4-1"]


def test_only_jobs_that_meet_the_window_leave_a_closed_board() -> None:
    calendar = Calendar(closed={A: (hours(2, 4),)})
    jobs = [Job(number, (Demand(1, among(A, B)),), hours(number, number + 1), (A,)) for number in (1, 3, 5)]
    for job in jobs:
        calendar.put(job)
    moved, stuck = calendar.evicted(A, NOON, GRACE, hours(2, 4))
    assert [(job.number, found.boards, found.window) for job, found in moved] == [(3, (B,), hours(3, 4))]
    assert stuck == [] and calendar.line(A).jobs == (1, 5)


def test_who_takes_what_nobody_needs_is_gone_when_a_board_is_closed() -> None:
    calendar = Calendar(closed={A: (hours(-2, -1), hours(2, 4), hours(6, 7))})
    found = calendar.idle([Demand(1, among(A))], NOON, timedelta(minutes=10), 9 * HOUR)
    assert found is not None and found.window == hours(0, 2)


def test_a_job_that_may_not_have_what_was_found_stays_where_it_is() -> None:
    calendar = Calendar()
    job = Job(1, (Demand(1, among(A)),), hours(3, 4), (A,), is_queued=True)
    calendar.put(job)
    assert calendar.advance([1], {A}, NOON, GRACE, lambda _job, _found: False) == ([], set())
    assert calendar.jobs[1] == job
    [(moved, found)], vacated = calendar.advance([1], {A}, NOON, GRACE)
    assert (moved.number, found.window, vacated) == (1, hours(0, 1), {A})
    assert calendar.jobs[1] == replace(job, window=found.window)
