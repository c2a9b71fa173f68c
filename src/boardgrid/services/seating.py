"""
Seating: which member of a project gets a board of its block, and when.

A seat takes its board out of the block and gives it back when it ends. So at any time the board is promised to one of
the two, and all else, the calendar and its guards first, sees ordinary reservations.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Conflict, FarmError, Invalid
from boardgrid.model.image import Image, ImageState
from boardgrid.model.project import Project
from boardgrid.model.reservation import LIVE, Kind, Reservation, ReservationState
from boardgrid.model.root import Root
from boardgrid.model.turns import giving_way, had_by, in_turn
from boardgrid.model.window import Window
from boardgrid.ports import Snapshot
from boardgrid.services.beginning import begun, foretold, note, planned
from boardgrid.services.desk import Work
from boardgrid.services.ending import end
from boardgrid.services.giving import check_at_rest
from boardgrid.services.showing import as_utc
from boardgrid.services.timetable import is_shut

log = structlog.get_logger()

GRACE = timedelta(minutes=5)  # who gives way to another is told so long before
REMEMBERED = timedelta(days=180)  # who had boards before that is as hungry as anybody


def open_block(work: Work, block: Reservation) -> Reservation:
    """Give its boards out before the lesson: to who asked for one, then to the other members, in turn."""
    seat_next(work, block.number)
    image = lesson_image(work, block)
    left = len(_fit_boards(work, planned(work, block.number), image))
    had = had_by(seats_before(work.tx, block, work.now), work.now)
    for person in sorted(_unseated(work, block), key=lambda one: had.get(one, timedelta(0)))[:left]:
        add_seat(work, block, person)
    seat_next(work, block.number)
    return planned(work, block.number)


def add_seat(work: Work, block: Reservation, person: UUID, root: Root | None = None) -> Reservation:
    """
    Have somebody wait for a board of a block; who of their team comes in with them is seen when they get it.

    Args:
        root: kept aside, and booted again.
    """
    [group] = block.groups
    seat = Reservation(
        number=work.tx.next_reservation(),
        user=person,
        groups=(replace(group, count=1),),
        boards=(),
        window=Window(max(work.now, block.window.start), block.window.end),
        state=ReservationState.WAITING,
        created_at=work.now,
        image=root.image if root else block.image,
        kind=Kind.SEAT,
        root=root.id if root else None,
        size_bytes=block.size_bytes,
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
        add_seat(work, block, over.user, work.tx.root(over.root) if over.root else None)
        seat_next(work, block.number)


def seat_next(work: Work, number: int) -> None:
    """Give the boards of a block that are nobody's to who waits, in turn; who still waits then is made room for."""
    block = planned(work, number)
    waiting = [one for one in work.tx.reservations(within=number, states=LIVE) if one.is_waiting]
    if waiting and block.boards:
        had = had_by(seats_before(work.tx, block, work.now), work.now)
        for seat in in_turn(waiting, had):
            if _may_sit(work, seat):
                _sit(work, planned(work, number), seat)
    _take_turns(work, planned(work, number))


def _may_sit(work: Work, seat: Reservation) -> bool:
    """Who is in the project no more, or sits with their team by now, waits no longer; who is shut out waits on."""
    project = project_of(work.tx, seat)
    if seat.user not in project.members:
        end(work, seat, because=_("its user is not in project {project} any more").format(project=project.name))
        return False
    if seat.user in people_of(project, _sitting(work.tx, seat.within)):
        end(work, seat, because=_("its user has a board with their team"))
        return False
    user = work.tx.user(seat.user)
    return user is not None and can(user, "use")


def _sit(work: Work, block: Reservation, seat: Reservation) -> None:
    root = work.tx.root(seat.root) if seat.root else None
    image = work.tx.image(root.image) if root else lesson_image(work, block)
    if image is None or not _is_at_rest(work, root):
        return
    boards = _fit_boards(work, block, image)
    if not boards:
        return
    project, board = project_of(work.tx, block), boards[0]
    seated = people_of(project, _sitting(work.tx, block.number))
    mates = tuple(sorted(project.mates_of(seat.user) - seated))
    work.save(block.without(board))
    window = Window(work.now, block.window.end)
    try:
        running = begun(work, replace(seat, boards=(board,), image=image.id, window=window, members=mates))
    except FarmError as error:
        end(work, planned(work, seat.number), because=str(error))
        return
    note(work, running, Phase.BEGAN, _("it runs on {board}, of block {block}").format(board=board, block=block.number))


