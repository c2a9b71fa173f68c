"""Checkpoints: an image of what a board runs, while it goes on."""

from dataclasses import dataclass

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.deployment import DeploymentState
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import CheckpointSource, Image, ImageState, version_after
from boardgrid.model.name import checked
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk
from boardgrid.services.finding import check_image_name, reservation_of
from boardgrid.services.limiting import check_kept
from boardgrid.services.showing import Showing
from boardgrid.services.views import ImageView

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checkpoints:
    desk: Desk

    def checkpoint(self, asker: User, number: int, image: str, board: str | None = None) -> ImageView:
        """
        Have a new version of *image* made of the root that a board of this reservation writes to.

        The board goes on, and waits only while what was changed is copied. The image is crash consistent: as the root
        were after a power cut.

        Args:
            board: of several this one.

        Raises:
            NotFound: RESERVATION_UNKNOWN; BOARD_UNKNOWN, it has no such board.
            NotAllowed: the root is another's.
            Invalid: NAME_INVALID; REQUEST_INVALID, it has several boards and none was named.
            Conflict: BOARD_NOT_OPEN; THING_IN_USE, one of this root is being made; NAME_TAKEN by another user's image;
                QUOTA_EXCEEDED.
        """
        with self.desk.begin(asker, "board.checkpoint") as work:
            reservation = reservation_of(work.tx, asker, number)
            root = _open_root(work.tx, asker, reservation, _board_of(reservation, board))
            _check_alone(work.tx, root)
            # Whoever asks, what is made of a user's files is that user's.
            check_image_name(work.tx, root.owner, checked("image", image))
            check_kept(work.tx, root.owner)
            made = Image(
                id=work.new_id(),
                name=image,
                version=version_after(work.tx.newest_version(image), work.now),
                owner=root.owner,
                site=root.site,
                state=ImageState.BUILDING,
                created_at=work.now,
                source=CheckpointSource(root.id),
                parent=root.image,
            )
            work.save(made)
            told = _("{image} is being made of root {root}, crash consistent, while its board goes on")
            work.note_thing("root", told.format(image=made.ref, root=root.name), root.owner)
            log.info("root.checkpointed", root=root.name, image=made.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(made)


def _board_of(reservation: Reservation, board: str | None) -> str:
    boards = ", ".join(reservation.boards) or "-"
    if board is None and len(reservation.boards) != 1:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("reservation {number} has not just one board, and none was named"),
            hint=_("it has {boards}"),
            number=reservation.number,
            boards=boards,
        )
    if board is not None and board not in reservation.boards:
        raise NotFound(
            Code.BOARD_UNKNOWN,
            _("reservation {number} has no board {board}"),
            hint=_("it has {boards}"),
            number=reservation.number,
            board=board,
            boards=boards,
        )
    return board or reservation.boards[0]


def _open_root(records: Snapshot, asker: User, reservation: Reservation, board: str) -> Root:
    live = [one for one in records.deployments(reservations=[reservation.number], live=True) if one.board == board]
    root = records.root(live[0].root) if live else None
    if root is not None and not can(asker, "change", root):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("what {board} runs is another user's"),
            hint=_("its user or an admin can make an image of it"),
            board=board,
        )
    if root is None or live[0].state is not DeploymentState.OPEN:
        raise Conflict(
            Code.BOARD_NOT_OPEN,
            _("{board} is not open: nobody has written to its root yet, or nobody does any more"),
            hint=_("boardgrid status shows how far it is"),
            board=board,
        )
    return root


def _check_alone(records: Snapshot, root: Root) -> None:
    for one in records.images(site=root.site, states={ImageState.BUILDING}):
        if one.source == CheckpointSource(root.id):
            raise Conflict(
                Code.THING_IN_USE,
                _("{image} is being made of root {root} already"),
                hint=_("wait until it is ready or has failed"),
                image=one.ref,
                root=root.name,
            )
