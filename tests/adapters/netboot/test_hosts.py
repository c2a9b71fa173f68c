import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.testing import a_board

BOARD = a_board(1)


@pytest.fixture
def dnsmasq(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that name, which ends when it is told anything."""
    sleep = shutil.which("sleep")
    assert sleep
    shutil.copy(sleep, tmp_path / "dnsmasq")
    with subprocess.Popen([tmp_path / "dnsmasq", "600"]) as process:
        try:
            # The kernel gives it its name a moment after it has begun.
            until = time.monotonic() + 30
            while Path(f"/proc/{process.pid}/comm").read_text() != "dnsmasq\n":
                assert time.monotonic() < until
                time.sleep(0.01)
            (tmp_path / "pid").write_text(f"{process.pid}\n")
            yield process
        finally:
            process.kill()


@pytest.fixture
def hosts(tmp_path: Path) -> DhcpHosts:
    return DhcpHosts(tmp_path / "hosts", tmp_path / "pid")


def test_a_new_board_is_found_by_dnsmasq_itself(hosts: DhcpHosts, dnsmasq: subprocess.Popen[bytes]) -> None:
    hosts.put(BOARD)
    hosts.put(BOARD)
    assert dnsmasq.poll() is None


def test_dnsmasq_is_told_of_a_board_that_changed(hosts: DhcpHosts, dnsmasq: subprocess.Popen[bytes]) -> None:
    hosts.put(BOARD)
    hosts.put(replace(BOARD, address=IPv4Address("10.20.0.50")))
    assert dnsmasq.wait(60) == -signal.SIGHUP


def test_dnsmasq_is_told_of_a_board_that_left(hosts: DhcpHosts, dnsmasq: subprocess.Popen[bytes]) -> None:
    hosts.put(BOARD)
    hosts.remove(BOARD.name)
    assert dnsmasq.wait(60) == -signal.SIGHUP


def test_a_process_that_only_has_the_number_is_left_alone(hosts: DhcpHosts, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (tmp_path / "pid").write_text(f"{stranger.pid}\n")
        hosts.put(BOARD)
        hosts.remove(BOARD.name)
        assert stranger.poll() is None
        stranger.kill()


def test_without_dnsmasq_nothing_has_to_be_told(hosts: DhcpHosts) -> None:
    hosts.put(BOARD)
    hosts.remove(BOARD.name)
    hosts.remove(BOARD.name)
    assert hosts.all() == {}


def test_what_is_not_a_host_file_of_the_farm_is_passed_over(hosts: DhcpHosts) -> None:
    hosts.put(BOARD)
    (hosts.folder / "tk1-2").write_text("52:54:00:00:00:02,10.20.0.12,tk1-9\n")
    (hosts.folder / "tk1-3").write_bytes(b"\xff\xfe")
    (hosts.folder / ".tk1-4.new").write_text("half")
    (hosts.folder / "tk1-5").write_text("52:54:00:00:00:05,10.20.0.999,tk1-5\n")
    assert set(hosts.all()) == {"tk1-1"}
