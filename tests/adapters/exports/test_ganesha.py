"""Whether the server is still at work in a tree, by what it has open; tests/world has the real one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.adapters.exports import ganesha_start
from boardgrid.adapters.exports.ganesha import holds_open
from boardgrid.adapters.exports.ganesha_server import GaneshaServer

BUSY = """
import os, sys
held = [os.open(tree, os.O_RDONLY) for tree in sys.argv[1:]]
many = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
print("busy", flush=True)
while True:
    for number in [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]:
        os.close(number)
"""


@contextmanager
def a_busy_server(*trees: Path) -> Iterator[Path]:
    """It opens and closes files all the time, as one does whose boards are at work."""
    with subprocess.Popen([sys.executable, "-c", BUSY, *trees], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "busy\n"
            yield Path(f"/proc/{process.pid}")
        finally:
            process.kill()


def test_a_tree_that_a_busy_server_has_left_is_told_as_left(tmp_path: Path) -> None:
    with a_busy_server() as process:
        assert not any(holds_open(process, tmp_path) for _again in range(50))


def test_a_tree_that_a_busy_server_holds_is_told_as_held(tmp_path: Path) -> None:
    with a_busy_server(tmp_path) as process:
        assert all(holds_open(process, tmp_path) for _again in range(50))


def test_of_a_server_that_is_not_there_nobody_can_tell(tmp_path: Path) -> None:
    assert holds_open(tmp_path / "4711", tmp_path)


def test_on_a_bare_machine_it_is_told_what_ganesha_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ganesha_start, "MOUNT_TABLE", tmp_path / "mtab")
    with pytest.raises(FileNotFoundError, match=f"make it: ln -s ../proc/self/mounts {tmp_path}/mtab"):
        ganesha_start.prepare(GaneshaServer(tmp_path, IPv4Address("10.20.0.1"), tmp_path / "bus"))
