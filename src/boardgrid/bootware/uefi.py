"""UEFI firmware for QEMU's machines, and the memory in which that of arm64 keeps its settings."""

from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

FIRMWARE = Path("/usr/share/AAVMF/AAVMF_CODE.fd")  # of the Debian package qemu-efi-aarch64
PC_FIRMWARE = Path("/usr/share/ovmf/OVMF.fd")  # of the Debian package ovmf

VARIABLES_BYTES = (
    3 * 0x40000
)  # what is in use of the second flash chip: the variables, and two areas to write them safely


def write_variables(folder: Path, firmware: Path = FIRMWARE) -> tuple[Path, Path]:
    """
    Write what an arm64 machine's second flash chip holds at each start, and return both paths: firmware, variables.

    It is empty: firmware then begins with its own settings, and finds what there is to boot from by itself.

    Raises:
        Fault: the firmware is not installed.
    """
    _check(firmware, "arm64", "qemu-efi-aarch64")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "variables.flash"
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.truncate(VARIABLES_BYTES)
    beside.rename(path)
    return firmware, path


def pc(_folder: Path, firmware: Path = PC_FIRMWARE) -> tuple[Path, None]:
    """
    The firmware of an amd64 machine. Where that has no flash chip, it keeps its settings in memory, until it is reset.

    Raises:
        Fault: it is not installed.
    """
    _check(firmware, "amd64", "ovmf")
    return firmware, None


def _check(firmware: Path, arch: str, package: str) -> None:
    if not firmware.is_file():
        raise Fault(
            Code.NETBOOT_FAILED,
            _("the firmware of virtual {arch} boards is not at {firmware}"),
            hint=_("install the Debian package {package}"),
            firmware=firmware,
            arch=arch,
            package=package,
        )
