"""
One database of each engine for all tests of a process, which is made to what a test needs in milliseconds.

One, for a new SQLAlchemy engine would compile every statement anew, which takes longer than most tests.
"""

import atexit
import sqlite3
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Any, Protocol, cast

import psycopg
from sqlalchemy import PoolProxiedConnection, event

from boardgrid.adapters.records.postgresql import PostgresDatabase
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from tests import postgres

Furnish = Callable[[SqlRecords], object]

_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Bench(Protocol):
    records: SqlRecords

    def keep(self, name: Hashable) -> None:
        """What is there now, to come back to."""

    def come_back(self, name: Hashable) -> None: ...


class _Sqlite:
    """In memory where that is possible, for each commit is synced. The folder goes when the process ends."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, sqlite3.Connection] = {}
        shm = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there
        folder = tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None)
        atexit.register(folder.cleanup)
        self.records = SqlRecords.open(SqliteFile(Path(folder.name) / "farm.db"), upgrade=True, now=lambda: _AT)

    def keep(self, name: Hashable) -> None:
        self._kept[name] = sqlite3.connect(":memory:", check_same_thread=False)
        with closing(self.records.engine.raw_connection()) as connection:
            _raw(connection).backup(self._kept[name])

    def come_back(self, name: Hashable) -> None:
        with closing(self.records.engine.raw_connection()) as connection:
            self._kept[name].backup(_raw(connection))


class _Postgresql:
    """The server copies whole databases; whoever is connected to one is put out first."""

    def __init__(self) -> None:
        self._server, self._kept = postgres.server(), dict[Hashable, str]()
        database = PostgresDatabase(self._server.make("farm"), Path("/nowhere"))
        self.records = SqlRecords.open(database, upgrade=True, now=lambda: _AT)

    def keep(self, name: Hashable) -> None:
        self.records.engine.dispose()
        self._kept[name] = f"kept_{len(self._kept)}"
        self._server.make(self._kept[name], template="farm")

    def come_back(self, name: Hashable) -> None:
        self.records.engine.dispose()
        self._server.make("farm", template=self._kept[name])


@contextmanager
def watched(records: SqlRecords, note: Callable[[str], object]) -> Iterator[None]:
    """*note* is called with each statement, before the driver is given it."""

    class Sqlite(sqlite3.Cursor):
        def execute(self, sql: str, *values: Any) -> "Sqlite":
            note(sql)
            return super().execute(sql, *values)

        def executemany(self, sql: str, *values: Any) -> "Sqlite":
            note(sql)
            return super().executemany(sql, *values)

    class SqliteConnection(sqlite3.Connection):
        def cursor(self, _factory: Any = None) -> Any:
            return super().cursor(Sqlite)

        def execute(self, *sql_and_values: Any) -> Any:
            return self.cursor().execute(*sql_and_values)

    class Postgres(psycopg.Cursor[Any]):
        def execute(self, query: Any, *values: Any, **how: Any) -> "Postgres":
            note(str(query))
            return super().execute(query, *values, **how)

        def executemany(self, query: Any, *values: Any, **how: Any) -> None:
            note(str(query))
            super().executemany(query, *values, **how)

    def connect(_dialect: object, _record: object, _words: object, named: dict[str, Any]) -> None:
        if records.engine.dialect.name == "sqlite":
            named["factory"] = SqliteConnection
        else:
            named["cursor_factory"] = Postgres

    event.listen(records.engine, "do_connect", connect)
    records.engine.dispose()
    try:
        yield
    finally:
        event.remove(records.engine, "do_connect", connect)
        records.engine.dispose()


def _raw(connection: PoolProxiedConnection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.driver_connection)


@cache
def _bench(engine: str) -> Bench:
    bench: Bench = _Sqlite() if engine == "sqlite" else _Postgresql()
    bench.keep(None)
    return bench


_FURNISHED: set[tuple[str, Hashable]] = set()


def records_of(engine: str, name: Hashable = None, furnish: Furnish = lambda _records: None) -> SqlRecords:
    """The records of an empty farm, or as *furnish* left them, which is done once for each *name*."""
    bench = _bench(engine)
    if name is not None and (engine, name) not in _FURNISHED:
        bench.come_back(None)
        furnish(bench.records)
        bench.keep(name)
        _FURNISHED.add((engine, name))
    else:
        bench.come_back(name)
    return bench.records


@cache
def _empty() -> Path:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "farm.db"
    SqlRecords.open(SqliteFile(path), upgrade=True, now=lambda: _AT).close()
    return path


def lay(path: Path) -> None:
    """An empty farm's database, where there is none: a copy, for all the migrations take much longer."""
    if not path.exists():
        copyfile(_empty(), path)
        path.chmod(0o600)
