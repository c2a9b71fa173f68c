"""The kernel's NFS server keeps the contract of the port, on the kernel that Debian's users have."""

import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.world.exports_guest import Guest

PROJECT = Path(__file__).parents[2]
pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def guest() -> Guest:
    return Guest.made(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "boardgrid")


def test_the_kernels_server_keeps_the_contract_and_keeps_strangers_out(guest: Guest, tmp_path: Path) -> None:
    files = ("tests/contract/test_exports.py", "tests/world/test_exports_boards.py", "tests/world/test_exports_evil.py")
    there = [file for file in files if (PROJECT / file).exists()]
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--timeout=300", "--junitxml=/run/out/junit.xml"]
    status = guest.run(PROJECT, tmp_path, *words, *there, timeout_s=900)
    log = (tmp_path / "log").read_text(errors="replace")
    print(log)
    assert status == 0, log[-8000:]
    proved = {str(case.get("name")) for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}
    assert {name for name in proved if "knfsd" in name} == proved, "something else than the kernel's server was tried"
    assert len(proved) > 10
