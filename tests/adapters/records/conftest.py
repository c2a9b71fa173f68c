"""Databases of either engine, made for one test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.postgresql import PostgresDatabase
from boardgrid.adapters.records.sqlite import SqliteFile
from tests import postgres

Make = Callable[[str], Database]


@pytest.fixture
def make_of(tmp_path: Path) -> Iterator[Callable[[str, str], Database]]:
    """By engine and name."""
    with ExitStack() as made:

        def make(engine: str, name: str) -> Database:
            database: Database
            if engine == "sqlite":
                database = SqliteFile(tmp_path / f"{name}.db", busy_s=2)
            else:
                database = PostgresDatabase(postgres.server().make(name), tmp_path, busy_s=2)
            made.callback(database.engine.dispose)
            return database

        yield make


@pytest.fixture
def make(engine: str, make_of: Callable[[str, str], Database]) -> Make:
    """By name, of the test's engine."""
    return lambda name: make_of(engine, name)


def copies_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if "T120005Z" in path.name)
