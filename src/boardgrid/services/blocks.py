"""Blocks: boards that a project holds for its lessons, and how its members get one each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.project import Project
from boardgrid.model.reservation import LIVE, Block, Group, Kind, Reservation, ReservationState
from boardgrid.model.root import Root
from boardgrid.model.rules import SHORTEST
from boardgrid.model.turns import had_by, in_turn
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.booking import checked_start, over
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.ending import end
from boardgrid.services.finding import project_named, reservation_of, to_decide_on
from boardgrid.services.placing import Wanted, accept, kept_root
from boardgrid.services.seating import add_seat, fits_some, people_of, project_of, seat_next, seats_before
from boardgrid.services.showing import Showing, as_utc
from boardgrid.services.unfolding import carry_out_due, offer
from boardgrid.services.views import BlockView, ReservationView, SeatView

log = structlog.get_logger()

READY = timedelta(minutes=10)  # so long before the lesson boards begin to boot
READY_MOST = timedelta(hours=2)
TURN_LEAST = timedelta(minutes=10)
AT_ONCE = 60  # lessons of one series


@dataclass(frozen=True, slots=True)
class Blocks:
    desk: Desk
    root_bytes: int = 4 << 30  # how much may be written on each board

    def add(
        self,
        asker: User,
        project: str,
        group: Group,
        *,
        starts: Sequence[datetime],
        for_: timedelta,
        ready: timedelta = READY,
        turn: timedelta | None = None,
        image: str = "",
    ) -> list[BlockView]:
        """
        Hold boards for a project, once or again and again: all of it or nothing.

        Args:
            group: how many of which.
            starts: when each lesson begins.
            for_: how long each is.
            ready: so long before it its boards are the project's, and boot.
            turn: so long a member has a board when others wait; None: to the end.
            image: a ref; empty: the project's.

        Raises:
            NotFound: PROJECT_UNKNOWN, BOARD_UNKNOWN, TYPE_UNKNOWN, IMAGE_UNKNOWN.
            NotAllowed: ACT_FORBIDDEN, *asker* does not manage the project, or it has no limit of boards and they are no
                admin; BOARD_FORBIDDEN.
            Invalid: REQUEST_INVALID, START_INVALID, DURATION_INVALID, IMAGE_MISFIT, KERNEL_MISSING, WHERE_INVALID.
            Conflict: as ``Booking.reserve``; the sentence says of which lesson.
        """
        _check_lesson(group, starts, for_, ready, turn)
        check_no_guest(asker)
        with self.desk.begin(asker, "block.add") as work:
            carry_out_due(work)
            held_by = project_named(work.tx, asker, project, "change")
            _check_bounded(work, asker, held_by)
            ref = image or held_by.image
            if not ref:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("project {project} has no image, and none was named"),
                    hint=_("give it one: boardgrid project describe {project} --image REF"),
                    project=project,
                )
            first = work.tx.next_reservation()
            wanted = Wanted(
                work.tx.user(asker.id) or asker,
                (group,),
                ref,
                None,
                for_,
                None,
                Kind.BLOCK,
                self.root_bytes,
                held_by,
            )
            made = [_lesson(work, wanted, start, ready, Block(start, first, turn)) for start in sorted(starts)]
            log.info("block.added", project=project, lessons=len(made), boards=group.count, by=asker.name)
            return [_view(work.tx, asker, work.now, one) for one in made]

    def blocks(self, asker: User, project: str = "") -> list[BlockView]:
        """
        Those that run or are to come, in the order of time: of a project, or of all that one is in; operators and
        admins see all.

        Raises:
            NotFound: PROJECT_UNKNOWN.
        """
        with self.desk.records.read() as records:
            wanted = project_named(records, asker, project).id if project else None
            live = [one for one in records.reservations(project=wanted, states=LIVE) if one.is_block]
            seen = [one for one in live if _is_seen(records, asker, one)]
            return [
                _view(records, asker, self.desk.now(), one) for one in sorted(seen, key=lambda one: one.window.start)
            ]

    def block(self, asker: User, number: int) -> BlockView:
        """
        Raises:
            NotFound: RESERVATION_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return _view(records, asker, self.desk.now(), _block_of(records, asker, number))

    def remove(self, asker: User, number: int, *, later: bool = False) -> None:
        """
        Give a block back, or call it off; who sits in it keeps their root.

        Args:
            later: with it those of its series that come after it.

        Raises:
            NotFound: RESERVATION_UNKNOWN.
            NotAllowed: ACT_FORBIDDEN, *asker* does not manage the project.
            Conflict: RESERVATION_OVER.
        """
        with self.desk.begin(asker, "block.remove") as work:
            carry_out_due(work)
            block = _block_of(work.tx, asker, number)
            _check_manages(work.tx, asker, block)
            _check_live(block)
            because = _("{user} called it off").format(user=asker.name)
            freed: set[str] = set()
            for one in [block, *(_later(work.tx, block) if later else ())]:
                freed |= set(end(work, one, because=because).boards)
            offer(work, freed)
            log.info("block.removed", block=number, later=later, by=asker.name)

    def take_seat(self, asker: User, number: int, root: str | None = None) -> ReservationView:
        """
        Ask for a board of a block: when it begins, and then in turn. Their team comes in with *asker*.

        Args:
            root: kept aside, and booted again; None: the project's image.

        Raises:
            NotFound: RESERVATION_UNKNOWN, ROOT_UNKNOWN.
            NotAllowed: ACT_FORBIDDEN, *asker* is a guest, or the root is another's.
            Invalid: IMAGE_MISFIT, the root boots on none of its boards.
            Conflict: RESERVATION_OVER; THING_IN_USE, they or their team have a seat there; ROOT_NOT_ASIDE.
        """
        check_no_guest(asker)
        with self.desk.begin(asker, "block.take_seat") as work:
            carry_out_due(work)
            block = _block_of(work.tx, asker, number)
            project = project_of(work.tx, block)
            if asker.id not in project.members:
                raise NotAllowed(
                    Code.ACT_FORBIDDEN,
                    _("block {number} is for the members of project {project}"),
                    hint=_("a manager of the project lets you in"),
                    number=number,
                    project=project.name,
                )
            _check_live(block)
            _check_unseated(work.tx, asker, block)
            kept = kept_root(work.tx, work.tx.user(asker.id) or asker, root) if root is not None else None
            if kept is not None:
                _check_fits(work, block, kept)
            seat = add_seat(work, block, asker.id, kept)
            if block.is_running:
                seat_next(work, number)
            return Showing(work.tx, asker, work.now).reservation(work.tx.reservation(seat.number) or seat)


