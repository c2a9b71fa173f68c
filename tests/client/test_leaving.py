"""Ctrl-C: who leaves is told in one line what goes on without them, or what was given back."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boardgrid.client.complaint import ExitCode
from tests.client.fake_farm import TOKEN, FakeFarm

Left = Callable[..., str]


@pytest.fixture
def left(farm: FakeFarm, eventually: Callable[[Callable[[], bool]], None], tmp_path: Path) -> Left:
    """What a command says that is left by Ctrl-C once it asks the farm how far something is."""
    farm.is_slow = True
    farm.deploy = lambda farm, reservation: farm.tell(reservation["number"], "tk1-1", "clone", "began")
    farm.board("tk1-1", facts={"arch": "armhf"})
    farm.image("tiny", manifest={"arch": "armhf"})

    def left(*words: str, asks: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "boardgrid.client", *words],
            env={**os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                eventually(lambda: any(method == "GET" and path.startswith(asks) for method, path in farm.asked))
                process.send_signal(signal.SIGINT)
                out, said = process.communicate(timeout=30)
            finally:
                process.kill()
        assert (process.returncode, out) == (ExitCode.INTERRUPTED, "")
        return said

    return left


@pytest.mark.parametrize(
    ("words", "asks", "told"),
    [
        (
            ["image", "test", "tiny"],
            "reservations/",
            "the farm goes on trying tiny:1, and gives the boards back; `boardgrid image show tiny:1` tells",
        ),
        (
            ["image", "verify", "tiny"],
            "errands/",
            "the farm goes on reading what was asked for; `boardgrid image show IMAGE` tells what it found",
        ),
        (
            ["image", "export", "tiny", "tiny.tar"],
            "errands/",
            "the export of tiny:1 is given up, and tiny.tar was not written",
        ),
    ],
)
def test_what_goes_on_and_what_does_not_is_told(left: Left, farm: FakeFarm, words: Any, asks: str, told: str) -> None:
    assert left(*words, asks=asks) == f"{told}\n"
    assert bool(farm.errands) == ("verify" in words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "tk1-1 was given back, and no image was made"),
        (["--aside"], "tk1-1 was given back; a root that was written to is kept aside: `boardgrid root list`"),
    ],
)
def test_who_customises_no_more_hears_that_the_board_was_given_back(
    left: Left, farm: FakeFarm, words: list[str], told: str
) -> None:
    said = left("customise", "tiny", "--as", "mine", *words, "--", "true", asks="events")
    assert said.splitlines()[-1] == told
    assert farm.reservations[7]["state"] == "ended"
