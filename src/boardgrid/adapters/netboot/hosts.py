"""Which board has which address: dnsmasq's host files, one a board."""

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import structlog

from boardgrid.messages import _
from boardgrid.model.board import Board
from boardgrid.model.errors import Code, Conflict

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
    pid_file: Path | None = None  # dnsmasq's own, seen from its process namespace; None: nobody has to be told

    def all(self) -> Mapping[str, Host]:
        """By board name."""
        found = {}
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            try:
                match = _HOST.fullmatch(path.read_text("ascii"))
                if match and match["board"] == path.name:
                    found[path.name] = Host(match["mac"], IPv4Address(match["address"]))
            except (OSError, ValueError):
                continue  # being written, or not ours
        return found

    def put(self, board: Board) -> None:
        """
        Raises:
            Conflict: another board has its MAC or its address.
        """
        for name, host in self.all().items():
            if name != board.name and (host.mac == board.mac or host.address == board.address):
                raise Conflict(
                    Code.NAME_TAKEN,
                    _("{board} cannot have {mac} and {address}: {other} has {its_mac} and {its_address}"),
                    board=board.name,
                    mac=board.mac,
                    address=board.address,
                    other=name,
                    its_mac=host.mac,
                    its_address=host.address,
                )
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
