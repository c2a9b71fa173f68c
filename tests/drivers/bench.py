"""A board, and the tools that its drivers get."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.board import Board, Site
from boardgrid.ports import Tools
from boardgrid.testing import FakeClock, a_board

LOOPBACK = IPv4Address("127.0.0.1")
SITE = Site("lab", interface="br0", server=IPv4Interface("10.20.0.1/24"))


def a_site(interface: str) -> Site:
    return replace(SITE, interface=interface)


def tools(
    *, board: Board | None = None, site: Site = SITE, ssh_key: Path | None = None, lab: Path | None = None
) -> Tools:
    return Tools(board or a_board(1, address=LOOPBACK), site, SubprocessShell(), FakeClock(), ssh_key, lab)
