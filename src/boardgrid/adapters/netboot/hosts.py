"""Which board has which address: dnsmasq's host files, one a board."""

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import structlog

from boardgrid.model.board import Board

log = structlog.get_logger()

_HOST = re.compile(r"(?P<mac>[0-9a-f:]{17}),(?P<address>[0-9.]{7,15}),(?P<board>[a-z0-9-]+)\n")


@dataclass(frozen=True, slots=True)
class Host:
    mac: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class DhcpHosts:
    """The folder that dnsmasq reads hosts from."""

    folder: Path
    pid_file: Path | None = None  # dnsmasq's number, as this process sees it; None: nobody has to be told

    def all(self) -> Mapping[str, Host]:
        """By board name."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return {name: host for name in names if (host := self.of(name)) is not None}

    def of(self, board: str) -> Host | None:
        try:
            match = _HOST.fullmatch((self.folder / board).read_text("ascii"))
            if match and match["board"] == board:
                return Host(match["mac"], IPv4Address(match["address"]))
        except (OSError, ValueError):
            pass  # not there, being written, or not ours
        return None

    def put(self, board: Board) -> None:
        """No two boards have one MAC or one address: another that still has this one's was changed."""
        for name, host in self.all().items():
            if name != board.name and (host.mac == board.mac or host.address == board.address):
                log.info("host.outdated", board=name, mac=host.mac, address=str(host.address), now=board.name)
                self.remove(name)
        path, text = self.folder / board.name, f"{board.mac},{board.address},{board.name}\n"
        is_known = path.exists()
        if is_known and path.read_text("ascii", "replace") == text:
            return
        write(path, text)
        if is_known:
            self._tell()

    def remove(self, board: str) -> None:
        path = self.folder / board
        if path.exists():
            path.unlink()
            self._tell()

    def address_of(self, mac: str) -> IPv4Address | None:
        return next((host.address for host in self.all().values() if host.mac == mac), None)

    def _tell(self) -> None:
        """dnsmasq sees new files by itself; what was changed or removed it forgets only when told to read all anew."""
        try:
            pid = int(self.pid_file.read_text()) if self.pid_file else 0
            if pid > 1 and Path(f"/proc/{pid}/comm").read_text() == "dnsmasq\n":
                os.kill(pid, signal.SIGHUP)
        except (OSError, ValueError):
            log.info("dnsmasq.not_running", pid_file=str(self.pid_file))  # then it reads all when it starts


def write(path: Path, text: str) -> None:
    """Beside and renamed; readable for dnsmasq, which leaves names with a dot in front alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, "ascii")
    beside.chmod(0o644)
    beside.rename(path)
