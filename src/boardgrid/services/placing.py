"""How a reservation gets its place in the calendar: when it is made, and when what it stands on changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.calendar import Calendar, Demand, Job, Move, Placement
from boardgrid.model.deployment import Event, Outcome, Phase
from boardgrid.model.errors import Code, Conflict, FarmError, NotAllowed, NotFound
from boardgrid.model.image import Image
from boardgrid.model.project import Project
from boardgrid.model.reservation import Group, Kind, Reservation, ReservationState
from boardgrid.model.root import Root
from boardgrid.model.user import User
from boardgrid.model.window import Window
from boardgrid.model.wish import Gone
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.ending import end
from boardgrid.services.finding import image_of, root_of
from boardgrid.services.giving import check_at_rest, check_ready, hand_over
from boardgrid.services.limiting import Bounds
from boardgrid.services.roots import check_unpromised
from boardgrid.services.showing import as_utc

log = structlog.get_logger()

GRACE = timedelta(minutes=5)  # so long a best-effort reservation may go on when its board is wanted
WORTH = timedelta(minutes=10)  # for less than this none is begun


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: boards, for how long, from when on, and one of *image* and *root*."""

    user: User
    groups: tuple[Group, ...]
    image: str | None
    root: str | None
    for_: timedelta
    at: datetime | None  # None: now
    kind: Kind
    root_bytes: int  # for a new root
    project: Project | None = None


def accept(work: Work, wanted: Wanted) -> Reservation:
    """See ``Booking.reserve``."""
    bounds = Bounds.of(work, wanted.user.id, wanted.project)
    bounds.check_asked(wanted.for_, wanted.at, work.now)
    kept = _kept_root(work.tx, wanted.user, wanted.root) if wanted.root is not None else None
    image = _image(work.tx, wanted, kept)
    demands = work.plan.demands(wanted.groups, image, wanted.user.id)
    _check_enough(work, demands, wanted.groups, image)
    if bounds.are_by_type:
        bounds.check_types(wanted.for_, work.plan.types(demands))
    found = _found(work, wanted, demands)
    begins_now = found.window.start <= work.now
    if wanted.kind is not Kind.BEST_EFFORT:
        bounds.check_boards(found.window, len(found.boards))
    if not begins_now or not found.boards:
        bounds.check_waiting()
    if kept is None and begins_now and found.boards:
        _check_room(work.tx, image.site, wanted.root_bytes * len(found.boards))
    make_room(work, found)
    reservation = Reservation(
        number=work.tx.next_reservation(),
        user=wanted.user.id,
        groups=wanted.groups,
        boards=found.boards,
        window=found.window,
        state=ReservationState.WAITING,
        created_at=work.now,
        image=image.id,
        kind=wanted.kind,
        root=kept.id if kept else None,
        size_bytes=wanted.root_bytes,
        project=wanted.project.id if wanted.project else None,
    )
    log.info(
        "reservation.made",
        reservation=reservation.number,
        boards=reservation.boards,
        user=wanted.user.name,
        start=reservation.window.start.isoformat(),
    )
    if begins_now and found.boards:
        return _begun(work, reservation, is_new=True)
    work.add(reservation)
    note(work, reservation, Phase.NOTED, _foretold(work.tx, reservation))
    return reservation


def _kept_root(records: Snapshot, user: User, name: str) -> Root:
    root = root_of(records, user, name)
    if root.owner != user.id:
        # What an admin may see is still its owner's: on a board it would get the admin's keys.
        raise NotAllowed(Code.ACT_FORBIDDEN, _("root {root} is another user's"), root=root.name)
    check_at_rest(records, root)
    check_unpromised(records, root)
    return root


def _image(records: Snapshot, wanted: Wanted, kept: Root | None) -> Image:
    if kept is None:
        image = image_of(records, wanted.user, wanted.image or "")
    else:
        found = records.image(kept.image)
        if found is None:
            raise NotFound(
                Code.IMAGE_UNKNOWN, _("the image that root {root} was made from is not there"), root=kept.name
            )
        image = found
    check_ready(image)
    return image


