"""Debian's U-Boot for QEMU's arm machine, with an environment that makes it boot over the network like a real board."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

FIRMWARE = Path("/usr/lib/u-boot/qemu_arm/u-boot.bin")  # of the Debian package u-boot-qemu

_FLASH_BYTES = 64 << 20  # each of the machine's two flash chips
_ENVIRONMENT_BYTES = 0x40000

# Debian's build knows no PXE among its boot targets, so its boot command is ours. The addresses are those of its own
# environment, which a stored one replaces whole.
NETBOOT: Mapping[str, str] = {
    "arch": "arm",
    "autoload": "no",  # dhcp alone: what is loaded is said by the pxelinux file
    "board": "qemu-arm",
    "bootcmd": "dhcp && pxe get && pxe boot; sleep 2; reset",
    "bootdelay": "0",
    "fdt_addr": "0x40000000",  # where the machine leaves its device tree
    "fdt_high": "0xffffffff",
    "initrd_high": "0xffffffff",
    "kernel_addr_r": "0x40400000",
    "loadaddr": "0x40200000",
    "pxefile_addr_r": "0x40300000",
    "ramdisk_addr_r": "0x44000000",
    "scriptaddr": "0x40200000",
}


def environment(variables: Mapping[str, str] = NETBOOT) -> bytes:
    """The first bytes of the second flash chip: a checksum, then the variables."""
    text = b"".join(f"{name}={value}".encode() + b"\0" for name, value in sorted(variables.items())) + b"\0"
    data = text.ljust(_ENVIRONMENT_BYTES - 4, b"\0")
    return struct.pack("<I", zlib.crc32(data)) + data


def write_flash(folder: Path, firmware: Path = FIRMWARE, variables: Mapping[str, str] = NETBOOT) -> tuple[Path, Path]:
    """
    Write the contents of both flash chips, sparse, and return their paths: firmware, environment.

    Raises:
        Fault: the firmware is not installed.
    """
    try:
        code = firmware.read_bytes()
    except OSError as error:
        raise Fault(
            Code.NETBOOT_FAILED,
            _("U-Boot for virtual boards is not at {firmware}: {error}"),
            hint=_("install the Debian package u-boot-qemu"),
            firmware=firmware,
            error=error.strerror,
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    return _chip(folder / "u-boot.flash", code), _chip(folder / "environment.flash", environment(variables))


def _chip(path: Path, content: bytes) -> Path:
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.truncate(_FLASH_BYTES)
    beside.rename(path)
    return path
