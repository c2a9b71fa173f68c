"""What is asked of the records."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, func, or_, select

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.prepared import Prepared
from boardgrid.adapters.records.rows import Shelf
from boardgrid.model.audit import AuditEntry
from boardgrid.model.board import BoardType
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import LIVE, Deployment, DeploymentState
from boardgrid.model.errand import Errand, ErrandState
from boardgrid.model.federation import ExternalIdentity, PendingLogin
from boardgrid.model.feed import Feed
from boardgrid.model.image import Image, ImageState
from boardgrid.model.kit import KitFile
from boardgrid.model.line import EVER
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.notice import Contact, Posting, Webhook
from boardgrid.model.planning import Standing
from boardgrid.model.project import JoinLink, Project, UserGroup
from boardgrid.model.question import Question
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.rules import Rules
from boardgrid.model.user import Audience, Invitation, Password, Token, User
from boardgrid.model.volume import Volume, VolumeState
from boardgrid.ports import Activity, Doing, Entry, Health, OrderRecord, Revisions, SiteState

T = TypeVar("T")

RESERVATIONS, SHELF = "reservations", "shelf"  # what has revisions
_OVER = frozenset(DeploymentState) - LIVE
_NOTHING: Mapping[str, Any] = {}


class SqlSnapshot:
    """
    What is looked up by its key is looked up once: a snapshot is of one moment, and a transaction knows what it wrote.
    """

    def __init__(self, connection: Connection) -> None:
        self._plain = connection
        self._known: dict[tuple[Table, object], Any] = {}
        self._revisions: Revisions | None = None

    @property
    def _connection(self) -> Connection:
        """For whatever looks at rows that may have been written in this transaction."""
        return self._plain

    # --- people

    def user(self, user_id: UUID) -> User | None:
        if (schema.users, user_id) not in self._known:
            self._with_keys(_USER_BY_ID, user_id)
            self._known.setdefault((schema.users, user_id), None)
        found: User | None = self._known[schema.users, user_id]
        return found

    def user_named(self, name: str) -> User | None:
        return self._with_keys(_USER_BY_NAME, name)

    def user_with_key(self, key: str) -> User | None:
        found = self._connection.scalar(select(schema.user_keys.c.user).where(schema.user_keys.c.key == key))
        return None if found is None else self.user(found)

    def users(self) -> list[User]:
        keys: dict[UUID, list[str]] = {}
        for row in self._connection.execute(select(schema.user_keys).order_by(schema.user_keys.c.place)):
            keys.setdefault(row.user, []).append(row.key)
        found = self._all(rows.USERS, "name", "id")
        whole = [replace(user, ssh_keys=tuple(keys.get(user.id, ()))) for user in found]
        self._known |= {(schema.users, user.id): user for user in whole}
        return whole

    def token(self, token_id: str) -> Token | None:
        return self._one(rows.TOKENS, token_id)

    def tokens(self, user: UUID) -> list[Token]:
        return self._all(rows.TOKENS, "created_at", "id", equal={"user": user, "audience": Audience.PERSON})

    def password(self, user: UUID) -> Password | None:
        return self._one(rows.PASSWORDS, user)

    def invitation(self, invitation_id: str) -> Invitation | None:
        return self._one(rows.INVITATIONS, invitation_id)

    def invitations(self) -> list[Invitation]:
        return self._all(rows.INVITATIONS, "created_at", "id")

    def external_identity(self, key: str) -> ExternalIdentity | None:
        return self._one(rows.EXTERNAL_IDENTITIES, key)

    def external_identities(self, user: UUID) -> list[ExternalIdentity]:
        return self._all(rows.EXTERNAL_IDENTITIES, "key", equal={"user": user})

    def pending_login(self, login_id: str) -> PendingLogin | None:
        return self._one(rows.PENDING_LOGINS, login_id)

    def pending_logins(self) -> list[PendingLogin]:
        return self._all(rows.PENDING_LOGINS, "expires_at", "id")

    def user_groups(self) -> list[UserGroup]:
        return self._all(rows.USER_GROUPS, "name", equal={"removed": False})

    def project(self, project_id: UUID) -> Project | None:
        return self._one(rows.PROJECTS, project_id)

    def projects(self) -> list[Project]:
        return self._all(rows.PROJECTS, "name", equal={"removed": False})

    def join_link(self, link_id: str) -> JoinLink | None:
        return self._one(rows.JOIN_LINKS, link_id)

    def join_links(self, project: UUID) -> list[JoinLink]:
        return self._all(rows.JOIN_LINKS, "created_at", "id", equal={"project": project})

    # --- rules

    def rules(self) -> Rules:
        return self._one(rows.RULES, rows.FARM) or Rules()

    def maintenances(self) -> list[Maintenance]:
        return self._all(rows.MAINTENANCES, "start", "number", equal={"over": False})

    def maintenance(self, number: int) -> Maintenance | None:
        return self._one(rows.MAINTENANCES, number)

    def contact(self, user: UUID) -> Contact | None:
        return self._one(rows.CONTACTS, user)

    def webhook(self, webhook_id: str) -> Webhook | None:
        return self._one(rows.WEBHOOKS, webhook_id)

    def webhooks(self, owner: UUID | None) -> list[Webhook]:
        if owner is None:
            return self._noted(rows.WEBHOOKS, rows.WEBHOOKS.found(_WEBHOOKS_OF_THE_FARM, self._connection, {}))
        return self._all(rows.WEBHOOKS, "created_at", "id", equal={"owner": owner})

    def feed(self, feed_id: str) -> Feed | None:
        return self._one(rows.FEEDS, feed_id)

    def feeds(self, owner: UUID) -> list[Feed]:
        return self._all(rows.FEEDS, "created_at", "id", equal={"owner": owner})

    def posting(self, posting_id: UUID) -> Posting | None:
        return self._one(rows.POSTINGS, posting_id)

    def postings(
        self, *, due_by: datetime | None = None, user: UUID | None = None, webhook: str | None = None
    ) -> list[Posting]:
        due = [] if due_by is None else [schema.postings.c.due_at <= due_by]
        return self._all(rows.POSTINGS, "due_at", "id", equal={"user": user, "webhook": webhook}, where=due)

    # --- the inventory

    def site(self, name: str) -> SiteState | None:
        return self._one(rows.SITES, name)

    def sites(self) -> list[SiteState]:
        return self._all(rows.SITES, "name")

    def board_type(self, name: str) -> BoardType | None:
        return self._one(rows.BOARD_TYPES, name)

    def board_types(self) -> list[BoardType]:
        return self._all(rows.BOARD_TYPES, "name")

    def board(self, name: str) -> Standing | None:
        return self._one(rows.BOARDS, name)

    def boards(self, *, site: str | None = None, board_type: str | None = None) -> list[Standing]:
        # tk1-2 before tk1-10: names of one type differ in their number, which has no leading zero
        return self._all(rows.BOARDS, "type", "length(name)", "name", equal={"site": site, "type": board_type})

    # --- images, roots and volumes

    def image(self, image_id: UUID) -> Image | None:
        return self._one(rows.IMAGES, image_id)

    def images(
        self, *, name: str | None = None, site: str | None = None, states: Collection[ImageState] | None = None
    ) -> list[Image]:
        return self._all(rows.IMAGES, "name", "version", equal={"name": name, "site": site}, among={"state": states})

    def errand(self, errand_id: UUID) -> Errand | None:
        return self._one(rows.ERRANDS, errand_id)

    def errands(
        self,
        *,
        owner: UUID | None = None,
        image: UUID | None = None,
        site: str | None = None,
        states: Collection[ErrandState] | None = None,
    ) -> list[Errand]:
        equal = {"owner": owner, "image": image, "site": site}
        return self._all(rows.ERRANDS, "asked_at", "id", equal=equal, among={"state": states})

    def doing(self, thing: UUID) -> Doing | None:
        return self._one(rows.DOINGS, thing)

    def boot_test(self, test_id: UUID) -> BootTest | None:
        return self._one(rows.BOOT_TESTS, test_id)

    def boot_tests(self, image: UUID) -> list[BootTest]:
        return self._all(rows.BOOT_TESTS, "at desc", "id desc", equal={"image": image})

    def root(self, root_id: UUID) -> Root | None:
        return self._one(rows.ROOTS, root_id)

    def roots(
        self,
        *,
        name: str | None = None,
        owner: UUID | None = None,
        site: str | None = None,
        image: UUID | None = None,
        states: Collection[RootState] | None = None,
    ) -> list[Root]:
        equal = {"name": name, "owner": owner, "site": site, "image": image}
        return self._all(rows.ROOTS, "name", "id", equal=equal, among={"state": states})

    def volume(self, volume_id: UUID) -> Volume | None:
        return self._one(rows.VOLUMES, volume_id)

    def volumes(
        self,
        *,
        name: str | None = None,
        user: UUID | None = None,
        project: UUID | None = None,
        site: str | None = None,
        states: Collection[VolumeState] | None = None,
    ) -> list[Volume]:
        equal = {"name": name, "user": user, "project": project, "site": site}
        return self._all(rows.VOLUMES, "name", "id", equal=equal, among={"state": states})

    def question(self, question_id: UUID) -> Question | None:
        return self._one(rows.QUESTIONS, question_id)

    def questions(self, *, site: str | None = None, asker: UUID | None = None) -> list[Question]:
        return self._all(rows.QUESTIONS, "at", "id", equal={"site": site, "asker": asker})

    # --- reservations and deployments

    def reservation(self, number: int) -> Reservation | None:
        return self._one(rows.RESERVATIONS, number)

    def reservation_revisions(self, numbers: Collection[int]) -> Mapping[int, int]:
        reservation = schema.reservations.c
        query = select(reservation.number, reservation.revision).where(reservation.number.in_(tuple(numbers)))
        return {row.number: row.revision for row in self._connection.execute(query)}

    def holder_of(self, board: str) -> Reservation | None:
        # One that runs has its board from ever, so it is the first.
        found = _HOLDER.first(self._connection, {"board": board})
        return self.reservation(found["reservation"]) if found else None

    def reservations(
        self,
        *,
        user: UUID | None = None,
        project: UUID | None = None,
        within: int | None = None,
        states: Collection[ReservationState] | None = None,
        ending_after: datetime | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Reservation]:
        reservation, member = schema.reservations.c, schema.members.c
        where: list[ColumnElement[bool]] = []
        if ending_after is not None:
            where.append(reservation.end > ending_after)
        if user is not None:
            shared = select(member.reservation).where(member.user == user)
            where.append(or_(reservation.user == user, reservation.number.in_(shared)))
        if since is not None:
            where.append(reservation.revision > since)
        if before is not None:
            where.append(reservation.number < before)
        return self._all(
            rows.RESERVATIONS,
            "number desc",
            equal={"project": project, "within": within},
            among={"state": states},
            where=where,
            limit=limit,
        )

    def revisions(self) -> Revisions:
        if self._revisions is None:
            found = {row["of"]: row["number"] for row in _REVISIONS.rows(self._connection, {})}
            self._revisions = Revisions(found.get(RESERVATIONS, 0), found.get(SHELF, 0))
        return self._revisions

    def deployment(self, deployment_id: UUID) -> Deployment | None:
        return self._one(rows.DEPLOYMENTS, deployment_id)

    def deployments(
        self, *, reservations: Collection[int] | None = None, root: UUID | None = None, live: bool | None = None
    ) -> list[Deployment]:
        states = None if live is None else (LIVE if live else _OVER)
        return self._all(
            rows.DEPLOYMENTS, "id", equal={"root": root}, among={"reservation": reservations, "state": states}
        )

    def kit_file(self, file_id: str) -> KitFile | None:
        return self._one(rows.KIT_FILES, file_id)

    def kit_files(self, owner: UUID | None = None) -> list[KitFile]:
        return self._all(rows.KIT_FILES, "used_at", "id", equal={} if owner is None else {"owner": owner})

    def order(self, order_id: UUID) -> OrderRecord | None:
        return self._one(rows.ORDERS, order_id)

    def waiting_orders(self) -> list[OrderRecord]:
        return self._all(rows.ORDERS, "id", equal={"is_done": False})

    def health(self) -> Mapping[str, Health]:
        return {one.board: one for one in self._all(rows.HEALTH, "board")}

    def activity(self) -> Mapping[str, Activity]:
        return {one.board: one for one in self._all(rows.ACTIVITY, "board")}

    # --- history

    def events(
        self,
        after: int,
        *,
        limit: int,
        board: str | None = None,
        reservation: int | None = None,
        seen_by: UUID | None = None,
        newest: bool = False,
    ) -> list[Entry]:
        event = schema.events.c
        where = [event.number > after]
        if board is not None:
            where.append(event.board == board)
        if reservation is not None:
            where.append(event.reservation == reservation)
        if seen_by is not None:
            where.append(or_(event.board != "", event.owner.is_(None), event.owner == seen_by))
        order = event.number.desc() if newest else event.number
        query = select(schema.events).where(*where).order_by(order).limit(limit)
        found = [rows.unpack_entry({**row}) for row in self._connection.execute(query).mappings()]
        return found[::-1] if newest else found

    def last_event(self) -> int:
        return self._connection.scalar(select(func.max(schema.events.c.number))) or 0

    def audit(
        self, after: int, *, limit: int, who: str | None = None, thing: str | None = None, newest: bool = False
    ) -> list[AuditEntry]:
        entry = schema.audit.c
        where = [entry.number > after]
        if who is not None:
            where.append(entry.name == who)
        if thing is not None:
            where.append(entry.thing == thing)
        order = entry.number.desc() if newest else entry.number
        query = select(schema.audit).where(*where).order_by(order).limit(limit)
        found = [rows.unpack_audit({**row}) for row in self._connection.execute(query).mappings()]
        return found[::-1] if newest else found

    # --- how

    def _one(self, shelf: Shelf[T], key: object) -> T | None:
        at = shelf.table, key
        if at not in self._known:
            one = shelf.found(shelf.find, self._plain, {"_key": key})  # what was written is known
            self._known[at] = one[0] if one else None
        found: T | None = self._known[at]
        return found

    def _all(
        self,
        shelf: Shelf[T],
        *order: str,
        equal: Mapping[str, object] = _NOTHING,
        among: Mapping[str, Collection[object] | None] = _NOTHING,
        where: Collection[ColumnElement[bool]] = (),
        limit: int | None = None,
    ) -> list[T]:
        """What all applies to, of that which is not None."""
        equals = {name: value for name, value in equal.items() if value is not None}
        amongs = {name: tuple(values) for name, values in among.items() if values is not None}
        if not all(amongs.values()):
            return []
        widths = tuple((name, _width(len(values))) for name, values in amongs.items())
        values = equals | {
            f"{name}_{place}": amongs[name][min(place, len(amongs[name]) - 1)]
            for name, width in widths
            for place in range(width)
        }
        if where or limit is not None:
            query = _query(shelf, order, tuple(equals), widths).where(*where).limit(limit)
            things = [shelf.unpack({**row}) for row in self._connection.execute(query, values).mappings()]
        else:
            things = shelf.found(_prepared(shelf, order, tuple(equals), widths), self._connection, values)
        return self._noted(shelf, things)

    def _noted(self, shelf: Shelf[T], things: list[T]) -> list[T]:
        if shelf is not rows.USERS:
            self._known |= {(shelf.table, shelf.key_of(one)): one for one in things}
        return things

    def _with_keys(self, query: Prepared, key: object) -> User | None:
        found = query.rows(self._connection, {"_key": key})
        if not found:
            return None
        keys = tuple(row["_ssh_key"] for row in found if row["_ssh_key"] is not None)
        user = replace(rows.USERS.unpack(found[0]), ssh_keys=keys)
        self._known[schema.users, user.id] = user
        return user


def _width(count: int) -> int:
    """So many places for that many values, of which the last is told again: else each count were another statement."""
    return 1 << (count - 1).bit_length()


@cache
def _prepared(
    shelf: Shelf[Any], order: tuple[str, ...], equal: tuple[str, ...], among: tuple[tuple[str, int], ...]
) -> Prepared:
    return Prepared(_query(shelf, order, equal, among))


@cache
def _query(
    shelf: Shelf[Any], order: tuple[str, ...], equal: tuple[str, ...], among: tuple[tuple[str, int], ...]
) -> Select[Any]:
    """Args: among: with how many values each."""
    column = shelf.table.c
    query = select(shelf.table).where(
        *(column[name] == bindparam(name) for name in equal),
        *(column[name].in_([bindparam(f"{name}_{place}") for place in range(width)]) for name, width in among),
    )
    for name in order:
        match name.split():
            case [one, "desc"]:
                query = query.order_by(column[one].desc())
            case ["length(name)"]:
                query = query.order_by(func.length(column["name"]))
            case _:
                query = query.order_by(column[name])
    return query


def _users_where(condition: ColumnElement[bool]) -> Prepared:
    key = schema.user_keys.c
    joined = schema.users.outerjoin(schema.user_keys, key.user == schema.users.c.id)
    query = select(schema.users, key.key.label("_ssh_key")).select_from(joined)
    return Prepared(query.where(condition).order_by(key.place))


_USER_BY_ID = _users_where(schema.users.c.id == bindparam("_key"))
_USER_BY_NAME = _users_where((schema.users.c.name == bindparam("_key")) & ~schema.users.c.removed)
_HOLDER = Prepared(
    select(schema.slots.c.reservation).where(schema.slots.c.board == bindparam("board"), schema.slots.c.start == EVER)
)
_REVISIONS = Prepared(select(schema.revisions))
_WEBHOOKS_OF_THE_FARM = Prepared(
    select(schema.webhooks)
    .where(schema.webhooks.c.owner.is_(None))
    .order_by(schema.webhooks.c.created_at, schema.webhooks.c.id)
)