def _check_enough(work: Work, demands: Sequence[Demand], groups: Sequence[Group], image: Image) -> None:
    for demand, group in zip(demands, groups, strict=True):
        if len(demand.among) < demand.count:
            raise Conflict(
                Code.BOARDS_TOO_FEW,
                _("{group} were asked for, and you may have {there} of them with {image}")
                if work.plan.shelf.keepers
                else _("{group} were asked for, and {image} runs on {there} of them"),
                hint=_("ask for fewer; boardgrid board list shows what is there"),
                group=group,
                image=image.ref,
                there=len(demand.among),
            )


# --- when


def _found(work: Work, wanted: Wanted, demands: Sequence[Demand]) -> Placement:
    calendar, now = work.plan.calendar, work.now
    match wanted.kind:
        case Kind.BEST_EFFORT:
            # Where nothing is idle it waits, without a promise.
            idle = calendar.idle(demands, now, min(WORTH, wanted.for_), wanted.for_)
            return idle or Placement(Window(now, now + wanted.for_), ())
        case Kind.QUEUED:
            if found := calendar.earliest(demands, wanted.for_, now, GRACE):
                return found
        case Kind.FIXED:
            start = wanted.at or now
            found = calendar.place(demands, Window(start, start + wanted.for_), now + GRACE)
            if found is None and wanted.at is None:
                # Who yields has its grace first.
                soon = now + GRACE
                found = calendar.place(demands, Window(soon, soon + wanted.for_), soon)
            if found is not None:
                return found
    raise _refusal(work, wanted, demands)


def _refusal(work: Work, wanted: Wanted, demands: Sequence[Demand]) -> Conflict:
    """Why not, and when at the earliest."""
    if Calendar().place(demands, Window(work.now, work.now + wanted.for_)) is None:
        return _too_few(wanted)
    why = _why_not(work, wanted)
    earliest = _earliest(work, wanted, demands)
    if earliest is None:
        return why
    hint = _("the earliest is {start}: reserve it with --at {told}, or queue for it with --wait")
    return Conflict(
        why.code,
        "{why}",
        hint=hint,
        why=why.detail,
        start=as_utc(earliest),
        told=earliest.isoformat(timespec="auto" if earliest.second or earliest.microsecond else "minutes")[:-6] + "Z",
    )


def _earliest(work: Work, wanted: Wanted, demands: Sequence[Demand]) -> datetime | None:
    start = max(work.now, wanted.at or work.now)
    grace = max(timedelta(0), work.now + GRACE - start)
    found = work.plan.calendar.earliest(demands, wanted.for_, start, grace)
    if found is None:
        return None
    # People say full minutes; never one before it is free, and the moment itself where the next one is too late.
    full = found.window.start.replace(second=0, microsecond=0)
    full += timedelta(minutes=full < found.window.start)
    fits = work.plan.calendar.place(demands, found.window.from_(full), start + grace)
    return full if fits else found.window.start


def _too_few(wanted: Wanted) -> Conflict:
    return Conflict(
        Code.BOARDS_TOO_FEW,
        _("{asked} were asked for, and there are not so many boards that none is counted twice"),
        hint=_("ask for fewer; boardgrid board list shows what is there"),
        asked=" + ".join(str(one) for one in wanted.groups),
    )


def _why_not(work: Work, wanted: Wanted) -> Conflict:
    group = wanted.groups[0]
    if len(wanted.groups) == 1 and group.board:
        return _why_not_board(work, group.board, wanted)
    asked = " + ".join(str(one) for one in wanted.groups)
    if wanted.at is not None:
        return Conflict(Code.BOARD_TAKEN, _("{asked}: not free from {at} on"), asked=asked, at=as_utc(wanted.at))
    return Conflict(
        Code.BOARD_TAKEN,
        _("no board of {asked} is free for that long") if group.count == 1 else _("{asked} are not free for that long"),
        hint=_("boardgrid board list shows who has them"),
        asked=asked,
    )


