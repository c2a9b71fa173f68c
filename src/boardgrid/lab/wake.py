"""Wake-on-LAN: the part of a virtual board's network card that listens while the board is off."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

_ETH_P_ALL = 0x0003
_MAGIC_FRAME = b"\x08\x42"
_IPV4 = b"\x08\x00"
_UDP = 17
_PORTS = {7, 9}


def woken_by(frame: bytes) -> str | None:
    """The MAC address that a frame wakes: it is a magic packet, by an ether type of its own or in a UDP datagram."""
    payload = _payload(frame)
    start = payload.find(b"\xff" * 6)
    if start < 0:
        return None
    mac = payload[start + 6 : start + 12]
    if len(mac) < 6 or payload[start + 6 : start + 6 + 16 * 6] != mac * 16:
        return None
    return mac.hex(":")


def _payload(frame: bytes) -> bytes:
    kind, packet = frame[12:14], frame[14:]
    if kind == _MAGIC_FRAME:
        return packet
    if kind != _IPV4 or len(packet) < 20 or packet[9] != _UDP:
        return b""
    datagram = packet[(packet[0] & 0x0F) * 4 :]
    return datagram[8:] if int.from_bytes(datagram[2:4], "big") in _PORTS else b""


class WakeListener:
    """
    Calls *wake* with the MAC of each magic packet that comes to *interface*.

    It listens at the far end of a cable of its own into the bridge, as the sleeping cards do: a socket on the bridge
    itself would not see frames that this machine sends, and would see all that boards and server say to each other.
    """

    def __init__(self, interface: str, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL))
        self._socket.bind((interface, _ETH_P_ALL))
        asyncio.get_running_loop().add_reader(self._socket, self._look)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _look(self) -> None:
        with contextlib.suppress(OSError):  # nothing there after all, or the interface is going
            if mac := woken_by(self._socket.recv(2048)):
                self._wake(mac)
