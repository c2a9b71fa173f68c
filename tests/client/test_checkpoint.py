"""A checkpoint, as the command line asks for it."""

import pytest

from tests.client.conftest import Run
from tests.client.fake_farm import FakeFarm


@pytest.fixture
def held(farm: FakeFarm) -> FakeFarm:
    farm.reservations[7] = {
        "number": 7, "user": "ada", "board": "tk1-2", "state": "running", "ended_because": "", "deployment": None,
        "start": "2026-01-01T12:00:00Z", "end": "2031-01-01T12:00:00Z", "boards": ["tk1-2"], "members": [],
    }  # fmt: skip
    return farm


@pytest.mark.parametrize("wait", ["--wait", "--no-wait"])
def test_it_is_asked_for_waited_for_and_said_to_be_crash_consistent(held: FakeFarm, run: Run, wait: str) -> None:
    ran = run("save", "tk1-2", "--as", "mine", "--checkpoint", wait)
    assert (ran.code, "mine:1" in ran.out) == (0, True)
    assert "crash consistent" in ran.err
    assert ("is ready" in ran.err) is (wait == "--wait")


def test_a_board_is_not_released_by_what_does_not_stop_it(held: FakeFarm, run: Run) -> None:
    ran = run("save", "tk1-2", "--as", "mine", "--checkpoint", "--release")
    assert (ran.code, "exclude each other" in ran.err) == (2, True)
