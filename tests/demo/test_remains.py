"""What is left of a farm is seen, whatever its folder is called and whatever else is mounted on the machine."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.demo.remains import remains_of
from tests.adapters.store.own_mounts import own_mounts

pytestmark = pytest.mark.world


@pytest.fixture(autouse=True)
def _own_mounts() -> Iterator[None]:
    with own_mounts():
        yield


def mounted(at: Path) -> Path:
    at.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", at], check=True)
    return at


def test_a_mount_below_a_folder_whose_name_is_not_ascii(tmp_path: Path) -> None:
    mount = mounted(tmp_path / "démo" / "root 1")
    assert remains_of(tmp_path / "démo").mounts == {mount}


def test_a_mount_elsewhere_whose_name_is_no_text_disturbs_nobody(tmp_path: Path) -> None:
    mounted(tmp_path / os.fsdecode(b"n\xff"))
    assert remains_of(tmp_path / "demo").are_none
