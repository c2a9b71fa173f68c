"""How a board is given to the reservation that has it: a root, a deployment, and a wish for the agent."""

from dataclasses import replace
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.board import Board
from boardgrid.model.deployment import Deployment, DeploymentState, Phase
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.image import Image, ImageState
from boardgrid.model.kit import BootKit
from boardgrid.model.planning import Standing, kernel_for
from boardgrid.model.recipe import FINISH
from boardgrid.model.reservation import Purpose, Reservation
from boardgrid.model.root import Root, RootState
from boardgrid.model.wish import Deployed
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work
from boardgrid.services.ending import drop_order, free_root_name
from boardgrid.services.finding import board_type
from boardgrid.services.mounting import mounts_for
from boardgrid.services.roots import check_aside
from boardgrid.services.shelf import check_same_site
from boardgrid.services.showing import as_utc

log = structlog.get_logger()

FINISH_S = 3600.0  # a small board may take so long to set up the packages of a system


def hand_over(work: Work, reservation: Reservation, standing: Standing) -> None:
    """
    Have a board that runs for *reservation* boot what it asks for, or the root that it had there before. One that is
    still being cleaned after its last user, or whose root is being made an image, is left alone: this is called again
    when that is over.

    Raises:
        NotFound, Conflict: what it is to boot is not there, or not ready.
        Invalid: the image never runs on this board, as that is declared now.
    """
    if saved := saving_on(work.tx, reservation, standing.board.name):
        _resume(work, reservation, standing, saved)
        return
    if not standing.is_offered:
        return
    board, user = standing.board, work.tx.user(reservation.user)
    if user is None:
        raise ValueError(f"reservation {reservation.number} is nobody's")
    image = image_to_boot(work.tx, reservation)
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
    is_kept = kept is not None and any(former.opened_at for former in work.tx.deployments(root=kept.id))
    wish = replace(_wish(work.tx, reservation, board, image, deployment, size_bytes=root.size_bytes), is_kept=is_kept)
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
    _volumes, absent = mounts_for(work.tx, reservation, board.site)
    for told in absent:
        work.note_board(given, "volume", Phase.NOTED, told, reservation=reservation.number, owner=reservation.user)
    log.info("board.given", reservation=reservation.number, board=board.name, user=user.name, image=image.ref)


def boot_again(
    work: Work,
    reservation: Reservation,
    standing: Standing,
    over: Deployment,
    kit: BootKit | None,
) -> Deployment:
    """
    Have a board boot the root that it has once more: a deployment of its own, in the same reservation. *over* is the
    one before, as it is recorded from now on.

    Raises:
        NotFound, Conflict, Invalid: as :func:`hand_over`.
    """
    deployment = following(work, over, DeploymentState.PREPARING, kit)
    wish = _wish_again(work.tx, reservation, standing.board, deployment)
    if isinstance(standing.wish, Deployed):
        # Where nothing comes of it before the board is touched, that goes on as it is.
        kits = (*(kit.id for kit in standing.wish.kits), *standing.wish.keeps, *wish.keeps)
        wish = replace(wish, keeps=tuple(dict.fromkeys(kits)))
    if standing.order is not None:
        drop_order(work, standing.order.id, _("{board} is booted anew first").format(board=standing.board.name))
    work.save(over)
    work.add(deployment)
    work.save(standing.again(wish))
    log.info("board.booted_again", reservation=reservation.number, board=standing.board.name)
    return deployment


def go_on(work: Work, reservation: Reservation, standing: Standing, failed: Deployment, former: Deployment) -> None:
    """
    A board has the root as *former* yet, for *failed* came to nothing before it was touched: it has it as before.

    Raises:
        NotFound, Conflict, Invalid: as :func:`hand_over`.
    """
    wish = _wish_again(work.tx, reservation, standing.board, former)
    work.save(replace(failed, ended_at=work.now))
    work.save(replace(former, state=DeploymentState.OPEN, ended_at=None))
    work.save(standing.again(replace(wish, opened=True)))
    log.info("board.went_on", reservation=reservation.number, board=standing.board.name)


def following(work: Work, over: Deployment, state: DeploymentState, kit: BootKit | None) -> Deployment:
    """Another deployment of the same root on the same board."""
    return Deployment(
        id=work.new_id(),
        reservation=over.reservation,
        board=over.board,
        image=over.image,
        root=over.root,
        state=state,
        created_at=work.now,
        kit=kit,
    )


