"""The port mapper of a farm's own NFS server: where it can be reached."""

import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from boardgrid.adapters.exports.ganesha_server import GaneshaServer

pytestmark = pytest.mark.world
BOARDS, ELSEWHERE = "10.77.0.1", "192.168.77.1"
_SITE = f"""
ip link set lo up
ip link add boards type bridge; ip addr add {BOARDS}/24 dev boards; ip link set boards up
ip link add office type bridge; ip addr add {ELSEWHERE}/24 dev office; ip link set office up
mount -t tmpfs tmpfs /run
exec "$@"
"""
_APART = ("unshare", "--net", "--mount", "--propagation", "private")


@pytest.fixture
def mapper(tmp_path: Path) -> Iterator[int]:
    """The process, on a machine with two networks."""
    words = GaneshaServer(tmp_path, IPv4Address(BOARDS), tmp_path / "bus").port_mapper
    with subprocess.Popen([*_APART, "sh", "-euc", _SITE, "sh", *words]) as running:
        try:
            end = time.monotonic() + 30
            while b"rpcbind" not in Path(f"/proc/{running.pid}/cmdline").read_bytes() or not asked(running.pid, BOARDS):
                assert running.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            yield running.pid
        finally:
            running.kill()


def asked(mapper: int, address: str, transport: str = "tcp") -> bool:
    enter = ("nsenter", f"--target={mapper}", "--net", "--mount", "--root")
    words = ("rpcinfo", "-a", f"{address}.0.111", "-T", transport, "portmapper")
    done = subprocess.run([*enter, "timeout", "3", *words], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_boards_reach_it_by_the_sites_address_and_nobody_by_another(mapper: int, transport: str) -> None:
    assert asked(mapper, BOARDS, transport)
    assert not asked(mapper, ELSEWHERE, transport)
    assert not asked(mapper, "127.0.0.1", transport)


def test_no_socket_of_it_listens_on_all_addresses(mapper: int) -> None:
    for table in ("tcp", "udp", "tcp6", "udp6"):
        for line in Path(f"/proc/{mapper}/net/{table}").read_text().splitlines()[1:]:
            address, _colon, _port = line.split()[1].partition(":")
            assert int(address, 16) != 0, f"{table}: {line}"
