"""The server's program where it refuses: as somebody who may not, or where a farm runs already."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.daemon.state import StateFolder

# Whoever runs the tests. Nobody may still read: the checkout can lie in a folder that is closed to others.
_READS = "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"
NOBODY = ("setpriv", "--reuid=65534", "--clear-groups", *_READS, "--") if os.geteuid() == 0 else ()
ROOT = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--")


@pytest.fixture
def config() -> Iterator[Path]:
    # Not below pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "boardgrid.toml"
        file.write_text("[lab]\nvirtual = true\n")
        yield file


def up(config: Path, *words: str, who: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    argv = (*who, sys.executable, "-m", "boardgrid.daemon.main", "up", "--config", str(config), *words)
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--detach",)], ids=["here", "detached"])
def test_a_farm_is_started_by_root_alone_and_nothing_is_touched_for_others(config: Path, words: tuple[str]) -> None:
    refused = up(config, *words, who=NOBODY)
    assert refused.returncode == 4, "denied, as the command line has it"
    assert refused.stderr.startswith("error: a farm is started by root")
    assert f"sudo boardgrid up --config {config}" in refused.stderr
    assert list(config.parent.iterdir()) == [config]


@pytest.mark.slow
def test_a_second_farm_on_a_folder_is_refused_before_it_opens_the_firsts_log(config: Path) -> None:
    with StateFolder(config.parent).locked():
        refused = up(config, who=ROOT)
    assert refused.returncode == 5, "conflict, as the command line has it"
    assert f"error: a farm already runs on {config.parent} (process {os.getpid()})" in refused.stderr
    assert not (config.parent / "log").exists()
