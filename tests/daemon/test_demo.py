"""The newcomer's two commands, as they are typed, below a folder that others cannot enter."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from boardgrid.daemon.state import StateFolder
from boardgrid.demo.__main__ import main
from boardgrid.demo.remains import remains_of
from boardgrid.demo.stage import MARK, Stage
from boardgrid.model.errors import Invalid

PATIENCE_S = 900
MAKEFILE = Path(__file__).parents[2] / "Makefile"
ROOT = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--")


def demo(verb: str, folder: Path, under: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """
    From the folder above, as make does, and *under* other programs. Its output goes into pipes, which it must not leave
    to the farm that runs on.

    Root's own files are nobody else's, as on many machines.
    """
    return subprocess.run(
        [*under, sys.executable, "-m", "boardgrid.demo", verb, folder.name],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        umask=0o077,
    )


def here(verb: str, folder: Path, *more: str) -> Result:
    """The same in this process, where it refuses or is done at once."""
    return CliRunner().invoke(main, [verb, *more, str(folder)], catch_exceptions=False)


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    up, down = here("up", tmp_path), here("down", tmp_path)
    assert (up.exit_code, down.exit_code) == (1, 1)
    assert f"{tmp_path} is not empty, and no demo's" in up.stderr
    assert f"{tmp_path} is no demo's, so it is left as it is" in down.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_is_no_folder_for_a_demo(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("read me")
    for done in (here("up", file), here("down", file), here("up", file / "demo")):
        assert (done.exit_code, "cannot be a demo's folder: Not a directory" in done.stderr) == (1, True)
        assert str(file) in done.stderr
    assert file.read_text() == "read me"


def test_an_arm64_board_is_added_to_a_demo_that_runs_and_to_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    done = here("extra", tmp_path, "arm64")
    assert (done.exit_code, f"no demo runs in {tmp_path}" in done.stderr) == (1, True)
    assert f"make demo DEMO={tmp_path} starts one" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_told_in_a_sentence(tmp_path: Path) -> None:
    up = demo("up", tmp_path / "demo", under=("prlimit", "--fsize=0"))
    assert (up.returncode, "the demo in demo cannot go on: File too large" in up.stderr) == (1, True)
    assert "Traceback" not in up.stderr


@pytest.mark.slow
def test_a_demo_that_stops_tells_where_it_plays_and_how_it_goes_on_in_the_words_that_were_typed(tmp_path: Path) -> None:
    up = demo("up", tmp_path / "my demo", under=("env", "PATH=/nowhere"))
    assert (up.returncode, up.stdout) == (1, "BoardGrid demo in my demo\n\n")
    assert "The demo stopped: ssh-keygen could not start" in up.stderr
    assert f"Logs lie in {tmp_path}/my demo/log." in up.stderr
    assert "`make demo DEMO='my demo'` goes on from here, `make demo-down DEMO='my demo'` ends it." in up.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Where make says what it would do: a Python that tells its words, and no environment."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "python $*"\n')
    python.chmod(0o755)
    return tmp_path


def make_demo_down(checkout: Path) -> "subprocess.CompletedProcess[str]":
    argv = [*ROOT, "make", "-f", str(MAKEFILE), "demo-down", "MAKE=echo make"]
    environment = {"PATH": os.environ["PATH"]}  # it may be another make that runs the tests
    return subprocess.run(argv, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("laid", ["", "make -s setup\n"], ids=["environment", "none"])
def test_a_demo_is_ended_also_where_the_environment_has_gone(checkout: Path, laid: str) -> None:
    (checkout / ".demo").mkdir()
    if not laid:
        (checkout / ".venv" / ".ready").touch()
    done = make_demo_down(checkout)
    assert (done.returncode, done.stdout) == (0, f"{laid}python -m boardgrid.demo down .demo\n")


def test_where_no_demo_was_ever_made_nothing_is_needed_to_say_so(checkout: Path) -> None:
    done = make_demo_down(checkout)
    assert (done.returncode, done.stdout) == (0, "There is no demo in .demo.\n")


def begun(folder: Path) -> Stage:
    stage = Stage(folder)
    with stage.alone():
        stage.set()
    return stage


def test_a_folder_too_deep_for_unix_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="too long for a Unix socket"):
        begun(tmp_path / ("d" * 100))


@pytest.mark.slow
def test_the_farms_other_users_read_the_config_whatever_roots_own_files_are_like(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100)
    assert demo("up", folder).returncode == 1  # as above; by then the config is written
    assert (folder / "boardgrid.toml").stat().st_mode & 0o777 == 0o644
    assert folder.stat().st_mode & 0o777 == 0o755


def test_ending_a_demo_that_is_not_there_says_so(tmp_path: Path) -> None:
    down = here("down", tmp_path / "nowhere")
    assert (down.exit_code, down.stdout) == (0, f"There is no demo in {tmp_path}/nowhere.\n")


def test_a_demo_that_was_only_begun_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    begun(folder)
    assert Stage(folder).file.read_text().startswith(MARK)
    assert here("down", folder).exit_code == 0
    assert not folder.exists()


def test_a_demo_that_was_killed_at_its_first_file_is_removed_or_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "boardgrid.new").touch()
    begun(folder)
    assert folder.joinpath("boardgrid.toml").read_text().startswith(MARK)
    folder.joinpath("boardgrid.toml").rename(folder / "boardgrid.new")
    (folder / "demo").rmdir()
    assert here("down", folder).exit_code == 0
    assert not folder.exists()


REMOVES_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from boardgrid.demo.stage import Stage
def kill(event, words):
    if event == "os.remove" and Path(words[0]).name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
Stage(Path(sys.argv[1])).strike()
"""


