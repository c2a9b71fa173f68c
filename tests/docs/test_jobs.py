"""The jobs of a CI that the how-tos show: they are YAML, and their lines do what is said, against a farm."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.client.conftest import farm, key_file
from tests.client.fake_farm import TOKEN, FakeFarm
from tests.client.ssh_lab import lab_of

__all__ = ["farm", "key_file"]  # fixtures

HOWTO = Path(__file__).parents[2] / "docs/howto"
FAULTS = [200, 201, 202, 203]


def shown(page: str) -> Any:
    text = (HOWTO / page).read_text("utf-8")
    return yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])


def gitlab() -> tuple[dict[str, Any], str]:
    job: dict[str, Any] = shown("use-in-gitlab-ci.md")["board test"]
    return job, "\n".join([*job["before_script"], *job["script"]])


def github() -> str:
    steps = shown("use-in-github-actions.md")["jobs"]["test"]["steps"]
    [script] = [step["run"] for step in steps if "run" in step]
    return str(script)


@pytest.fixture
def runner(farm: FakeFarm, key_file: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a runner, in a folder with a build; its farm has a board that really runs its test."""
    (tmp_path / "home").mkdir()
    (tmp_path / "build").mkdir()
    test = tmp_path / "build" / "test.sh"
    test.write_text("#!/bin/sh\nmkdir -p results; echo '<testsuite/>' >results/one.xml; exit 3\n")
    test.chmod(0o755)
    farm.board("tk1-1")
    farm.image("debian-12")
    with lab_of(farm, key_file) as lab:
        lab.home = tmp_path / "home"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        yield {
            **os.environ, "PATH": path, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "SSH_AUTH_SOCK": "",
        }  # fmt: skip


def run(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_jobs_that_are_shown_are_whole_and_retry_the_farms_faults_alone() -> None:
    job, script = gitlab()
    assert job["retry"]["exit_codes"] == FAULTS
    assert "boardgrid run" in script
    assert "|".join(str(code) for code in FAULTS) in github()


@pytest.mark.slow
def test_the_job_for_gitlab_ends_as_its_test_does_with_results_and_log(
    farm: FakeFarm, runner: dict[str, str], key_file: Path, tmp_path: Path
) -> None:
    key_file.chmod(0o644)  # as GitLab writes variables of the type File
    done = run(gitlab()[1], tmp_path, {**runner, "BOARDGRID_SSH_KEY": str(key_file)})
    assert done.returncode == 3, done.stderr
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert (tmp_path / "results" / "one.xml").exists()
    assert list(tmp_path.glob("boardgrid-console-*.log"))
    assert farm.reservations[7]["state"] == "ended"


@pytest.mark.slow
def test_the_step_for_github_tries_again_what_the_farm_is_to_blame_for(
    farm: FakeFarm, runner: dict[str, str], key_file: Path, tmp_path: Path
) -> None:
    def fails_once(farm: FakeFarm, reservation: dict[str, Any]) -> None:
        farm.deploy = FakeFarm.opened
        farm.failed(reservation)
        farm.boards["tk1-1"]["state"] = "free"

    farm.deploy = fails_once
    done = run(github(), tmp_path, {**runner, "BOARDGRID_SSH_KEY": key_file.read_text(), "TMPDIR": str(tmp_path)})
    assert done.returncode == 3, done.stderr
    assert "try 1: not the test's fault (200)" in done.stdout
    assert (tmp_path / "results" / "one.xml").exists()
    assert sorted(farm.reservations) == [7, 8]
    assert not list(tmp_path.glob("tmp.*"))