def _is_at_rest(work: Work, root: Root | None) -> bool:
    """A root that is still being taken from another board is waited for."""
    try:
        if root is not None:
            check_at_rest(work.tx, root)
    except Conflict:
        return False
    return True


def _take_turns(work: Work, block: Reservation) -> None:
    """Whose turn is nearly over is told, as many as wait."""
    assert block.block is not None  # noqa: S101 - it is a block
    live = work.tx.reservations(within=block.number, states=LIVE)
    seats = [one for one in live if one.is_running]
    ends = giving_way(seats, len(live) - len(seats), block.block, work.now, GRACE)
    for seat in seats:
        until = ends[seat.number]
        if until != seat.gives_way_at:
            work.save(replace(seat, gives_way_at=until))
            told = _("somebody waits: it gives way at {at}") if until else _("nobody waits any more: it may stay")
            note(work, seat, Phase.NOTED, told.format(at=as_utc(until) if until else ""))


def fits_some(work: Work, block: Reservation, image: Image) -> bool:
    """Whether an image boots on any of the boards of a block, or of those that it may change to."""
    among = work.plan.calendar.jobs[block.number].demands[0].among
    return any(_fits(work, board, image) for board in {*among, *block.boards})


def lesson_image(work: Work, block: Reservation) -> Image:
    """
    What the seats of a block boot: the newest of its project's image that is ready, fits, and is by somebody who may
    say so; else what the block was made with.
    """
    made_with, project = work.tx.image(block.image), project_of(work.tx, block)
    assert made_with is not None  # noqa: S101 - it refers to it
    name, _colon, version = project.image.partition(":")
    for image in reversed(work.tx.images(name=name)) if name else ():
        # The name may have become a stranger's since.
        is_trusted = image.owner == made_with.owner or image.shared or project.is_managed_by(image.owner)
        is_meant = image.is_meant_by(version) and image.state is ImageState.READY
        if is_trusted and is_meant and fits_some(work, block, image):
            return image
    return made_with


def _fit_boards(work: Work, block: Reservation, image: Image) -> list[str]:
    """Those that are nobody's seat, in order, and boot an image; what is clean first."""
    rest, closed = Window(work.now, block.window.end), work.plan.calendar.closed
    found = [
        (work.tx.board(one), one)
        for one in block.boards
        if _fits(work, one, image) and not any(window.overlaps(rest) for window in closed.get(one, ()))
    ]
    fit = [(not standing.is_offered, name) for standing, name in found if standing and not is_shut(standing)]
    return [name for _is_dirty, name in sorted(fit, key=lambda one: one[0])]


def _fits(work: Work, board: str, image: Image) -> bool:
    shelf = work.plan.shelf
    if image.state is not ImageState.READY or image.damage or board not in shelf.boards:
        return False
    try:
        shelf.check_fits(board, image)
    except Invalid:
        return False
    return True


def seats_before(records: Snapshot, block: Reservation, now: datetime) -> list[Reservation]:
    """Those of its project, this block's among them."""
    return [one for one in records.reservations(project=block.project, ending_after=now - REMEMBERED) if one.is_seat]


def project_of(records: Snapshot, held: Reservation) -> Project:
    """Of a block, or a seat of one."""
    project = records.project(held.project) if held.project else None
    assert project is not None  # noqa: S101 - none is without one
    return project


def people_of(project: Project, seats: Iterable[Reservation]) -> set[UUID]:
    """Whom these seats are for: those who have them, who was let in, and their teams as they are now."""
    return {person for one in seats for person in (one.user, *one.members, *project.mates_of(one.user))}


def _sitting(records: Snapshot, block: int | None) -> list[Reservation]:
    return [one for one in records.reservations(within=block, states=LIVE) if one.is_running]


def _unseated(work: Work, block: Reservation) -> Iterator[UUID]:
    """The members who have no seat and may have one, one of each team; whoever manages the project stands."""
    project = project_of(work.tx, block)
    seated = people_of(project, work.tx.reservations(within=block.number, states=LIVE))
    people = {one.id: one for one in work.tx.users()}
    for person in sorted(project.members, key=lambda one: people[one].name if one in people else ""):
        user = people.get(person)
        if user is None or person in seated or project.is_managed_by(person):
            continue
        if can(user, "use"):
            seated |= {person, *project.mates_of(person)}
            yield person
