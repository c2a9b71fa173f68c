"""The newcomer's two commands, as they are typed, below a folder that others cannot enter."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.daemon.state import StateFolder
from boardgrid.demo.remains import remains_of
from boardgrid.demo.stage import MARK, Stage
from boardgrid.model.errors import Invalid

PATIENCE_S = 900


def demo(verb: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Its output goes into pipes, which it must not leave to the farm that runs on."""
    return subprocess.run(
        [sys.executable, "-m", "boardgrid.demo", verb, str(folder)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    up, down = demo("up", tmp_path), demo("down", tmp_path)
    assert (up.returncode, down.returncode) == (1, 1)
    assert f"{tmp_path} is not empty, and no demo's" in up.stderr
    assert f"{tmp_path} is no demo's, so it is left as it is" in down.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_folder_too_deep_for_unix_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="too long for a Unix socket"):
        Stage(tmp_path / ("d" * 100)).set()


def test_ending_a_demo_that_is_not_there_says_so(tmp_path: Path) -> None:
    down = demo("down", tmp_path / "nowhere")
    assert (down.returncode, down.stdout) == (0, f"There is no demo in {tmp_path}/nowhere.\n")


def test_a_demo_that_was_only_begun_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    Stage(folder).set()
    assert Stage(folder).file.read_text().startswith(MARK)
    assert demo("down", folder).returncode == 0
    assert not folder.exists()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    demo("down", tmp_path / "demo")


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE_S)
def test_the_demo_ends_on_a_board_is_repeated_mended_and_removed(folder: Path) -> None:
    first = demo("up", folder)
    assert first.returncode == 0, first.stdout + first.stderr
    for seen in ("clone", "personalise", "export", "boot", "armv7l GNU/Linux", "BOARD=tk1-1", "nfs rw"):
        assert seen in first.stdout

    again = demo("up", folder)
    assert again.returncode == 0, again.stderr
    assert "tk1-1 is ada's already" in again.stdout

    # The farm falls with all its boards; the same command brings it back, ada's root with it.
    holder = StateFolder(folder).holder()
    assert holder is not None
    os.kill(holder, signal.SIGKILL)
    mended = demo("up", folder)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    deployment = next(line for line in first.stdout.splitlines() if "DEPLOYMENT=" in line)
    assert deployment in mended.stdout

    down = demo("down", folder)
    assert down.returncode == 0, down.stderr
    assert not folder.exists()
    assert remains_of(folder).are_none
