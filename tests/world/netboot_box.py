"""A box in which a real dnsmasq hands out boot files, and what boards there see of it."""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from subprocess import Popen

from boardgrid.adapters.clock import BootClock
from boardgrid.adapters.netboot import DnsmasqServer, NetbootFiles
from boardgrid.adapters.netboot.hosts import DhcpHosts
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.sightings import NetworkSightings
from boardgrid.model.board import Board, BoardType, Site
from tests.world import netboot_client
from tests.world.exports_box import SERVER, Box, a_box, eventually

SITE = Site("lab", interface="br0", server=IPv4Interface(f"{SERVER}/24"))
TYPE = BoardType("tk1", "armhf", console="ttyAMA0", cmdline="loglevel=4")


def a_virtual_board(number: int) -> Board:
    return Board(f"tk1-{number}", "tk1", "lab", f"52:54:00:77:00:{number:02x}", IPv4Address("10.77.0.20") + number)


@dataclass
class NetbootBox:
    box: Box
    server: DnsmasqServer
    holding: Path
    dnsmasq: Popen[bytes]

    @property
    def netboot(self) -> NetbootFiles:
        return NetbootFiles(SubprocessShell(), self.server.site, self.server.tftp, self.hosts, self.holding)

    @property
    def hosts(self) -> DhcpHosts:
        # From here dnsmasq has another number than in its own process namespace, where the agent is, too.
        seen_from_here = self.box.folder / "dnsmasq.pid"
        seen_from_here.write_text("".join(str(number) for number in _children(self.dnsmasq)))
        return DhcpHosts(self.server.hosts, seen_from_here)

    @property
    def sightings(self) -> NetworkSightings:
        tables = tuple(Path(f"/proc/{self.box.pid}/net") / name for name in ("tcp", "tcp6"))
        return NetworkSightings(BootClock(), self.server.log, self.server.tftp, self.hosts.address_of, tables)

    def dhcp(self, address: IPv4Address, mac: str) -> str:
        """What whoever sits at a board's port is offered as this MAC."""
        return self._ask(address, "dhcp", mac)

    def pxe(self, address: IPv4Address, mac: str) -> list[str]:
        """What each server offers a PXE client at a board's port: itself, the address, who boots it, the file."""
        return self._ask(address, "pxe", mac).splitlines()

    def another_dhcp_server(self, address: IPv4Address, given: IPv4Address) -> None:
        """One that is none of ours, on the boards' network; it has one address to give."""
        name = self.box.board(address).name
        words = [
            *("--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces"),
            *(f"--dhcp-range={given},{given},255.255.255.0,1h", "--dhcp-leasefile=/run/leases", "--user=root"),
            *("--pid-file=/run/another.pid", "--no-ping", "--log-facility=-"),
        ]
        log = self.box.folder / "another.out"
        self.box.start("ip", "netns", "exec", name, "dnsmasq", *words, log=log)
        eventually(lambda: "started, version" in log.read_text(), "the other DHCP server is there")

    def tftp(self, address: IPv4Address, file: str) -> str:
        return self._ask(address, "tftp", str(SERVER), file)

    def start_again(self) -> None:
        self.stop()
        self.dnsmasq = _started(self.box, self.server)

    def stop(self) -> None:
        """As ``kill -9`` does, the program itself: nsenter, which stands before it, ends with it."""
        for number in _children(self.dnsmasq):
            os.kill(number, signal.SIGKILL)
        self.dnsmasq.wait(30)

    def _ask(self, address: IPv4Address, *words: str) -> str:
        name = self.box.board(address).name
        program = (sys.executable, netboot_client.__file__)
        return self.box.do("ip", "netns", "exec", name, *program, *words).strip()


@contextlib.contextmanager
def a_netboot_box(holding: Path, site: Site = SITE) -> Iterator[NetbootBox]:
    # Not below pytest's own folder, which is closed to the user that dnsmasq becomes.
    with tempfile.TemporaryDirectory(prefix="boardgrid-world-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with a_box(folder) as box:
            server = DnsmasqServer(
                site=site,
                tftp=folder / "tftp",
                hosts=folder / "dhcp/hosts",
                opts=folder / "dhcp/opts",
                leases=folder / "dhcp/leases",
                log=folder / "log/dnsmasq.log",
                pid_file=folder / "run/dnsmasq.pid",
            )
            netboot_box = NetbootBox(box, server, holding, _started(box, server))
            try:
                yield netboot_box
            finally:
                netboot_box.stop()


def _children(process: Popen[bytes]) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def _started(box: Box, server: DnsmasqServer) -> Popen[bytes]:
    server.prepare()
    process = box.start(*server.argv(), log=box.folder / "dnsmasq.out")
    eventually(lambda: server.is_ready() or process.poll() is not None, "dnsmasq is ready")
    said = server.log.read_text() if server.log.exists() else ""
    assert process.poll() is None, said + (box.folder / "dnsmasq.out").read_text()
    return process
