"""How a board is given to a user: which one, what it boots, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import Deployment, DeploymentState, Phase
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import Image, ImageState, Kernel
from boardgrid.model.planning import Standing, kernel_for
from boardgrid.model.reservation import Reservation, ReservationState, Window
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.model.wish import Deployed
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.ending import drop_order, free_root_name
from boardgrid.services.finding import board_type, image_of, root_of, standing_of
from boardgrid.services.roots import check_aside
from boardgrid.services.showing import as_utc

log = structlog.get_logger()

Fit = tuple[Standing, Kernel | None]  # a board, and which kernel of the image it boots


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: one of *board* and *board_type*, one of *image* and *root*."""

    user: User
    board: str | None
    board_type: str | None
    image: str | None
    root: str | None
    for_: timedelta
    root_bytes: int  # for a new root


def give(work: Work, wanted: Wanted) -> Reservation:
    """See ``Booking.reserve``."""
    kept = _kept_root(work.tx, wanted.user, wanted.root) if wanted.root is not None else None
    image = _image(work.tx, wanted, kept)
    boards = _boards(work.tx, wanted)
    fitting = _fitting(work.tx, boards, image)
    found = _free(work, wanted, fitting)
    if kept is None:
        _check_room(work.tx, image.site, wanted.root_bytes)
    return _begin(work, wanted, found, image, kept)


def _kept_root(records: Snapshot, user: User, name: str) -> Root:
    root = root_of(records, user, name)
    if root.owner != user.id:
        # What an admin may see is still its owner's: on a board it would get the admin's keys.
        raise NotAllowed(Code.ACT_FORBIDDEN, _("root {root} is another user's"), root=root.name)
    check_aside(root)
    for standing in records.boards(site=root.site):
        tenant = records.deployment(standing.tenant) if standing.tenant else None
        if tenant is not None and tenant.root == root.id:
            # One root, one board: its export to the old board may still be there.
            raise Conflict(
                Code.THING_IN_USE,
                _("root {root} is still being taken from {board}"),
                hint=_("try again in a moment"),
                root=root.name,
                board=standing.board.name,
            )
    return root


def _image(records: Snapshot, wanted: Wanted, kept: Root | None) -> Image:
    if kept is not None:
        image = records.image(kept.image)
        if image is None:
            raise NotFound(
                Code.IMAGE_UNKNOWN, _("the image that root {root} was made from is not there"), root=kept.name
            )
    else:
        image = image_of(records, wanted.user, wanted.image or "")
    if image.state is ImageState.READY and image.manifest is not None:
        return image
    raise Conflict(
        Code.IMAGE_NOT_READY,
        _("{image} could not be made: {reason}") if image.state is ImageState.FAILED else _("{image} is not ready yet"),
        hint=_("boardgrid image show {image} tells its state"),
        image=image.ref,
        reason=image.reason,
    )


def _boards(records: Snapshot, wanted: Wanted) -> Sequence[Standing]:
    if wanted.board is not None:
        return [standing_of(records, wanted.board)]
    name = board_type(records, wanted.board_type or "").name
    if boards := records.boards(board_type=name):
        return boards
    raise NotFound(
        Code.BOARD_UNKNOWN,
        _("there is no board of type {type}"),
        hint=_("boardgrid board list shows those that are there"),
        type=name,
    )


def _fitting(records: Snapshot, boards: Sequence[Standing], image: Image) -> list[Fit]:
    """The boards that can run this image, each with the kernel that it boots."""
    fitting: list[Fit] = []
    refusal: Invalid | None = None
    for standing in boards:
        try:
            fitting.append((standing, _kernel(records, standing, image)))
        except Invalid as error:
            refusal = refusal or error
    if not fitting and refusal is not None:
        raise refusal
    return fitting


def _kernel(records: Snapshot, standing: Standing, image: Image) -> Kernel | None:
    board = standing.board
    if board.site != image.site:
        raise Invalid(
            Code.IMAGE_MISFIT,
            _("{image} is stored at site {there}, and {board} is at site {here}"),
            hint=_("import the image at site {here}, or choose a board at site {there}"),
            image=image.ref,
            there=image.site,
            board=board.name,
            here=board.site,
        )
    if image.manifest is None:
        raise ValueError(f"{image.ref} is not ready")
    return kernel_for(board, board_type(records, board.type), image.ref, image.manifest)


def _free(work: Work, wanted: Wanted, fitting: Sequence[Fit]) -> Fit:
    for standing, kernel in fitting:
        if standing.is_offered and work.tx.running_on(standing.board.name) is None:
            return standing, kernel
    if wanted.board is not None:
        raise _why_not(work.tx, fitting[0][0])
    raise _why_none(work.tx, wanted.board_type or "", [standing for standing, _kernel in fitting])


