"""Drivers, found by the entry points that installed packages declare: ours and other people's alike."""

import dataclasses
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, get_type_hints, runtime_checkable

import structlog
from pydantic import TypeAdapter, ValidationError

from boardgrid.messages import _
from boardgrid.model.board import Board, DriverSpec, Site
from boardgrid.model.errors import Code, FarmError, Invalid
from boardgrid.ports import Clock, Shell, Tools
from boardgrid.unfit import why

log = structlog.get_logger()

GROUP = "boardgrid.drivers"


@runtime_checkable
class GivesDriver(Protocol):
    """A declaration that is not the driver itself: what the board can be made to do depends on its keys."""

    def driver(self) -> object: ...


def installed() -> Mapping[str, EntryPoint]:
    """By the name that an inventory uses."""
    return {point.name: point for point in entry_points(group=GROUP)}


def keys_of(declaration: type[Any]) -> list[str]:
    """What may stand in the inventory beside ``driver``."""
    return [each.name for each in dataclasses.fields(declaration) if each.init and each.name != "tools"]


@dataclass(frozen=True, slots=True)
class _Made:
    """The drivers of one board, and what they were made of."""

    board: Board
    drivers: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class DriverBook:
    """Answers the port Drivers. *points* are the drivers there are, by name."""

    site: Site
    shell: Shell
    clock: Clock
    ssh_key: Path | None = None
    lab: Path | None = None
    points: Mapping[str, EntryPoint] = field(default_factory=installed)
    _made: dict[str, _Made] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, board: Board) -> Sequence[object]:
        before = self._made.get(board.name)
        # Whether a board is fit is nothing to its drivers: they keep their connections.
        plain = board.plain
        if before is not None and before.board == plain:
            return before.drivers
        kept: list[tuple[DriverSpec, object]] = []
        if before is not None and replace(before.board, power=()) == replace(plain, power=()):
            kept = list(zip(before.board.power, before.drivers, strict=True))
        drivers = []
        for spec in board.power:
            same = next((pair for pair in kept if pair[0] == spec), None)
            if same is not None:
                kept.remove(same)
            drivers.append(same[1] if same is not None else self._make(plain, spec))
        self._made[board.name] = _Made(plain, tuple(drivers))
        return self._made[board.name].drivers

    def _make(self, board: Board, spec: DriverSpec) -> object:
        declaration = self._declaration(board, spec)
        options = self._options(board, spec, declaration)
        tools = Tools(board, self.site, self.shell, self.clock, self.ssh_key, self.lab)
        try:
            made: object = declaration(**options, tools=tools)
            return made.driver() if isinstance(made, GivesDriver) else made
        except (ValueError, FarmError) as error:
            raise self._wrong(board, spec, str(error)) from error

    def _declaration(self, board: Board, spec: DriverSpec) -> type[Any]:
        point = self.points.get(spec.driver)
        if point is None:
            known = ", ".join(sorted(self.points)) or "-"
            raise Invalid(
                Code.DRIVER_INVALID,
                _("{board}: there is no driver {driver!r}"),
                hint=_("there are: {known}"),
                board=board.name,
                driver=spec.driver[:80],
                known=known,
            )
        try:
            declaration: type[Any] = point.load()
        except Exception as error:  # somebody else's package: it may fail in any way, and ours must go on
            log.exception("driver.broken", driver=spec.driver)
            raise self._wrong(board, spec, _("it cannot be loaded: {error!r}").format(error=error)) from error
        if not (isinstance(declaration, type) and dataclasses.is_dataclass(declaration)):
            raise self._wrong(board, spec, _("its entry point is no dataclass"))
        return declaration

    def _options(self, board: Board, spec: DriverSpec, declaration: type[Any]) -> dict[str, object]:
        known, hints = keys_of(declaration), get_type_hints(declaration)
        for key in spec.options:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                meant = _(", did you mean {near!r}?").format(near=near[0]) if near else ""
                raise self._wrong(board, spec, _("there is no key {key!r}").format(key=key) + meant, known)
        required = {
            each.name
            for each in dataclasses.fields(declaration)
            if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        }
        for key in known:
            if key in required and key not in spec.options:
                raise self._wrong(board, spec, _("the key {key!r} is missing").format(key=key), known)
        return {key: self._value(board, spec, key, hints[key]) for key in spec.options}

    def _value(self, board: Board, spec: DriverSpec, key: str, kind: Any) -> object:
        try:
            # Options travel as JSON: a list stands for a tuple, but no string for a number.
            value: object = TypeAdapter(kind).validate_json(json.dumps(spec.options[key]), strict=True)
        except (ValidationError, TypeError) as error:
            # Not what it is: that may be an outlet's password, and everybody reads why the agent is in trouble.
            said = why(error.errors()[0]) if isinstance(error, ValidationError) else str(error)
            raise self._wrong(board, spec, _("{key}: {said}").format(key=key, said=said)) from error
        return value

    def _wrong(self, board: Board, spec: DriverSpec, what: str, known: Sequence[str] = ()) -> Invalid:
        return Invalid(
            Code.DRIVER_INVALID,
            _("{board}: driver {driver}: {what}"),
            hint=_("its keys are: {known}").format(known=", ".join(known)) if known else "",
            board=board.name,
            driver=spec.driver,
            what=what,
        )
