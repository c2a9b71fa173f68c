"""All rows of one database in the tables of another, of whichever engines the two are."""

from typing import Any

from sqlalchemy import CHAR, Connection, Inspector, MetaData, Table, Uuid, delete, event, insert, select

from boardgrid.adapters.records.database import Database
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict

_AT_ONCE = 1000
_OWN = "alembic_version"  # written by the migrations that made the tables


def copy_rows(source: Connection, target: Connection, *, of: Database, into: Database) -> None:
    """
    Args:
        target: inside a transaction that writes; its tables are of the same revision; what is in them goes.

    Raises:
        Conflict: SCHEMA_FOREIGN, the two have not the same tables and columns.
    """
    theirs, ours = tables_of(source), tables_of(target)
    if _shape(theirs) != _shape(ours):
        raise Conflict(
            Code.SCHEMA_FOREIGN,
            _("the tables of {database} are not those of its revision"),
            hint=_("something else than BoardGrid changed them; bring back a copy from before"),
            database=of,
        )
    with into.told(), into.unordered(target):
        for table in ours.sorted_tables:
            if table.name != _OWN:
                target.execute(delete(table))
        for table in ours.sorted_tables:
            if table.name != _OWN:
                with of.told():
                    rows = source.execution_options(yield_per=_AT_ONCE).execute(select(theirs.tables[table.name]))
                    for part in rows.mappings().partitions():
                        with into.told():
                            target.execute(insert(table), [dict(row) for row in part])
        into.set_counters(target, of.counters(source))


def tables_of(connection: Connection) -> MetaData:
    """As they are, for this release's own definitions say nothing of an earlier revision."""
    found = MetaData()
    event.listen(found, "column_reflect", _is_an_id)
    found.reflect(connection)
    return found


def _is_an_id(_inspector: Inspector, _table: Table, column: Any) -> None:
    # What PostgreSQL has a type for lies in SQLite as 32 digits, and nothing else does.
    if isinstance(column["type"], CHAR) and column["type"].length == 32:
        column["type"] = Uuid()


def _shape(metadata: MetaData) -> dict[str, set[str]]:
    return {name: set(table.columns.keys()) for name, table in metadata.tables.items()}
