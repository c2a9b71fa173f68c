"""
An SQLite file.

A write begins with BEGIN IMMEDIATE, for a transaction that reads first and writes later would fail when another wrote
in between. Readers see one moment and wait for nobody (WAL). What is recorded is on the disk (synchronous=FULL): a
board that was given away stays given away when the power fails.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import IntegrityError

from boardgrid.adapters.records.complaints import told
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict


class SqliteFile:
    def __init__(self, path: Path, *, busy_s: float = 10.0, journal: str = "WAL", called: str = "") -> None:
        """Args: called: what people know it by, where that is not its path."""
        self.path, self.busy_s, self._called = path, busy_s, called or str(path)
        self.engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_s})
        self._pragmas = (f"journal_mode={journal}", "synchronous=FULL", "foreign_keys=ON")
        event.listen(self.engine, "connect", self._prepare_connection)
        event.listen(self.engine, "begin", _begin)

    def __str__(self) -> str:
        return self._called

    def told(self) -> AbstractContextManager[None]:
        return told(self, lambda: _("nothing was recorded; see whether its disk is full or read-only, then try again"))

    def prepare(self, *, make: bool) -> None:
        if self.path.exists():
            return
        if not make:
            raise Conflict(
                Code.SCHEMA_FOREIGN,
                _("there is no database at {path}"),
                hint=_("boardgrid up makes one; or name the state folder of a farm that has been up"),
                path=self.path,
            )
        with self.told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))  # tokens and keys lie in it

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        database = f"file:{quote(str(self.path.absolute()))}"
        # By an engine of its own: a connection of ours would make it a file with a log beside it.
        engine = create_engine(URL.create("sqlite", database=database, query={"mode": "ro", "uri": "true"}))
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.engine.connect() as plain:
            connection = plain.execution_options(is_writer=True)
            with connection.begin():
                yield connection

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        with self.engine.connect() as plain:
            # SQLite would refuse to drop what others refer to. Not possible inside a transaction, so set before it.
            with closing(plain.connection.cursor()) as cursor:
                cursor.execute("PRAGMA foreign_keys=OFF")
            try:
                connection = plain.execution_options(is_writer=True)
                with connection.begin():
                    yield connection
                    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                        why = sqlite3.IntegrityError(f"references to nothing: {broken[:5]}")
                        raise IntegrityError("PRAGMA foreign_key_check", None, why)
            finally:
                with closing(plain.connection.cursor()) as cursor:
                    cursor.execute("PRAGMA foreign_keys=ON")

    @contextmanager
    def alone(self) -> Iterator[None]:
        # A file of its own: SQLite's locks on the database end when this process closes it anywhere.
        fd = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                Code.STATE_LOCKED,
                _("a controller has the database {path} in use"),
                hint=_("end it first: boardgrid down, or systemctl stop boardgrid-controller"),
                path=self.path,
            ) from error
        else:
            yield
        finally:
            os.close(fd)

    def copy_path(self, label: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{label}")

    # --- inside a transaction

    def announcement(self, topic: str) -> None:
        """Nobody else writes here and waits."""

    def together(self, connection: Connection) -> AbstractContextManager[None]:
        return nullcontext()

    def guards(self, connection: Connection) -> set[str]:
        return set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))

    def drop_guards(self, connection: Connection) -> None:
        for name in self.guards(connection):
            connection.execute(text(f'DROP TRIGGER "{name}"'))

    @contextmanager
    def unordered(self, connection: Connection) -> Iterator[None]:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))  # until the transaction ends, which looks at them
        yield

    def counters(self, connection: Connection) -> Mapping[str, int]:
        return {
            row.name: row.seq for row in connection.execute(text("SELECT name, seq FROM sqlite_sequence WHERE seq > 0"))
        }

    def set_counters(self, connection: Connection, last: Mapping[str, int]) -> None:
        for table, number in last.items():
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), {"table": table})
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)"),
                {"table": table, "number": number},
            )

    def _prepare_connection(self, connection: Any, _record: object) -> None:
        # Python's sqlite3 would begin transactions by its own rules, and commit before DDL.
        connection.isolation_level = None
        with closing(connection.cursor()) as cursor:
            for pragma in self._pragmas:
                cursor.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get("is_writer")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
