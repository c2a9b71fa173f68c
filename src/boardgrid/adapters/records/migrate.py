"""The schema of the records, brought to this release's."""

from collections.abc import Callable
from datetime import datetime

import structlog

from boardgrid.adapters.records.backup import back_up
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.revisions import Revisions, seen
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict

log = structlog.get_logger()


def bring_up(database: Database, *, upgrade: bool, now: Callable[[], datetime]) -> None:
    """See :meth:`SqlRecords.open`."""
    with Revisions.ours() as revisions:
        bring_to_head(database, revisions, upgrade=upgrade, now=now)


def bring_to_head(database: Database, revisions: Revisions, *, upgrade: bool, now: Callable[[], datetime]) -> None:
    # What is not a farm's own must be left as it was found.
    with database.looking() as connection:
        tables, has = seen(connection)
        if has == revisions.head:
            revisions.check_guards(database, connection)
            return
    if has is None and tables:
        raise foreign(database)
    if has is not None:
        revisions.check_known(has, database)
    if not upgrade:
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("the database {database} has the schema {has}, and this release needs {wants}"),
            hint=_("boardgrid up makes a copy of it and brings it up to date"),
            database=database,
            has=has or "-",
            wants=revisions.head,
        )
    if has is not None:
        copy = database.copy_path(f"{has}.{now():%Y%m%dT%H%M%SZ}")
        copy.unlink(missing_ok=True)  # of an upgrade that was killed within this second
        back_up(database, copy, revisions)
        log.info("database.copied", to=str(copy))
    # One transaction for all of it: killed half way, the old schema is still there.
    with database.migrating() as connection:
        revisions.reach(database, connection, revisions.head)
        revisions.make_guards(connection)
    log.info("schema.upgraded", was=has, now=revisions.head)


def foreign(database: Database) -> Conflict:
    return Conflict(
        Code.SCHEMA_FOREIGN,
        _("{database} is no database of a farm"),
        hint=_("name the state folder of a farm or an empty one, or an empty database"),
        database=database,
    )