def _why_not_board(work: Work, name: str, wanted: Wanted) -> Conflict:
    standing = work.tx.board(name)
    if standing is not None and not standing.board.is_fit:
        return Conflict(
            Code.BOARD_SET_ASIDE,
            _("{board} is set aside: {why}"),
            hint=_("choose another board; an admin returns this one to service with boardgrid board fit {board}"),
            board=name,
            why=standing.board.set_aside,
        )
    if standing is not None and isinstance(standing.wish, Gone):
        return Conflict(Code.BOARD_TAKEN, _("{board} leaves the farm"), hint=_("choose another board"), board=name)
    start = wanted.at or work.now
    calendar = work.plan.calendar
    for number in calendar.line(name).within(Window(start, start + wanted.for_)):
        other = work.tx.reservation(number)
        if other is None:
            continue
        user = work.tx.user(other.user)
        return Conflict(
            Code.BOARD_TAKEN,
            _("{board} is taken by {user} until {until}")
            if other.is_running
            else _("{board} is reserved by {user} from {start} until {until}"),
            hint=_("choose another board, or try again then"),
            board=name,
            user=user.name if user else "-",
            start=as_utc(other.window.start),
            until=as_utc(other.window.end),
        )
    if any(one.overlaps(Window(start, start + wanted.for_)) for one in calendar.closed.get(name, ())):
        return Conflict(
            Code.BOARD_TAKEN,
            _("{board} is kept free for maintenance then"),
            hint=_("choose another board; boardgrid maintenance list tells when and why"),
            board=name,
        )
    return Conflict(Code.BOARD_TAKEN, _("{board} is not offered then"), hint=_("choose another board"), board=name)


def _check_room(records: Snapshot, site: str, size_bytes: int) -> None:
    """The store promises room itself; this tells early what it told last."""
    state = records.site(site)
    if state is None or not state.store_bytes or state.free_bytes >= size_bytes:
        return
    raise Conflict(
        Code.STORE_FULL,
        _("the store of site {site} has {free:.1f} GB free, and this needs {needs:.1f} GB"),
        hint=_("discard roots that are not needed: boardgrid root list"),
        site=site,
        free=state.free_bytes / 1e9,
        needs=size_bytes / 1e9,
    )


def _foretold(records: Snapshot, reservation: Reservation) -> str:
    user = records.user(reservation.user)
    name = user.name if user else "-"
    window = reservation.window
    match reservation.kind:
        case Kind.FIXED:
            said = _("{user} has {boards} from {start} until {end}")
        case Kind.QUEUED:
            said = _("{user} waits for {asked}, at the latest until {start}")
        case Kind.BEST_EFFORT:
            said = _("{user} waits for {asked} to be idle")
    return said.format(
        user=name,
        boards=", ".join(reservation.boards),
        asked=" + ".join(str(one) for one in reservation.groups),
        start=as_utc(window.start),
        end=as_utc(window.end),
    )


def note(work: Work, reservation: Reservation, phase: Phase, told: str, outcome: Outcome | None = None) -> None:
    """Something about a reservation as a whole, whatever board it has."""
    event = Event(0, work.now, "", 0, "reservation", phase, outcome=outcome, detail=told)
    work.note(event, reservation=reservation.number, owner=reservation.user)


# --- others give way


def make_room(work: Work, found: Placement) -> None:
    for move in found.moves:
        one = _planned(work, move.job)
        work.save(_changed(work, one, move))
        note(work, one, Phase.NOTED, _("{to} in the place of {board}").format(to=move.to, board=move.board))
    _cut(work, found.boards, found.window.start)


def _changed(work: Work, one: Reservation, move: Move) -> Reservation:
    _cut(work, (move.to,), one.window.start)
    return replace(one, boards=tuple(move.to if board == move.board else board for board in one.boards))


def _cut(work: Work, boards: Iterable[str], at: datetime, because: str = "") -> None:
    """Who yields on these boards does so by then. Before the other is saved, for the records let no two overlap."""
    for job in work.plan.calendar.in_the_way(boards, at):
        one = _planned(work, job.number)
        # Where the clock was set back it may have begun later than that.
        work.save(replace(one, window=Window(min(one.window.start, at), at)))
        told = _("{because}: it ends at {at}") if because else _("it gives way to another reservation at {at}")
        note(work, one, Phase.NOTED, told.format(because=because, at=as_utc(at)))


def _planned(work: Work, number: int) -> Reservation:
    if one := work.tx.reservation(number):
        return one
    raise ValueError(f"the plan has a reservation {number} that is not recorded")


