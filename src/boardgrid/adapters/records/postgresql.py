"""
A database on a PostgreSQL server, which several controllers may share.

A write begins with an advisory lock that one transaction has at a time, in all controllers: so what was read still
holds when it is saved, as with SQLite. It runs at READ COMMITTED, where each statement sees what was recorded before
*it*: at a stricter level the look would be of the moment when the lock was asked for, and not when it was had. A
reader's transaction is REPEATABLE READ and waits for nobody.

What is recorded is on the server's disk (synchronous_commit). Where the connection breaks while that is asked for, no
one can tell whether it was; so a fault says to look first.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from psycopg import Error
from psycopg.abc import Buffer
from psycopg.errors import LockNotAvailable
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Connection, Text, bindparam, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from boardgrid.adapters.records.complaints import busy, told
from boardgrid.adapters.records.prepared import Prepared, Values
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict
from boardgrid.postgresql import CHANNEL, Lock, Postgres

# The web framework answers in 40 threads, and each has one connection at a time: none of them waits here for another.
# A few are kept. PostgreSQL allows a hundred in all, unless it is told otherwise.
_KEPT, _BESIDES = 12, 36
# A controller that stands still with a write open must not keep the others from writing.
_MOST_IDLE_S = 60
_JUST_ENDED_S = 2

_WAIT_FOR_WRITER = text(f"SELECT pg_advisory_xact_lock({Lock.WRITER:d})")
_NOTIFY = Prepared(select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))))
_GUARDS = text(
    """
    SELECT conrelid::regclass::text AS "table", conname AS name, 'CONSTRAINT' AS kind FROM pg_constraint
     WHERE conname LIKE 'guard\\_%' AND convalidated AND connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT tgrelid::regclass::text, tgname, 'TRIGGER' FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
     WHERE tgname LIKE 'guard\\_%' AND tgenabled IN ('O', 'A') AND relnamespace = current_schema()::regnamespace
    """
)
_FOREIGN_KEYS = text(
    """
    SELECT conrelid::regclass::text AS "table", quote_ident(conname) AS name FROM pg_constraint
     WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
    """
)
_SEQUENCES = text(
    """
    SELECT owner.relname AS "table", pg_sequences.last_value FROM pg_depend
      JOIN pg_class AS owner ON owner.oid = refobjid
      JOIN pg_class AS sequence ON sequence.oid = objid AND sequence.relkind = 'S'
      JOIN pg_sequences ON schemaname = current_schema() AND sequencename = sequence.relname
     WHERE deptype IN ('a', 'i') AND owner.relnamespace = current_schema()::regnamespace
    """
)
_SET_SEQUENCE = text(
    """
    SELECT setval(sequence, :number)
      FROM (SELECT CASE WHEN NOT attisdropped THEN pg_get_serial_sequence(quote_ident(:table), attname) END AS sequence
              FROM pg_attribute WHERE attrelid = quote_ident(:table)::regclass AND attnum > 0) AS found
     WHERE sequence IS NOT NULL
    """
)


class _Words(StrDumperUnknown):
    """PostgreSQL has no NUL in its texts; what a board prints is recorded all the same, with a sign in its place."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\N{SYMBOL FOR NULL}"))


