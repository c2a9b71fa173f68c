"""The kernel's NFS server keeps the contract of the port, on the kernel that Debian's users have."""

import os
import sys
from pathlib import Path

import pytest

from tests.world.exports_guest import Guest

PROJECT = Path(__file__).parents[2]
TESTS = (
    "contract/test_exports.py",
    "world/test_exports_boards.py",
    "world/test_exports_evil.py",
    "world/exports_mounted.py",
)
LIMIT_S = 2400
pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(LIMIT_S + 600)]


def test_the_kernels_server_keeps_the_contract_and_keeps_strangers_out(tmp_path: Path) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "boardgrid"
    # Loading what the tests do not need takes long in a machine that is all software.
    words = ["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", sys.executable, "-m", "pytest", "-p", "pytest_asyncio.plugin"]
    words += [
        "-p",
        "pytest_timeout",
        "-p",
        "no:cacheprovider",
        "--timeout=600",
        "-v",
        *(f"tests/{file}" for file in TESTS),
    ]

    status = Guest.made(cache).run(PROJECT, tmp_path, *words, timeout_s=LIMIT_S)

    log = (tmp_path / "log").read_text(errors="replace")
    assert status == 0, log[-20_000:]
    for file in TESTS:
        assert f"tests/{file}::" in log
    assert "[knfsd" in log
    assert "[ganesha" not in log
