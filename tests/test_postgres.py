"""The tests' own PostgreSQL server is gone when they are, however they ended."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

_STARTS = "from tests.postgres import Server; print(Server.started().folder, flush=True); input()"


@pytest.mark.slow
def test_a_server_ends_with_the_tests_that_were_killed_and_leaves_nothing() -> None:
    tests = subprocess.Popen(
        (sys.executable, "-c", _STARTS),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert tests.stdout is not None
    folder = Path(tests.stdout.readline().strip())
    server = Path("/proc") / (folder / "data/postmaster.pid").read_text().splitlines()[0]
    assert server.exists()
    tests.kill()
    tests.communicate()
    deadline = time.monotonic() + 30
    while (server.exists() or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.exists()
    assert not folder.exists()
