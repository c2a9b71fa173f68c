"""The lab's definitions on disk: one file each, written whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import structlog
from pydantic import ConfigDict, TypeAdapter, ValidationError

from boardgrid.lab.definition import Definition
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Entry:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    number: int  # of the port: a board keeps its own
    definition: Definition


_ENTRY = TypeAdapter(_Entry)


@dataclass(frozen=True, slots=True)
class Shelf:
    folder: Path

    def read(self) -> list[tuple[int, Definition]]:
        """By port number. A file that cannot be read is told of and left where it is."""
        entries: dict[int, Definition] = {}
        for file in sorted(self.folder.glob("*.json")):
            try:
                entry = _ENTRY.validate_json(file.read_bytes())
            except (OSError, ValidationError) as error:
                log.warning("definition.unreadable", file=str(file), why=str(error))
                continue
            entries.setdefault(entry.number, entry.definition)
        return sorted(entries.items())

    def write(self, number: int, definition: Definition) -> None:
        """Raises: Fault where the disk does not take it."""
        file = self._file(definition.name)
        beside = file.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as written:
                written.write(_ENTRY.dump_json(_Entry(number, definition)))
                written.flush()
                os.fsync(written.fileno())
            beside.replace(file)
        except OSError as error:
            raise Fault(
                Code.STORE_FULL,
                _("the lab could not write down {name}: {why}"),
                name=definition.name,
                why=error.strerror,
            ) from error

    def remove(self, name: str) -> None:
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
