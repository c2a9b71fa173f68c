"""UEFI firmware for QEMU's arm64 machine, and the memory in which it keeps its settings."""

from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

FIRMWARE = Path("/usr/share/AAVMF/AAVMF_CODE.fd")  # of the Debian package qemu-efi-aarch64

VARIABLES_BYTES = (
    3 * 0x40000
)  # what is in use of the second flash chip: the variables, and two areas to write them safely


def write_variables(folder: Path, firmware: Path = FIRMWARE) -> tuple[Path, Path]:
    """
    Write what the second flash chip holds at each start, and return both paths: firmware, variables.

    It is empty: firmware then begins with its own settings, and finds what there is to boot from by itself.

    Raises:
        Fault: the firmware is not installed.
    """
    if not firmware.is_file():
        raise Fault(
            Code.NETBOOT_FAILED,
            _("the firmware of virtual arm64 boards is not at {firmware}"),
            hint=_("install the Debian package qemu-efi-aarch64"),
            firmware=firmware,
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "variables.flash"
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.truncate(VARIABLES_BYTES)
    beside.rename(path)
    return firmware, path
