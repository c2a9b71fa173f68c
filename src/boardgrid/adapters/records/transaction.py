"""What is written to the records, all at once or not at all."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.snapshot import RESERVATIONS, SHELF, SqlSnapshot
from boardgrid.model.board import BoardType
from boardgrid.model.calendar import EVER
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.user import Audience, Token, User
from boardgrid.ports import Entry, Thing

_EVENT, _SLOT, _MEMBER = insert(schema.events), insert(schema.slots), insert(schema.members)
_SLOTS_GO = delete(schema.slots).where(schema.slots.c.reservation == bindparam("_key"))
_MEMBERS_GO = delete(schema.members).where(schema.members.c.reservation == bindparam("_key"))
_REVISE = update(schema.revisions).where(schema.revisions.c.of == bindparam("_key"))
_LAST_RESERVATION = select(func.max(schema.reservations.c.number))


def _slots(reservation: Reservation) -> list[dict[str, object]]:
    if not reservation.is_live:
        return []
    start = EVER if reservation.is_running else reservation.window.start
    taken = {"reservation": reservation.number, "start": start, "end": reservation.window.end}
    return [taken | {"board": board} for board in reservation.boards]


class SqlTransaction(SqlSnapshot):
    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._raised: dict[str, int] = {}  # the revisions of this transaction

    def save(self, thing: Thing) -> None:
        self._save(thing, is_new=False)

    def add(self, thing: Thing) -> None:
        self._save(thing, is_new=True)

    def _save(self, thing: Thing, *, is_new: bool) -> None:
        shelf = rows.SHELVES[type(thing)]
        row = shelf.pack(thing)
        at = shelf.table, row[shelf.key]
        before = self._known.get(at)
        if isinstance(thing, Reservation):
            row["revision"] = self._revised(RESERVATIONS)
        # Not "insert or replace", which would delete the old row and with it what refers to it.
        if is_new or not self._connection.execute(shelf.change, row | {"_key": row[shelf.key]}).rowcount:
            self._connection.execute(shelf.add, row)
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
                self._connection.execute(_SLOTS_GO, {"_key": now.number})
            if slots:
                self._connection.execute(_SLOT, slots)
        if before is None or before.members != now.members:
            if not is_new:
                self._connection.execute(_MEMBERS_GO, {"_key": now.number})
            if now.members:
                self._connection.execute(_MEMBER, [{"reservation": now.number, "user": one} for one in now.members])

    def shelf_changed(self) -> None:
        self._revised(SHELF)

    def _revised(self, of: str) -> int:
        """The revision of this transaction, which differs from all before."""
        if of not in self._raised:
            before = self.revisions()
            number = (before.reservations if of == RESERVATIONS else before.shelf) + 1
            self._connection.execute(_REVISE, {"_key": of, "number": number})
            self._revisions = replace(before, **{of: number})
            self._raised[of] = number
        return self._raised[of]

    def remove(self, thing: Token | BoardType | Standing) -> None:
        shelf = rows.SHELVES[type(thing)]
        self._known.pop((shelf.table, shelf.key_of(thing)), None)
        match thing:
            case Token():
                self._connection.execute(delete(schema.tokens).where(schema.tokens.c.id == thing.id))
            case BoardType():
                self._connection.execute(delete(schema.board_types).where(schema.board_types.c.name == thing.name))
            case Standing():
                name = thing.board.name
                self._connection.execute(delete(schema.boards).where(schema.boards.c.name == name))
                self._connection.execute(delete(schema.health).where(schema.health.c.board == name))

    def tokens_end(self, *, audience: Audience, user: UUID | None = None, site: str | None = None) -> None:
        token = schema.tokens.c
        self._known.clear()
        self._connection.execute(
            delete(schema.tokens).where(token.audience == audience, token.user == user, token.site == site)
        )

    def next_reservation(self) -> int:
        # One writer at a time, and no reservation is ever removed.
        return (self._connection.scalar(_LAST_RESERVATION) or 0) + 1

    def next_version(self, image: str) -> int:
        of_this_name = schema.images.c.name == image
        return (self._connection.scalar(select(func.max(schema.images.c.version)).where(of_this_name)) or 0) + 1

    def add_event(self, entry: Entry) -> None:
        self._connection.execute(_EVENT, rows.pack_entry(entry))

    def is_new(self, report: UUID, at: datetime) -> bool:
        if self._connection.scalar(select(exists().where(schema.reports.c.id == report))):
            return False
        self._connection.execute(insert(schema.reports).values(id=report, at=at))
        return True

    def forget_reports(self, before: datetime) -> None:
        self._connection.execute(delete(schema.reports).where(schema.reports.c.at < before))

    def forget_orders(self, before: datetime) -> None:
        order = schema.orders.c
        self._known.clear()
        self._connection.execute(delete(schema.orders).where(order.is_done, order.asked_at < before))

    def forget_events(self, before: datetime) -> None:
        self._connection.execute(delete(schema.events).where(schema.events.c.at < before))
