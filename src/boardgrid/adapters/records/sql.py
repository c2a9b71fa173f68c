"""
Records in an SQLite file.

One writer at a time: a write begins with BEGIN IMMEDIATE, for a transaction that reads first and writes later would
fail when another wrote in between. Readers see one moment and wait for nobody (WAL). What is recorded is on the disk
(synchronous=FULL): a board that was given away stays given away when the power fails.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError

from boardgrid.adapters.records import guards
from boardgrid.adapters.records.migrate import bring_up
from boardgrid.adapters.records.snapshot import SqlSnapshot
from boardgrid.adapters.records.transaction import SqlTransaction
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid


class SqlRecords:
    def __init__(self, engine: Engine, busy_s: float) -> None:
        self._engine, self._busy_s = engine, busy_s
        # Threads of one process queue here, in order; only other processes make a writer poll for the file's lock.
        self._writer = threading.Lock()

    @classmethod
    def open(cls, path: Path, *, upgrade: bool, now: Callable[[], datetime], busy_s: float = 10.0) -> "SqlRecords":
        """
        Open the database of a farm.

        Args:
            upgrade: make it where there is none, and bring an older one to this release's schema, after a copy of it
                was put beside it.
            now: the time, for the copy's name.
            busy_s: how long a writer waits for the one before it.

        Raises:
            Conflict: SCHEMA_FOREIGN, it is of another release, or no database of a farm.
            Fault: RECORDS_FAILED, it cannot be opened.
        """
        is_there = path.exists()
        if not is_there and not upgrade:
            raise Conflict(
                Code.SCHEMA_FOREIGN,
                _("there is no database at {path}"),
                hint=_("boardgrid up makes one; or name the state folder of a farm that has been up"),
                path=path,
            )
        if not is_there:
            with _told(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # tokens and keys lie in it
        engine = _engine(path, busy_s)
        try:
            with _told(path):
                bring_up(engine, path, upgrade=upgrade, now=now)
                _check_guards(engine, path)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, busy_s)

    @property
    def engine(self) -> Engine:
        """For tests that break it at some statement."""
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[SqlSnapshot]:
        with _told(self._path), self._engine.connect() as connection, connection.begin():
            yield SqlSnapshot(connection)

    @contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        if not self._writer.acquire(timeout=self._busy_s):
            raise Fault(
                Code.RECORDS_FAILED,
                _("the farm's database was busy for {seconds:g} s"),
                hint=_("try again"),
                seconds=self._busy_s,
            )
        try:
            with _told(self._path), self._engine.connect() as plain:
                connection = plain.execution_options(is_writer=True)
                with connection.begin():
                    yield SqlTransaction(connection)
        finally:
            self._writer.release()

    @property
    def _path(self) -> Path:
        return Path(self._engine.url.database or "")


def _check_guards(engine: Engine, path: Path) -> None:
    with engine.connect() as connection, connection.begin():
        lost = guards.missing(connection)
    if lost:
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("the database {path} has lost what keeps two reservations from having one board: {lost}"),
            hint=_("bring back a copy from before; it was changed by another program than this"),
            path=path,
            lost=", ".join(lost),
        )


def _engine(path: Path, busy_s: float) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_s})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # Python's sqlite3 would begin transactions by its own rules, and commit before DDL.
    connection.isolation_level = None
    with closing(connection.cursor()) as cursor:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get("is_writer")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the database complains about, in the farm's words."""
    try:
        yield
    except IntegrityError as error:
        # Services look first, so this is the last line of defence: nothing was recorded.
        raise Conflict(
            Code.THING_IN_USE, _("the farm's records do not allow this: {error}"), error=error.orig
        ) from error
    except (OverflowError, UnicodeError) as error:
        raise Invalid(Code.REQUEST_INVALID, _("this cannot be recorded or looked up: {error}"), error=error) from error
    except (DatabaseError, OSError) as error:
        said = error.orig if isinstance(error, DatabaseError) else error
        raise Fault(
            Code.RECORDS_FAILED,
            _("the farm's database {path} failed: {error}"),
            hint=_("nothing was recorded; see whether its disk is full or read-only, then try again"),
            path=path,
            error=said,
        ) from error
