"""What is written to the records, all at once or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.prepared import Prepared, Values
from boardgrid.adapters.records.rows import Shelf
from boardgrid.adapters.records.snapshot import RESERVATIONS, SHELF, SqlSnapshot
from boardgrid.model.audit import AuditEntry
from boardgrid.model.line import EVER
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.user import Audience, User
from boardgrid.ports import Entry, Removable, Thing

T = TypeVar("T", bound=Thing)

_EVENT, _SLOT, _MEMBER, _AUDIT, _REPORT = (
    Prepared(insert(one)) for one in (schema.events, schema.slots, schema.members, schema.audit, schema.reports)
)
_SLOTS_GO = Prepared(delete(schema.slots).where(schema.slots.c.reservation == bindparam("_key")))
_MEMBERS_GO = Prepared(delete(schema.members).where(schema.members.c.reservation == bindparam("_key")))
_REVISE = Prepared(update(schema.revisions).where(schema.revisions.c.of == bindparam("_key")))
_LAST_RESERVATION = Prepared(select(func.max(schema.reservations.c.number).label("number")))
_KNOWN_REPORT = Prepared(select(schema.reports.c.id).where(schema.reports.c.id == bindparam("_key")))


def _slots(reservation: Reservation) -> list[dict[str, object]]:
    if not reservation.is_live:
        return []
    start = EVER if reservation.is_running else reservation.window.start
    taken = {"reservation": reservation.number, "start": start, "end": reservation.window.end}
    return [taken | {"board": board} for board in reservation.boards]


class SqlTransaction(SqlSnapshot):
    """What it writes waits until somebody looks, or until its end, to be written in one go."""

    def __init__(self, connection: Connection, database: Database) -> None:
        super().__init__(connection)
        self._database = database
        self._raised: dict[str, int] = {}  # the revisions of this transaction
        self._waiting: list[tuple[Prepared, Values]] = []

    @property
    def _connection(self) -> Connection:
        self.write()
        return self._plain

    def write(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            [(statement, values)] = waiting
            statement.run(self._plain, values)
        elif waiting:
            with self._database.together(self._plain):
                for statement, values in waiting:
                    statement.run(self._plain, values)

    def recorded(self, thing: T) -> T | None:
        if isinstance(thing, User):
            return self.user(thing.id)  # type: ignore[return-value]  # as much a User as it was given
        shelf: Shelf[T] = rows.SHELVES[type(thing)]
        return self._one(shelf, shelf.key_of(thing))

    def save(self, thing: Thing) -> None:
        self._save(thing, is_new=False)

    def add(self, thing: Thing) -> None:
        self._save(thing, is_new=True)

    def _save(self, thing: Thing, *, is_new: bool) -> None:
        shelf = rows.SHELVES[type(thing)]
        row = shelf.pack(thing)
        key = row[shelf.key]
        at = shelf.table, key
        before = self._known.get(at)
        is_new = is_new or (at in self._known and before is None)
        if isinstance(thing, Reservation):
            row["revision"] = self._revised(RESERVATIONS)
        # Not "insert or replace", which would delete the old row and with it what refers to it.
        if before is not None and not is_new:
            was = shelf.pack(before)
            if changed := {name: value for name, value in row.items() if name not in was or was[name] != value}:
                self._waiting.append((shelf.change(changed), changed | {"_key": key}))
        elif is_new or not shelf.change(row).run(self._connection, row | {"_key": key}):
            self._waiting.append((shelf.add, row))
        self._known[at] = thing
        if isinstance(thing, User):
            self._save_keys(thing)
        if isinstance(thing, Reservation):
            self._save_slots(None if is_new else before, thing, is_new=is_new)

    def _save_keys(self, user: User) -> None:
        self._connection.execute(delete(schema.user_keys).where(schema.user_keys.c.user == user.id))
        for place, key in enumerate(user.ssh_keys):
            self._connection.execute(insert(schema.user_keys).values(key=key, user=user.id, place=place))

    def _save_slots(self, before: Reservation | None, now: Reservation, *, is_new: bool) -> None:
        """What is told from a reservation, as far as it is not told already."""
        slots = _slots(now)
        if before is None or _slots(before) != slots:
            if not is_new:
                self._waiting.append((_SLOTS_GO, {"_key": now.number}))
            self._waiting += [(_SLOT, slot) for slot in slots]
        if before is None or before.members != now.members:
            if not is_new:
                self._waiting.append((_MEMBERS_GO, {"_key": now.number}))
            self._waiting += [(_MEMBER, {"reservation": now.number, "user": one}) for one in now.members]

    def shelf_changed(self) -> None:
        self._revised(SHELF)

    def _revised(self, of: str) -> int:
        """The revision of this transaction, which differs from all before."""
        if of not in self._raised:
            before = self.revisions()
            number = (before.reservations if of == RESERVATIONS else before.shelf) + 1
            self._waiting.append((_REVISE, {"_key": of, "number": number}))
            self._revisions = replace(before, **{of: number})
            self._raised[of] = number
        return self._raised[of]

    def remove(self, thing: Removable) -> None:
        shelf = rows.SHELVES[type(thing)]
        key = shelf.key_of(thing)
        self._connection.execute(delete(shelf.table).where(shelf.table.c[shelf.key] == key))
        if isinstance(thing, Standing):
            for told in (schema.health, schema.activity):
                self._connection.execute(delete(told).where(told.c.board == key))
                self._known.pop((told, key), None)
        self._known[shelf.table, key] = None

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
        self._waiting += [(_AUDIT, rows.pack_audit(entry)) for entry in entries]

    def next_reservation(self) -> int:
        # One writer at a time, and no reservation is ever removed.
        last = _LAST_RESERVATION.first(self._connection, {})
        return ((last and last["number"]) or 0) + 1

    def next_maintenance(self) -> int:
        return (self._connection.scalar(select(func.max(schema.maintenances.c.number))) or 0) + 1

    def newest_version(self, image: str) -> int:
        of_this_name = schema.images.c.name == image
        return self._connection.scalar(select(func.max(schema.images.c.version)).where(of_this_name)) or 0

    def add_event(self, entry: Entry) -> None:
        self._waiting.append((_EVENT, rows.pack_entry(entry)))

    def announce(self, *topics: str) -> None:
        told = map(self._database.announcement, topics)
        self._waiting += [one for one in told if one is not None]

    def is_new(self, report: UUID, at: datetime) -> bool:
        if _KNOWN_REPORT.first(self._connection, {"_key": report}):
            return False
        self._waiting.append((_REPORT, {"id": report, "at": at}))
        return True

    def forget_reports(self, before: datetime) -> None:
        self._connection.execute(delete(schema.reports).where(schema.reports.c.at < before))

    def forget_orders(self, before: datetime) -> None:
        order = schema.orders.c
        self._connection.execute(delete(schema.orders).where(order.is_done, order.asked_at < before))
        self._known.clear()

    def forget_events(self, before: datetime) -> None:
        self._connection.execute(delete(schema.events).where(schema.events.c.at < before))
