"""The revisions of the schema: which a database has, which there are, and the way from one to another."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from boardgrid.adapters.records import guards
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.guards import GUARDS, Guard
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict

MIGRATIONS = files("boardgrid.adapters.records") / "migrations"


class Revisions:
    """Those of a release: its migrations, and the guards that belong to their end."""

    def __init__(self, folder: Path, of_head: Sequence[Guard] = GUARDS) -> None:
        self._config = Config()
        self._config.set_main_option("script_location", str(folder).replace("%", "%%"))
        self._scripts = ScriptDirectory.from_config(self._config)
        self._guards = of_head

    @classmethod
    @contextmanager
    def ours(cls) -> Iterator["Revisions"]:
        with as_file(MIGRATIONS) as folder:
            yield cls(folder)

    @property
    def head(self) -> str:
        head = self._scripts.get_current_head()
        assert head is not None  # noqa: S101 - there is a first one
        return head

    def check_known(self, revision: str, database: object) -> None:
        """
        Raises:
            Conflict: SCHEMA_FOREIGN, it is another release's.
        """
        try:
            known = self._scripts.get_revision(revision) is not None
        except CommandError:
            known = False
        if not known:
            raise Conflict(
                Code.SCHEMA_FOREIGN,
                _("the database {database} is of another release: its schema {has} is unknown here"),
                hint=_("install the release that it was last used with, or bring back a copy from before"),
                database=database,
                has=revision,
            )

    def check_guards(self, database: Database, connection: Connection) -> None:
        """
        Raises:
            Conflict: SCHEMA_DAMAGED, one is missing.
        """
        missing = guards.names(connection.dialect.name, self._guards) - database.guards(connection)
        if missing:
            raise Conflict(
                Code.SCHEMA_DAMAGED,
                _("the database {database} has lost what keeps its records right: {names}"),
                hint=_("boardgrid backup, then boardgrid restore --force, makes it anew from its records"),
                database=database,
                names=", ".join(sorted(missing)),
            )

    def reach(self, database: Database, connection: Connection, revision: str) -> None:
        """Inside a transaction that writes. No guard is in force until they are :meth:`made <make_guards>`."""
        database.drop_guards(connection)
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, revision)

    def make_guards(self, connection: Connection, of: Collection[str] | None = None) -> None:
        """
        Args:
            of: names of guards that another database has, of an earlier revision it may be; None: all, at the head.
        """
        guards.make(connection, [one for one in self._guards if of is None or not one.every_name.isdisjoint(of)])


def seen(connection: Connection) -> tuple[list[str], str | None]:
    """Tables and revision."""
    return inspect(connection).get_table_names(), MigrationContext.configure(connection).get_current_revision()