@pytest.fixture(params=["store", "boardgrid.old"])
def half_removed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A demo whose removal was killed, in the middle or just before its last file."""
    folder = begun(tmp_path / "demo").folder
    (folder / "agent").mkdir()
    (folder / "agent" / "store").touch()
    removing = subprocess.run([sys.executable, "-c", REMOVES_AND_IS_KILLED, str(folder), request.param], check=False)
    assert removing.returncode == -signal.SIGKILL
    assert any(folder.iterdir())
    return folder


def test_a_demo_whose_removal_was_killed_is_removed(half_removed: Path) -> None:
    down = here("down", half_removed)
    assert (down.exit_code, down.stderr) == (0, "")
    assert not half_removed.exists()


def test_a_demo_whose_removal_was_killed_begins_anew(half_removed: Path) -> None:
    again = begun(half_removed)
    assert {path.name for path in again.folder.iterdir()} == {"boardgrid.toml", "demo"}


def test_a_demo_that_is_under_way_is_not_removed(tmp_path: Path) -> None:
    stage = begun(tmp_path / "demo")
    with stage.alone():
        for verb in ("up", "down"):
            done = here(verb, stage.folder)
            assert done.exit_code == 1
            assert f"another make demo is under way on {stage.folder}" in done.stderr
    assert stage.is_ours
    assert stage.file.exists()


def test_a_demo_is_removed_also_by_a_link_to_its_folder(tmp_path: Path) -> None:
    stage = begun(tmp_path / "demo")
    (tmp_path / "link").symlink_to(stage.folder)
    down = here("down", tmp_path / "link")
    assert (down.exit_code, down.stderr) == (0, "")
    assert not stage.folder.exists()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    demo("down", tmp_path / "demo")


def killed_at(piece: str, folder: Path) -> None:
    """A demo that is killed as it begins *piece*, and what it has started for that goes on or not, as it may be."""
    with subprocess.Popen(
        [sys.executable, "-m", "boardgrid.demo", "up", str(folder)], stdout=subprocess.PIPE, text=True, bufsize=0
    ) as running:
        assert running.stdout is not None
        said = ""
        while not said.endswith(f"  {piece}"):
            letter = running.stdout.read(1)
            assert letter, said
            said += letter
        running.kill()


@pytest.mark.boards
@pytest.mark.world
@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE_S)
def test_a_demo_that_was_killed_at_each_of_its_pieces_is_mended(folder: Path) -> None:
    for piece in ("what boards boot", "the farm", "people", "boards", "an image", "a reservation"):
        killed_at(piece, folder)
    mended = demo("up", folder)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "BOARD=tk1-1" in mended.stdout


@pytest.mark.boards
@pytest.mark.world
@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE_S)
def test_the_demo_ends_on_a_board_is_repeated_mended_and_removed(folder: Path) -> None:
    first = demo("up", folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.startswith("BoardGrid demo in demo\n")
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
