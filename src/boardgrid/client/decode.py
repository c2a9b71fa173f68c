"""JSON to answers and back: as much of it as the answers need, without a framework that is slow to import."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")


def decoded(kind: type[T], value: object) -> T:
    """
    *value*, as read from JSON, as *kind*: a dataclass of answers, or a tuple of them.

    Raises:
        ValueError: it does not look like one; the message says which field, in one line.
    """
    return cast(T, _as(kind, value, kind.__name__))


@cache
def _shape(kind: type) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _as(kind: Any, value: object, where: str) -> object:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in {types.UnionType, Union}:
        if value is None and type(None) in inside:
            return None
        return _as(next(k for k in inside if k is not type(None)), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_as(inside[0], one, f"{where}[{n}]") for n, one in enumerate(value))
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {str(key): _as(inside[1], one, f"{where}.{key}") for key, one in value.items()}
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, Mapping):
        return _as_dataclass(kind, value, where)
    if kind is datetime and isinstance(value, str):
        return _moment(value, where)
    if kind is UUID and isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            raise ValueError(f"{where} is no UUID: {value[:40]!r}") from None
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in {str, int, bool} and type(value) is kind:
        return value
    raise ValueError(f"{where} is {type(value).__name__}, not {getattr(kind, '__name__', kind)}")


def _as_dataclass(kind: type, value: Mapping[Any, Any], where: str) -> object:
    found: dict[str, object] = {}
    for field, hint in _shape(kind):
        here, one = f"{where}.{field.name}", value.get(field.name)
        # None stands for nothing said, also where this release would have an empty word.
        if one is not None:
            found[field.name] = _as(hint, one, here)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{here} is missing")
    return kind(**found)


def _moment(value: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{where} is no time: {value[:40]!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def encoded(value: object) -> Any:
    """What json.dumps can write: the other way round, with times in UTC as the farm itself writes them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encoded(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encoded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    return value
