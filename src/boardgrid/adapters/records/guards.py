"""
Guards: rules over several rows, which no column and no index can hold. The database itself refuses what breaks one.

SQLite loses a table's triggers without a word when a migration writes the table anew. So no migration makes a guard:
all of them are dropped before migrations run and made after, in the same transaction; and a database that lacks one is
not opened.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

_NAMED = re.compile(r"\b(?:TRIGGER|CONSTRAINT)\s+(guard_\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Guard:
    """
    The statements that make it, by engine. Each trigger and constraint in them is called ``guard_...``.

    A function of PostgreSQL is made with CREATE OR REPLACE, for it stays when its trigger is dropped. What is refused
    is an integrity error: ``RAISE(ABORT, ...)`` with SQLite, an exclusion constraint or ``ERRCODE = '23000'`` with
    PostgreSQL.
    """

    sqlite: tuple[str, ...]
    postgresql: tuple[str, ...]

    def statements(self, engine: str) -> tuple[str, ...]:
        return {"sqlite": self.sqlite, "postgresql": self.postgresql}[engine]

    @property
    def every_name(self) -> set[str]:
        """With whichever engine."""
        return self.names("sqlite") | self.names("postgresql")

    def names(self, engine: str) -> set[str]:
        return {name for statement in self.statements(engine) for name in _NAMED.findall(statement)}


_OVERLAP = """\
CREATE TRIGGER guard_slots_{act} BEFORE {word} ON slots
BEGIN
  SELECT RAISE(ABORT, 'two reservations cannot have one board at once')
  WHERE EXISTS (
    SELECT 1 FROM slots WHERE board = NEW.board AND start < NEW."end" AND NEW.start < "end" {but}
  );
END"""

SLOTS_NO_OVERLAP = Guard(
    sqlite=(
        _OVERLAP.format(act="insert", word="INSERT", but=""),
        _OVERLAP.format(act="update", word="UPDATE", but="AND rowid <> NEW.rowid"),
    ),
    postgresql=(
        "CREATE EXTENSION IF NOT EXISTS btree_gist",
        "ALTER TABLE slots ADD CONSTRAINT guard_slots EXCLUDE USING gist "
        '(board WITH =, int8range(start, "end") WITH &&)',
    ),
)

_APPENDED = """\
CREATE TRIGGER guard_audit_{act} BEFORE {word} ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is only added to');
END"""

AUDIT_ONLY_ADDED_TO = Guard(
    sqlite=(_APPENDED.format(act="update", word="UPDATE"), _APPENDED.format(act="delete", word="DELETE")),
    postgresql=(
        """\
CREATE OR REPLACE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = '23000'; END $$""",
        """\
CREATE TRIGGER guard_audit BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()""",
    ),
)

GUARDS = (SLOTS_NO_OVERLAP, AUDIT_ONLY_ADDED_TO)


def make(connection: Connection, guards: Sequence[Guard]) -> None:
    for guard in guards:
        for statement in guard.statements(connection.dialect.name):
            connection.execute(text(statement))


def names(engine: str, guards: Sequence[Guard]) -> set[str]:
    return {name for guard in guards for name in guard.names(engine)}
