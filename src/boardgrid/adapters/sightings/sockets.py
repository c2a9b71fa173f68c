"""Established TCP connections to a port of this network namespace, as the kernel lists them."""

import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

_ESTABLISHED = "01"
_MAPPED = "0000000000000000FFFF0000"  # an IPv4 peer of an IPv6 socket, as this file writes it


def peers(tables: Iterable[Path], port: int) -> set[tuple[IPv4Address, int]]:
    """Address and port of each. A table that is not there has none: a kernel may know no IPv6."""
    return {peer for table in tables for peer in _of(table, port)}


def _of(table: Path, port: int) -> Iterator[tuple[IPv4Address, int]]:
    try:
        lines = table.read_text("ascii").splitlines()[1:]
    except FileNotFoundError:
        return
    for line in lines:
        words = line.split()
        if len(words) < 4 or words[3] != _ESTABLISHED or int(words[1].rpartition(":")[2], 16) != port:
            continue
        address, _colon, peer_port = words[2].partition(":")
        if len(address) == 32 and not address.startswith(_MAPPED):
            continue
        # The bytes of an address stand in this machine's own order.
        packed = struct.pack("=I", int(address[-8:], 16))
        yield IPv4Address(socket.inet_ntoa(packed)), int(peer_port, 16)