def _check_lesson(
    group: Group, starts: Sequence[datetime], for_: timedelta, ready: timedelta, turn: timedelta | None
) -> None:
    if not 0 < len(set(starts)) <= AT_ONCE or len(set(starts)) < len(starts):
        raise Invalid(
            Code.START_INVALID,
            _("{count} lessons cannot be made at once, or two of them begin at one time"),
            hint=_("name between one and {most} different times"),
            count=len(starts),
            most=AT_ONCE,
        )
    if group.count < 1 or group.board or not (group.type or group.where):
        raise Invalid(
            Code.REQUEST_INVALID,
            _("a block is so many boards of a kind"),
            hint=_("name a type, an expression, or both, and how many"),
        )
    if for_ < SHORTEST:
        raise Invalid(Code.DURATION_INVALID, _("a lesson lasts a minute at least"), hint=_("say how long it is"))
    if not timedelta(0) <= ready <= READY_MOST:
        raise Invalid(
            Code.DURATION_INVALID,
            _("boards are made ready between 0 and {most} minutes before a lesson"),
            hint=_("ten minutes do for most"),
            most=READY_MOST // timedelta(minutes=1),
        )
    if turn is not None and not TURN_LEAST <= turn <= for_:
        raise Invalid(
            Code.DURATION_INVALID,
            _("a turn lasts {least} minutes at least, and no longer than the lesson"),
            hint=_("leave it out, and who has a board has it to the end"),
            least=TURN_LEAST // timedelta(minutes=1),
        )


def _check_bounded(work: Work, asker: User, project: Project) -> None:
    """Blocks count on nobody but their project: without a limit its manager could hold the whole farm for years."""
    if work.plan.shelf.rules.for_project(project.id).boards is None and not can(asker, "administer"):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("nobody has said how many boards project {project} may have at once"),
            hint=_("ask an admin: boardgrid quota set --project {project} --boards N"),
            project=project.name,
        )


