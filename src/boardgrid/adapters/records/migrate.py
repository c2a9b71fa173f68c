"""The schema of the records: told from its revision, and brought to this release's."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import quote

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, inspect

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict

log = structlog.get_logger()

MIGRATIONS = files("boardgrid.adapters.records") / "migrations"


def bring_up(engine: Engine, path: Path, *, upgrade: bool, now: Callable[[], datetime]) -> None:
    """See :meth:`SqlRecords.open`."""
    with as_file(MIGRATIONS) as folder:
        bring_to_head(engine, path, folder, upgrade=upgrade, now=now)


def bring_to_head(engine: Engine, path: Path, folder: Path, *, upgrade: bool, now: Callable[[], datetime]) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    tables, has = _looked_at(path)
    wants = scripts.get_current_head()
    if has == wants:
        return
    if has is None and tables:
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("{path} is no database of a farm"),
            hint=_("name the state folder of a farm, or an empty one"),
            path=path,
        )
    if has is not None and not _is_known(scripts, has):
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("the database {path} is of another release: its schema {has} is unknown here"),
            hint=_("install the release that it was last used with, or bring back a copy from before"),
            path=path,
            has=has,
        )
    if not upgrade:
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("the database {path} has the schema {has}, and this release needs {wants}"),
            hint=_("boardgrid up makes a copy of it and brings it up to date"),
            path=path,
            has=has or "-",
            wants=wants,
        )
    if has is not None:
        _copy(engine, path, has, now())
    # One transaction for all of it: killed half way, the old schema is still there.
    with engine.connect() as plain, _unreferred(plain):
        connection = plain.execution_options(is_writer=True)
        with connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _check_references(connection)
    log.info("schema.upgraded", was=has, now=wants)


@contextmanager
def _unreferred(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by writing it anew, and refuses to drop the old one while others refer to it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # Not possible inside a transaction, so not by way of the engine.
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute("PRAGMA foreign_keys=OFF")
        try:
            yield
        finally:
            cursor.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
        raise ValueError(f"the migration left references to nothing: {broken[:5]}")


def _looked_at(path: Path) -> tuple[list[str], str | None]:
    """Tables and revision. Opened read-only: what is not a farm's own must be left as it was found."""
    database = f"file:{quote(str(path.absolute()))}"
    looking = create_engine(URL.create("sqlite", database=database, query={"mode": "ro", "uri": "true"}))
    try:
        with looking.connect() as connection:
            return inspect(connection).get_table_names(), MigrationContext.configure(connection).get_current_revision()
    finally:
        looking.dispose()


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False


def _copy(engine: Engine, path: Path, has: str, at: datetime) -> None:
    copy = path.with_name(f"{path.name}.{has}.{at:%Y%m%dT%H%M%SZ}")
    copy.unlink(missing_ok=True)  # of an upgrade that was killed within this second
    os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))  # SQLite writes into what is there and empty
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("VACUUM INTO ?", (str(copy),))  # not possible inside a transaction, so not by way of the engine
    log.info("database.copied", to=str(copy))
