"""Tests that are told to end clean up first, as at Ctrl-C: a job of a CI that is cancelled is told so."""

import signal
import subprocess
import sys
import time
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
TEST = """
import time
from pathlib import Path

import pytest


@pytest.fixture
def made():
    Path("made").touch()
    yield
    Path("made").unlink()


def test_takes_long(made):
    time.sleep(60)
"""


def test_a_run_that_is_ended_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_long.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:schemathesis", "-p", "no:cacheprovider"]
    run = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while not (tmp_path / "made").exists():
            assert run.poll() is None and time.monotonic() < end, run.communicate()
            time.sleep(0.02)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=30)
    finally:
        run.kill()
        run.wait()
    assert not (tmp_path / "made").exists()
