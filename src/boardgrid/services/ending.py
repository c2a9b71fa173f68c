"""How a reservation ends, whoever ends it, and what then becomes of its root."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import Deployment, DeploymentState, Event, Outcome, Phase
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.image import CheckpointSource, Image, ImageState, RootSource, version_after
from boardgrid.model.name import checked
from boardgrid.model.reservation import LIVE, Purpose, Reservation
from boardgrid.model.root import ASIDE_FOR, Root, RootState
from boardgrid.model.window import Window
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.finding import check_image_name
from boardgrid.services.limiting import check_kept
from boardgrid.services.workshop import give_up, hold

log = structlog.get_logger()


LESSON_WITHIN = timedelta(days=60)  # for one that is farther ahead nobody's root waits


class Fate(StrEnum):
    """What becomes of a root when its board is given back."""

    KEEP = "keep"  # it becomes an image
    ASIDE = "aside"  # it stays, for some days
    DISCARD = "discard"


def end(
    work: Work,
    reservation: Reservation,
    *,
    boards: Collection[str] | None = None,
    because: str = "",
    fate: Fate | None = None,
    name: str = "",
    failure: Deployment | None = None,
) -> Reservation:
    """
    End a reservation, or take some of its *boards* from it: they are wished parked, their deployments end, their roots
    meet their fate. One that has not begun is withdrawn.

    Args:
        because: a sentence for everybody, where it was not its user who ended it.
        fate: None: aside where somebody may have written to the root or named it, else discard.
        name: with KEEP the image's, with ASIDE the root's new one or nothing.
        failure: a deployment as it is recorded when it failed; None: none did.

    Raises:
        Invalid, Conflict: as ``Booking.release`` says; then nothing is changed.
    """
    if reservation.is_block and boards is None:
        reservation = _without_seats(work, reservation)
    # Of a block some boards are with its seats.
    is_over = boards is None or (not reservation.is_block and set(reservation.boards) <= set(boards))
    given = [one for one in reservation.boards if boards is None or one in boards]
    for deployment in work.tx.deployments(reservations=[reservation.number], live=True):
        if deployment.board not in given:
            continue
        _meet(work, reservation, deployment, fate, name)
        has_failed = failure is not None and failure.id == deployment.id
        over = failure if failure is not None and has_failed else replace(deployment, state=DeploymentState.ENDED)
        work.save(replace(over, ended_at=work.now))
    told = because or _("reservation {number} was released").format(number=reservation.number)
    if reservation.is_running and not reservation.is_block:
        for board in given:
            _take_back(work, reservation, board, told, Outcome.FAILED if failure else Outcome.OK)
    if not is_over:
        rest = reservation
        for board in given:
            rest = rest.without(board)
        work.save(rest)
        return rest
    ended = reservation.ended(work.now, because)
    work.save(ended)
    if ended.purpose is Purpose.BUILD:
        give_up(work, ended, failure.reason if failure else told)
    if reservation.is_seat and reservation.is_running:
        _give_back(work, reservation)
    if not reservation.is_running:
        number, outcome = reservation.number, Outcome.CANCELLED
        event = Event(0, work.now, "", 0, "reservation", Phase.ENDED, outcome=outcome, detail=told, reservation=number)
        work.note(event, owner=reservation.user)
    log.info("reservation.ended", reservation=reservation.number, boards=reservation.boards, because=because)
    return ended


def _without_seats(work: Work, block: Reservation) -> Reservation:
    """A block that ends has its seats ended first, and has all of its boards again."""
    for seat in work.tx.reservations(within=block.number, states=LIVE):
        end(work, seat, because=_("block {number} is over").format(number=block.number))
    return work.tx.reservation(block.number) or block


def _give_back(work: Work, seat: Reservation) -> None:
    block = work.tx.reservation(seat.within) if seat.within is not None else None
    if block is None or not block.is_running:
        return
    rest = Window(work.now, block.window.end)
    # Where the seat was to end before its block, for maintenance, somebody else may have come after it.
    free = [one for one in seat.boards if work.plan.calendar.line(one).is_free(rest)]
    work.save(replace(block, boards=(*block.boards, *free)))


def _take_back(work: Work, reservation: Reservation, board: str, told: str, outcome: Outcome) -> None:
    standing = work.tx.board(board)
    if standing is None:
        return
    if standing.order is not None:
        drop_order(work, standing.order.id, _("the reservation ended before it was carried out"))
    work.note_board(
        standing,
        "reservation",
        Phase.ENDED,
        told,
        outcome=outcome,
        reservation=reservation.number,
        owner=reservation.user,
    )
    work.save(standing.parked())


def _kept_until(work: Work, reservation: Reservation) -> datetime:
    """A root of a lesson is kept beyond the next one of its project, be there holidays between."""
    until = work.now + ASIDE_FOR
    if not reservation.is_seat:
        return until
    live = work.tx.reservations(project=reservation.project, states=LIVE)
    ends = [one.window.end for one in live if one.is_block and one.number != reservation.within]
    return max(until, min(*ends, work.now + LESSON_WITHIN) + ASIDE_FOR) if ends else until


def _meet(work: Work, reservation: Reservation, deployment: Deployment, fate: Fate | None, name: str) -> None:
    root = work.tx.root(deployment.root)
    if root is None:
        return
    if reservation.purpose is not Purpose.USE:
        if fate is Fate.KEEP:
            hold(work, reservation, root)
        else:
            discard(work, root)
        return
    if root.state is RootState.CAPTURED:
        _meet_captured(work, reservation, root, fate, name)
        return
    # A root that was kept aside before holds what its user wrote then, whether it came up this time or not.
    is_fresh = len(work.tx.deployments(root=root.id)) == 1
    is_untouched = is_fresh and deployment.opened_at is None
    match fate or (Fate.DISCARD if is_untouched and not name else Fate.ASIDE):
        case Fate.DISCARD:
            discard(work, root)
        case Fate.ASIDE:
            put_aside(work, _renamed(work.tx, root, name) if name else root, _kept_until(work, reservation))
        case Fate.KEEP:
            if is_untouched:
                raise Conflict(
                    Code.BOARD_NOT_OPEN,
                    _("{board} was not open yet, so there is nothing to keep"),
                    hint=_("wait until it is open, or release it with --discard"),
                    board=deployment.board,
                )
            capture(work, root, name)


def _meet_captured(work: Work, reservation: Reservation, root: Root, fate: Fate | None, name: str) -> None:
    """An image is being made of it: what becomes of the root waits for that, and one image is enough."""
    match fate or Fate.ASIDE:
        case Fate.ASIDE:
            kept = _renamed(work.tx, root, name) if name else root
            work.save(replace(kept, expires_at=_kept_until(work, reservation)))
        case Fate.KEEP:
            raise Conflict(
                Code.THING_IN_USE,
                _("root {root} is being made an image already"),
                hint=_("release it with --discard: the root goes when that image has all of it; or with --aside"),
                root=root.name,
            )
        case Fate.DISCARD:
            pass  # it goes once the image has all of it


def begin_image(work: Work, root: Root, name: str, source: RootSource | CheckpointSource) -> Image:
    """
    A new version of an image, to be made of a root. Whoever asks, what is made of a user's files is that user's.

    Raises:
        Invalid: NAME_INVALID.
        Conflict: NAME_TAKEN by another user's image; QUOTA_EXCEEDED, its owner's images take as much as they may.
    """
    check_image_name(work.tx, root.owner, checked("image", name))
    check_kept(work.tx, root.owner)
    image = Image(
        id=work.new_id(),
        name=name,
        version=version_after(work.tx.newest_version(name), work.now),
        owner=root.owner,
        site=root.site,
        state=ImageState.BUILDING,
        created_at=work.now,
        source=source,
        parent=root.image,
    )
    work.save(image)
    return image


def capture(work: Work, root: Root, name: str) -> Image:
    """
    Have an image made of a root. Nothing is lost when that fails: the root is aside again (see ``Fleet.report``).
    A root with a time to go is aside again in any case.

    Raises:
        Invalid: NAME_INVALID; REQUEST_INVALID, there is no name to keep it under.
        Conflict: NAME_TAKEN by another user's image; QUOTA_EXCEEDED, its owner's images take as much as they may.
    """
    if not name:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("an image needs a name to be kept under"),
            hint=_("say --keep NAME"),
        )
    image = begin_image(work, root, name, RootSource(root.id))
    work.save(replace(root, state=RootState.CAPTURED, expires_at=None))
    told = _("root {root} is being kept as {image}").format(root=root.name, image=image.ref)
    work.note_thing("root", told, root.owner)
    return image


def put_aside(work: Work, root: Root, until: datetime | None = None) -> None:
    """*until* its time is over; None: as long as any."""
    until = until or work.now + ASIDE_FOR
    work.save(replace(root, state=RootState.ASIDE, expires_at=until))
    told = _("root {root} is kept aside until {until:%Y-%m-%d %H:%M} UTC").format(root=root.name, until=until)
    work.note_thing("root", told, root.owner)


def discard(work: Work, root: Root) -> Root:
    """Where a checkpoint is being made of it, it waits for that, as one of which an image was to be made."""
    if any(isinstance(one.source, CheckpointSource) for one in being_made(work.tx, root)):
        waiting = replace(root, state=RootState.CAPTURED, expires_at=None)
        work.save(waiting)
        told = _("root {root} is discarded as soon as the image that is being made of it is ready")
        work.note_thing("root", told.format(root=root.name), root.owner)
        return waiting
    going = replace(root, state=RootState.GOING, expires_at=None)
    work.save(going)
    work.note_thing("root", _("root {root} is discarded").format(root=root.name), root.owner)
    return going


def being_made(records: Snapshot, root: Root) -> list[Image]:
    """The images that are being made of a root: a capture's, a checkpoint's, or both."""
    building = records.images(site=root.site, states={ImageState.BUILDING})
    # No set: an image that is built of a recipe is being made as well, and has no hash.
    return [one for one in building if one.source in (RootSource(root.id), CheckpointSource(root.id))]


def drop_order(work: Work, order: UUID, why: str) -> None:
    """A power order that will not be carried out."""
    if state := work.tx.order(order):
        work.save(replace(state, is_done=True, reason=why))


def free_root_name(records: Snapshot, owner: UUID, image: str, deployment: UUID) -> str:
    """A name for a new root, told from its image and its deployment."""
    for digits in range(6, 33):
        name = f"{image[:40]}-{deployment.hex[-digits:]}"
        if not is_taken(records, owner, name):
            return name
    return deployment.hex  # unreachable: two deployments have no id in common


def is_taken(records: Snapshot, owner: UUID, name: str) -> bool:
    return any(one.state is not RootState.GONE for one in records.roots(name=name, owner=owner))


def _renamed(records: Snapshot, root: Root, name: str) -> Root:
    checked("root", name)
    if name != root.name and is_taken(records, root.owner, name):
        raise Conflict(Code.NAME_TAKEN, _("there is a root {root} already"), hint=_("choose another name"), root=name)
    return replace(root, name=name)