# --- beginning


def begin(work: Work, waiting: Reservation) -> Reservation:
    """Its window has opened. Where it cannot have what it was promised, it ends and says why."""
    try:
        running = _begun(work, waiting)
    except FarmError as error:
        work.plan.vacated |= set(waiting.boards)
        return end(work, _planned(work, waiting.number), because=str(error))
    note(work, running, Phase.BEGAN, _("it runs on {boards}").format(boards=", ".join(running.boards)))
    return running


def _begun(work: Work, waiting: Reservation, *, is_new: bool = False) -> Reservation:
    for board in waiting.boards:
        _check_fit(work, board)
    running = waiting.begun()
    if is_new:
        work.add(running)
    else:
        work.save(running)
    for board in running.boards:
        if standing := work.tx.board(board):
            hand_over(work, running, standing)
    log.info("reservation.began", reservation=running.number, boards=running.boards)
    return running


def hand_on(work: Work, board: str) -> None:
    """A board has become clean: who holds it by now gets it."""
    carry_out_due(work)
    holder, clean = work.tx.holder_of(board), work.tx.board(board)
    if holder is None or clean is None:
        return
    try:
        hand_over(work, holder, clean)
    except FarmError as error:
        end(work, holder, boards={board}, because=str(error))
        offer(work, {board})


def _check_fit(work: Work, board: str) -> None:
    standing = work.tx.board(board)
    if standing is None or isinstance(standing.wish, Gone):
        raise NotFound(Code.BOARD_UNKNOWN, _("{board} has left the farm"), board=board)
    if not standing.board.is_fit:
        raise Conflict(
            Code.BOARD_SET_ASIDE, _("{board} is set aside: {why}"), board=board, why=standing.board.set_aside
        )


# --- what changed


def offer(work: Work, boards: Iterable[str]) -> None:
    """What became free goes to who waits, in the order of the queue; then to who takes what is left."""
    carry_out_due(work)  # who begins at once needs who is over to be gone
    plan = work.plan
    plan.vacated |= {board for board in boards if board not in plan.calendar.shut}
    if not plan.vacated:
        return
    freed, plan.vacated = plan.vacated, set()
    # Once through the queue. What those leave who move up is offered next, in a transaction of its own.
    if queue := plan.queue():
        moved, left = plan.calendar.advance(queue, freed, work.now, GRACE, plan.may_have)
        for job, found in moved:
            _advanced(work, job.number, found)
        plan.vacated |= left
    for number in plan.patient():
        _fill(work, number)


def _advanced(work: Work, number: int, found: Placement) -> None:
    earlier = replace(_planned(work, number), window=found.window, boards=found.boards)
    _cut(work, found.boards, found.window.start)
    work.save_planned(earlier)
    work.plan.note_due(number)
    if found.window.start <= work.now:
        begin(work, earlier)
    else:
        note(work, earlier, Phase.NOTED, _foretold(work.tx, earlier))


def _fill(work: Work, number: int) -> None:
    """Begin one that yields, where boards are idle."""
    job = work.plan.calendar.jobs[number]
    lasting = job.window.lasting
    found = work.plan.calendar.idle(job.demands, work.now, min(WORTH, lasting), lasting)
    if found is not None:
        begin(work, replace(_planned(work, number), window=found.window, boards=found.boards))


def evict(work: Work, board: str, because: str = "") -> None:
    """
    A board is offered no more: who was to have it gets another, at the same time where there is one.

    Args:
        because: half a sentence, for those who have to change; empty: it is out of order.
    """
    because = because or _("{board} is out of order").format(board=board)
    carry_out_due(work)
    _rehome(work, board, because)
    vacated, stuck = _moved_off(work, board, because)
    for job in stuck:
        told = _("{because}, and no other board does: it ends then unless {board} is mended")
        one = _planned(work, job.number)
        note(work, one, Phase.NOTED, told.format(because=because, board=board), Outcome.FAILED)
    offer(work, vacated)


