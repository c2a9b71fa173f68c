"""What was fetched of Debian goes when there is too much of it."""

import os
import time
from pathlib import Path

import pytest

from boardgrid.bootware.kept import prune, used

MB = 1 << 20
DAY_S = 24 * 3600


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Three things of a megabyte each, used one to three days ago."""
    for days, name in enumerate(("debs/new.deb", "unpacked/tree/usr/bin/x", "apt-armhf/lists/x"), start=1):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * MB)
        thing = tmp_path / Path(*Path(name).parts[: 1 if name.startswith("apt") else 2])
        os.utime(thing, (0, time.time() - days * DAY_S))
    return tmp_path


def left(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}


def test_what_was_not_used_for_longest_goes_first(cache: Path) -> None:
    prune(cache, most_bytes=int(2.5 * MB))
    assert left(cache) == {"debs/new.deb", "unpacked/tree/usr/bin/x"}
    prune(cache, most_bytes=int(1.5 * MB))
    assert left(cache) == {"debs/new.deb"}
    assert {path.name for path in cache.iterdir()} == {"debs", "unpacked"}, "nothing lies about"


def test_what_was_used_again_stays(cache: Path) -> None:
    used(cache / "unpacked/tree", cache / "unpacked/missing")
    prune(cache, most_bytes=int(1.5 * MB))
    assert left(cache) == {"unpacked/tree/usr/bin/x"}


def test_what_somebody_may_still_read_stays_however_much_it_is(cache: Path) -> None:
    used(cache / "debs/new.deb", cache / "unpacked/tree", cache / "apt-armhf")
    prune(cache, most_bytes=0)
    assert len(left(cache)) == 3


def test_while_there_is_room_nothing_goes(cache: Path) -> None:
    prune(cache, most_bytes=4 * MB)
    assert len(left(cache)) == 3


def test_what_a_killed_process_left_goes_with_the_rest(cache: Path) -> None:
    (cache / "fetch-abc").mkdir()
    (cache / "fetch-abc/half.deb").write_bytes(b"x" * MB)
    os.utime(cache / "fetch-abc", (0, 0))
    prune(cache, most_bytes=int(3.5 * MB))
    assert not (cache / "fetch-abc").exists() and len(left(cache)) == 3
