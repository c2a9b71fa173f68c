"""A furnished house for each test."""

from collections.abc import Iterator

import pytest

from tests.services.house import House, records_with


@pytest.fixture
def house() -> Iterator[House]:
    with records_with(boards=1) as records:
        yield House(records)


@pytest.fixture
def bare() -> Iterator[House]:
    """With an admin and nothing else."""
    with records_with() as records:
        yield House.bare(records)
