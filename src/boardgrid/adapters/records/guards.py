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

    def names(self, engine: str) -> set[str]:
        return {name for statement in self.statements(engine) for name in _NAMED.findall(statement)}


GUARDS: tuple[Guard, ...] = ()


def make(connection: Connection, guards: Sequence[Guard]) -> None:
    for guard in guards:
        for statement in guard.statements(connection.dialect.name):
            connection.execute(text(statement))


def names(engine: str, guards: Sequence[Guard]) -> set[str]:
    return {name for guard in guards for name in guard.names(engine)}
