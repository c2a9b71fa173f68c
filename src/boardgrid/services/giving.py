"""How a board is given to the reservation that has it: a root, a deployment, and a wish for the agent."""

from dataclasses import replace

import structlog

from boardgrid.messages import _
from boardgrid.model.deployment import Deployment, DeploymentState, Phase
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.image import Image, ImageState
from boardgrid.model.planning import Standing, kernel_for
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root, RootState
from boardgrid.model.wish import Deployed
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.ending import drop_order, free_root_name
from boardgrid.services.finding import board_type
from boardgrid.services.roots import check_aside
from boardgrid.services.shelf import check_same_site
from boardgrid.services.showing import as_utc

log = structlog.get_logger()


def hand_over(work: Work, reservation: Reservation, standing: Standing) -> None:
    """
    Have a board that runs for *reservation* boot what it asks for. One that is still being cleaned after its last user
    is left alone: this is called again when it is clean.

    Raises:
        NotFound, Conflict: what it is to boot is not there, or not ready.
        Invalid: the image never runs on this board, as that is declared now.
    """
    if not standing.is_offered:
        return
    board, user = standing.board, work.tx.user(reservation.user)
    if user is None:
        raise ValueError(f"reservation {reservation.number} is nobody's")
    image = image_to_boot(work.tx, reservation)
    assert image.manifest is not None  # noqa: S101 - it is ready
    check_same_site(board, image)
    kernel = kernel_for(board, board_type(work.tx, board.type), image.ref, image.manifest)
    deployment_id = work.new_id()
    kept = root_to_boot(work.tx, reservation)
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
            size_bytes=reservation.size_bytes,
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
    site = work.tx.site(board.site)
    wish = Deployed(
        deployment=deployment.id,
        root=root.id,
        image=image.id,
        size_bytes=root.size_bytes,
        hostname=f"{board.name}.{board.site}.{site.site.domain if site else 'boardgrid'}",
        keys=keys_of(work.tx, reservation),
        kernel=kernel,
        user=user.name,
        image_ref=image.ref,
        reservation=reservation.number,
        is_kept=kept is not None and any(former.opened_at for former in work.tx.deployments(root=kept.id)),
    )
    if standing.order is not None:
        drop_order(work, standing.order.id, _("{board} was given to a user first").format(board=board.name))
    given = standing.deployed(wish)
    if kept is None:
        work.add(root)
    else:
        work.save(root)
    work.add(deployment)
    work.save(given)
    told = _("{user} holds it until {until}").format(user=user.name, until=as_utc(reservation.window.end))
    work.note_board(given, "reservation", Phase.BEGAN, told, reservation=reservation.number, owner=reservation.user)
    log.info("board.given", reservation=reservation.number, board=board.name, user=user.name, image=image.ref)


def keys_of(records: Snapshot, reservation: Reservation) -> tuple[str, ...]:
    """Who may log in to its boards: its user, and with whom it is shared."""
    people = [records.user(one) for one in (reservation.user, *reservation.members)]
    return tuple(dict.fromkeys(key for one in people if one and one.is_active for key in one.ssh_keys))


def image_to_boot(records: Snapshot, reservation: Reservation) -> Image:
    """
    Raises:
        NotFound: IMAGE_UNKNOWN.
        Conflict: IMAGE_NOT_READY.
    """
    image = records.image(reservation.image)
    if image is None:
        raise NotFound(Code.IMAGE_UNKNOWN, _("the image of reservation {n} is not there"), n=reservation.number)
    check_ready(image)
    return image


def check_ready(image: Image) -> None:
    """
    Raises:
        Conflict: IMAGE_NOT_READY, IMAGE_DAMAGED.
    """
    if image.damage:
        raise Conflict(
            Code.IMAGE_DAMAGED,
            _("{image} is damaged in the store: {damage}"),
            hint=_("choose another version, or import it anew"),
            image=image.ref,
            damage=image.damage,
        )
    if image.state is ImageState.READY and image.manifest is not None:
        return
    why, hint = _("{image} is not ready yet"), _("boardgrid image show {image} tells its state")
    match image.state:
        case ImageState.FAILED:
            why = _("{image} could not be made: {reason}")
        case ImageState.REMOVED:
            why, hint = (
                _("{image} lies in the wastebasket"),
                _("its owner gets it back: boardgrid image restore {image}"),
            )
        case _:
            pass
    raise Conflict(
        Code.IMAGE_NOT_READY,
        why,
        hint=hint,
        image=image.ref,
        reason=image.reason,
    )


def root_to_boot(records: Snapshot, reservation: Reservation) -> Root | None:
    """
    The root kept aside that it asks for; None: it gets new ones.

    Raises:
        Conflict: ROOT_NOT_ASIDE; THING_IN_USE, it is still being taken from another board.
    """
    if reservation.root is None:
        return None
    root = records.root(reservation.root)
    if root is None:
        raise NotFound(Code.ROOT_UNKNOWN, _("the root of reservation {n} is not there"), n=reservation.number)
    check_at_rest(records, root)
    return root


def check_at_rest(records: Snapshot, root: Root) -> None:
    """
    Raises:
        Conflict: ROOT_NOT_ASIDE; THING_IN_USE.
    """
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
