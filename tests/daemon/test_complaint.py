"""The server's program complains as the command line does, whose words people typed."""

import subprocess
import sys
from pathlib import Path

import pytest

from boardgrid.api.problem import STATUS
from boardgrid.client.complaint import Complaint, ExitCode
from boardgrid.daemon.complaint import EXIT_CODES, exit_code_of
from boardgrid.model.errors import Code, FarmError


@pytest.mark.parametrize("kind", FarmError.__subclasses__())
def test_each_kind_of_complaint_ends_as_it_does_when_the_api_tells_it(kind: type[FarmError]) -> None:
    told_by_the_api = Complaint("something", "something", status=STATUS[kind])
    assert exit_code_of(kind(Code.BUG, "something")) == told_by_the_api.exit_code
    assert set(EXIT_CODES) == set(FarmError.__subclasses__())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["admin", "create", "x"], marks=pytest.mark.slow, id="admin create x"),
        pytest.param(["up"], id="up"),
        pytest.param(["up", "--detach"], marks=pytest.mark.slow, id="up --detach"),
    ],
)
@pytest.mark.slow
def test_a_config_that_is_not_there_is_usage_with_its_code_and_no_bug(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "boardgrid.client", *words, "--config", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith(f"error: {tmp_path}/none.toml: cannot be read: No such file or directory")
    assert "(config.invalid)" in done.stderr
