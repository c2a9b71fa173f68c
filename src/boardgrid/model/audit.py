"""The audit log: who changed what, from where, and what it was before."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

Facts = Mapping[str, Any]  # of one thing, as JSON has them

_HIDDEN = {"digest", "hash", "secret"}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody changed. *before* and *after* hold the fields that differ; neither: none is told."""

    number: int  # 0: not recorded yet
    at: datetime
    who: UUID | None  # None: nobody who is known, or the controller's own machine
    name: str  # whose account it was then
    token: str  # the id of what they came in with; empty: none was needed
    origin: str  # from where
    act: str  # "user.suspend"
    thing: str  # "user:ada"
    before: Facts
    after: Facts


def facts_of(thing: object) -> Facts:
    """The fields of a dataclass but for its secrets."""
    assert is_dataclass(thing)  # noqa: S101 - things of the records are
    return {one.name: _plain(getattr(thing, one.name)) for one in fields(thing) if one.name not in _HIDDEN}


def difference(before: Facts, after: Facts) -> tuple[Facts, Facts]:
    """What differs, as it was and as it is; a thing that is new, or goes, differs in all that it has."""
    differ = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: before[key] for key in differ if key in before}, {key: after[key] for key in differ if key in after}


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str() | UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case tuple() | list():
            return [_plain(one) for one in value]
        case frozenset():
            return sorted(str(_plain(one)) for one in value)
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return facts_of(value)
        case _:
            return str(value)
