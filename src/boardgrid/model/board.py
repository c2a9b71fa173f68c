"""Boards: what stands on the shelf, how it boots and who can switch it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath

Property = str | int | float | bool  # of a board, as its admin describes it: ram_mb = 2048

PROPERTY = re.compile(r"[a-z][a-z0-9_]{0,39}")  # its name
TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


class DhcpMode(StrEnum):
    OWN = "own"  # our dnsmasq gives the boards their addresses
    PROXY = "proxy"  # another server gives addresses; ours only adds what boots


@dataclass(frozen=True, slots=True)
class Site:
    """One place with one agent. Its network facts are told by that agent, which has them from its machine's config."""

    name: str
    domain: str = "boardgrid"
    interface: str = ""  # the network interface that the boards hang on
    server: IPv4Interface | None = None  # the server's address there, with the subnet: 10.20.0.1/24
    dhcp: DhcpMode = DhcpMode.OWN


class Boot(StrEnum):
    """How a board comes to its kernel."""

    PXELINUX = "pxelinux"  # DHCP, then pxelinux.cfg files over TFTP: U-Boot and most others
    GRUB = "grub"  # DHCP, then GRUB and its script over TFTP: UEFI firmware
    FLASHED = "flashed"  # kernel and NFS path were flashed once; it always mounts the same path


@dataclass(frozen=True, slots=True)
class BoardType:
    """What boards of one kind share."""

    name: str
    arch: str  # Debian's word for it: armhf, arm64, amd64
    console: str = ""  # the kernel's console= value: "ttyS0,115200n8"
    cmdline: str = ""  # further words for the kernel command line
    fdt: str = ""  # device tree file, relative to the image's dtb folder; empty: the firmware brings its own
    boot_s: float = 300.0  # a board that is not up after this long is restarted harder
    properties: Mapping[str, Property] = field(default_factory=dict)  # of all its boards
    network: str = ""  # the kernel module of its network interface, where the farm does not know it: "dwmac-sun8i"

    @property
    def plain(self) -> "BoardType":
        """As the agent knows it."""
        return replace(self, properties={})


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """One way to act on a board's power, as the inventory declares it: ``{driver = "wol"}`` and its own keys."""

    driver: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Board:
    """One board. Its *power* drivers are a ladder, politest first."""

    name: str
    type: str
    site: str
    mac: str  # lower case, colons
    address: IPv4Address
    boot: Boot = Boot.PXELINUX
    nfs_path: PurePosixPath | None = None  # the path that a flashed board always mounts
    kernel: str = ""  # the release that a flashed board always boots: "3.10.40-gdacac96"; empty: not known
    power: tuple[DriverSpec, ...] = ()
    set_aside: str = ""  # why it is not offered to anyone; empty: it is fit
    properties: Mapping[str, Property] = field(default_factory=dict)  # its own; they win over its type's
    tags: frozenset[str] = frozenset()

    @property
    def is_fit(self) -> bool:
        return not self.set_aside

    @property
    def plain(self) -> "Board":
        """As the agent knows it: whether people may have it, and by what they choose it, is no business of its."""
        # Asked of all boards of a site whenever one of them changes.
        is_plain = not (self.set_aside or self.properties or self.tags)
        return self if is_plain else replace(self, set_aside="", properties={}, tags=frozenset())


class Act(StrEnum):
    """What the holder of a board may do to its power."""

    ON = "on"
    OFF = "off"
    CYCLE = "cycle"  # off and on
    RESET = "reset"  # the politest restart that works
