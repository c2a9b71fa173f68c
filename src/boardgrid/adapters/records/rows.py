"""Things of the model as rows of tables, and back."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from sqlalchemy import Insert, RowMapping, Select, Table, Update, bindparam, insert, select, update

from boardgrid.adapters.records import schema
from boardgrid.model.board import Board, BoardType, Site
from boardgrid.model.deployment import Deployment, Event
from boardgrid.model.image import Image
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.planning import Standing
from boardgrid.model.project import Project, UserGroup
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.rules import Rules
from boardgrid.model.user import Token, User
from boardgrid.model.window import Window
from boardgrid.model.wish import PowerOrder
from boardgrid.ports import Entry, Health, OrderRecord, SiteState

T = TypeVar("T")

Row = dict[str, Any]

FARM = "farm"  # the key of what there is one of


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """
    The table that things of one kind lie in.

    The statements that every use case needs are put together once: that takes SQLAlchemy longer than to run them.
    """

    table: Table
    key: str
    pack: Callable[[T], Row]
    unpack: Callable[[RowMapping], T]
    find: Select[Any] = field(init=False)  # where the key is :_key
    change: Update = field(init=False)  # where the key is :_key
    add: Insert = field(init=False)

    def __post_init__(self) -> None:
        has_key = self.table.c[self.key] == bindparam("_key")
        object.__setattr__(self, "find", select(self.table).where(has_key))
        object.__setattr__(self, "change", update(self.table).where(has_key))
        object.__setattr__(self, "add", insert(self.table))


def _flat(thing: Any, *leave_out: str) -> Row:
    return {one.name: getattr(thing, one.name) for one in fields(thing) if one.name not in leave_out}


def _picked(row: RowMapping, kind: type[Any]) -> Row:
    return {one.name: row[one.name] for one in fields(kind) if one.name in row}


def _same(table: Table, kind: type[T], key: str) -> Shelf[T]:
    """Things whose fields are the columns."""
    return Shelf(table, key, _flat, lambda row: kind(**_picked(row, kind)))


def _pack_site(state: SiteState) -> Row:
    return _flat(state.site) | _flat(state, "site")


def _unpack_site(row: RowMapping) -> SiteState:
    return SiteState(Site(**_picked(row, Site)), **_picked(row, SiteState))


def _pack_standing(standing: Standing) -> Row:
    order = standing.order
    return (
        _flat(standing.board)
        | _flat(standing, "board", "order")
        | {"order": order and order.id, "order_act": order and order.act}
    )


def _unpack_standing(row: RowMapping) -> Standing:
    order = None if row["order"] is None else PowerOrder(row["order"], row["order_act"])
    return Standing(Board(**_picked(row, Board)), **_picked(row, Standing) | {"order": order})


def _pack_windowed(thing: Reservation | Maintenance) -> Row:
    return _flat(thing, "window") | {"start": thing.window.start, "end": thing.window.end}


def _unpack_reservation(row: RowMapping) -> Reservation:
    return Reservation(window=Window(row["start"], row["end"]), **_picked(row, Reservation))


def _unpack_maintenance(row: RowMapping) -> Maintenance:
    return Maintenance(window=Window(row["start"], row["end"]), **_picked(row, Maintenance))


def _pack_order(state: OrderRecord) -> Row:
    return _flat(state, "order") | _flat(state.order)


def _unpack_order(row: RowMapping) -> OrderRecord:
    return OrderRecord(PowerOrder(row["id"], row["act"]), **_picked(row, OrderRecord))


def pack_entry(entry: Entry) -> Row:
    """Without its number, which the database gives."""
    return _flat(entry, "event") | _flat(entry.event, "number")


def unpack_entry(row: RowMapping) -> Entry:
    return Entry(Event(**_picked(row, Event)), **_picked(row, Entry))


# A user's keys lie in a table of their own, so that no two users have the same.
USERS: Shelf[User] = Shelf(
    schema.users, "id", lambda user: _flat(user, "ssh_keys"), lambda row: User(**_picked(row, User))
)
TOKENS = _same(schema.tokens, Token, "id")
USER_GROUPS = _same(schema.user_groups, UserGroup, "id")
PROJECTS = _same(schema.projects, Project, "id")
RULES: Shelf[Rules] = Shelf(schema.rules, "of", lambda rules: {"of": FARM, "rules": rules}, lambda row: row["rules"])
MAINTENANCES: Shelf[Maintenance] = Shelf(schema.maintenances, "number", _pack_windowed, _unpack_maintenance)
SITES: Shelf[SiteState] = Shelf(schema.sites, "name", _pack_site, _unpack_site)
BOARD_TYPES = _same(schema.board_types, BoardType, "name")
BOARDS: Shelf[Standing] = Shelf(schema.boards, "name", _pack_standing, _unpack_standing)
IMAGES = _same(schema.images, Image, "id")
ROOTS = _same(schema.roots, Root, "id")
RESERVATIONS: Shelf[Reservation] = Shelf(schema.reservations, "number", _pack_windowed, _unpack_reservation)
DEPLOYMENTS = _same(schema.deployments, Deployment, "id")
ORDERS: Shelf[OrderRecord] = Shelf(schema.orders, "id", _pack_order, _unpack_order)
HEALTH = _same(schema.health, Health, "board")

SHELVES: dict[type[Any], Shelf[Any]] = {
    User: USERS,
    Token: TOKENS,
    UserGroup: USER_GROUPS,
    Project: PROJECTS,
    Rules: RULES,
    Maintenance: MAINTENANCES,
    SiteState: SITES,
    BoardType: BOARD_TYPES,
    Standing: BOARDS,
    Image: IMAGES,
    Root: ROOTS,
    Reservation: RESERVATIONS,
    Deployment: DEPLOYMENTS,
    OrderRecord: ORDERS,
    Health: HEALTH,
}
