"""A door in front of a furnished house."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.api.spool import Spool
from tests.api.door import Door
from tests.services.house import House, empty_records


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with empty_records() as records:
        yield Door(House.furnished(records), Spool(tmp_path / "spool"))
