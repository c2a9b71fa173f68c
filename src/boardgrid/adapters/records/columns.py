"""How the model's values lie in columns that any SQL database has."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator

V = TypeVar("V")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Dear to make, and SQLAlchemy copies a type for each engine.
    return TypeAdapter(kind)


class Moment(TypeDecorator[datetime]):
    """Whole microseconds since 1970 in UTC: it sorts, and no zone is ever lost."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        # Never by way of timestamp(): a float loses microseconds.
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Worded(TypeDecorator[V], Generic[V]):
    """A value whose ``str`` tells all of it: an address, a path, a state."""

    impl = Text
    cache_ok = True

    def __init__(self, parse: Callable[[str], V]) -> None:
        super().__init__()
        self.parse = parse

    def process_bind_param(self, value: V | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> V | None:
        return None if value is None else self.parse(value)


class Told(TypeDecorator[V], Generic[V]):
    """A value with parts, as JSON; *kind* is its type. For what is read and written whole and never searched."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: V | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return json.dumps(_adapter(self.kind).dump_python(value, mode="json"), sort_keys=True, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> V | None:
        if value is None:
            return None
        told: V = _adapter(self.kind).validate_json(value)
        return told
