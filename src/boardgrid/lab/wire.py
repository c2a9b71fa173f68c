"""
What is said on the holder's socket: one JSON object a line, a question and its answer.

    {"do": "on", "board": "tk1-1"}
    {"ok": null}      or      {"error": {"kind": "Fault", "code": "power.failed", "detail": "...", "hint": ""}}
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from boardgrid.lab.definition import Definition, Sight, Signal
from boardgrid.model.errors import Code, Conflict, FarmError, Fault, Invalid, NotAllowed, NotFound

LINE_BYTES = 1 << 20  # a tail of a thousand long lines fits

Act = Literal["about", "define", "remove", "list", "on", "off", "reset", "state", "tail", "signal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    do: Act
    board: str = ""
    definition: Definition | None = None  # to define
    lines: Annotated[int, Field(ge=0, le=1000)] = 50  # of the tail
    signal: Signal | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """A FarmError on its way to another process."""

    kind: str
    code: Code
    detail: str
    hint: str = ""

    @classmethod
    def of(cls, error: FarmError) -> "Complaint":
        return cls(type(error).__name__, error.code, error.detail, error.hint)

    def error(self) -> FarmError:
        kinds = {kind.__name__: kind for kind in (Invalid, NotAllowed, NotFound, Conflict, Fault)}
        return kinds.get(self.kind, Fault)(self.code, self.detail, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Answer:
    ok: Any = None
    error: Complaint | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What the lab is."""

    interface: str
    server: IPv4Interface
    boards: list[Sight] = field(default_factory=list)


QUESTION, ANSWER = TypeAdapter(Question), TypeAdapter(Answer)
SIGHTS, ABOUT = TypeAdapter(list[Sight]), TypeAdapter(About)
