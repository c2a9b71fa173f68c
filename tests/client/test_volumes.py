"""``boardgrid volume``: what is asked of the farm, and what is told of it."""

import pytest

from tests.client.conftest import Run
from tests.client.fake_farm import FakeFarm


def test_a_volume_is_waited_for_and_shown(farm: FakeFarm, run: Run) -> None:
    told = run("volume", "create", "home", "10GB")
    assert told.code == 0
    assert "home" in told.out and "10.0 GB" in told.out and "/home/ada" in told.out
    assert "is ready" in told.err


def test_one_that_comes_to_nothing_says_why(farm: FakeFarm, run: Run) -> None:
    farm.volume_reason = "the store is full"
    told = run("volume", "create", "home", "10GB")
    assert told.code == 6
    assert "the store is full (volume.failed)" in told.err


def test_a_size_is_said_as_people_say_it(farm: FakeFarm, run: Run) -> None:
    farm.volume("home")
    run("volume", "resize", "home", "1.5TB")
    assert farm.volumes["home"]["size_bytes"] == 1_500_000_000_000
    told = run("volume", "resize", "home", "large")
    assert told.code == 2 and "'large' is no size" in told.err


def test_removing_one_is_said_out_loud(farm: FakeFarm, run: Run) -> None:
    farm.volume("home")
    assert run("volume", "remove", "home").code == 2
    assert farm.volumes["home"]["state"] == "ready"
    assert run("volume", "remove", "home", "--yes").code == 0
    assert farm.volumes["home"]["state"] == "aside"


def test_who_mistypes_a_name_is_told_the_right_one(farm: FakeFarm, run: Run) -> None:
    farm.volume("robots-data")
    assert "did you mean robots-data?" in run("volume", "show", "robot-data").err


def test_who_has_none_is_told_how_to_make_one(farm: FakeFarm, run: Run) -> None:
    assert "boardgrid volume create" in run("volume", "list").err


@pytest.mark.parametrize(
    ("size", "told"), [("0", "'0' is no size that anything can have"), ("-5MB", "takes nothing below zero")]
)
def test_no_volume_is_of_nothing_or_less(farm: FakeFarm, run: Run, size: str, told: str) -> None:
    ended = run("volume", "create", "mine", size)
    assert (ended.code, told in ended.err) == (2, True), ended.err
    assert farm.asked == []
