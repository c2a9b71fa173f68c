"""
Boards whose network card listens for a magic packet while they sleep: Wake-on-LAN.

    power = [{ driver = "wol" }]
"""

import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Tools

_PORT = 9  # discard: nobody answers
_MAGIC_FRAME = 0x0842
_EVERYBODY = b"\xff" * 6


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeOnLan:
    """The card of one board. That it woke can only be told from what it does next."""

    raw: bool = False  # a frame of its own type besides: for cards and switches that pass no broadcast datagrams
    times: int = 3  # a packet may be lost
    tools: Tools = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.times <= 100:
            raise ValueError(_("times: should be 1 to 100"))

    async def on(self) -> None:
        mac = bytes.fromhex(self.tools.board.mac.replace(":", ""))
        magic = _EVERYBODY + mac * 16
        try:
            for _number in range(self.times):
                self._send_datagram(magic)
                if self.raw:
                    self._send_frame(magic)
        except OSError as error:
            # Nothing has left this machine, so no board is to blame: its own network or its rights are.
            raise Fault(
                Code.POWER_FAILED,
                _("no magic packet for {board} could be sent on {interface}: {error}"),
                hint=_("check the site's interface and address"),
                board=self.tools.board.name,
                interface=self.tools.site.interface,
                error=error,
            ) from error

    def _send_datagram(self, magic: bytes) -> None:
        site = self.tools.site
        to = site.server.network.broadcast_address if site.server else IPv4Address("255.255.255.255")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            # The boards' network alone: the machine may have others, with the same addresses even.
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, site.interface.encode())
            out.sendto(magic, (str(to), _PORT))

    def _send_frame(self, magic: bytes) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK) as out:
            out.bind((self.tools.site.interface, _MAGIC_FRAME))
            own = out.getsockname()[4]
            out.send(_EVERYBODY + own + _MAGIC_FRAME.to_bytes(2, "big") + magic)
