"""What is asked of the records."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, UnaryExpression, func, or_, select

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.rows import Shelf
from boardgrid.model.audit import AuditEntry
from boardgrid.model.board import BoardType
from boardgrid.model.deployment import Deployment, DeploymentState
from boardgrid.model.image import Image, ImageState
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import Audience, Invitation, Password, Token, User
from boardgrid.ports import Entry, Health, OrderRecord, SiteState

T = TypeVar("T")

_LIVE = (DeploymentState.PREPARING, DeploymentState.OPEN)


class SqlSnapshot:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- people

    def user(self, user_id: UUID) -> User | None:
        return self._with_keys(schema.users.c.id == user_id)

    def user_named(self, name: str) -> User | None:
        return self._with_keys((schema.users.c.name == name) & ~schema.users.c.removed)

    def user_with_key(self, key: str) -> User | None:
        found = self._connection.scalar(select(schema.user_keys.c.user).where(schema.user_keys.c.key == key))
        return None if found is None else self.user(found)

    def users(self) -> list[User]:
        keys: dict[UUID, list[str]] = {}
        for row in self._connection.execute(select(schema.user_keys).order_by(schema.user_keys.c.place)):
            keys.setdefault(row.user, []).append(row.key)
        found = self._all(rows.USERS, schema.users.c.name, schema.users.c.id)
        return [replace(user, ssh_keys=tuple(keys.get(user.id, ()))) for user in found]

    def token(self, token_id: str) -> Token | None:
        return self._one(rows.TOKENS, token_id)

    def tokens(self, user: UUID) -> list[Token]:
        token = schema.tokens.c
        where = [token.user == user, token.audience == Audience.PERSON]
        return self._all(rows.TOKENS, token.created_at, token.id, where=where)

    def password(self, user: UUID) -> Password | None:
        return self._one(rows.PASSWORDS, user)

    def invitation(self, invitation_id: str) -> Invitation | None:
        return self._one(rows.INVITATIONS, invitation_id)

    def invitations(self) -> list[Invitation]:
        return self._all(rows.INVITATIONS, schema.invitations.c.created_at, schema.invitations.c.id)

    # --- the inventory

    def site(self, name: str) -> SiteState | None:
        return self._one(rows.SITES, name)

    def sites(self) -> list[SiteState]:
        return self._all(rows.SITES, schema.sites.c.name)

    def board_type(self, name: str) -> BoardType | None:
        return self._one(rows.BOARD_TYPES, name)

    def board_types(self) -> list[BoardType]:
        return self._all(rows.BOARD_TYPES, schema.board_types.c.name)

    def board(self, name: str) -> Standing | None:
        return self._one(rows.BOARDS, name)

    def boards(self, *, site: str | None = None, board_type: str | None = None) -> list[Standing]:
        board = schema.boards.c
        # tk1-2 before tk1-10: names of one type differ in their number, which has no leading zero
        return self._all(
            rows.BOARDS,
            board.type,
            func.length(board.name),
            board.name,
            where=_equal((board.site, site), (board.type, board_type)),
        )

    # --- images and roots

    def image(self, image_id: UUID) -> Image | None:
        return self._one(rows.IMAGES, image_id)

    def images(
        self, *, name: str | None = None, site: str | None = None, states: Collection[ImageState] | None = None
    ) -> list[Image]:
        image = schema.images.c
        where = _equal((image.name, name), (image.site, site)) + _among((image.state, states))
        return self._all(rows.IMAGES, image.name, image.version, where=where)

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
        root = schema.roots.c
        where = _equal((root.name, name), (root.owner, owner), (root.site, site), (root.image, image))
        return self._all(rows.ROOTS, root.name, root.id, where=where + _among((root.state, states)))

    # --- reservations and deployments

    def reservation(self, number: int) -> Reservation | None:
        return self._one(rows.RESERVATIONS, number)

    def running_on(self, board: str) -> Reservation | None:
        reservation = schema.reservations.c
        where = [reservation.board == board, reservation.state == ReservationState.RUNNING]
        found = self._all(rows.RESERVATIONS, reservation.number, where=where)
        return found[0] if found else None

    def reservations(
        self,
        *,
        user: UUID | None = None,
        running: bool | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Reservation]:
        reservation = schema.reservations.c
        where = _equal((reservation.user, user))
        if running is not None:
            is_running = reservation.state == ReservationState.RUNNING
            where.append(is_running if running else ~is_running)
        if before is not None:
            where.append(reservation.number < before)
        return self._all(rows.RESERVATIONS, reservation.number.desc(), where=where, limit=limit)

    def deployment(self, deployment_id: UUID) -> Deployment | None:
        return self._one(rows.DEPLOYMENTS, deployment_id)

    def deployments(
        self, *, reservations: Collection[int] | None = None, root: UUID | None = None, live: bool | None = None
    ) -> list[Deployment]:
        deployment = schema.deployments.c
        where = _equal((deployment.root, root)) + _among((deployment.reservation, reservations))
        if live is not None:
            where.append(deployment.state.in_(_LIVE) if live else deployment.state.not_in(_LIVE))
        return self._all(rows.DEPLOYMENTS, deployment.id, where=where)

    def order(self, order_id: UUID) -> OrderRecord | None:
        return self._one(rows.ORDERS, order_id)

    def waiting_orders(self) -> list[OrderRecord]:
        order = schema.orders.c
        return self._all(rows.ORDERS, order.id, where=[~order.is_done])

    def health(self) -> Mapping[str, Health]:
        return {one.board: one for one in self._all(rows.HEALTH, schema.health.c.board)}

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
        where = [event.number > after, *_equal((event.board, board), (event.reservation, reservation))]
        if seen_by is not None:
            where.append(or_(event.board != "", event.owner.is_(None), event.owner == seen_by))
        order = event.number.desc() if newest else event.number
        query = select(schema.events).where(*where).order_by(order).limit(limit)
        found = [rows.unpack_entry(row) for row in self._connection.execute(query).mappings()]
        return found[::-1] if newest else found

    def last_event(self) -> int:
        return self._connection.scalar(select(func.max(schema.events.c.number))) or 0

    def audit(
        self, after: int, *, limit: int, who: str | None = None, thing: str | None = None, newest: bool = False
    ) -> list[AuditEntry]:
        entry = schema.audit.c
        where = [entry.number > after, *_equal((entry.name, who), (entry.thing, thing))]
        order = entry.number.desc() if newest else entry.number
        query = select(schema.audit).where(*where).order_by(order).limit(limit)
        found = [rows.unpack_audit(row) for row in self._connection.execute(query).mappings()]
        return found[::-1] if newest else found

    # --- how

    def _one(self, shelf: Shelf[T], key: object) -> T | None:
        row = self._connection.execute(shelf.find, {"_key": key}).mappings().first()
        return None if row is None else self._thing(shelf, row)

    def _all(
        self,
        shelf: Shelf[T],
        *order: ColumnElement[Any] | UnaryExpression[Any],
        where: Collection[ColumnElement[bool]] = (),
        limit: int | None = None,
    ) -> list[T]:
        query: Select[Any] = select(shelf.table).where(*where).order_by(*order).limit(limit)
        return [self._thing(shelf, row) for row in self._connection.execute(query).mappings()]

    def _thing(self, shelf: Shelf[T], row: RowMapping) -> T:
        return shelf.unpack(row)

    def _with_keys(self, where: ColumnElement[bool]) -> User | None:
        row = self._connection.execute(select(schema.users).where(where)).mappings().first()
        if row is None:
            return None
        key = schema.user_keys.c
        keys = self._connection.scalars(select(key.key).where(key.user == row["id"]).order_by(key.place))
        return replace(rows.USERS.unpack(row), ssh_keys=tuple(keys))


def _equal(*pairs: tuple[ColumnElement[Any], object]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in pairs if value is not None]


def _among(*pairs: tuple[ColumnElement[Any], Collection[object] | None]) -> list[ColumnElement[bool]]:
    return [column.in_(values) for column, values in pairs if values is not None]
