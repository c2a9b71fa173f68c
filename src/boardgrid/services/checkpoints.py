"""Checkpoints: an image of what a board runs, while it goes on."""

from dataclasses import dataclass

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.image import CheckpointSource
from boardgrid.model.root import Root
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk
from boardgrid.services.ending import begin_image, being_made
from boardgrid.services.running import open_on
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
            NotAllowed: it is another's.
            Invalid: NAME_INVALID; REQUEST_INVALID, it has several boards and none was named.
            Conflict: RESERVATION_OVER, RESERVATION_WAITING; BOARD_NOT_OPEN; THING_IN_USE, an image of this root is
                being made; NAME_TAKEN by another user's image; QUOTA_EXCEEDED.
        """
        with self.desk.begin(asker, "board.checkpoint") as work:
            _mine, running = open_on(work.tx, asker, number, board)
            root = work.tx.root(running.root)
            if root is None:
                raise ValueError(f"the root of deployment {running.id} is not there")
            _check_alone(work.tx, root)
            made = begin_image(work, root, image, CheckpointSource(root.id))
            told = _("{image} is being made of root {root}, crash consistent, while its board goes on")
            work.note_thing("root", told.format(image=made.ref, root=root.name), root.owner)
            log.info("root.checkpointed", root=root.name, image=made.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(made)


def _check_alone(records: Snapshot, root: Root) -> None:
    for one in being_made(records, root):
        raise Conflict(
            Code.THING_IN_USE,
            _("{image} is being made of root {root} already"),
            hint=_("wait until it is ready or has failed"),
            image=one.ref,
            root=root.name,
        )