def _resume(work: Work, reservation: Reservation, standing: Standing, saved: Deployment) -> None:
    """The image of its root was made, or could not be: the board goes on with the root where it stopped."""
    root = work.tx.root(saved.root)
    if root is None or root.state is not RootState.LIVE or not standing.is_at_rest:
        return
    wish = _wish_again(work.tx, reservation, standing.board, saved)
    if standing.order is not None:
        drop_order(work, standing.order.id, _("{board} is booted anew first").format(board=standing.board.name))
    work.save(replace(saved, state=DeploymentState.PREPARING))
    work.save(standing.again(wish))
    log.info("board.resumed", reservation=reservation.number, board=standing.board.name, root=root.name)


def saving_on(records: Snapshot, reservation: Reservation, board: str) -> Deployment | None:
    """The deployment that begins there once the image of its root is made."""
    live = records.deployments(reservations=[reservation.number], live=True)
    return next((one for one in live if one.board == board and one.state is DeploymentState.SAVING), None)


def last_good(records: Snapshot, deployment: Deployment, *, before: bool = False) -> BootKit | None:
    """
    What brought its root up last; None: its image's own kernel. The modules of such a kit lie in the root.

    Args:
        before: in the deployments before this one alone.
    """
    made = records.deployments(reservations=[deployment.reservation])
    of_root = [one for one in made if one.root == deployment.root and not (before and one.id >= deployment.id)]
    good = [one.kit for one in of_root if one.is_good]
    kit = good[-1] if good else None
    release = kit.release if kit and kit.from_root else ""
    return replace(kit, modules=None, release=release, is_once=False) if kit else None


def kits_behind(records: Snapshot, deployment: Deployment) -> tuple[UUID, ...]:
    """
    Kits that its board may have to go back to. Their files stay at the site: what was made of them and of their modules
    when they were fitted cannot be fetched anew.
    """
    good = last_good(records, deployment)
    return (good.id,) if good else ()


def _wish(
    records: Snapshot,
    reservation: Reservation,
    board: Board,
    image: Image,
    deployment: Deployment,
    *,
    size_bytes: int,
) -> Deployed:
    """
    Raises:
        Conflict, Invalid: as :func:`hand_over`.
    """
    assert image.manifest is not None  # noqa: S101 - it is ready
    check_same_site(board, image)
    user, site = records.user(reservation.user), records.site(board.site)
    volumes, _absent = mounts_for(records, reservation, board.site)
    return Deployed(
        deployment=deployment.id,
        root=deployment.root,
        image=image.id,
        size_bytes=size_bytes,
        hostname=f"{board.name}.{board.site}.{site.site.domain if site else 'boardgrid'}",
        keys=keys_of(records, reservation),
        kernel=kernel_for(board, board_type(records, board.type), image.ref, image.manifest),
        user=user.name if user else "",
        image_ref=image.ref,
        reservation=reservation.number,
        volumes=volumes,
        kit=deployment.kit,
        init=FINISH if reservation.purpose is Purpose.BUILD else "",
        boot_s=FINISH_S if reservation.purpose is Purpose.BUILD else 0.0,
        is_trial=reservation.purpose is not Purpose.USE,
    )


def _wish_again(records: Snapshot, reservation: Reservation, board: Board, deployment: Deployment) -> Deployed:
    root, image = records.root(deployment.root), records.image(deployment.image)
    if root is None or image is None:
        raise ValueError(f"the root of deployment {deployment.id} is not there")
    wish = _wish(records, reservation, board, image, deployment, size_bytes=root.size_bytes)
    is_once = deployment.kit is not None and deployment.kit.is_once
    then = last_good(records, deployment, before=True) if is_once else None
    keeps = kits_behind(records, deployment)
    return replace(wish, is_kept=True, is_again=True, is_once=is_once, then=then, keeps=keeps)


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
    check_ready(image, reservation.purpose)
    return image


def check_ready(image: Image, purpose: Purpose = Purpose.USE) -> None:
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
    wanted = ImageState.UNPACKED if purpose is Purpose.BUILD else ImageState.READY
    if image.state is wanted and image.manifest is not None:
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
