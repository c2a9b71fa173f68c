"""What SQL engines differ in, on one page. ``sqlite`` and ``postgresql`` answer it; nothing else knows which it is."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from boardgrid.adapters.records.prepared import Prepared, Values


class Database(Protocol):
    """``str`` of it is its name in complaints, without any password."""

    @property
    def engine(self) -> Engine: ...

    @property
    def busy_s(self) -> float:
        """How long a writer waits for the one before it."""

    def told(self) -> AbstractContextManager[None]:
        """What it complains about inside the block, in the farm's words."""

    def prepare(self, *, make: bool) -> None:
        """
        Have it there, where it may be made.

        Raises:
            Conflict: SCHEMA_FOREIGN, it is not there; DATABASE_UNFIT, a farm cannot be kept in it as it was made.
        """

    def looking(self) -> AbstractContextManager[Connection]:
        """For a look at what may not be a farm's: it is left just as it was found."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one moment and waits for nobody."""

    def writing(self) -> AbstractContextManager[Connection]:
        """
        A transaction that begins when every other's has ended, of whichever process: what it reads holds until its end.

        Raises:
            Fault: RECORDS_FAILED, that took longer than *busy_s*.
        """

    def migrating(self) -> AbstractContextManager[Connection]:
        """The same, in which a table may be written anew that others refer to; at its end nothing refers to nothing."""

    def alone(self) -> AbstractContextManager[None]:
        """
        While no controller has it in use, and none begins.

        Raises:
            Conflict: STATE_LOCKED, one has.
        """

    def copy_path(self, label: str) -> Path:
        """Where a copy of it goes that is made without being asked for."""

    # --- inside a transaction

    def announcement(self, topic: str) -> tuple[Prepared, Values] | None:
        """The statement that tells other processes once its transaction is recorded; None: there is nobody to tell."""

    def together(self, connection: Connection) -> AbstractContextManager[None]:
        """What runs in the block need not be answered one by one; all of it has run when the block ends."""

    def guards(self, connection: Connection) -> set[str]:
        """Names of the guards that are there and in force."""

    def drop_guards(self, connection: Connection) -> None: ...

    def unordered(self, connection: Connection) -> AbstractContextManager[None]:
        """Rows may come before those that they refer to; at the end of the block all must be there."""

    def counters(self, connection: Connection) -> Mapping[str, int]:
        """The last number that was given in each table that numbers its rows; without those that gave none yet."""

    def set_counters(self, connection: Connection, last: Mapping[str, int]) -> None: ...
