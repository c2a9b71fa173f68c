"""Booking: who gets which board, what it boots, and what becomes of the root."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from boardgrid.model.board import Act
from boardgrid.model.user import User
from boardgrid.services.desk import Desk
from boardgrid.services.views import DeploymentView, OrderView, ReservationView


class Fate(StrEnum):
    """What becomes of a root when its board is given back."""

    KEEP = "keep"  # it becomes an image
    ASIDE = "aside"  # it stays, for some days
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Booking:
    desk: Desk
    root_bytes: int = 4 << 30  # how much a user may write on a board; promised by the store

    def reserve(
        self,
        asker: User,
        *,
        board: str | None = None,
        board_type: str | None = None,
        image: str | None = None,
        root: str | None = None,
        for_: timedelta,
    ) -> ReservationView:
        """
        Give a board to *asker*, now, and have it boot an image or a root kept aside.

        A board is offered when it is fit and clean: it was never used, or was seen parked since.

        Args:
            board: this one; or else
            board_type: any of this type that is free.
            image: a ref; or else
            root: the name of a root that was kept aside.

        Raises:
            Invalid: REQUEST_INVALID (not one of each pair), DURATION_INVALID, IMAGE_MISFIT, KERNEL_MISSING.
            NotFound: BOARD_UNKNOWN, TYPE_UNKNOWN, IMAGE_UNKNOWN, ROOT_UNKNOWN.
            Conflict: BOARD_TAKEN (by whom, until when), BOARD_SET_ASIDE, IMAGE_NOT_READY, ROOT_NOT_ASIDE, STORE_FULL.
        """
        raise NotImplementedError

    def release(self, asker: User, number: int, fate: Fate | None = None, name: str = "") -> ReservationView:
        """
        Give a board back.

        Args:
            fate: None: aside, or discard where nobody can have written to the root.
            name: with KEEP the image's, needed; with ASIDE the root's new one, may be left out.

        Raises:
            NotFound: RESERVATION_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: NAME_INVALID, or REQUEST_INVALID: no name to keep it under.
            Conflict: RESERVATION_OVER; NAME_TAKEN; BOARD_NOT_OPEN, there is nothing yet to keep.
        """
        raise NotImplementedError

    def reservations(
        self, asker: User, *, everyone: bool = False, ended: bool = True, limit: int = 200
    ) -> list[ReservationView]:
        """Newest first: the asker's own or everyone's, those that have ended among them or not."""
        raise NotImplementedError

    def reservation(self, asker: User, number: int) -> ReservationView:
        """
        Raises:
            NotFound: RESERVATION_UNKNOWN.
        """
        raise NotImplementedError

    def deployment(self, asker: User, deployment: UUID) -> DeploymentView:
        """
        Raises:
            NotFound: DEPLOYMENT_UNKNOWN.
        """
        raise NotImplementedError

    def order_power(self, asker: User, board: str, act: Act) -> OrderView:
        """
        Have the power of a board switched, once. It is its holder's, once its deployment is open, and the admins'.

        An order that still waits is replaced by a later one.

        Raises:
            NotFound: BOARD_UNKNOWN.
            NotAllowed: another holds it, or nobody.
            Invalid: POWER_UNABLE, it has no power driver.
            Conflict: BOARD_NOT_OPEN, its deployment is being prepared.
        """
        raise NotImplementedError

    def order(self, asker: User, board: str, order: UUID) -> OrderView:
        """
        Raises:
            NotFound: BOARD_UNKNOWN, ORDER_UNKNOWN.
        """
        raise NotImplementedError

    def expire(self) -> datetime | None:
        """
        End what has had its time: reservations (their roots go aside), roots kept aside, uploads that never came.

        Returns when the next such thing is due, for whoever calls this to wait; a reservation made meanwhile may be due
        before that, which the topic EVENTS tells.
        """
        raise NotImplementedError
