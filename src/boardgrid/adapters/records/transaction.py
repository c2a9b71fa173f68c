"""What is written to the records, all at once or not at all."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, select, update

from boardgrid.adapters.records import rows, schema
from boardgrid.adapters.records.snapshot import RESERVATIONS, SHELF, SqlSnapshot
from boardgrid.model.board import BoardType
from boardgrid.model.calendar import EVER
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.user import Audience, Token, User
from boardgrid.ports import Entry, Thing


class SqlTransaction(SqlSnapshot):
    def save(self, thing: Thing) -> None:
        shelf = rows.SHELVES[type(thing)]
        row = shelf.pack(thing)
        if isinstance(thing, Reservation):
            row["revision"] = self._revised(RESERVATIONS)
        # Not "insert or replace", which would delete the old row and with it what refers to it.
        if not self._connection.execute(shelf.change, row | {"_key": row[shelf.key]}).rowcount:
            self._connection.execute(shelf.add, row)
        if isinstance(thing, User):
            self._save_keys(thing)
        if isinstance(thing, Reservation):
            self._save_slots(thing)

    def _save_keys(self, user: User) -> None:
        self._connection.execute(delete(schema.user_keys).where(schema.user_keys.c.user == user.id))
        for place, key in enumerate(user.ssh_keys):
            self._connection.execute(insert(schema.user_keys).values(key=key, user=user.id, place=place))

    def _save_slots(self, reservation: Reservation) -> None:
        slot, member, number = schema.slots.c, schema.members.c, reservation.number
        self._connection.execute(delete(schema.slots).where(slot.reservation == number))
        self._connection.execute(delete(schema.members).where(member.reservation == number))
        if reservation.members:
            rows_of = [{"reservation": number, "user": user} for user in reservation.members]
            self._connection.execute(insert(schema.members), rows_of)
        if not reservation.is_live or not reservation.boards:
            return
        start = EVER if reservation.is_running else reservation.window.start
        taken = {"reservation": number, "start": start, "end": reservation.window.end}
        self._connection.execute(insert(schema.slots), [taken | {"board": board} for board in reservation.boards])

    def shelf_changed(self) -> None:
        self._revised(SHELF)

    def _revised(self, of: str) -> int:
        """The revision of this transaction, which differs from all before."""
        if of not in self._revisions:
            revision = schema.revisions.c
            raised = update(schema.revisions).where(revision.of == of).values(number=revision.number + 1)
            self._connection.execute(raised)
            found = self._connection.scalar(select(revision.number).where(revision.of == of))
            self._revisions[of] = found or 0
        return self._revisions[of]

    def remove(self, thing: Token | BoardType | Standing) -> None:
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
        self._connection.execute(
            delete(schema.tokens).where(token.audience == audience, token.user == user, token.site == site)
        )

    def next_reservation(self) -> int:
        # One writer at a time, and no reservation is ever removed.
        return (self._connection.scalar(select(func.max(schema.reservations.c.number))) or 0) + 1

    def next_maintenance(self) -> int:
        return (self._connection.scalar(select(func.max(schema.maintenances.c.number))) or 0) + 1

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

    def forget_events(self, before: datetime) -> None:
        self._connection.execute(delete(schema.events).where(schema.events.c.at < before))
