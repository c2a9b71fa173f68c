"""The text of a pxelinux file, and what may stand in it. Pure; nothing that is told can add a line of its own."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Interface
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, Site
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.name import checked

HOLDING = "holding"  # the folder and the label of the farm's own system
UNKNOWN = UUID(int=0)  # the deployment of a file that is not as the farm writes it: nobody's, so it is written anew

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LINE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")
_FDT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+,-]*(?:/[A-Za-z0-9][A-Za-z0-9._+,-]*){0,3}")
_MARK = re.compile(rf"# BoardGrid: (?P<board>[a-z0-9-]+) boots (?P<label>{HOLDING}|[0-9a-f-]{{36}})")
_CMDLINE_BYTES = 1023  # what a 32-bit ARM kernel keeps of it; more would be cut without a word


@dataclass(frozen=True, slots=True)
class Entry:
    """What one file says. The paths are seen from the board's own TFTP folder."""

    board: str
    label: str  # a deployment's id, or HOLDING
    cmdline: str
    has_initrd: bool
    fdt: str = ""

    def text(self) -> str:
        """
        Raises:
            Invalid: a word of it could be taken for more than it is.
        """
        lines = [
            f"# BoardGrid: {checked('board', self.board)} boots {self.label}",
            "default boardgrid",
            "prompt 0",
            "timeout 1",
            "label boardgrid",
            f"  kernel {self.label}/vmlinuz",
        ]
        if self.has_initrd:
            lines.append(f"  initrd {self.label}/initrd")
        if self.fdt:
            lines.append(f"  fdt {self.label}/dtbs/{checked_fdt(self.fdt)}")
        lines.append(f"  append {checked_cmdline(self.cmdline)}".rstrip())
        return "\n".join(lines) + "\n"


def told_deployment(text: str, board: str) -> UUID | None:
    """Whose entry a file is; None for the holding entry, UNKNOWN when it is not as the farm writes it."""
    match = _MARK.fullmatch(text.partition("\n")[0])
    if match is None or match["board"] != board:
        return UNKNOWN
    if match["label"] == HOLDING:
        return None
    try:
        return UUID(match["label"])
    except ValueError:
        return UNKNOWN


def file_name(mac: str) -> str:
    """What a board asks for first: its Ethernet address, with the type of that network in front."""
    return "01-" + checked_mac(mac).replace(":", "-")


def holding_cmdline(board: Board, type_: BoardType, site: Site) -> str:
    """The address is given at once: so the board's next DHCP request is always the sign of a restart."""
    words = [type_.cmdline, f"console={type_.console}" if type_.console else "", static_address(board, site)]
    return " ".join(word for word in (*words, "panic=10", "boardgrid.hold") if word)


def static_address(board: Board, site: Site) -> str:
    """The kernel's ``ip=`` word for a board: client, server, gateway, mask, host, device, no autoconfiguration."""
    server = checked_site(site)
    return f"ip={board.address}:{server.ip}:{server.ip}:{server.netmask}:{board.name}::off"


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


def checked_cmdline(cmdline: str) -> str:
    if not _LINE.fullmatch(cmdline) or len(cmdline) > _CMDLINE_BYTES:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("the kernel command line {cmdline!r} is not one line of at most {limit} plain characters"),
            cmdline=cmdline[:80],
            limit=_CMDLINE_BYTES,
        )
    return cmdline


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