def vacate(work: Work, boards: Iterable[str], window: Window, because: str) -> tuple[set[str], list[Reservation]]:
    """
    Boards are closed over a window: who has not begun is moved out of it, who yields goes before it.

    Returns what became free, to be offered, and who is in the way still: those that run, and those that no other board
    would do for at their time.
    """
    vacated: set[str] = set()
    for board in boards:
        vacated |= _moved_off(work, board, because, window)[0]
        _cut(work, (board,), max(work.now, window.start), because)
    numbers = {number for board in boards for number in work.plan.calendar.line(board).within(window)}
    return vacated, [_planned(work, number) for number in sorted(numbers)]


def _moved_off(work: Work, board: str, because: str, within: Window | None = None) -> tuple[set[str], list[Job]]:
    """Returns what they leave, and who could not."""
    moved, stuck = work.plan.calendar.evicted(board, work.now, GRACE, within)
    vacated: set[str] = set()
    for job, found in moved:
        one = _planned(work, job.number)
        work.save_planned(replace(one, boards=()))  # so that others can change to what it leaves
        for move in found.moves:
            work.save_planned(_changed(work, _planned(work, move.job), move))
        _cut(work, found.boards, found.window.start)
        later = replace(one, window=found.window, boards=found.boards)
        work.save_planned(later)
        work.plan.note_due(one.number)
        vacated |= set(one.boards) - {board}
        told = _("{because}: {boards} from {start} on in its place").format(
            because=because, boards=", ".join(later.boards), start=as_utc(later.window.start)
        )
        note(work, later, Phase.NOTED, told)
    return vacated, stuck


def _rehome(work: Work, board: str, because: str) -> None:
    """Who holds a broken board and was not given it yet, for it did not become clean, is not left waiting for it."""
    holder = work.tx.holder_of(board)
    if holder is None or any(one.board == board for one in work.tx.deployments(reservations=[holder.number])):
        return
    calendar = work.plan.calendar
    job = calendar.jobs[holder.number]
    others = {one: place for one, place in job.demand_of(board).among.items() if one not in job.boards}
    found = calendar.place([Demand(1, others)], Window(work.now, holder.window.end), work.now + GRACE)
    if found is None:
        end(work, holder, boards={board}, because=because)
        return
    make_room(work, found)
    [other] = found.boards
    moved = replace(holder, boards=tuple(other if one == board else one for one in holder.boards))
    work.save(moved)
    note(work, moved, Phase.NOTED, _("{to} in the place of {board}").format(to=other, board=board))
    if standing := work.tx.board(other):
        hand_over(work, moved, standing)


def _placed_anew(work: Work, missed: Reservation) -> bool:
    """The farm was away for the whole of its time: who has no date of its own takes the next."""
    job = work.plan.calendar.jobs[missed.number]
    found = work.plan.calendar.earliest(job.demands, missed.window.lasting, work.now, GRACE)
    if found is None:
        return False
    make_room(work, found)
    later = replace(missed, window=found.window, boards=found.boards)
    work.save(later)
    note(work, later, Phase.NOTED, _foretold(work.tx, later))
    return True


def carry_out_due(work: Work) -> None:
    """End what has had its time, and begin whose time has come."""
    while due := work.plan.due(work.now):
        freed: set[str] = set()
        begins: list[Reservation] = []
        for number in due:
            one = work.tx.reservation(number)
            if one is None or not one.is_live:
                continue
            if one.is_running and one.window.end <= work.now:
                freed |= set(one.boards)
                end(work, one, because=_("its time was over"))
            elif one.alive_until is not None and one.alive_until <= work.now:
                freed |= set(one.boards)
                end(work, one, because=_("its job was heard no more"))
            elif one.window.end > work.now or (one.kind is Kind.QUEUED and _placed_anew(work, one)):
                begins.append(one)
            else:
                freed |= set(one.boards)
                end(work, one, because=_("the farm was away for the whole of its time"))
        for one in begins:
            # The plan may have moved it meanwhile.
            again = work.tx.reservation(one.number)
            if again is not None and again.is_waiting and again.window.start <= work.now:
                begin(work, again)
        offer(work, freed)
    for number in work.plan.warnings(work.now):
        if (one := work.tx.reservation(number)) is not None:
            work.save(replace(one, warned_of=one.window.end))
            note(work, one, Phase.NOTED, _("it ends at {at}").format(at=as_utc(one.window.end)))
