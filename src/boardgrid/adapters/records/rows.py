"""Things of the model as rows of tables, and back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from boardgrid.adapters.records import schema
from boardgrid.adapters.records.prepared import Known, Prepared, Row, Values
from boardgrid.model.audit import AuditEntry
from boardgrid.model.board import Board, BoardType, Site
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import Deployment, Event
from boardgrid.model.errand import Errand
from boardgrid.model.federation import ExternalIdentity, PendingLogin
from boardgrid.model.feed import Feed
from boardgrid.model.image import Image
from boardgrid.model.kit import KitFile
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.notice import Contact, Posting, Webhook
from boardgrid.model.planning import Standing
from boardgrid.model.project import JoinLink, Project, UserGroup
from boardgrid.model.question import Question
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.rules import Rules
from boardgrid.model.user import Invitation, Password, Token, User
from boardgrid.model.volume import Volume
from boardgrid.model.window import Window
from boardgrid.model.wish import PowerOrder
from boardgrid.ports import Activity, Doing, Entry, Health, OrderRecord, SiteState

T = TypeVar("T")

FARM = "farm"  # the key of what there is one of


@dataclass(frozen=True, slots=True, eq=False)
class Shelf(Generic[T]):
    """The table that things of one kind lie in, with the statements that every use case needs."""

    table: Table
    key: str
    pack: Callable[[T], Row]
    unpack: Callable[[Values], T]
    path: str | Callable[[T], object] = ""  # to the key within the thing, where it is not just called so
    key_of: Callable[[T], object] = field(init=False)
    known: Known[T] = field(default_factory=dict, init=False)
    find: Prepared = field(init=False)  # where the key is :_key
    changes: dict[tuple[str, ...], Prepared] = field(default_factory=dict, init=False)  # by the columns that change
    add: Prepared = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_of", self.path if callable(self.path) else attrgetter(self.path or self.key))
        has_key = self.table.c[self.key] == bindparam("_key")
        object.__setattr__(self, "find", Prepared(select(self.table).where(has_key)))
        object.__setattr__(self, "add", Prepared(insert(self.table)))

    def change(self, columns: Iterable[str]) -> Prepared:
        """Brings these columns up to date, where the key is :_key."""
        names = tuple(columns)
        if names not in self.changes:
            self.changes[names] = Prepared(update(self.table).where(self.table.c[self.key] == bindparam("_key")))
        return self.changes[names]

    def found(self, query: Prepared, connection: Connection, values: Values) -> list[T]:
        """What a query of whole rows finds. Things never change, so the same one may be given out again and again."""
        return query.things(connection, values, self.unpack, self.known)


_NAMES: dict[Any, tuple[str, ...]] = {}


def _names(kind: Any) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(one.name for one in fields(kind))
    return _NAMES[kind]


def _flat(thing: Any, *leave_out: str) -> Row:
    return {name: getattr(thing, name) for name in _names(type(thing)) if name not in leave_out}


def _picked(row: Values, kind: type[Any]) -> Row:
    return {name: row[name] for name in _names(kind) if name in row}


def _same(table: Table, kind: type[T], key: str) -> Shelf[T]:
    """Things whose fields are the columns."""
    return Shelf(table, key, _flat, lambda row: kind(**_picked(row, kind)))


def _pack_site(state: SiteState) -> Row:
    return _flat(state.site) | _flat(state, "site")


def _unpack_site(row: Values) -> SiteState:
    return SiteState(Site(**_picked(row, Site)), **_picked(row, SiteState))


def _pack_standing(standing: Standing) -> Row:
    order = standing.order
    return (
        _flat(standing.board)
        | _flat(standing, "board", "order")
        | {"order": order and order.id, "order_act": order and order.act}
    )


def _unpack_standing(row: Values) -> Standing:
    order = None if row["order"] is None else PowerOrder(row["order"], row["order_act"])
    return Standing(Board(**_picked(row, Board)), **_picked(row, Standing) | {"order": order})


def _pack_windowed(thing: Reservation | Maintenance) -> Row:
    return _flat(thing, "window") | {"start": thing.window.start, "end": thing.window.end}


def _unpack_reservation(row: Values) -> Reservation:
    return Reservation(window=Window(row["start"], row["end"]), **_picked(row, Reservation))


def _unpack_maintenance(row: Values) -> Maintenance:
    return Maintenance(window=Window(row["start"], row["end"]), **_picked(row, Maintenance))


def _pack_order(state: OrderRecord) -> Row:
    return _flat(state, "order") | _flat(state.order)


def _unpack_order(row: Values) -> OrderRecord:
    return OrderRecord(PowerOrder(row["id"], row["act"]), **_picked(row, OrderRecord))


def pack_entry(entry: Entry) -> Row:
    """Without its number, which the database gives."""
    return _flat(entry, "event") | _flat(entry.event, "number")


def unpack_entry(row: Values) -> Entry:
    return Entry(Event(**_picked(row, Event)), **_picked(row, Entry))


def pack_audit(entry: AuditEntry) -> Row:
    """Without its number, which the database gives."""
    return _flat(entry, "number")


def unpack_audit(row: Values) -> AuditEntry:
    return AuditEntry(**_picked(row, AuditEntry))


# A user's keys lie in a table of their own, so that no two users have the same.
USERS: Shelf[User] = Shelf(
    schema.users,
    "id",
    lambda user: _flat(user, "ssh_keys"),
    lambda row: User(**_picked(row, User)),
)
TOKENS = _same(schema.tokens, Token, "id")
PASSWORDS = _same(schema.passwords, Password, "user")
INVITATIONS = _same(schema.invitations, Invitation, "id")
EXTERNAL_IDENTITIES = _same(schema.external_identities, ExternalIdentity, "key")
PENDING_LOGINS = _same(schema.pending_logins, PendingLogin, "id")
USER_GROUPS = _same(schema.user_groups, UserGroup, "id")
PROJECTS = _same(schema.projects, Project, "id")
JOIN_LINKS = _same(schema.join_links, JoinLink, "id")
RULES: Shelf[Rules] = Shelf(
    schema.rules, "of", lambda rules: {"of": FARM, "rules": rules}, lambda row: row["rules"], lambda _rules: FARM
)
MAINTENANCES: Shelf[Maintenance] = Shelf(schema.maintenances, "number", _pack_windowed, _unpack_maintenance)
SITES: Shelf[SiteState] = Shelf(schema.sites, "name", _pack_site, _unpack_site, "site.name")
BOARD_TYPES = _same(schema.board_types, BoardType, "name")
BOARDS: Shelf[Standing] = Shelf(schema.boards, "name", _pack_standing, _unpack_standing, "board.name")
IMAGES = _same(schema.images, Image, "id")
ERRANDS = _same(schema.errands, Errand, "id")
DOINGS = _same(schema.doings, Doing, "thing")
BOOT_TESTS = _same(schema.boot_tests, BootTest, "id")
ROOTS = _same(schema.roots, Root, "id")
VOLUMES = _same(schema.volumes, Volume, "id")
RESERVATIONS: Shelf[Reservation] = Shelf(schema.reservations, "number", _pack_windowed, _unpack_reservation)
DEPLOYMENTS = _same(schema.deployments, Deployment, "id")
KIT_FILES = _same(schema.kit_files, KitFile, "id")
ORDERS: Shelf[OrderRecord] = Shelf(schema.orders, "id", _pack_order, _unpack_order, "order.id")
HEALTH = _same(schema.health, Health, "board")
ACTIVITY = _same(schema.activity, Activity, "board")
CONTACTS = _same(schema.contacts, Contact, "user")
WEBHOOKS = _same(schema.webhooks, Webhook, "id")
POSTINGS = _same(schema.postings, Posting, "id")
FEEDS = _same(schema.feeds, Feed, "id")
QUESTIONS = _same(schema.questions, Question, "id")

SHELVES: dict[type[Any], Shelf[Any]] = {
    User: USERS,
    Token: TOKENS,
    Password: PASSWORDS,
    Invitation: INVITATIONS,
    ExternalIdentity: EXTERNAL_IDENTITIES,
    PendingLogin: PENDING_LOGINS,
    UserGroup: USER_GROUPS,
    Project: PROJECTS,
    JoinLink: JOIN_LINKS,
    Rules: RULES,
    Maintenance: MAINTENANCES,
    SiteState: SITES,
    BoardType: BOARD_TYPES,
    Standing: BOARDS,
    Image: IMAGES,
    Errand: ERRANDS,
    Doing: DOINGS,
    BootTest: BOOT_TESTS,
    Root: ROOTS,
    Volume: VOLUMES,
    Reservation: RESERVATIONS,
    Deployment: DEPLOYMENTS,
    KitFile: KIT_FILES,
    OrderRecord: ORDERS,
    Health: HEALTH,
    Activity: ACTIVITY,
    Contact: CONTACTS,
    Webhook: WEBHOOKS,
    Posting: POSTINGS,
    Feed: FEEDS,
    Question: QUESTIONS,
}
