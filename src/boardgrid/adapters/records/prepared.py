"""
Statements that use cases run all the time, made ready once.

SQLAlchemy puts a statement together, finds it in its cache, and builds a result around what comes back, each time that
it is run: most of what a small statement costs. So it makes these ready, and the driver is given them as they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

Row = dict[str, Any]
Values = Mapping[str, Any]
Known = dict[tuple[Any, ...], T]

_Convert = Callable[[Any], Any]
_KNOWN_MOST = 10_000


class Prepared:
    """
    A statement of SQLAlchemy, the names of whose values are the same whenever it is run.

    It runs in the transaction of a connection, and raises what SQLAlchemy would.
    """

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        # The number of a row that is added is not asked for.
        self._statement = statement.inline() if isinstance(statement, Insert) else statement
        self._ready: dict[str, _Ready] = {}

    def rows(self, connection: Connection, values: Values) -> list[Row]:
        ready = self._for(connection, values)
        return [ready.row(one) for one in ready.fetched(connection, values)]

    def first(self, connection: Connection, values: Values) -> Row | None:
        found = self.rows(connection, values)
        return found[0] if found else None

    def things(self, connection: Connection, values: Values, unpack: Callable[[Row], T], known: Known[T]) -> list[T]:
        """
        What rows tell of.

        Args:
            known: what was made of which row: what is read again as it was is the same thing, and not made again.
        """
        ready = self._for(connection, values)
        things = []
        for one in ready.fetched(connection, values):
            if (thing := known.get(one)) is None:
                if len(known) >= _KNOWN_MOST:
                    known.clear()
                thing = known[one] = unpack(ready.row(one))
            things.append(thing)
        return things

    def run(self, connection: Connection, values: Values) -> int:
        """How many rows it was about."""
        return self._for(connection, values).run(connection, values)

    def _for(self, connection: Connection, values: Values) -> "_Ready":
        engine = connection.dialect.name
        if engine not in self._ready:
            self._ready[engine] = _Ready(self._statement, connection.dialect, values)
        return self._ready[engine]


class _Ready:
    """For one engine."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, dialect: Dialect, values: Values) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=sorted(values))
        binds: dict[str, BindParameter[Any]] = compiled.binds
        self._sql, self._dialect = str(compiled), dialect
        self._error: Any = dialect.loaded_dbapi.Error
        self._binds = [(name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in binds.items()]
        self._fixed = {name: bind.value for name, bind in binds.items() if name not in values}
        self._order: list[str] | None = compiled.positiontup  # None: they go by name
        self._selected = list(statement.selected_columns) if isinstance(statement, Select) else []
        self._columns: list[tuple[str, _Convert | None]] = []

    def fetched(self, connection: Connection, values: Values) -> list[tuple[Any, ...]]:
        driver: Any = connection.connection.dbapi_connection
        bound = self._bound(values)
        try:
            cursor = driver.execute(self._sql, bound)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        except self._error as error:
            raise self._told(error, bound) from error
        if not self._columns:
            # How values come out hangs on what the driver says they are, which it does with an answer.
            self._columns = [
                (column.key or "", column.type.dialect_impl(self._dialect).result_processor(self._dialect, said[1]))
                for column, said in zip(self._selected, cursor.description, strict=True)
            ]
        return found

    def row(self, found: tuple[Any, ...]) -> Row:
        return {
            name: one if comes is None else comes(one) for (name, comes), one in zip(self._columns, found, strict=True)
        }

    def run(self, connection: Connection, values: Values) -> int:
        driver: Any = connection.connection.dbapi_connection
        bound = self._bound(values)
        try:
            count: int = driver.execute(self._sql, bound).rowcount
        except self._error as error:
            raise self._told(error, bound) from error
        return count

    def _bound(self, values: Values) -> Any:
        given = {**self._fixed, **values} if self._fixed else values
        bound = {name: given[name] if goes is None else goes(given[name]) for name, goes in self._binds}
        return bound if self._order is None else [bound[name] for name in self._order]

    def _told(self, error: Exception, bound: Any) -> BaseException:
        """As SQLAlchemy tells it."""
        return DBAPIError.instance(self._sql, bound, error, self._error, dialect=self._dialect)
