"""Roots that were kept aside: what becomes of them."""

from dataclasses import dataclass

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk
from boardgrid.services.ending import capture, discard
from boardgrid.services.finding import root_of
from boardgrid.services.showing import Showing, as_utc
from boardgrid.services.views import ImageView, RootView

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Roots:
    """
    A root is told by its name among the asker's own; admins may also give its id.

    The wishes to discard a root, or to make an image of it, go out at once; the agent acts on them only when the root
    is exported to no board any more.
    """

    desk: Desk

    def roots(self, asker: User) -> list[RootView]:
        """Those that are not gone: the asker's, or everyone's for an admin."""
        with self.desk.records.read() as records:
            showing = Showing(records, asker, self.desk.now())
            found = records.roots(states=set(RootState) - {RootState.GONE})
            return [showing.root(one) for one in found if can(asker, "see", one)]

    def root(self, asker: User, name: str) -> RootView:
        """
        Raises:
            NotFound: ROOT_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).root(root_of(records, asker, name))

    def keep(self, asker: User, name: str, image: str) -> ImageView:
        """
        Make a new version of *image* from a root kept aside. The root goes when the image is ready; it is aside again
        when the image could not be made.

        Raises:
            NotFound: ROOT_UNKNOWN.
            Invalid: NAME_INVALID.
            Conflict: ROOT_NOT_ASIDE; THING_IN_USE, a reservation waits for it; NAME_TAKEN by another user's image.
        """
        with self.desk.begin(asker, "root.keep") as work:
            root = root_of(work.tx, asker, name)
            check_aside(root)
            check_unpromised(work.tx, root)
            made = capture(work, root, image)
            log.info("root.kept", root=root.name, image=made.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(made)

    def discard(self, asker: User, name: str) -> RootView:
        """
        Give a root up, for ever. Where a checkpoint is being made of it, it goes when that is ready.

        Raises:
            NotFound: ROOT_UNKNOWN.
            Conflict: ROOT_NOT_ASIDE, a deployment or a capture has it; THING_IN_USE, a reservation waits for it.
        """
        with self.desk.begin(asker, "root.discard") as work:
            root = root_of(work.tx, asker, name)
            if root.state is not RootState.GOING:
                check_aside(root)
                check_unpromised(work.tx, root)
                root = discard(work, root)
                log.info("root.discarded", root=root.name, by=asker.name)
            return Showing(work.tx, asker, work.now).root(root)


def check_aside(root: Root) -> None:
    """
    Raises:
        Conflict: ROOT_NOT_ASIDE.
    """
    match root.state:
        case RootState.ASIDE:
            return
        case RootState.LIVE:
            why = _("a deployment runs on root {root}")
            hint = _("release its board first")
        case RootState.CAPTURED:
            why = _("root {root} is being made an image")
            hint = _("wait until that is done")
        case RootState.GOING | RootState.GONE:
            why = _("root {root} was given up")
            hint = ""
    raise Conflict(Code.ROOT_NOT_ASIDE, why, hint=hint, root=root.name)


def check_unpromised(records: Snapshot, root: Root) -> None:
    """
    Raises:
        Conflict: THING_IN_USE, a reservation that waits is to boot it.
    """
    if one := promised_to(records, root):
        raise Conflict(
            Code.THING_IN_USE,
            _("reservation {number} is to boot root {root} from {start} on"),
            hint=_("withdraw it first: boardgrid release {number}"),
            number=one.number,
            root=root.name,
            start=as_utc(one.window.start),
        )


def promised_to(records: Snapshot, root: Root) -> Reservation | None:
    """The reservation that waits and is to boot it."""
    waiting = records.reservations(user=root.owner, states={ReservationState.WAITING})
    return next((one for one in waiting if one.root == root.id), None)
