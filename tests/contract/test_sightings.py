"""What every answer to the port Sightings does: the fake, and the one that reads a log and the kernel's tables."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

import pytest

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.sightings import NetworkSightings
from boardgrid.model.errors import Blame, Fault
from boardgrid.ports import Sighting, Sightings, Sign
from boardgrid.testing import FakeSightings

BOARD, OTHER = IPv4Address("10.20.0.11"), IPv4Address("10.20.0.12")
_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class Network(Protocol):
    """What boards do, however it is seen."""

    @property
    def sightings(self) -> Sightings: ...

    def asks(self, board: IPv4Address) -> None: ...

    def fetches(self, board: IPv4Address, file: str) -> None: ...

    def mounts(self, board: IPv4Address, port: int) -> None: ...


@dataclass
class FakeNetwork:
    sightings: FakeSightings

    def asks(self, board: IPv4Address) -> None:
        self.sightings.happen(board, Sign.DHCP, str(board))

    def fetches(self, board: IPv4Address, file: str) -> None:
        self.sightings.happen(board, Sign.TFTP, file)

    def mounts(self, board: IPv4Address, port: int) -> None:
        self.sightings.peers.add((board, port))
        self.sightings.happen(board, Sign.NFS, f"port {port}")


@dataclass
class LoggedNetwork:
    sightings: NetworkSightings

    def asks(self, board: IPv4Address) -> None:
        self._log(f"dnsmasq-dhcp[7]: 3214 DHCPOFFER(br0) {board} 52:54:00:00:00:01 ")

    def fetches(self, board: IPv4Address, file: str) -> None:
        self._log(f"dnsmasq-tftp[7]: sent {self.sightings.tftp}/{board}/{file} to {board}")

    def mounts(self, board: IPv4Address, port: int) -> None:
        (table,) = self.sightings.tables
        peer = int.from_bytes(board.packed, "little")
        lines = table.read_text() if table.exists() else _HEAD
        table.write_text(lines + f"   0: 01001 4:0801 x\n   1: 0100140A:0801 {peer:08X}:{port:04X} 01 0:0 0:0 0 0 0\n")

    def _log(self, said: str) -> None:
        with self.sightings.log.open("a") as log:
            log.write(f"{time.strftime('%b %e %H:%M:%S')} {said}\n")


@pytest.fixture(params=["fake", "logged"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    if request.param == "fake":
        return FakeNetwork(FakeSightings())
    log, tables = tmp_path / "dnsmasq.log", (tmp_path / "tcp",)
    log.touch()
    return LoggedNetwork(NetworkSightings(BootClock(), log, Path("/srv/tftp"), lambda _mac: None, tables))


async def following(sightings: AsyncIterator[Sighting], number: int) -> list[tuple[IPv4Address, Sign, str]]:
    async with asyncio.timeout(30):
        seen = [await anext(sightings) for _each in range(number)]
    return [(one.board, one.sign, one.what) for one in seen]


async def test_who_watches_is_told_what_boards_do(network: Network) -> None:
    watched = network.sightings.watch()
    first = asyncio.create_task(following(watched, 1))
    await asyncio.sleep(0.05)
    network.asks(BOARD)
    assert await first == [(BOARD, Sign.DHCP, str(BOARD))]
    network.fetches(OTHER, "holding/vmlinuz")
    assert await following(watched, 1) == [(OTHER, Sign.TFTP, "holding/vmlinuz")]
    network.mounts(BOARD, 900)
    assert await following(watched, 1) == [(BOARD, Sign.NFS, "port 900")]


async def test_who_comes_later_is_told_the_last_of_each_sign_and_board(network: Network) -> None:
    network.asks(BOARD)
    network.fetches(BOARD, "pxelinux.cfg/01-52-54-00-00-00-01")
    network.fetches(BOARD, "holding/vmlinuz")
    network.asks(OTHER)
    told = await following(network.sightings.watch(), 3)
    assert set(told) == {
        (BOARD, Sign.DHCP, str(BOARD)),
        (BOARD, Sign.TFTP, "holding/vmlinuz"),
        (OTHER, Sign.DHCP, str(OTHER)),
    }


async def test_two_may_watch_at_once(network: Network) -> None:
    watched = [network.sightings.watch(), network.sightings.watch()]
    tasks = [asyncio.create_task(following(one, 1)) for one in watched]
    await asyncio.sleep(0.05)
    network.asks(BOARD)
    assert await asyncio.gather(*tasks) == [[(BOARD, Sign.DHCP, str(BOARD))]] * 2


async def test_each_connection_to_the_nfs_server_is_told_with_its_port(network: Network) -> None:
    assert await network.sightings.nfs_peers() == set()
    network.mounts(BOARD, 900)
    network.mounts(OTHER, 901)
    assert await network.sightings.nfs_peers() == {(BOARD, 900), (OTHER, 901)}


async def test_where_the_log_is_gone_no_board_can_be_called_silent(tmp_path: Path) -> None:
    log = tmp_path / "dnsmasq.log"
    sightings = NetworkSightings(BootClock(), log, Path("/srv/tftp"), lambda _mac: None, ())
    with pytest.raises(Fault, match=f"{log} is not there") as told:
        await sightings.nfs_peers()
    assert told.value.blame is Blame.SITE
    assert "restart dnsmasq" in told.value.hint
