"""Trying: whether an image boots, seen by the farm itself on a board of each type."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import Deployment, Event, Outcome, Phase
from boardgrid.model.errors import Code, Conflict, FarmError, NotAllowed
from boardgrid.model.image import Image
from boardgrid.model.name import type_of
from boardgrid.model.next_step import Step
from boardgrid.model.reservation import Group, Purpose, Reservation
from boardgrid.model.user import User
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.finding import image_of
from boardgrid.services.giving import check_ready
from boardgrid.services.placing import Wanted, accept, for_the_farm
from boardgrid.services.showing import Showing
from boardgrid.services.unfolding import carry_out_due
from boardgrid.services.views import ReservationView

log = structlog.get_logger()

TEST_FOR = timedelta(minutes=30)  # a board is held no longer; it is given back as soon as it came up or did not
_RESTARTS = 3  # so often a board is restarted, harder each time, before it is given up
_ROOT_BYTES = 512 << 20
_EVENTS_MOST = 500


@dataclass(frozen=True, slots=True)
class Trying:
    desk: Desk

    def test(self, asker: User, ref: str, types: Sequence[str] = ()) -> list[ReservationView]:
        """
        Have an image boot on a board of each type, or of these *types*, as soon as it is their turn.

        Returns the reservations, which count as *asker*'s; what came of each is in the image's boot tests.

        Raises:
            NotFound: IMAGE_UNKNOWN, TYPE_UNKNOWN.
            NotAllowed: it is another's, or *asker* is a guest.
            Invalid: IMAGE_MISFIT, KERNEL_MISSING.
            Conflict: IMAGE_NOT_READY, QUOTA_EXCEEDED; BOARDS_TOO_FEW, it fits none.
        """
        check_no_guest(asker)
        with self.desk.begin(asker, "image.test") as work:
            carry_out_due(work)
            user = work.tx.user(asker.id) or asker
            image = image_of(work.tx, user, ref)
            if not can(asker, "change", image):
                raise NotAllowed(Code.ACT_FORBIDDEN, _("{image} is another user's"), image=image.ref)
            check_ready(image)
            fitting = list(dict.fromkeys(types)) or _types_for(work, user, image)
            made = [accept(work, _wanted(work, user, image, one)) for one in fitting]
            log.info("image.tested", image=image.ref, types=fitting, by=asker.name)
            return Showing(work.tx, user, work.now).reservations(made)


def _types_for(work: Work, user: User, image: Image) -> list[str]:
    shelf, found, refusal = work.plan.shelf, [], None
    for name in sorted({board.type for board in shelf.boards.values()}):
        try:
            shelf.among(Group(type=name), image, user.id)
        except FarmError as error:
            refusal = refusal or error
        else:
            found.append(name)
    if found:
        return found
    raise refusal or Conflict(
        Code.BOARDS_TOO_FEW, _("there is no board to try {image} on"), hint=_("add a board first"), image=image.ref
    )


def _wanted(work: Work, user: User, image: Image, board_type: str) -> Wanted:
    type_ = work.tx.board_type(board_type)
    boot = timedelta(seconds=_RESTARTS * type_.boot_s if type_ else 0)
    return for_the_farm(
        work,
        user,
        Purpose.TEST,
        image,
        boots=image,
        on=Group(type=board_type),
        for_=max(TEST_FOR, boot),
        root_bytes=_ROOT_BYTES,
    )


def tried(work: Work, test: Reservation, deployment: Deployment, reason: str = "") -> None:
    """Record what came of a test; *reason*: why it did not pass."""
    assert test.subject is not None  # noqa: S101 - a test is an image's
    standing = work.tx.board(deployment.board)
    entries = work.tx.events(0, limit=_EVENTS_MOST, reservation=test.number, newest=True)
    events = [one.event for one in entries if one.event.deployment == deployment.id]
    boots = [one for one in events if one.step == Step.BOOT and one.phase is Phase.ENDED]
    result = BootTest(
        id=work.new_id(),
        image=test.subject,
        board_type=standing.board.type if standing else type_of(deployment.board),
        board=deployment.board,
        at=work.now,
        is_passed=not reason,
        took_s=None if reason else _took_s(events, boots),
        reason=reason,
        console=boots[-1].console if boots else (),
    )
    work.save(result)
    image = work.tx.image(test.subject)
    if image is not None:
        told = (
            _("{image} did not boot on {board}: {reason}")
            if reason
            else _("{image} booted on {board}, seen by the farm itself")
        )
        told = told.format(image=image.ref, board=deployment.board, reason=reason)
        work.note_thing("image", told, image.owner, Outcome.FAILED if reason else Outcome.OK)


def _took_s(events: Sequence[Event], boots: Sequence[Event]) -> float | None:
    """From the last restart to SSH."""
    restarts = [one.at for one in events if one.step == Step.RESTART and one.phase is Phase.BEGAN]
    return (boots[-1].at - restarts[-1]).total_seconds() if restarts and boots else None
