"""Who waits for a board on which nothing happens is told why, where the farm knows."""

from collections.abc import Iterator
from typing import Any

import pytest

from boardgrid.client.farm import Farm
from boardgrid.client.silence import Silence
from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm


@pytest.fixture
def site(farm: FakeFarm) -> dict[str, Any]:
    farm.board("tk1-1")
    farm.sites.append({"name": "lab", "agent_seen_s": 3.0, "trouble": ""})
    return farm.sites[0]


@pytest.fixture
def silence(farm: FakeFarm, site: dict[str, Any]) -> Iterator[Silence]:
    with Farm(farm.url, TOKEN) as ada:
        yield Silence(ada, "tk1-1", after_s=0)


def test_an_agent_that_is_not_heard_is_named_once(site: dict[str, Any], silence: Silence) -> None:
    site["agent_seen_s"] = 43.0
    assert silence.reason() == "the agent of lab was last heard 43 s ago: does it run there?"
    site["agent_seen_s"] = 48.0
    assert silence.reason() is None


def test_an_agent_that_never_came_is_named(site: dict[str, Any], silence: Silence) -> None:
    site["agent_seen_s"] = None
    assert silence.reason() == "the agent of lab was never heard: does it run there?"


def test_the_trouble_of_a_site_is_told_each_time_that_it_changes(site: dict[str, Any], silence: Silence) -> None:
    site["trouble"] = "the NFS server does not answer"
    assert silence.reason() == "lab is in trouble: the NFS server does not answer"
    site["trouble"] = "the store is full"
    assert silence.reason() == "lab is in trouble: the store is full"
    site["trouble"] = ""
    assert silence.reason() is None
    site["trouble"] = "the store is full"
    assert silence.reason() is not None


def test_a_board_that_takes_its_time_on_a_site_that_is_well_is_no_news(silence: Silence) -> None:
    assert silence.reason() is None


def test_the_farm_is_asked_only_after_a_silence(farm: FakeFarm, site: dict[str, Any]) -> None:
    with Farm(farm.url, TOKEN) as ada:
        assert Silence(ada, "tk1-1").reason() is None
    assert farm.asked == []


@pytest.mark.slow
def test_reserve_does_not_wait_in_silence_for_a_dead_agent(farm: FakeFarm, site: dict[str, Any], run: Run) -> None:
    farm.deploy = lambda _farm, _reservation: None
    site["agent_seen_s"] = 600.0
    ended = run("reserve", "tk1-1", "--image", "tiny", "--timeout", "13s")
    assert ended.code == 7
    assert ended.err.count("the agent of lab was last heard 10 min ago") == 1
