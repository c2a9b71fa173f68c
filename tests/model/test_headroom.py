"""What stays free of a disk."""

import pytest

from boardgrid.model.headroom import Headroom, no_room

GB = 10**9


@pytest.mark.parametrize(
    ("disk_bytes", "free_bytes"),
    [(20 * GB, 2 * GB), (2000 * GB, 8 << 30), (1 * GB, 256 << 20)],
    ids=["a tenth", "not more than boards could use at once", "not less than the records need"],
)
def test_a_share_of_the_disk_stays_free_within_bounds(disk_bytes: int, free_bytes: int) -> None:
    assert Headroom(least_bytes=256 << 20).of(disk_bytes) == free_bytes


def test_what_finds_no_room_is_told_as_more_than_there_is() -> None:
    told = str(no_room(5_000_000_001, 5_000_000_000))
    assert told == "the store has no room: more than 5.0 GB is wanted, 5.0 GB may be used for imports"
