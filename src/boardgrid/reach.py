"""Where requests may go that strangers have the farm make: the open internet, and what a config allows besides."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
LookUp = Callable[[str, int], Awaitable[Sequence[IPAddress]]]

# Addresses that stand for an IPv4 address, which may be any.
_DISGUISES = tuple(ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))


async def look_up(host: str, port: int) -> Sequence[IPAddress]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(address[0]).partition("%")[0]) for *_rest, address in found]


def may_reach(address: IPAddress, allowed: Sequence[IPNetwork]) -> bool:
    """Whether it is of the open internet, or of a network that is *allowed*."""
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    if any(plain in network for network in allowed if network.version == plain.version):
        return True
    is_disguised = any(plain in network for network in _DISGUISES if network.version == plain.version)
    return plain.is_global and not plain.is_multicast and not is_disguised
