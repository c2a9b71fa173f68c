"""A furnished house for each test."""

from collections.abc import Iterator

import pytest

from tests.services.house import House, empty_records


@pytest.fixture
def house() -> Iterator[House]:
    with empty_records() as records:
        yield House.furnished(records)


@pytest.fixture
def bare() -> Iterator[House]:
    """With an admin and nothing else."""
    with empty_records() as records:
        yield House(records)
