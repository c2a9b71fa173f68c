"""
What no constraint of both engines can say: DDL of each, made with the tables and verified whenever records are opened.

A migration that writes a table anew loses the triggers on it without a word: it ends with :func:`make`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import DDL, Connection, MetaData, event, text


@dataclass(frozen=True, slots=True)
class Guard:
    """DDL by dialect: *names* are what it makes, as the engine's catalogue knows them."""

    table: str
    names: Mapping[str, tuple[str, ...]]
    ddl: Mapping[str, tuple[str, ...]]


_OVERLAP = "SELECT RAISE(ABORT, 'slots_no_overlap') WHERE EXISTS (SELECT 1 FROM slots WHERE board = NEW.board AND {})"
_MEETS = 'start < NEW."end" AND NEW.start < "end"'
_INSERT = f"CREATE TRIGGER slots_no_overlap_insert BEFORE INSERT ON slots BEGIN {_OVERLAP.format(_MEETS)}; END"
_UPDATE = (
    "CREATE TRIGGER slots_no_overlap_update BEFORE UPDATE ON slots BEGIN "
    f"{_OVERLAP.format(_MEETS + ' AND rowid <> NEW.rowid')}; END"
)

GUARDS = (
    Guard(
        "slots",
        {"sqlite": ("slots_no_overlap_insert", "slots_no_overlap_update"), "postgresql": ("slots_no_overlap",)},
        {
            "sqlite": (_INSERT, _UPDATE),
            "postgresql": (
                "CREATE EXTENSION IF NOT EXISTS btree_gist",
                "ALTER TABLE slots ADD CONSTRAINT slots_no_overlap EXCLUDE USING gist "
                '(board WITH =, int8range(start, "end") WITH &&)',
            ),
        },
    ),
)

_CATALOGUE = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT conname FROM pg_constraint UNION SELECT tgname FROM pg_trigger",
}


def install(metadata: MetaData) -> None:
    """Have the guards made with the tables."""
    for guard in GUARDS:
        for dialect, statements in guard.ddl.items():
            for statement in statements:
                made: DDL = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]  # of SQLAlchemy
                ddl = made.execute_if(dialect=dialect)
                event.listen(metadata.tables[guard.table], "after_create", ddl)


def make(connection: Connection, *tables: str) -> None:
    """For migrations: the guards of these tables, which have none."""
    for guard in GUARDS:
        if guard.table in tables:
            for statement in guard.ddl[connection.dialect.name]:
                connection.execute(text(statement))


def missing(connection: Connection) -> list[str]:
    """Names of guards that are not there."""
    dialect = connection.dialect.name
    there = set(connection.scalars(text(_CATALOGUE[dialect])))
    return [name for guard in GUARDS for name in guard.names[dialect] if name not in there]
