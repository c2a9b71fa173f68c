"""A checkpoint, as the command line asks for it."""

import pytest

from boardgrid.client.checkpoint import checkpoint
from boardgrid.client.farm import Farm
from boardgrid.client.seat import Seat
from boardgrid.client.which import meant
from tests.client.fake_farm import TOKEN, FakeFarm


@pytest.mark.parametrize("wait", [True, False])
def test_it_is_asked_for_waited_for_and_said_to_be_crash_consistent(
    farm: FakeFarm, wait: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.reservations[7] = {
        "number": 7, "user": "ada", "board": "tk1-2", "state": "running", "ended_because": "", "deployment": None,
        "start": "2026-01-01T12:00:00Z", "end": "2031-01-01T12:00:00Z", "boards": ["tk1-2"], "members": [],
    }  # fmt: skip
    with Farm(farm.url, TOKEN) as asked:
        made = checkpoint(Seat(), asked, meant(asked, "tk1-2"), "mine", wait=wait, timeout_s=30)
    assert made.ref == "mine:1"
    told = capsys.readouterr().err
    assert "crash consistent" in told
    assert ("is ready" in told) is wait
