"""What hangs on the lab's network, as the holder is told: virtual boards, and cables for others' machines."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import ConfigDict

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.name import checked

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
Signal = Literal["STOP", "CONT", "KILL"]
LEAST_MIB, MOST_MIB = 64, 2048  # the machine has its devices above the first 3 GiB


class Kind(StrEnum):
    UBOOT = "uboot"  # an armhf board, whose bootloader asks the network: DHCP, PXE, TFTP
    UEFI = "uefi"  # an arm64 board, whose firmware asks the network: DHCP, GRUB by TFTP
    PC = "pc"  # an amd64 board that does the same
    FLASHED = "flashed"  # its kernel, initramfs and command line were put there once; it asks for no boot files
    CABLE = "cable"  # a board's port without a board: its free end is for a machine of somebody else's
    UPLINK = "uplink"  # a port to a machine that the site trusts: neither bound to addresses nor kept from the boards


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One port of the lab's network, and what is behind it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    kind: Kind
    mac: str = ""  # lower case, colons; an uplink has none of its own
    address: IPv4Address | None = None
    memory_mib: int = 256
    kernel: str = ""  # of a flashed board: files on this machine
    initrd: str = ""
    cmdline: str = ""

    @property
    def is_board(self) -> bool:
        return self.kind in {Kind.UBOOT, Kind.UEFI, Kind.PC, Kind.FLASHED}

    def check(self, server: IPv4Interface) -> None:
        """
        Raises:
            Invalid: it cannot stand on the network of *server*, or its board could not start.
        """
        checked("board", self.name)
        if self.kind is not Kind.UPLINK:
            self._check_addresses(server)
        if self.kind is Kind.FLASHED:
            for key, path in {"kernel": self.kernel, "initrd": self.initrd}.items():
                is_needed = key == "kernel"
                if (path or is_needed) and not PurePosixPath(path).is_absolute():
                    raise self._wrong(key, path, _("the absolute path of a file"))
        elif self.kernel or self.initrd or self.cmdline:
            raise self._wrong("kernel", self.kernel, _("left out: only a flashed board brings its own"))
        # A comma parts options on QEMU's command line, and a line break ends nothing good.
        if "," in self.kernel + self.initrd or not (self.kernel + self.initrd + self.cmdline).isprintable():
            raise self._wrong("kernel, initrd or cmdline", "…", _("plain text, the paths without commas"))
        if not LEAST_MIB <= self.memory_mib <= MOST_MIB:
            raise self._wrong("memory_mib", self.memory_mib, f"{LEAST_MIB} - {MOST_MIB}")

    def _check_addresses(self, server: IPv4Interface) -> None:
        # An odd first byte is a group's address, which no board may send from.
        if not _MAC.fullmatch(self.mac) or int(self.mac[:2], 16) & 1:
            raise self._wrong("mac", self.mac, "52:54:00:00:00:21")
        network = server.network
        taken = {server.ip, network.network_address, network.broadcast_address}
        if self.address is None or self.address not in network or self.address in taken:
            raise self._wrong("address", self.address, _("a free one of {network}").format(network=network))

    def _wrong(self, key: str, value: object, good: str) -> Invalid:
        return Invalid(
            Code.REQUEST_INVALID,
            _("{name} cannot be in the lab: its {key} is {value!r}, it should be {good}"),
            name=self.name,
            key=key,
            value=str(value),
            good=good,
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """What the holder tells of a port."""

    definition: Definition
    port: str  # of the bridge
    is_on: bool
