"""Images that are built and tested by the farm, and changed on a board."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boardgrid.client.complaint import ExitCode
from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm
from tests.client.ssh_lab import Lab, lab_of

Customise = Callable[..., subprocess.CompletedProcess[str]]


# --- build


def test_a_recipe_that_ships_is_told_by_its_name(farm: FakeFarm, run: Run) -> None:
    ended = run("image", "build", "debian-12", "--arch", "armhf", "--as", "base", "--shared", "-o", "name")
    assert (ended.code, ended.out) == (0, "base:1\n")
    asked = farm.images["base:1"]["asked"]
    assert asked == {"recipe": "debian-12", "text": None, "arch": "armhf", "name": "base", "shared": True, "site": None}


def test_a_recipe_of_ones_own_is_sent_whole(farm: FakeFarm, run: Run, tmp_path: Path) -> None:
    (tmp_path / "robot.toml").write_text('name = "robot"\n')
    assert run("image", "build", str(tmp_path / "robot.toml"), "--as", "robot").code == 0
    asked = farm.images["robot:1"]["asked"]
    assert (asked["recipe"], asked["text"]) == (None, 'name = "robot"\n')


def test_a_file_that_is_not_there_is_no_request(farm: FakeFarm, run: Run) -> None:
    ended = run("image", "build", "./robot.toml")
    assert ended.code == ExitCode.USAGE and "./robot.toml cannot be read" in ended.err
    assert not farm.images


def test_a_build_that_failed_ends_with_the_reason(farm: FakeFarm, run: Run) -> None:
    farm.image_state, farm.image_reason = "failed", "the script user failed"
    ended = run("image", "build", "debian-12", "--arch", "armhf")
    assert ended.code == ExitCode.FAILED and "the script user failed" in ended.err


def test_the_text_of_a_recipe_is_printed_as_it_is(farm: FakeFarm, run: Run) -> None:
    farm.recipe("debian-12")
    assert run("image", "recipes", "debian-12").out == 'name = "debian-12"\n'
    assert "debian-12" in run("image", "recipes").out


# --- test


def test_a_test_that_passed_is_shown_with_its_seconds_and_is_the_images_badge(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny")
    ended = run("image", "test", "tiny", "-t", "tk1")
    assert ended.code == 0 and "8 s" in ended.out
    assert "on tk1 (tk1-1) 20" in run("image", "show", "tiny").out
    console = run("image", "test", "tiny", "--console")
    assert console.out.startswith("== tk1-1") and console.out.endswith("login:\n")


def test_a_test_that_failed_ends_so(farm: FakeFarm, run: Run) -> None:
    farm.image("tiny")
    farm.boots = False
    ended = run("image", "test", "tiny")
    assert ended.code == ExitCode.FAILED and "no SSH" in ended.err
    assert "FAILED on tk1 (tk1-1)" in run("image", "show", "tiny").out


# --- customise, on a board behind real SSH servers that really runs what it is told


@pytest.fixture
def lab(farm: FakeFarm, key_file: Path, tmp_path: Path) -> Iterator[Lab]:
    for folder in ("tmp", "home"):
        (tmp_path / folder).mkdir()
    farm.board("tk1-1", facts={"arch": "armhf"})
    farm.image("tiny", manifest={"arch": "armhf"})
    with lab_of(farm, key_file) as lab:
        lab.home = tmp_path / "home"
        yield lab


@pytest.fixture
def customise(farm: FakeFarm, lab: Lab, key_file: Path, tmp_path: Path) -> Customise:
    told = {"BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "TMPDIR": str(tmp_path / "tmp"), "SSH_AUTH_SOCK": ""}

    def customise(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "boardgrid.client", "customise", "tiny", "--as", "mine"]
        return subprocess.run(
            [*argv, "--identity", str(key_file), *words], cwd=tmp_path, env={**os.environ, **told}, input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return customise


@pytest.mark.slow
def test_what_a_script_did_is_kept_as_an_image(farm: FakeFarm, customise: Customise, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("echo changed >notes\n")
    done = customise("--script", "setup.sh", "-o", "name")
    assert (done.returncode, done.stdout) == (0, "mine:1\n"), done.stderr
    assert (tmp_path / "home" / "work" / "notes").read_text() == "changed\n"
    ended = farm.reservations[7]
    assert (ended["state"], ended["fate"], ended["name"]) == ("ended", "keep", "mine")
    assert ended["asked"]["where"] == 'arch == "armhf"'


@pytest.mark.slow
def test_where_it_fails_nothing_is_kept_and_its_status_is_the_commands(farm: FakeFarm, customise: Customise) -> None:
    done = customise("--", "exit 7")
    assert done.returncode == 7 and "nothing was kept" in done.stderr
    assert farm.reservations[7]["fate"] == "discard" and "mine:1" not in farm.images


@pytest.mark.slow
def test_a_virtual_board_is_taken_before_a_real_one(farm: FakeFarm, customise: Customise) -> None:
    farm.boards["tk1-1"]["tags"] = ["virtual"]
    assert customise("--script", "-", stdin="true\n").returncode == 0
    assert farm.reservations[7]["asked"]["where"] == 'arch == "armhf" and tag("virtual")'


@pytest.mark.parametrize("words", [["--script", "x", "--", "true"], []])
def test_what_is_to_be_done_must_be_clear(farm: FakeFarm, run: Run, words: list[str]) -> None:
    ended = run("customise", "tiny", "--as", "mine", *words)
    assert ended.code == ExitCode.USAGE and not farm.reservations


@pytest.mark.parametrize(
    ("name", "put", "code"),
    [
        ("Bad_Name!", [], "name.invalid"),
        ("theirs", [], "name.taken"),
        ("mine", ["--put", "/nosuch"], "request.invalid"),
    ],
)
def test_what_can_never_be_kept_or_put_is_refused_before_a_board_is_reserved(
    farm: FakeFarm, run: Run, name: str, put: list[str], code: str
) -> None:
    farm.board("tk1-1", facts={"arch": "armhf"})
    farm.image("tiny", manifest={"arch": "armhf"})
    farm.image("theirs", owner="bob")
    ended = run("customise", "tiny", "--as", name, *put, "--", "true")
    assert f"({code})" in ended.err
    assert not farm.reservations