def _why_not(records: Snapshot, standing: Standing) -> Conflict:
    board = standing.board
    if holder := records.running_on(board.name):
        user = records.user(holder.user)
        return Conflict(
            Code.BOARD_TAKEN,
            _("{board} is taken by {user} until {until}"),
            hint=_("choose another board, or try again then"),
            board=board.name,
            user=user.name if user else "-",
            until=as_utc(holder.window.end),
        )
    if not board.is_fit:
        return Conflict(
            Code.BOARD_SET_ASIDE,
            _("{board} is set aside: {why}"),
            hint=_("choose another board; an admin returns this one to service with boardgrid board fit {board}"),
            board=board.name,
            why=board.set_aside,
        )
    return Conflict(
        Code.BOARD_TAKEN,
        _("{board} is being cleaned after its last user") if not standing.is_clean else _("{board} leaves the farm"),
        hint=_("try again in a moment") if not standing.is_clean else _("choose another board"),
        board=board.name,
    )


def _why_none(records: Snapshot, type_name: str, boards: Sequence[Standing]) -> Conflict:
    soonest = next((one for one in boards if one.is_being_cleaned), None)
    if soonest is not None:
        return Conflict(
            Code.BOARD_TAKEN,
            _("no board of type {type} is free; {board} is being cleaned after its last user"),
            hint=_("try again in a moment"),
            type=type_name,
            board=soonest.board.name,
        )
    names = {standing.board.name for standing in boards}
    holders = [one for one in records.reservations(running=True) if one.board in names]
    if not holders:
        return _why_not(records, next((one for one in boards if one.board.is_fit), boards[0]))
    first = min(holders, key=lambda one: one.window.end)
    return Conflict(
        Code.BOARD_TAKEN,
        _("no board of type {type} is free; {board} is the first to be, at {until}"),
        hint=_("try again then"),
        type=type_name,
        board=first.board,
        until=as_utc(first.window.end),
    )


def _check_room(records: Snapshot, site: str, size_bytes: int) -> None:
    """The store promises room itself; this tells early what it told last."""
    state = records.site(site)
    if state is None or not state.store_bytes or state.free_bytes >= size_bytes:
        return
    raise Conflict(
        Code.STORE_FULL,
        _("the store of site {site} has {free:.1f} GB free, and a root needs {needs:.1f} GB"),
        hint=_("discard roots that are not needed: boardgrid root list"),
        site=site,
        free=state.free_bytes / 1e9,
        needs=size_bytes / 1e9,
    )


def _begin(work: Work, wanted: Wanted, found: Fit, image: Image, kept: Root | None) -> Reservation:
    (standing, kernel), user = found, wanted.user
    board = standing.board
    reservation = Reservation(
        number=work.tx.next_reservation(),
        user=user.id,
        board=board.name,
        window=Window(work.now, work.now + wanted.for_),
        state=ReservationState.RUNNING,
    )
    deployment_id = work.new_id()
    if kept is not None:
        root = replace(kept, state=RootState.LIVE, expires_at=None)
    else:
        root = Root(
            id=work.new_id(),
            name=free_root_name(work.tx, user.id, image.name, deployment_id),
            owner=user.id,
            site=image.site,
            image=image.id,
            state=RootState.LIVE,
            size_bytes=wanted.root_bytes,
            created_at=work.now,
        )
    deployment = Deployment(
        id=deployment_id,
        reservation=reservation.number,
        board=board.name,
        image=image.id,
        root=root.id,
        state=DeploymentState.PREPARING,
        created_at=work.now,
    )
    state = work.tx.site(board.site)
    wish = Deployed(
        deployment=deployment.id,
        root=root.id,
        image=image.id,
        size_bytes=root.size_bytes,
        hostname=f"{board.name}.{board.site}.{state.site.domain if state else 'boardgrid'}",
        keys=user.ssh_keys,
        kernel=kernel,
        user=user.name,
        image_ref=image.ref,
        reservation=reservation.number,
        is_kept=kept is not None and any(former.opened_at for former in work.tx.deployments(root=kept.id)),
    )
    if standing.order is not None:
        drop_order(work, standing.order.id, _("{board} was given to a user first").format(board=board.name))
    given = standing.deployed(wish)
    work.save(reservation)
    work.save(root)
    work.save(deployment)
    work.save(given)
    told = _("{user} holds it until {until}").format(user=user.name, until=as_utc(reservation.window.end))
    work.note_board(given, "reservation", Phase.BEGAN, told, reservation=reservation.number, owner=reservation.user)
    log.info("reservation.began", reservation=reservation.number, board=board.name, user=user.name, image=image.ref)
    return reservation
