"""
Seating: which member of a project gets a board of its block, and when.

A seat takes its board out of the block and gives it back when it ends. So at any time the board is promised to one of
the two, and all else, the calendar and its guards first, sees ordinary reservations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import FarmError, NotFound
from boardgrid.model.image import Image
from boardgrid.model.project import Project
from boardgrid.model.reservation import LIVE, Kind, Reservation, ReservationState
from boardgrid.model.turns import giving_way, had_by, in_turn
from boardgrid.model.window import Window
from boardgrid.ports import Snapshot
from boardgrid.services.beginning import begun, foretold, note, planned
from boardgrid.services.desk import Work
from boardgrid.services.ending import end
from boardgrid.services.finding import image_of
from boardgrid.services.showing import as_utc
from boardgrid.services.timetable import is_shut

log = structlog.get_logger()

GRACE = timedelta(minutes=5)  # who gives way to another is told so long before
REMEMBERED = timedelta(days=180)  # who had boards before that is as hungry as anybody


def open_block(work: Work, block: Reservation) -> Reservation:
    """Give its boards out before the lesson: to who asked for one, then to the other members, in turn."""
    project = work.tx.project(block.project) if block.project else None
    seat_next(work, block.number)
    left = len(_fit_boards(work, planned(work, block.number)))
    if project is None or not left:
        return planned(work, block.number)
    had = had_by(seats_before(work.tx, block, work.now), work.now)
    for party in sorted(_unseated(work, block, project), key=lambda one: had.get(one[0], timedelta(0)))[:left]:
        add_seat(work, block, party)
    seat_next(work, block.number)
    return planned(work, block.number)


def add_seat(work: Work, block: Reservation, party: Sequence[UUID], root: UUID | None = None) -> Reservation:
    """
    Have somebody wait for a board of a block.

    Args:
        party: who it is for, then their team, who come in with them.
        root: kept aside, and booted again.
    """
    [group] = block.groups
    seat = Reservation(
        number=work.tx.next_reservation(),
        user=party[0],
        groups=(replace(group, count=1),),
        boards=(),
        window=Window(max(work.now, block.window.start), block.window.end),
        state=ReservationState.WAITING,
        created_at=work.now,
        image=block.image,
        kind=Kind.SEAT,
        root=root,
        size_bytes=block.size_bytes,
        members=tuple(party[1:]),
        project=block.project,
        within=block.number,
    )
    work.add(seat)
    note(work, seat, Phase.NOTED, foretold(work.tx, seat))
    return seat


def seat_again(work: Work, over: Reservation) -> None:
    """Whose board broke did not have their turn."""
    block = work.tx.reservation(over.within) if over.within is not None else None
    if block is not None and block.is_running:
        add_seat(work, block, (over.user, *over.members), over.root)
        seat_next(work, block.number)


def seat_next(work: Work, number: int) -> None:
    """Give the boards of a block that are nobody's to who waits, in turn; who still waits then is made room for."""
    block = planned(work, number)
    live = work.tx.reservations(within=number, states=LIVE)
    waiting = [one for one in live if one.is_waiting]
    if waiting and _fit_boards(work, block):
        had = had_by(seats_before(work.tx, block, work.now), work.now)
        for seat in in_turn([one for one in waiting if _may_sit(work, one)], had):
            _sit(work, planned(work, number), seat)
    _take_turns(work, planned(work, number))


def _may_sit(work: Work, seat: Reservation) -> bool:
    """Who has left the project since they asked sits there no more; who is suspended waits."""
    project = work.tx.project(seat.project) if seat.project else None
    if project is None or seat.user not in project.members:
        end(work, seat, because=_("its user is not in the project any more"))
        return False
    user = work.tx.user(seat.user)
    return user is not None and user.is_active


def _sit(work: Work, block: Reservation, seat: Reservation) -> None:
    boards = _fit_boards(work, block)
    if not boards:
        return
    board = boards[0]
    work.save(replace(block, boards=tuple(one for one in block.boards if one != board)))
    image = seat.image if seat.root else lesson_image(work.tx, block).id
    taken = replace(seat, boards=(board,), image=image, window=Window(work.now, block.window.end))
    try:
        running = begun(work, taken)
    except FarmError as error:
        over = end(work, planned(work, seat.number), because=str(error))
        if not over.boards:
            # It did not come so far as to have it.
            work.save(replace(planned(work, block.number), boards=block.boards))
        return
    note(work, running, Phase.BEGAN, _("it runs on {board}, of block {block}").format(board=board, block=block.number))


def _take_turns(work: Work, block: Reservation) -> None:
    """Whose turn is nearly over is told, as many as wait."""
    assert block.block is not None  # noqa: S101 - it is a block
    live = work.tx.reservations(within=block.number, states=LIVE)
    seats = [one for one in live if one.is_running]
    ends = giving_way(seats, len(live) - len(seats), block.block.turn, work.now, GRACE)
    for seat in seats:
        until = ends[seat.number]
        if until != seat.gives_way_at:
            work.save(replace(seat, gives_way_at=until))
            told = _("somebody waits: it gives way at {at}") if until else _("nobody waits any more: it may stay")
            note(work, seat, Phase.NOTED, told.format(at=as_utc(until) if until else ""))


def lesson_image(records: Snapshot, block: Reservation) -> Image:
    """
    What the seats of a block boot: the newest of its project's image; where that is gone, what it was made with.

    Raises:
        NotFound: IMAGE_UNKNOWN.
    """
    project = records.project(block.project) if block.project else None
    teacher = records.user(block.user)
    if project is not None and project.image and teacher is not None:
        try:
            return image_of(records, teacher, project.image)
        except NotFound:
            log.warning("block.without_image", block=block.number, image=project.image)
    image = records.image(block.image)
    assert image is not None  # noqa: S101 - it refers to it
    return image


def _fit_boards(work: Work, block: Reservation) -> list[str]:
    """Those that are nobody's seat and in order; what is clean first."""
    rest, closed = Window(work.now, block.window.end), work.plan.calendar.closed
    found = [
        (work.tx.board(one), one)
        for one in block.boards
        if not any(window.overlaps(rest) for window in closed.get(one, ()))
    ]
    fit = [(not standing.is_offered, name) for standing, name in found if standing and not is_shut(standing)]
    return [name for _is_dirty, name in sorted(fit, key=lambda one: one[0])]


def seats_before(records: Snapshot, block: Reservation, now: datetime) -> list[Reservation]:
    """Those of its project, this block's among them."""
    return [one for one in records.reservations(project=block.project, ending_after=now - REMEMBERED) if one.is_seat]


def _unseated(work: Work, block: Reservation, project: Project) -> Iterator[tuple[UUID, ...]]:
    """The members who have no seat and may have one, each with their team; whoever manages the project stands."""
    live = work.tx.reservations(within=block.number, states=LIVE)
    seated = {person for one in live for person in (one.user, *one.members)}
    people = {one.id: one for one in work.tx.users()}
    for person in sorted(project.members, key=lambda one: people[one].name if one in people else ""):
        user = people.get(person)
        if user is None or person in seated or project.is_managed_by(person):
            continue
        if user.is_active and can(user, "use"):
            party = (person, *sorted(project.mates_of(person)))
            seated.update(party)
            yield party
