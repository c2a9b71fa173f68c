"""What is asked of the records."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, UnaryExpression, func, or_, select

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.rows import Shelf
from boardgrid.model.board import BoardType
from boardgrid.model.calendar import EVER
from boardgrid.model.deployment import Deployment, DeploymentState
from boardgrid.model.image import Image, ImageState
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.planning import Standing
from boardgrid.model.project import Project, UserGroup
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.rules import Rules
from boardgrid.model.user import Token, User
from boardgrid.ports import Entry, Health, OrderRecord, Revisions, SiteState

T = TypeVar("T")

RESERVATIONS, SHELF = "reservations", "shelf"  # what has revisions
_LIVE = (DeploymentState.PREPARING, DeploymentState.OPEN)


class SqlSnapshot:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._revisions: dict[str, int] = {}  # those that this transaction has raised

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

    def user_groups(self) -> list[UserGroup]:
        group = schema.user_groups.c
        return self._all(rows.USER_GROUPS, group.name, where=[~group.removed])

    def project(self, project_id: UUID) -> Project | None:
        return self._one(rows.PROJECTS, project_id)

    def projects(self) -> list[Project]:
        project = schema.projects.c
        return self._all(rows.PROJECTS, project.name, where=[~project.removed])

    # --- rules

    def rules(self) -> Rules:
        return self._one(rows.RULES, rows.FARM) or Rules()

    def maintenances(self) -> list[Maintenance]:
        one = schema.maintenances.c
        return self._all(rows.MAINTENANCES, one.start, one.number, where=[~one.over])

    def maintenance(self, number: int) -> Maintenance | None:
        return self._one(rows.MAINTENANCES, number)

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

    def holder_of(self, board: str) -> Reservation | None:
        slot = schema.slots.c
        # One that runs has its board from ever, so it is the first.
        first = select(slot.reservation).where(slot.board == board, slot.start == EVER)
        number = self._connection.scalar(first)
        return None if number is None else self.reservation(number)

    def reservations(
        self,
        *,
        user: UUID | None = None,
        project: UUID | None = None,
        states: Collection[ReservationState] | None = None,
        ending_after: datetime | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Reservation]:
        reservation, member = schema.reservations.c, schema.members.c
        where = _equal((reservation.project, project)) + _among((reservation.state, states))
        if ending_after is not None:
            where.append(reservation.end > ending_after)
        if user is not None:
            shared = select(member.reservation).where(member.user == user)
            where.append(or_(reservation.user == user, reservation.number.in_(shared)))
        if since is not None:
            where.append(reservation.revision > since)
        if before is not None:
            where.append(reservation.number < before)
        return self._all(rows.RESERVATIONS, reservation.number.desc(), where=where, limit=limit)

    def revisions(self) -> Revisions:
        found = {row.of: row.number for row in self._connection.execute(select(schema.revisions))}
        return Revisions(found.get(RESERVATIONS, 0), found.get(SHELF, 0))

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

    # --- how

    def _one(self, shelf: Shelf[T], key: object) -> T | None:
        row = self._connection.execute(shelf.find, {"_key": key}).mappings().first()
        return None if row is None else shelf.unpack(row)

    def _all(
        self,
        shelf: Shelf[T],
        *order: ColumnElement[Any] | UnaryExpression[Any],
        where: Collection[ColumnElement[bool]] = (),
        limit: int | None = None,
    ) -> list[T]:
        query: Select[Any] = select(shelf.table).where(*where).order_by(*order).limit(limit)
        return [shelf.unpack(row) for row in self._connection.execute(query).mappings()]

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