def _lesson(work: Work, wanted: Wanted, start: datetime, ready: timedelta, block: Block) -> Reservation:
    begins_at = checked_start(start, work.now) or work.now
    opens_at = max(begins_at - ready, work.now)
    lasting = begins_at - opens_at + wanted.for_
    at = opens_at if opens_at > work.now else None
    try:
        return accept(work, replace(wanted, for_=lasting, at=at, block=replace(block, begins_at=begins_at)))
    except Conflict as error:
        raise Conflict(
            error.code,
            _("the lesson of {start}: {why}"),
            # Whose hint tells how to reserve would mislead: none of it is about lessons.
            hint=_("hold fewer boards, or at another time; boardgrid calendar shows who has them")
            if error.code is Code.BOARD_TAKEN
            else error.hint,
            start=as_utc(begins_at),
            why=error.detail,
        ) from error


def _later(records: Snapshot, block: Reservation) -> list[Reservation]:
    assert block.block is not None  # noqa: S101 - it is a block
    series, start = block.block.series, block.window.start
    live = records.reservations(project=block.project, states=LIVE)
    return [one for one in live if one.block is not None and one.block.series == series and one.window.start > start]


def _block_of(records: Snapshot, asker: User, number: int) -> Reservation:
    found = reservation_of(records, asker, number)
    if found.is_block and _is_seen(records, asker, found):
        return found
    raise NotFound(
        Code.RESERVATION_UNKNOWN,
        _("there is no block {number}"),
        hint=_("boardgrid block list shows those of your projects"),
        number=number,
    )


def _is_seen(records: Snapshot, asker: User, block: Reservation) -> bool:
    """What is said of it beside who has which board, which all may see, is for the project to know."""
    return can(asker, "see", project_of(records, block)) or can(asker, "change", block)


def _check_manages(records: Snapshot, asker: User, block: Reservation) -> None:
    if not can(asker, "change", to_decide_on(records, block)):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("you are no manager of project {project}"),
            hint=_("its managers and the admins of the farm can do this"),
            project=project_of(records, block).name,
        )


def _check_live(block: Reservation) -> None:
    if not block.is_live:
        raise over(block)


def _check_fits(work: Work, block: Reservation, root: Root) -> None:
    image = work.tx.image(root.image)
    if image is None or not fits_some(work, block, image):
        raise Invalid(
            Code.IMAGE_MISFIT,
            _("root {root} boots on none of the boards of block {number}"),
            hint=_("leave it out, and the project's image boots"),
            root=root.name,
            number=block.number,
        )


def _check_unseated(records: Snapshot, asker: User, block: Reservation) -> None:
    project = project_of(records, block)
    for one in records.reservations(within=block.number, states=LIVE):
        if asker.id in people_of(project, [one]):
            raise Conflict(
                Code.THING_IN_USE,
                _("you have {board} in block {number} already")
                if one.boards
                else _("you wait for a board of block {number} already"),
                hint=_("boardgrid status {seat} shows it") if one.user == asker.id else _("your team shares one board"),
                board=", ".join(one.boards),
                number=block.number,
                seat=one.number,
            )


# --- how it is shown


def _view(records: Snapshot, asker: User, now: datetime, block: Reservation) -> BlockView:
    assert block.block is not None  # noqa: S101 - it is a block
    showing, project = Showing(records, asker, now), project_of(records, block)
    seats = records.reservations(within=block.number, states=LIVE if block.is_live else None)
    sitting = sorted((one for one in seats if not one.is_waiting), key=lambda one: (one.boards, one.number))
    waiting = [one for one in seats if one.is_waiting]
    if len(waiting) > 1:
        waiting = in_turn(waiting, had_by(seats_before(records, block, now), now))
    return BlockView(
        block,
        block.block,
        project.name,
        showing.user_name(block.user),
        (*block.boards, *(board for one in sitting if block.is_live for board in one.boards)),
        (block.is_live and project.image) or showing.image_ref(block.image),
        tuple(_seat_view(showing, project, one) for one in (*sitting, *waiting)),
    )


def _seat_view(showing: Showing, project: Project, seat: Reservation) -> SeatView:
    return SeatView(
        seat.number,
        showing.user_name(seat.user),
        tuple(showing.user_name(one) for one in seat.members),
        project.team_of(seat.user),
        ", ".join(seat.boards),
        seat.state,
        seat.created_at if seat.state is ReservationState.WAITING else seat.window.start,
        seat.gives_way_at,
    )