class PostgresDatabase:
    def __init__(self, postgres: Postgres, copies: Path, *, busy_s: float = 10.0) -> None:
        """
        Args:
            copies: the folder for copies of it from before upgrades.
        """
        self.busy_s = busy_s
        self._postgres, self._copies = postgres, copies
        conninfo = postgres.conninfo(
            "records",
            lock_timeout=f"{busy_s * 1000:.0f}ms",
            idle_in_transaction_session_timeout=f"{_MOST_IDLE_S}s",
            synchronous_commit="on",
        )
        self.engine = create_engine(
            "postgresql+psycopg://",  # libpq reads its URLs better than anybody else
            pool_size=_KEPT,
            max_overflow=_BESIDES,
            pool_timeout=busy_s,
            pool_use_lifo=True,
            pool_pre_ping=True,  # a server that was restarted meanwhile is nobody's trouble
        )

        @event.listens_for(self.engine, "do_connect")
        def connect(_dialect: object, _record: object, words: list[Any], _named: object) -> None:
            words[:] = [conninfo.reveal()]

        @event.listens_for(self.engine, "connect")
        def connected(connection: Any, _record: object) -> None:
            connection.adapters.register_dumper(str, _Words)

        self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def __str__(self) -> str:
        return str(self._postgres)

    def told(self) -> AbstractContextManager[None]:
        return told(self, lambda: _("see whether its server runs and has room; look what was recorded, then try again"))

    def prepare(self, *, make: bool) -> None:
        """It is made by its server's admin, and with *make* only filled."""
        with self.told(), self.reading() as connection:
            found = connection.execute(
                text(
                    "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS sorting"
                    " FROM pg_database WHERE datname = current_database()"
                )
            ).one()
        # Names sort by their bytes, as with SQLite; and indexes that are sorted by a language break when the server's
        # C library is upgraded.
        if found.encoding != "UTF8" or found.sorting.partition(".")[0] not in {"C", "POSIX"}:
            raise Conflict(
                Code.DATABASE_UNFIT,
                _("the database {database} has the encoding {encoding} and sorts by {sorting}"),
                hint=_("make it anew: createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8 NAME"),
                database=self,
                encoding=found.encoding,
                sorting=found.sorting,
            )

    def looking(self) -> AbstractContextManager[Connection]:
        return self.reading()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.engine.connect() as connection, connection.begin():
            try:
                connection.execute(_WAIT_FOR_WRITER)
            except OperationalError as error:
                if isinstance(error.orig, LockNotAvailable):
                    raise busy(self.busy_s) from error
                raise
            yield connection

    def migrating(self) -> AbstractContextManager[Connection]:
        return self.writing()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self.told(), self.engine.connect() as plain:
            # Of the session and not of a transaction, which would stand idle for too long.
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            try:
                # For a moment: of a controller that has just ended the server may not know yet.
                connection.execute(text(f"SET lock_timeout = '{_JUST_ENDED_S}s'"))
                connection.execute(text(f"SELECT pg_advisory_lock({Lock.USE:d})"))
            except OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable):
                    raise
                raise Conflict(
                    Code.STATE_LOCKED,
                    _("a controller has the database {database} in use"),
                    hint=_("end all that run on it first: boardgrid down, or systemctl stop boardgrid-controller"),
                    database=self,
                ) from error
            finally:
                connection.execute(text("RESET lock_timeout"))
            try:
                yield
            finally:
                connection.execute(text(f"SELECT pg_advisory_unlock({Lock.USE:d})"))

    def copy_path(self, label: str) -> Path:
        return self._copies / f"farm.db.{label}"

    # --- inside a transaction

    def announcement(self, topic: str) -> tuple[Prepared, Values]:
        return _NOTIFY, {"channel": CHANNEL, "payload": self._postgres.announced(topic)}

    @contextmanager
    def together(self, connection: Connection) -> Iterator[None]:
        """Each answer that is waited for is a way to the server and back, while all other writers wait."""
        driver: Any = connection.connection.dbapi_connection
        try:
            with driver.pipeline():
                yield
        except Error as error:
            raise DBAPIError.instance(None, None, error, Error, dialect=connection.dialect) from error

    def guards(self, connection: Connection) -> set[str]:
        return {row.name for row in connection.execute(_GUARDS)}

    def drop_guards(self, connection: Connection) -> None:
        for row in connection.execute(_GUARDS).all():
            if row.kind == "TRIGGER":
                connection.execute(text(f'DROP TRIGGER "{row.name}" ON {row.table}'))
            else:
                connection.execute(text(f'ALTER TABLE {row.table} DROP CONSTRAINT "{row.name}"'))

    @contextmanager
    def unordered(self, connection: Connection) -> Iterator[None]:
        keys = connection.execute(_FOREIGN_KEYS).all()
        for key in keys:
            connection.execute(
                text(f"ALTER TABLE {key.table} ALTER CONSTRAINT {key.name} DEFERRABLE INITIALLY DEFERRED")
            )
        yield
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        for key in keys:
            connection.execute(text(f"ALTER TABLE {key.table} ALTER CONSTRAINT {key.name} NOT DEFERRABLE"))

    def counters(self, connection: Connection) -> Mapping[str, int]:
        return {row.table: row.last_value for row in connection.execute(_SEQUENCES) if row.last_value is not None}

    def set_counters(self, connection: Connection, last: Mapping[str, int]) -> None:
        for table, number in last.items():
            connection.execute(_SET_SEQUENCE, {"table": table, "number": number})
