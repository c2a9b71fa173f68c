"""Booking: who gets which board, what it boots, and what becomes of the root."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import Owned, can
from boardgrid.model.board import Act
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import ImageState
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import RootState
from boardgrid.model.user import User
from boardgrid.model.wish import Deployed, PowerOrder
from boardgrid.ports import OrderRecord, Snapshot
from boardgrid.services.desk import Desk, check_no_guest
from boardgrid.services.ending import Fate, discard, drop_order, end
from boardgrid.services.finding import reservation_of, standing_of
from boardgrid.services.giving import Wanted, give
from boardgrid.services.showing import Showing
from boardgrid.services.views import DeploymentView, OrderState, OrderView, ReservationView

log = structlog.get_logger()

__all__ = ["Booking", "Fate"]

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=31)
UPLOAD_WITHIN = timedelta(days=1)  # a name without content is given up then
REPORTS_FOR = timedelta(days=7)  # no agent sends a report again after that
EVENTS_FOR = timedelta(days=90)  # so that none of a reservation that runs is forgotten: LONGEST is shorter
ORDER_WITHIN = timedelta(minutes=5)  # nobody wants a board reset hours later, when its site's agent is back
ORDERS_FOR = timedelta(days=7)  # who ordered something has asked what became of it by then


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
        if (board is None) == (board_type is None):
            raise Invalid(Code.REQUEST_INVALID, _("name either a board or a board type, and not both"))
        if (image is None) == (root is None):
            raise Invalid(Code.REQUEST_INVALID, _("name either an image or a root that was kept aside, and not both"))
        if not SHORTEST <= for_ <= LONGEST:
            raise Invalid(
                Code.DURATION_INVALID,
                _("a board cannot be reserved for {asked} s"),
                hint=_("ask for something between one minute and {longest} days"),
                asked=f"{for_.total_seconds():.6f}".rstrip("0").rstrip("."),
                longest=LONGEST.days,
            )
        check_no_guest(asker)
        with self.desk.begin(asker, "reservation.begin") as work:
            # As the records have them: a key may have been added since they came in.
            user = work.tx.user(asker.id) or asker
            wanted = Wanted(user, board, board_type, image, root, for_, self.root_bytes)
            return Showing(work.tx, user, work.now).reservation(give(work, wanted))

    def release(self, asker: User, number: int, fate: Fate | None = None, name: str = "") -> ReservationView:
        """
        Give a board back.

        Args:
            fate: None: aside, or discard where nobody can have written to the root and no name was given.
            name: with KEEP the image's, needed; with ASIDE the root's new one, may be left out.

        Raises:
            NotFound: RESERVATION_UNKNOWN.
            NotAllowed: it is another's.
            Invalid: NAME_INVALID, or REQUEST_INVALID: no name to keep it under.
            Conflict: RESERVATION_OVER; NAME_TAKEN; BOARD_NOT_OPEN, there is nothing yet to keep.
        """
        with self.desk.begin(asker, "reservation.release") as work:
            mine = reservation_of(work.tx, asker, number)
            if not can(asker, "change", mine):
                raise NotAllowed(
                    Code.ACT_FORBIDDEN,
                    _("reservation {number} is another user's"),
                    hint=_("its user or an admin can release it"),
                    number=number,
                )
            if not mine.is_running:
                raise _over(mine)
            because = "" if mine.user == asker.id else _("{user} released it").format(user=asker.name)
            ended = end(work, mine, because=because, fate=fate, name=name)
            return Showing(work.tx, asker, work.now).reservation(ended)

    def reservations(
        self, asker: User, *, everyone: bool = False, ended: bool = True, before: int | None = None, limit: int = 200
    ) -> list[ReservationView]:
        """
        Newest first: the asker's own or everyone's.

        Args:
            ended: False: only those that run, and all of them, for there are no more than boards.
            before: with a smaller number than this; the next portion begins before the last of this one.
        """
        with self.desk.records.read() as records:
            user = None if everyone else asker.id
            found = records.reservations(
                user=user, running=None if ended else True, before=before, limit=limit if ended else None
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
            if found is None or whose is None or not can(asker, "change", whose):
                raise NotFound(Code.DEPLOYMENT_UNKNOWN, _("there is no deployment {deployment}"), deployment=deployment)
            return Showing(records, asker, self.desk.now()).deployment(found)

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
        with self.desk.begin(asker, "board.power") as work:
            standing = standing_of(work.tx, board)
            holder = work.tx.running_on(board)
            is_held = holder is not None and holder.holds(work.now)
            _check_may_switch(asker, standing, holder if is_held else None)
            if standing.order is not None:
                drop_order(work, standing.order.id, _("a later order took its place"))
            order = PowerOrder(work.new_id(), act)
            state = OrderRecord(order, board, asker.id, work.now)
            work.save(state)
            work.save(replace(standing, order=order))
            told = _("{user} orders power {act}").format(user=asker.name, act=act)
            work.note_board(
                standing,
                "power",
                Phase.BEGAN,
                told,
                reservation=holder.number if holder else None,
                owner=holder.user if holder else None,
            )
            log.info("power.ordered", board=board, act=act, by=asker.name)
            return _order_view(state)

    def order(self, asker: User, board: str, order: UUID) -> OrderView:
        """
        Raises:
            NotFound: BOARD_UNKNOWN, ORDER_UNKNOWN.
        """
        with self.desk.records.read() as records:
            standing_of(records, board)
            found = records.order(order)
        if found is None or found.board != board or not can(asker, "see", Owned(found.asked_by)):
            raise NotFound(
                Code.ORDER_UNKNOWN, _("there is no power order {order} for {board}"), order=order, board=board
            )
        return _order_view(found)

    def expire(self) -> datetime | None:
        """
        End what has had its time: reservations (their roots go aside), roots kept aside, uploads that never came, power
        orders that no agent carried out.

        Returns when the next such thing is due, for whoever calls this to wait; a reservation made meanwhile may be due
        before that, which the topic EVENTS tells.
        """
        with self.desk.records.read() as records:
            due = _next_due(records)
        if due is None or due > self.desk.now():
            return due  # looked at often, so that nothing is written where nothing is due
        with self.desk.begin() as work:
            for reservation in work.tx.reservations(running=True):
                if reservation.window.end <= work.now:
                    end(work, reservation, because=_("its time was over"))
            for root in work.tx.roots(states={RootState.ASIDE}):
                if root.expires_at is not None and root.expires_at <= work.now:
                    discard(work, root)
            for image in work.tx.images(states={ImageState.AWAITED}):
                if image.created_at + UPLOAD_WITHIN <= work.now:
                    work.save(replace(image, state=ImageState.GONE, reason=_("its content never came")))
                    told = _("the content of {image} never came").format(image=image.ref)
                    work.note_thing("image", told, image.owner)
            for order in work.tx.waiting_orders():
                if order.asked_at + ORDER_WITHIN <= work.now:
                    drop_order(
                        work,
                        order.order.id,
                        _("it was not carried out within five minutes; is its site heard of?"),
                    )
                    standing = work.tx.board(order.board)
                    if standing is not None and standing.order == order.order:
                        work.save(replace(standing, order=None))
            work.tx.forget_reports(work.now - REPORTS_FOR)
            work.tx.forget_orders(work.now - ORDERS_FOR)
            work.tx.forget_events(work.now - EVENTS_FOR)
            return _next_due(work.tx)


def _next_due(records: Snapshot) -> datetime | None:
    times = [one.window.end for one in records.reservations(running=True)]
    times += [one.expires_at for one in records.roots(states={RootState.ASIDE}) if one.expires_at]
    times += [one.created_at + UPLOAD_WITHIN for one in records.images(states={ImageState.AWAITED})]
    times += [one.asked_at + ORDER_WITHIN for one in records.waiting_orders()]
    return min(times, default=None)


def _check_may_switch(asker: User, standing: Standing, holder: Reservation | None) -> None:
    board = standing.board
    # Where nobody holds it, it is the farm's, which admins alone change.
    if not can(asker, "change", holder):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("you do not hold {board}"),
            hint=_("its holder and the admins switch its power; reserve it first"),
            board=board.name,
        )
    if not board.power:
        raise Invalid(
            Code.POWER_UNABLE,
            _("{board} has no power driver"),
            hint=_("an admin declares one in the inventory; until then, press its button"),
            board=board.name,
        )
    if isinstance(standing.wish, Deployed) and not standing.wish.opened:
        raise Conflict(
            Code.BOARD_NOT_OPEN,
            _("{board} is being prepared, and the farm switches it itself"),
            hint=_("wait until it is open; boardgrid events --follow shows how far it is"),
            board=board.name,
        )


def _order_view(state: OrderRecord) -> OrderView:
    if not state.is_done:
        return OrderView(state.order.id, OrderState.WAITING, "")
    return OrderView(state.order.id, OrderState.FAILED if state.reason else OrderState.DONE, state.reason)


def _over(reservation: Reservation) -> Conflict:
    return Conflict(
        Code.RESERVATION_OVER,
        _("reservation {number} of {board} has ended: {because}")
        if reservation.ended_because
        else _("reservation {number} of {board} has ended"),
        hint=_("reserve a board again; what became of your root is in boardgrid root list"),
        number=reservation.number,
        board=reservation.board,
        because=reservation.ended_because,
    )
