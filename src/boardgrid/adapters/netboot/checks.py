"""What may stand in boot files. Pure; nothing that is told can add a line of its own."""

import re
from ipaddress import IPv4Interface

from boardgrid.messages import _
from boardgrid.model.board import Board, Site
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.name import checked

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_FDT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+,-]*(?:/[A-Za-z0-9][A-Za-z0-9._+,-]*){0,3}")


def checked_site(site: Site) -> IPv4Interface:
    """
    The server's address and the boards' subnet.

    Raises:
        Invalid: the site's config does not tell it.
    """
    if site.server is None or not site.interface:
        raise Invalid(
            Code.CONFIG_INVALID,
            _("site {site} has no interface or no server address, so nothing can boot from it"),
            hint=_('say in its config: interface = "eth1", server = "10.20.0.1/24"'),
            site=site.name,
        )
    return site.server


def checked_board(board: Board, site: Site) -> Board:
    """
    Raises:
        Invalid: its name, MAC or address is none that boot files may be written for.
    """
    checked("board", board.name)
    checked_mac(board.mac)
    server = checked_site(site)
    network = server.network
    taken = {server.ip, network.network_address, network.broadcast_address}
    if board.address not in network or board.address in taken:
        raise Invalid(
            Code.ADDRESS_INVALID,
            _("{address} is no address for board {board}: the boards of site {site} live in {network}"),
            address=board.address,
            board=board.name,
            site=site.name,
            network=network,
        )
    return board


def checked_mac(mac: str) -> str:
    if not _MAC.fullmatch(mac):
        raise Invalid(
            Code.ADDRESS_INVALID,
            _("{mac!r} is no MAC address"),
            hint=_("a good one looks like this: {example}"),
            mac=mac[:40],
            example="52:54:00:12:34:56",
        )
    return mac


def checked_fdt(fdt: str) -> str:
    if not _FDT.fullmatch(fdt):
        raise Invalid(
            Code.REQUEST_INVALID,
            _("{fdt!r} is no name of a device tree"),
            hint=_("a good one looks like this: {example}"),
            fdt=fdt[:80],
            example="tegra124-jetson-tk1.dtb",
        )
    return fdt
