"""How a reservation gets its place in the calendar when it is made, or why it gets none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _, bytes_text, larger_text
from boardgrid.model.calendar import Calendar, Demand, Placement
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict, NotAllowed, NotFound
from boardgrid.model.image import Image
from boardgrid.model.project import Project
from boardgrid.model.reservation import Block, Group, Kind, Purpose, Reservation, ReservationState
from boardgrid.model.root import Root
from boardgrid.model.user import User
from boardgrid.model.window import Window
from boardgrid.model.wish import Gone
from boardgrid.ports import Snapshot
from boardgrid.services.beginning import begun, foretold, note
from boardgrid.services.desk import Work
from boardgrid.services.finding import image_of, root_of
from boardgrid.services.giving import check_at_rest, check_ready
from boardgrid.services.limiting import Bounds, project_for
from boardgrid.services.roots import check_unpromised
from boardgrid.services.seating import open_block
from boardgrid.services.showing import as_utc
from boardgrid.services.unfolding import GRACE, WORTH, make_room

log = structlog.get_logger()


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
    block: Block | None = None
    purpose: Purpose = Purpose.USE
    subject: UUID | None = None

    def lasting(self, now: datetime) -> timedelta:
        """As people count it: that boards boot before a lesson is nothing that they asked for."""
        return self.for_ if self.block is None else (self.at or now) + self.for_ - self.block.begins_at


def for_the_farm(
    work: Work,
    user: User,
    purpose: Purpose,
    subject: Image,
    *,
    boots: Image,
    on: Group,
    for_: timedelta,
    root_bytes: int,
) -> Wanted:
    """
    A board on which the farm works for an image of *user*'s: theirs as any other, for as long as they may have one.

    Raises:
        Invalid: REQUEST_INVALID, each reservation counts on a project, and they are not in just one.
    """
    shelf = work.plan.shelf
    longest = shelf.limits_of(user.id).longest
    project = project_for(work.tx, user, None, is_needed=shelf.rules.needs_project)
    lasting = for_ if longest is None else min(for_, longest)
    return Wanted(
        user,
        (on,),
        boots.ref,
        None,
        lasting,
        None,
        Kind.QUEUED,
        root_bytes,
        project,
        purpose=purpose,
        subject=subject.id,
    )


def accept(work: Work, wanted: Wanted) -> Reservation:
    """See ``Booking.reserve``."""
    # A block is its project's: it takes nothing from what its teacher may have.
    bounds = Bounds.of(work, None if wanted.block else wanted.user.id, wanted.project)
    bounds.check_asked(wanted.lasting(work.now), wanted.at, work.now)
    kept = kept_root(work.tx, wanted.user, wanted.root) if wanted.root is not None else None
    image = _image(work.tx, wanted, kept)
    demands = work.plan.demands(wanted.groups, image, wanted.user.id)
    _check_enough(work, demands, wanted.groups, image)
    if bounds.are_by_type:
        bounds.check_types(wanted.lasting(work.now), work.plan.types(demands))
    found = _found(work, wanted, demands)
    begins_now = found.window.start <= work.now
    if wanted.kind is not Kind.BEST_EFFORT:
        bounds.check_boards(found.window, len(found.boards))
    if not begins_now or not found.boards:
        bounds.check_waiting()
    if kept is None and begins_now and found.boards:
        check_room(work.tx, image.site, wanted.root_bytes * len(found.boards))
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
        block=wanted.block,
        purpose=wanted.purpose,
        subject=wanted.subject,
    )
    log.info(
        "reservation.made",
        reservation=reservation.number,
        boards=reservation.boards,
        user=wanted.user.name,
        start=reservation.window.start.isoformat(),
    )
    if begins_now and found.boards:
        running = begun(work, reservation, is_new=True)
        return open_block(work, running) if running.is_block else running
    work.add(reservation)
    note(work, reservation, Phase.NOTED, foretold(work.tx, reservation))
    return reservation


def kept_root(records: Snapshot, user: User, name: str) -> Root:
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
    check_ready(image, wanted.purpose)
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
        case Kind.FIXED | Kind.BLOCK:
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
    # Who has the board is helped by no other time.
    earliest = None if _own(work, wanted) else _earliest(work, wanted, demands)
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
    if own := _own(work, wanted):
        return Conflict(
            Code.BOARD_TAKEN,
            _("you hold {board} already, until {until}")
            if own.is_running
            else _("{board} is reserved for you already, from {start} until {until}"),
            hint=_(
                "`boardgrid extend {n} +1h` gives it more time, `boardgrid release {n}` gives it back to begin anew"
            ),
            board=name,
            n=own.number,
            start=as_utc(own.window.start),
            until=as_utc(own.window.end),
        )
    start = wanted.at or work.now
    calendar = work.plan.calendar
    if other := _in_the_way(work, name, wanted):
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


def _in_the_way(work: Work, board: str, wanted: Wanted) -> Reservation | None:
    start = wanted.at or work.now
    numbers = work.plan.calendar.line(board).within(Window(start, start + wanted.for_))
    return next((one for number in numbers if (one := work.tx.reservation(number))), None)


def _own(work: Work, wanted: Wanted) -> Reservation | None:
    """That by which the asker has the very board already, to do with it as they like."""
    [group, *others] = wanted.groups
    found = None if others or not group.board else _in_the_way(work, group.board, wanted)
    if found is None or found.user != wanted.user.id or found.purpose is not Purpose.USE:
        return None
    return None if found.kind in {Kind.BLOCK, Kind.SEAT} else found


def check_room(records: Snapshot, site: str, size_bytes: int) -> None:
    """The store promises room itself; this tells early what it told last."""
    state = records.site(site)
    if state is None or not state.store_bytes or state.free_bytes >= size_bytes:
        return
    raise Conflict(
        Code.STORE_FULL,
        _("the store of site {site} has {free} free, and this needs {needs}"),
        hint=_("discard roots that are not needed: boardgrid root list"),
        site=site,
        free=bytes_text(state.free_bytes),
        needs=larger_text(size_bytes, state.free_bytes),
    )
