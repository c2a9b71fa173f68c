"""Booking: who gets which board, what it boots, and what becomes of the root."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import Owned, Verb, can
from boardgrid.model.calendar import Placement
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.reservation import LIVE, Group, Kind, Purpose, Reservation, ReservationState
from boardgrid.model.rules import SHORTEST, exactly
from boardgrid.model.user import User
from boardgrid.model.window import Window
from boardgrid.ports import EVENTS, Snapshot
from boardgrid.services.beginning import note
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.ending import Fate, end
from boardgrid.services.finding import person_named, reservation_of, to_decide_on
from boardgrid.services.giving import keys_of
from boardgrid.services.idling import used
from boardgrid.services.limiting import Bounds, project_for
from boardgrid.services.mounting import withdraw
from boardgrid.services.placing import Wanted, accept
from boardgrid.services.showing import Showing, as_utc
from boardgrid.services.timetable import Plan
from boardgrid.services.unfolding import GRACE, carry_out_due, make_room, offer
from boardgrid.services.views import DeploymentView, ReservationView

log = structlog.get_logger()

__all__ = ["Booking", "Fate"]

FARTHEST = timedelta(days=3650)  # beyond all rules; a date near the end of time cannot be told in another zone
LATE = timedelta(minutes=1)  # who says "now" by a clock that is a little behind means now
TTL_LEAST, TTL_MOST = timedelta(seconds=5), timedelta(days=1)  # between two heartbeats of a job


@dataclass(frozen=True, slots=True)
class Booking:
    desk: Desk
    root_bytes: int = 4 << 30  # how much a user may write on a board; promised by the store

    def reserve(
        self,
        asker: User,
        *,
        groups: Sequence[Group],
        image: str | None = None,
        root: str | None = None,
        for_: timedelta,
        at: datetime | None = None,
        kind: Kind = Kind.FIXED,
        project: str | None = None,
    ) -> ReservationView:
        """
        Promise boards to *asker* and have them boot an image, or a root kept aside, when their time comes.

        Args:
            groups: how many of which; none of the boards is counted twice.
            image: a ref; or else
            root: the name of a root that was kept aside, for one board.
            at: of a fixed one: when it begins; None: now.
            project: on which it counts, and whose image it boots where neither image nor root is named.

        Raises:
            Invalid: REQUEST_INVALID, DURATION_INVALID, START_INVALID, IMAGE_MISFIT, KERNEL_MISSING.
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN, IMAGE_UNKNOWN, ROOT_UNKNOWN, PROJECT_UNKNOWN.
            NotAllowed: BOARD_FORBIDDEN.
            Conflict: BOARD_TAKEN (by whom, until when; the hint names the earliest time that is free), BOARDS_TOO_FEW,
                BOARD_SET_ASIDE, IMAGE_NOT_READY, ROOT_NOT_ASIDE, THING_IN_USE, STORE_FULL, QUOTA_EXCEEDED.
        """
        _check_groups(groups)
        if root is not None and sum(one.count for one in groups) > 1:
            raise Invalid(Code.REQUEST_INVALID, _("one root boots on one board"), hint=_("ask for one board"))
        if for_ < SHORTEST:
            raise _too_short(for_)
        if kind in {Kind.BLOCK, Kind.SEAT}:
            raise Invalid(
                Code.REQUEST_INVALID,
                _("nobody reserves a {kind} like this"),
                hint=_("make a block, or ask for a board of one: boardgrid block --help"),
                kind=kind,
            )
        if at is not None and kind is not Kind.FIXED:
            raise Invalid(
                Code.START_INVALID,
                _("what waits for its turn has no date of its own"),
                hint=_("leave out either the date or the waiting"),
            )
        check_no_guest(asker)
        with self.desk.begin(asker, "reservation.make") as work:
            carry_out_due(work)
            at = None if at is None else checked_start(at, work.now)
            # As the records have them: a key may have been added since they came in.
            user = work.tx.user(asker.id) or asker
            counts_on = project_for(work.tx, user, project, is_needed=work.plan.shelf.rules.needs_project)
            if image is None and root is None and counts_on is not None:
                image = counts_on.image or None
            if (image is None) == (root is None):
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("name either an image or a root that was kept aside, and not both"),
                    hint=_("`boardgrid image list` and `boardgrid root list` show them: --image NAME, or --root NAME"),
                )
            wanted = Wanted(user, tuple(groups), image, root, for_, at, kind, self.root_bytes, counts_on)
            return Showing(work.tx, user, work.now).reservation(accept(work, wanted))

    def extend(self, asker: User, number: int, by: timedelta) -> ReservationView:
        """
        Give a reservation more time, as far as nobody follows who cannot be given an equal board.

        Raises:
            NotFound: RESERVATION_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: DURATION_INVALID.
            Conflict: RESERVATION_OVER, RESERVATION_WAITING, QUOTA_EXCEEDED; BOARD_FOLLOWED, the sentence says how far
                it can go.
        """
        with self.desk.begin(asker, "reservation.extend") as work:
            carry_out_due(work)
            mine = changeable(work.tx, asker, number)
            _check_extensible(mine)
            until = mine.window.end + by
            if by <= timedelta(0):
                raise Invalid(Code.DURATION_INVALID, _("an extension is longer than nothing"))
            _check_limits(work, mine, until)
            reach, moves = work.plan.calendar.longest(number, until, work.now + GRACE)
            if reach < until:
                raise _followed(work.plan, mine, reach)
            make_room(work, Placement(Window(mine.window.end, until), (), moves))
            longer = replace(mine, window=Window(mine.window.start, until))
            work.save(longer)
            used(work, longer.boards)
            for board in longer.boards:
                if standing := work.tx.board(board):
                    told = _("{user} holds it until {until}").format(user=asker.name, until=as_utc(until))
                    work.note_board(standing, "reservation", Phase.NOTED, told, reservation=number, owner=longer.user)
            log.info("reservation.extended", reservation=number, until=until.isoformat(), by=asker.name)
            return Showing(work.tx, asker, work.now).reservation(longer)

    def release(
        self, asker: User, number: int, fate: Fate | None = None, name: str = "", board: str | None = None
    ) -> ReservationView:
        """
        Give boards back: all of a reservation, or one of them. One that has not begun is withdrawn.

        Args:
            fate: None: aside, or discard where nobody can have written to the root and no name was given.
            name: with KEEP the image's, needed; with ASIDE the root's new one, may be left out. For one board.

        Raises:
            NotFound: RESERVATION_UNKNOWN; BOARD_UNKNOWN, it has no such board.
            NotAllowed: it is another's.
            Invalid: NAME_INVALID, or REQUEST_INVALID: no name to keep it under, or one name for several roots.
            Conflict: RESERVATION_OVER; NAME_TAKEN; BOARD_NOT_OPEN, there is nothing yet to keep.
        """
        with self.desk.begin(asker, "reservation.release") as work:
            mine = changeable(work.tx, asker, number)
            if fate in {Fate.KEEP, Fate.DISCARD}:
                check_may_decide(asker, mine)
            if mine.purpose is not Purpose.USE and (name or fate in {Fate.KEEP, Fate.ASIDE}):
                raise _of_the_farm(mine)
            if mine.is_block and board is not None:
                raise _of_a_block(mine)
            given = mine.boards if board is None else (board,)
            check_has(mine, given)
            if len(given) > 1 and (name or fate is Fate.KEEP):
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("the roots of {boards} cannot all be called {name}"),
                    hint=_("give them back one by one: boardgrid release {first}"),
                    boards=", ".join(given),
                    name=name or "-",
                    first=given[0],
                )
            because = "" if mine.user == asker.id else _("{user} released it").format(user=asker.name)
            ended = end(work, mine, boards=None if board is None else given, because=because, fate=fate, name=name)
            offer(work, {*given, *ended.boards})
            return Showing(work.tx, asker, work.now).reservation(ended)

    def share(self, asker: User, number: int, add: Sequence[str] = (), remove: Sequence[str] = ()) -> ReservationView:
        """
        Let others in to a reservation, or no longer. They enter its boards, which go on without volumes that are not
        for all who are on them; they do not give them back.

        Raises:
            NotFound: RESERVATION_UNKNOWN, USER_UNKNOWN.
            NotAllowed: it is another's.
            Conflict: RESERVATION_OVER.
        """
        with self.desk.begin(asker, "reservation.share") as work:
            # Whom its user did not let in could let themselves in else.
            mine = changeable(work.tx, asker, number, "administer")
            if mine.is_block:
                raise _of_a_block(mine)
            added = [person_named(work.tx, name) for name in add]
            _check_of_project(work.tx, asker, mine, added)
            gone = {person_named(work.tx, name).id for name in remove}
            members = dict.fromkeys([*mine.members, *(one.id for one in added)])
            kept = tuple(one for one in members if one not in gone and one != mine.user)
            shared = replace(mine, members=kept)
            work.save(shared)
            # Until it runs its boards are somebody else's.
            for board in shared.boards if shared.is_running else ():
                standing = work.tx.board(board)
                if standing is not None and standing.is_held_by(number):
                    work.save(standing.admitting(keys_of(work.tx, shared)))
            withdraw(work, shared)
            work.admitted(shared)
            if asker.id != mine.user and added:
                # Who manages its project may come in, but not unseen.
                names = ", ".join(one.name for one in added)
                told = _("{user} lets {names} in").format(user=asker.name, names=names)
                note(work, shared, Phase.NOTED, told)
            log.info("reservation.shared", reservation=number, members=len(kept), by=asker.name)
            return Showing(work.tx, asker, work.now).reservation(shared)

    def heartbeat(self, asker: User, number: int, ttl: timedelta) -> ReservationView:
        """
        Hear that the job of a reservation lives. From the first time on it must be heard again within *ttl* of the
        last, or the reservation ends.

        Raises:
            NotFound: RESERVATION_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: DURATION_INVALID.
            Conflict: RESERVATION_OVER.
        """
        if not TTL_LEAST <= ttl <= TTL_MOST:
            raise Invalid(
                Code.DURATION_INVALID,
                _("a job cannot be unheard for {asked} s"),
                hint=_("say something between {least} and {most} s"),
                asked=f"{ttl.total_seconds():g}",
                least=int(TTL_LEAST.total_seconds()),
                most=int(TTL_MOST.total_seconds()),
            )
        with self.desk.begin(asker, "reservation.heartbeat") as work:
            # Nobody else says that it lives: who may end it would end it.
            mine = changeable(work.tx, asker, number, "administer")
            if mine.is_block or mine.is_seat:
                raise _of_a_block(mine)
            until = work.now + ttl
            heard = replace(mine, alive_until=until)
            work.save(heard)
            if mine.alive_until is None or until < mine.alive_until:
                work.topics.add(EVENTS)  # who waits for what is due next may have to wake before
            return Showing(work.tx, asker, work.now).reservation(heard)

    def queue(self, asker: User) -> list[ReservationView]:
        """Who waits for their turn, the next first; then who waits for what nobody needs."""
        with self.desk.records.read() as records:
            plan = self.desk.timetable.draft(records)
            waiting = {one.number: one for one in records.reservations(states={ReservationState.WAITING})}
            order = [waiting[number] for number in (*plan.queue(), *plan.patient()) if number in waiting]
            seen = [one for one in order if can(asker, "see", one)]
            return Showing(records, asker, self.desk.now()).reservations(seen)

    def reservations(
        self, asker: User, *, everyone: bool = False, ended: bool = True, before: int | None = None, limit: int = 200
    ) -> list[ReservationView]:
        """
        Newest first: the asker's own or everyone's.

        Args:
            ended: False: only those that run or wait, and all of them.
            before: with a smaller number than this; the next portion begins before the last of this one.
        """
        with self.desk.records.read() as records:
            user = None if everyone else asker.id
            found = records.reservations(
                user=user, states=None if ended else LIVE, before=before, limit=limit if ended else None
            )
            seen = [one for one in found if can(asker, "see", one)]
            return Showing(records, asker, self.desk.now()).reservations(seen)

    def reservation(self, asker: User, number: int) -> ReservationView:
        """
        Raises:
            NotFound: RESERVATION_UNKNOWN.
        """
        with self.desk.records.read() as records:
            found = reservation_of(records, asker, number)
            return Showing(records, asker, self.desk.now()).reservation(found)

    def deployment(self, asker: User, deployment: UUID) -> DeploymentView:
        """
        Raises:
            NotFound: DEPLOYMENT_UNKNOWN.
        """
        with self.desk.records.read() as records:
            found = records.deployment(deployment)
            whose = records.reservation(found.reservation) if found else None
            if found is None or whose is None or not can(asker, "change", to_decide_on(records, whose)):
                raise NotFound(Code.DEPLOYMENT_UNKNOWN, _("there is no deployment {deployment}"), deployment=deployment)
            return Showing(records, asker, self.desk.now()).deployment(found)


def changeable(records: Snapshot, asker: User, number: int, verb: Verb = "change") -> Reservation:
    """
    Raises:
        NotFound: RESERVATION_UNKNOWN.
        NotAllowed: it is another's.
        Conflict: RESERVATION_OVER.
    """
    mine = reservation_of(records, asker, number)
    if not can(asker, verb, to_decide_on(records, mine)):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("reservation {number} is another user's"),
            hint=_("its user or an admin can change it"),
            number=number,
        )
    if not mine.is_live:
        raise over(mine)
    return mine


def _check_groups(groups: Sequence[Group]) -> None:
    if not groups:
        raise Invalid(Code.REQUEST_INVALID, _("no board was asked for"), hint=_("name a board or a board type"))
    for group in groups:
        if group.count < 1:
            raise Invalid(
                Code.REQUEST_INVALID,
                _("{count} boards cannot be reserved"),
                hint=_("ask for one or more"),
                count=group.count,
            )
        if bool(group.board) == bool(group.type or group.where) or (group.board and group.count > 1):
            raise Invalid(
                Code.REQUEST_INVALID,
                _("name either a board, or what would do: a type, an expression, or both"),
            )
    named = [group.board for group in groups if group.board]
    if len(set(named)) < len(named):
        raise Invalid(Code.REQUEST_INVALID, _("a board was asked for twice: {boards}"), boards=", ".join(named))


def _too_short(for_: timedelta) -> Invalid:
    return Invalid(
        Code.DURATION_INVALID,
        _("a board cannot be reserved for {asked}"),
        hint=_("ask for one minute or more"),
        asked=exactly(for_),
    )


def check_may_decide(asker: User, mine: Reservation) -> None:
    """
    Who may end another's reservation need not be one who may see what was written there.

    Raises:
        NotAllowed: ACT_FORBIDDEN.
    """
    if not can(asker, "change", Owned(mine.user)):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("what was written in reservation {number} is another user's"),
            hint=_("release it without saying what becomes of it: it is kept aside for them"),
            number=mine.number,
        )


def _check_of_project(records: Snapshot, asker: User, mine: Reservation, added: Sequence[User]) -> None:
    """Who only manages its project lets in those who are in it, and nobody else."""
    if can(asker, "administer", mine) or mine.project is None:
        return
    project = records.project(mine.project)
    for one in added:
        if project is None or one.id not in project.members:
            raise NotAllowed(
                Code.ACT_FORBIDDEN,
                _("{user} is not in the project, and reservation {number} is another user's"),
                hint=_("whose it is may let in anybody"),
                user=one.name,
                number=mine.number,
            )


def _check_extensible(mine: Reservation) -> None:
    if mine.is_waiting:
        sentence = _("reservation {number} has not begun")
    elif mine.kind is Kind.BEST_EFFORT:
        sentence = _("reservation {number} runs on what nobody needs, and cannot be extended")
    elif mine.is_block or mine.is_seat:
        raise _of_a_block(mine)
    else:
        return
    raise Conflict(Code.RESERVATION_WAITING, sentence, hint=_("release it and reserve for longer"), number=mine.number)


def _of_a_block(mine: Reservation) -> Conflict:
    return Conflict(
        Code.RESERVATION_WAITING,
        _("{number} is a block: it ends when it was said to, and is given back whole")
        if mine.is_block
        else _("{number} is a seat: it ends with its block, or before when its user gives it back"),
        hint=_("boardgrid block show {block} tells when that is"),
        number=mine.number,
        block=mine.number if mine.is_block else mine.within,
    )


def _of_the_farm(mine: Reservation) -> Conflict:
    return Conflict(
        Code.BOARD_NOT_OPEN,
        _("the farm itself works in reservation {number}: there is nothing of yours to keep"),
        hint=_("boardgrid release {number} ends that"),
        number=mine.number,
    )


def _check_limits(work: Work, mine: Reservation, until: datetime) -> None:
    project = work.tx.project(mine.project) if mine.project else None
    bounds = Bounds.of(work, mine.user, project, but=mine.number)
    longer = Window(mine.window.start, until)
    shelf = work.plan.shelf
    bounds.check_types(longer.lasting, {shelf.boards[name].type for name in mine.boards if name in shelf.boards})
    bounds.check_boards(longer, len(mine.boards))


def checked_start(at: datetime, now: datetime) -> datetime | None:
    """None: that is now."""
    if at < now - LATE:
        raise Invalid(
            Code.START_INVALID,
            _("{at} is over: the farm's clock says {now}"),
            hint=_("name a time to come, or leave it out to begin now"),
            at=at.isoformat(" ", "minutes"),
            now=as_utc(now),
        )
    if at > now + FARTHEST:
        raise Invalid(
            Code.START_INVALID,
            _("{at} is too far ahead"),
            hint=_("boardgrid quota shows how far ahead you may reserve"),
            at=at.isoformat(" ", "minutes"),
        )
    return at.astimezone(UTC) if at > now else None


def check_has(mine: Reservation, given: Sequence[str]) -> None:
    """
    Raises:
        NotFound: BOARD_UNKNOWN.
    """
    for board in given:
        if board not in mine.boards:
            raise NotFound(
                Code.BOARD_UNKNOWN,
                _("reservation {number} has no board {board}"),
                hint=_("it has {boards}"),
                number=mine.number,
                board=board,
                boards=", ".join(mine.boards) or "-",
            )


def _followed(plan: Plan, mine: Reservation, reach: datetime) -> Conflict:
    is_closed = any(one.start == reach for board in mine.boards for one in plan.calendar.closed.get(board, ()))
    minutes = (reach - mine.window.end) // timedelta(minutes=1)
    if minutes:
        hint = _("it can be extended until {reach}: boardgrid extend {number} +{minutes}m")
    else:
        hint = _("it ends as it was reserved; keep what you wrote with boardgrid release --keep NAME or --aside")
    return Conflict(
        Code.BOARD_FOLLOWED,
        _("maintenance of {boards} begins after you, at {reach}")
        if is_closed
        else _("somebody else has {boards} after you, from {reach} on"),
        hint=hint,
        boards=", ".join(mine.boards),
        reach=as_utc(reach),
        number=mine.number,
        minutes=minutes,
    )


def over(reservation: Reservation) -> Conflict:
    return Conflict(
        Code.RESERVATION_OVER,
        _("reservation {number} of {board} has ended: {because}")
        if reservation.ended_because
        else _("reservation {number} of {board} has ended"),
        hint=_("reserve a board again; what became of your root is in boardgrid root list"),
        number=reservation.number,
        board=", ".join(reservation.boards) or "-",
        because=reservation.ended_because,
    )
