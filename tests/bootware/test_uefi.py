from collections.abc import Callable
from pathlib import Path

import pytest

from boardgrid.bootware.uefi import VARIABLES_BYTES, pc, write_variables
from boardgrid.model.errors import Fault


def test_firmware_begins_with_no_settings_and_is_used_where_it_lies(tmp_path: Path) -> None:
    firmware = tmp_path / "AAVMF_CODE.fd"
    firmware.write_bytes(b"firmware")
    for _twice in range(2):
        code, variables = write_variables(tmp_path / "flash", firmware)
        assert code == firmware
        assert variables.read_bytes() == bytes(VARIABLES_BYTES)


def test_a_pc_has_firmware_and_no_settings(tmp_path: Path) -> None:
    firmware = tmp_path / "OVMF.fd"
    firmware.write_bytes(b"firmware")
    assert pc(tmp_path / "flash", firmware) == (firmware, None)
    assert not (tmp_path / "flash").exists()


@pytest.mark.parametrize(("flash", "package"), [(write_variables, "qemu-efi-aarch64"), (pc, "ovmf")])
def test_missing_firmware_names_its_package(
    flash: Callable[[Path, Path], object], package: str, tmp_path: Path
) -> None:
    with pytest.raises(Fault, match="is not at") as caught:
        flash(tmp_path, tmp_path / "nowhere")
    assert package in caught.value.hint
