"""A furnished house for each test."""

from collections.abc import Iterator

import pytest

from tests.services.house import House, records_with


@pytest.fixture
def house(engine: str) -> Iterator[House]:
    with records_with(boards=1, engine=engine) as records:
        yield House(records)


@pytest.fixture
def bare(engine: str) -> Iterator[House]:
    """With an admin and nothing else."""
    with records_with(engine=engine) as records:
        yield House.bare(records)
