"""
Backups: the records of one moment, as one file that can be put away.

It is an SQLite database of the same schema, whatever engine the records lie in; so it also moves a farm from one to the
other.
"""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, text

from boardgrid.adapters.records.copying import copy_rows, tables_of
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.revisions import Revisions, seen
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault


def back_up(database: Database, file: Path, revisions: Revisions) -> None:
    """
    Write the records to a new file, for its owner alone, while they are in use.

    Raises:
        Conflict: SCHEMA_FOREIGN, it holds no farm, or one of another release.
        Fault: RECORDS_FAILED, either of the two failed, or *file* is there already; what had been written is gone.
    """
    copy = SqliteFile(file, journal="DELETE")  # one file, with no log beside it
    with database.told(), database.reading() as source:
        revision = _revision(database, source, revisions)
        with copy.told():
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with copy.told(), copy.writing() as target:
                revisions.reach(copy, target, revision)
                copy_rows(source, target, of=database, into=copy)
                revisions.make_guards(target, of=database.guards(source))
        except BaseException:
            with suppress(OSError):
                file.unlink()
            raise
        finally:
            copy.engine.dispose()


def restore(
    backup: SqliteFile, database: Database, *, revisions: Revisions, replace: bool, at: datetime
) -> Path | None:
    """
    Put a backup in the place of what is there, all of it or nothing, and bring it to this release's schema.

    Args:
        replace: where a farm is there, back it up and let it go.

    Returns:
        Where the farm that was there was put.

    Raises:
        Conflict: STATE_LOCKED, a controller runs; RECORDS_PRESENT, a farm is there; SCHEMA_FOREIGN, either is none, or
            of another release; THING_IN_USE, its rows break the farm's rules.
        Fault: RECORDS_FAILED, the backup is damaged, or the database failed.
    """
    with backup.told(), backup.looking() as source:
        revision = _revision(backup, source, revisions)
        _check_whole(backup, source)
        database.prepare(make=True)
        with database.alone():
            put_aside = _put_aside(database, revisions, replace=replace, at=at)
            with database.told(), database.migrating() as target:
                database.drop_guards(target)
                tables_of(target).drop_all(target)
                revisions.reach(database, target, revision)
                copy_rows(source, target, of=backup, into=database)
                revisions.reach(database, target, revisions.head)
                revisions.make_guards(target)
    database.engine.dispose()
    return put_aside


def _put_aside(database: Database, revisions: Revisions, *, replace: bool, at: datetime) -> Path | None:
    with database.told(), database.looking() as connection:
        tables, _has = seen(connection)
    if not tables:
        return None
    if not replace:
        raise Conflict(
            Code.RECORDS_PRESENT,
            _("there is something in {database} already"),
            hint=_("--force puts the farm that is there into a backup, and this one in its place"),
            database=database,
        )
    file = database.copy_path(f"before-restore.{at:%Y%m%dT%H%M%SZ}")
    back_up(database, file, revisions)
    return file


def _revision(database: Database, connection: Connection, revisions: Revisions) -> str:
    _tables, has = seen(connection)
    if has is None:
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("there is no farm in {database}"),
            hint=_("a backup is made by boardgrid backup, of a farm that has been up"),
            database=database,
        )
    revisions.check_known(has, database)
    return has


def _check_whole(backup: SqliteFile, connection: Connection) -> None:
    found = [*connection.scalars(text("PRAGMA integrity_check")), *connection.execute(text("PRAGMA foreign_key_check"))]
    if found != ["ok"]:
        raise Fault(
            Code.RECORDS_FAILED,
            _("the backup {file} is damaged: {what}"),
            hint=_("take another one"),
            file=backup,
            what=found[0] if found[0] != "ok" else found[1],
        )
