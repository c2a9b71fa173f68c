"""What is written to the records, all at once or not at all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, RowMapping, bindparam, delete, exists, func, insert, select, update

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.rows import Shelf
from boardgrid.adapters.records.snapshot import SqlSnapshot
from boardgrid.model.audit import AuditEntry
from boardgrid.model.board import BoardType
from boardgrid.model.planning import Standing
from boardgrid.model.user import Audience, Invitation, Password, Token, User
from boardgrid.ports import Entry, Thing

T = TypeVar("T")


class SqlTransaction(SqlSnapshot):
    """It remembers what it read, so that whoever asks again, or what it was before it is saved, costs nothing."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._known: dict[tuple[str, object], Any] = {}  # by table and key; None: it was seen not to be there

    def user(self, user_id: UUID) -> User | None:
        place = (rows.USERS.table.name, user_id)
        if place not in self._known:
            self._known[place] = super().user(user_id)
        found: User | None = self._known[place]
        return found

    def recorded(self, thing: T) -> T | None:
        if isinstance(thing, User):
            return self.user(thing.id)  # type: ignore[return-value]  # as much a User as it was given
        shelf: Shelf[T] = rows.SHELVES[type(thing)]
        return self._one(shelf, shelf.key_of(thing))

    def save(self, thing: Thing) -> None:
        shelf = rows.SHELVES[type(thing)]
        row = shelf.pack(thing)
        place = (shelf.table.name, row[shelf.key])
        is_new = place in self._known and self._known[place] is None
        # Not "insert or replace", which would delete the old row and with it what refers to it.
        if is_new or not self._connection.execute(shelf.change, row | {"_key": row[shelf.key]}).rowcount:
            self._connection.execute(shelf.add, row)
        if isinstance(thing, User):
            self._save_keys(thing)
        self._known[place] = thing

    def _one(self, shelf: Shelf[T], key: object) -> T | None:
        place = (shelf.table.name, key)
        if place not in self._known:
            self._known[place] = super()._one(shelf, key)
        found: T | None = self._known[place]
        return found

    def _thing(self, shelf: Shelf[T], row: RowMapping) -> T:
        thing = super()._thing(shelf, row)
        if shelf is not rows.USERS:  # whose keys come from another table
            self._known[shelf.table.name, row[shelf.key]] = thing
        return thing

    def _save_keys(self, user: User) -> None:
        self._connection.execute(delete(schema.user_keys).where(schema.user_keys.c.user == user.id))
        for place, key in enumerate(user.ssh_keys):
            self._connection.execute(insert(schema.user_keys).values(key=key, user=user.id, place=place))

    def remove(self, thing: Password | Token | Invitation | BoardType | Standing) -> None:
        shelf = rows.SHELVES[type(thing)]
        key = shelf.key_of(thing)
        self._connection.execute(delete(shelf.table).where(shelf.table.c[shelf.key] == key))
        if isinstance(thing, Standing):
            self._connection.execute(delete(schema.health).where(schema.health.c.board == key))
            self._known.pop((schema.health.name, key), None)
        self._known[shelf.table.name, key] = None

    def site_tokens_end(self, site: str, audience: Audience) -> None:
        token = schema.tokens.c
        self._connection.execute(delete(schema.tokens).where(token.audience == audience, token.site == site))
        self._known.clear()

    def tokens_used(self, at: Mapping[str, datetime]) -> None:
        token = schema.tokens.c
        used = update(schema.tokens).where(token.id == bindparam("_id")).values(last_used_at=bindparam("_at"))
        if at:
            self._connection.execute(used, [{"_id": token_id, "_at": when} for token_id, when in at.items()])
            self._known.clear()

    def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        self._connection.execute(insert(schema.audit), [rows.pack_audit(entry) for entry in entries])

    def next_reservation(self) -> int:
        # One writer at a time, and no reservation is ever removed.
        return (self._connection.scalar(select(func.max(schema.reservations.c.number))) or 0) + 1

    def next_version(self, image: str) -> int:
        of_this_name = schema.images.c.name == image
        return (self._connection.scalar(select(func.max(schema.images.c.version)).where(of_this_name)) or 0) + 1

    def add_event(self, entry: Entry) -> None:
        self._connection.execute(insert(schema.events).values(rows.pack_entry(entry)))

    def is_new(self, report: UUID, at: datetime) -> bool:
        if self._connection.scalar(select(exists().where(schema.reports.c.id == report))):
            return False
        self._connection.execute(insert(schema.reports).values(id=report, at=at))
        return True

    def forget_reports(self, before: datetime) -> None:
        self._connection.execute(delete(schema.reports).where(schema.reports.c.at < before))

    def forget_orders(self, before: datetime) -> None:
        order = schema.orders.c
        self._connection.execute(delete(schema.orders).where(order.is_done, order.asked_at < before))
        self._known.clear()

    def forget_events(self, before: datetime) -> None:
        self._connection.execute(delete(schema.events).where(schema.events.c.at < before))
