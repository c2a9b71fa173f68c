"""Records in an SQL database, whichever it is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine

from boardgrid.adapters.records.complaints import busy
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.migrate import bring_up
from boardgrid.adapters.records.snapshot import SqlSnapshot
from boardgrid.adapters.records.transaction import SqlTransaction


class SqlRecords:
    def __init__(self, database: Database) -> None:
        self._database = database
        # Threads of one process queue here, in order and without a connection. Processes wait for each other there.
        self._writer = threading.Lock()

    @classmethod
    def open(cls, database: Database, *, upgrade: bool, now: Callable[[], datetime]) -> "SqlRecords":
        """
        Open the database of a farm.

        Args:
            upgrade: make it where there is none, and bring an older one to this release's schema, after a copy of it
                was put aside.
            now: the time, for the copy's name.

        Raises:
            Conflict: SCHEMA_FOREIGN, it is of another release, or no database of a farm; SCHEMA_DAMAGED, a guard is
                missing; DATABASE_UNFIT.
            Fault: RECORDS_FAILED, it cannot be opened.
        """
        try:
            database.prepare(make=upgrade)
            with database.told():
                bring_up(database, upgrade=upgrade, now=now)
        except BaseException:
            database.engine.dispose()
            raise
        return cls(database)

    @property
    def engine(self) -> Engine:
        """For tests that break it at some statement."""
        return self._database.engine

    def close(self) -> None:
        self._database.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[SqlSnapshot]:
        with self._database.told(), self._database.reading() as connection:
            yield SqlSnapshot(connection)

    @contextmanager
    def write(self) -> Iterator[SqlTransaction]:
        if not self._writer.acquire(timeout=self._database.busy_s):
            raise busy(self._database.busy_s)
        try:
            with self._database.told(), self._database.writing() as connection:
                transaction = SqlTransaction(connection, self._database)
                yield transaction
                transaction.write()
        finally:
            self._writer.release()
