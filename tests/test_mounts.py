"""A machine's table of mounts, whatever its mounts are called."""

from pathlib import Path

import pytest

from boardgrid.mounts import mount_options, mount_points

LINE = b"36 25 0:31 / %s rw,relatime shared:9 - tmpfs tmpfs rw,size=1m\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "mountinfo"


@pytest.mark.parametrize(
    ("told", "point"),
    [
        (b"/srv/lab", "/srv/lab"),
        (b"/srv/a\\040b\\134c\\011d\\012e", "/srv/a b\\c\td\ne"),
        ("/srv/démo".encode(), "/srv/démo"),
        ("/srv/démo\\040\u2028\x85\f\rx".encode(), "/srv/démo \u2028\x85\f\rx"),
        (b"/srv/n\xff", "/srv/n\udcff"),
    ],
    ids=["plain", "escaped", "not ascii", "other ends of lines", "no text"],
)
def test_a_mount_point_is_the_path_that_python_has_for_it_and_hides_no_other(
    table: Path, told: bytes, point: str
) -> None:
    table.write_bytes(LINE % told + LINE % b"/after")
    assert mount_points(table) == {point, "/after"}
    assert mount_options(point, table) == ["rw", "size=1m"]


def test_our_own_mounts_are_told() -> None:
    assert "/proc" in mount_points()
