"""Power orders: somebody has the power of a board switched, once."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import Owned, can
from boardgrid.model.board import Act
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.user import User
from boardgrid.model.wish import Deployed, PowerOrder
from boardgrid.ports import OrderRecord, Snapshot
from boardgrid.services.desk import Desk, Work
from boardgrid.services.ending import drop_order
from boardgrid.services.finding import standing_of, to_decide_on
from boardgrid.services.giving import saving_on
from boardgrid.services.idling import used
from boardgrid.services.views import OrderState, OrderView

log = structlog.get_logger()

ORDER_WITHIN = timedelta(minutes=5)  # nobody wants a board reset hours later, when its site's agent is back
ORDERS_FOR = timedelta(days=7)  # who ordered something has asked what became of it by then


@dataclass(frozen=True, slots=True)
class Orders:
    desk: Desk

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
            holder = work.tx.holder_of(board)
            is_held = holder is not None and holder.holds(work.now)
            _check_may_switch(work.tx, asker, standing, holder if is_held else None)
            if standing.order is not None:
                drop_order(work, standing.order.id, _("a later order took its place"))
            order = PowerOrder(work.new_id(), act)
            state = OrderRecord(order, board, asker.id, work.now)
            work.save(state)
            work.save(replace(standing, order=order))
            used(work, [board])
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


def drop_stale_orders(work: Work) -> None:
    """Those that no agent carried out in time."""
    for order in work.tx.waiting_orders():
        if order.asked_at + ORDER_WITHIN <= work.now:
            drop_order(work, order.order.id, _("it was not carried out within five minutes; is its site heard of?"))
            standing = work.tx.board(order.board)
            if standing is not None and standing.order == order.order:
                work.save(replace(standing, order=None))


def _check_may_switch(records: Snapshot, asker: User, standing: Standing, holder: Reservation | None) -> None:
    board = standing.board
    # Where nobody holds it, it is the farm's, which operators and admins change.
    thing = to_decide_on(records, holder) if holder else None
    is_their_teams = holder is not None and holder.is_seat and asker.id in holder.members
    if not can(asker, "change", thing) and not is_their_teams:
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("you do not hold {board}"),
            hint=_("its holder, operators and admins switch its power; reserve it first"),
            board=board.name,
        )
    if not board.power:
        raise Invalid(
            Code.POWER_UNABLE,
            _("{board} has no power driver"),
            hint=_("an admin declares one in the inventory; until then, press its button"),
            board=board.name,
        )
    is_saving = holder is not None and saving_on(records, holder, board.name) is not None
    if is_saving or (isinstance(standing.wish, Deployed) and not standing.wish.opened):
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
