import struct
import zlib
from pathlib import Path

import pytest

from boardgrid.bootware.uboot import environment, write_flash
from boardgrid.model.errors import Fault


def test_the_environment_begins_with_the_checksum_of_all_that_follows() -> None:
    flash = environment({"b": "2", "a": "1"})
    assert len(flash) == 0x40000
    assert struct.unpack("<I", flash[:4])[0] == zlib.crc32(flash[4:])
    assert flash[4:14] == b"a=1\0b=2\0\0\0"


def test_the_boot_command_asks_the_network_and_begins_anew_when_nothing_answers() -> None:
    assert b"bootcmd=dhcp && pxe get && pxe boot; sleep 2; reset\0" in environment()


def test_both_flash_chips_are_as_large_as_the_machine_wants_and_take_no_room(tmp_path: Path) -> None:
    firmware = tmp_path / "u-boot.bin"
    firmware.write_bytes(b"firmware")
    for chip in write_flash(tmp_path / "flash", firmware):
        assert chip.stat().st_size == 64 << 20
        assert chip.stat().st_blocks * 512 < 1 << 20


def test_a_missing_bootloader_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="is not at") as caught:
        write_flash(tmp_path, tmp_path / "nowhere")
    assert "u-boot-qemu" in caught.value.hint
