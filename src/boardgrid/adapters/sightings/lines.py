"""What a line of dnsmasq's log tells. Pure; strict, since boards have a say in what is logged."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from boardgrid.ports import Sighting, Sign

_STAMP = r"(?P<stamp>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}) "
_ADDRESS = r"(?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
_MAC = r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"

# An offer answers a board that asks for an address anew, as bootloaders do. A renewal by a running system has none, so
# it is not taken for a restart.
_DHCP = re.compile(_STAMP + r"dnsmasq-dhcp\[\d+\]: (?:\d+ )?(?:DHCPOFFER|BOOTP)\([^ )]+\) " + _ADDRESS + " " + _MAC)
# As a proxy, dnsmasq knows the board by its MAC alone.
_PROXY = re.compile(_STAMP + r"dnsmasq-dhcp\[\d+\]: (?:\d+ )?PXE\([^ )]+\) (?:[0-9.]+ )?" + _MAC + r" ")
# Only a file that is there is ever "sent"; its name is the farm's, whatever was asked for.
_TFTP = re.compile(_STAMP + r"dnsmasq-tftp\[\d+\]: sent (?P<file>/.+) to " + _ADDRESS)

AddressOf = Callable[[str], IPv4Address | None]


def sighting(line: str, tftp: Path, address_of: AddressOf, at_s: float) -> Sighting | None:
    """
    What one line tells of a board; None for all others.

    Args:
        tftp: the folder below which each board's files are told.
        address_of: the address of the board with a MAC.
        at_s: when it was seen.
    """
    if match := _DHCP.match(line):
        address = _address(match["address"])
        return Sighting(address, Sign.DHCP, str(address), at_s) if address else None
    if match := _PROXY.match(line):
        address = address_of(match["mac"])
        return Sighting(address, Sign.DHCP, str(address), at_s) if address else None
    if match := _TFTP.fullmatch(line):
        address = _address(match["address"])
        own = f"{tftp}/{address}/"
        if address and match["file"].startswith(own):
            return Sighting(address, Sign.TFTP, match["file"].removeprefix(own), at_s)
    return None


def age_s(line: str, now: datetime) -> float | None:
    """How long ago a line was written, to the second; None where it does not tell. It tells no year."""
    try:
        stamp = datetime.strptime(f"{now.year} {line[:15]}", "%Y %b %d %H:%M:%S").replace(tzinfo=now.tzinfo)
    except ValueError:
        return None
    if stamp > now + timedelta(days=1):  # written last December, read in January
        try:
            stamp = stamp.replace(year=now.year - 1)
        except ValueError:
            return None
    return max((now - stamp).total_seconds(), 0.0)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None
