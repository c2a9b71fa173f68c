"""What is found out about a tree."""

from pathlib import Path

import pytest

from boardgrid.adapters.store.inspection import Findings, inspected
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.image import Kernel
from tests.adapters.store.trees import ARM_ELF, RELEASE, a_tree


def looked_at(tree: Path) -> Findings:
    with TreeDir(TreePath(str(tree))) as opened:
        return inspected(opened)


def elf(machine: int, bits: int, flags: int = 0) -> bytes:
    head = bytearray(ARM_ELF)
    head[4] = 2 if bits == 64 else 1
    head[18:20] = machine.to_bytes(2, "little")
    head[36:40] = flags.to_bytes(4, "little")
    return bytes(head)


def test_a_debian_tree_is_understood(tmp_path: Path) -> None:
    found = looked_at(a_tree(tmp_path))
    kernel = Kernel(RELEASE, f"boot/vmlinuz-{RELEASE}", f"boot/initrd.img-{RELEASE}", f"usr/lib/linux-image-{RELEASE}")
    assert found == Findings("armhf", (kernel,), (RELEASE,), "Tiny 1")


def test_an_empty_tree_tells_nothing(tmp_path: Path) -> None:
    assert looked_at(tmp_path) == Findings("", (), (), "")


@pytest.mark.parametrize(
    ("program", "arch"),
    [
        (elf(62, 64), "amd64"),
        (elf(183, 64), "arm64"),
        (elf(40, 32, 0x5000400), "armhf"),
        (elf(40, 32, 0x5000200), "armel"),
        (elf(3, 32), "i386"),
        (elf(243, 64), "riscv64"),
        (elf(999, 64), ""),
        (b"#!/bin/sh\n", ""),
        (b"\x7fELF", ""),
    ],
)
def test_the_architecture_is_read_from_programs(tmp_path: Path, program: bytes, arch: str) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "env").write_bytes(program)
    assert looked_at(tmp_path).arch == arch


def test_one_stray_program_does_not_decide(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "a").write_bytes(elf(62, 64))
    for name in ("b", "c"):
        (tmp_path / "bin" / name).write_bytes(elf(183, 64))
    assert looked_at(tmp_path).arch == "arm64"


def test_programs_behind_a_link_that_leads_out_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to("/usr/bin")
    assert looked_at(tmp_path).arch == ""


def test_a_newer_kernel_comes_first(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    for release in ("6.9.0", "6.10.0", "5.4"):
        (tmp_path / "boot" / f"vmlinuz-{release}").write_bytes(b"k")
    assert [kernel.release for kernel in looked_at(tmp_path).kernels] == ["6.10.0", "6.9.0", "5.4"]


def test_a_kernel_without_a_release_in_its_name_is_the_one_that_the_modules_are_for(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "lib" / "modules" / "3.10.40-gdacac96").mkdir(parents=True)
    (tmp_path / "boot" / "zImage").write_bytes(b"k")
    (tmp_path / "boot" / "tegra124-jetson_tk1.dtb").write_bytes(b"d")
    assert looked_at(tmp_path).kernels == (Kernel("3.10.40-gdacac96", "boot/zImage", "", "boot"),)


def test_modules_for_more_kernels_than_anybody_has_are_refused(tmp_path: Path) -> None:
    for number in range(65):
        (tmp_path / "lib" / "modules" / f"6.{number}").mkdir(parents=True)
    with pytest.raises(Invalid, match="modules for 65 kernels") as raised:
        looked_at(tmp_path)
    assert raised.value.code is Code.ARCHIVE_REFUSED


def test_a_link_to_a_kernel_is_not_a_second_one(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot" / "vmlinuz-6.1").write_bytes(b"k")
    (tmp_path / "boot" / "vmlinuz").symlink_to("vmlinuz-6.1")
    assert [kernel.image for kernel in looked_at(tmp_path).kernels] == ["boot/vmlinuz-6.1"]


def test_device_trees_by_vendor_are_found(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot" / "Image-6.1").write_bytes(b"k")
    (tmp_path / "boot" / "dtbs" / "6.1" / "nvidia").mkdir(parents=True)
    (tmp_path / "boot" / "dtbs" / "6.1" / "nvidia" / "tegra124.dtb").write_bytes(b"d")
    assert looked_at(tmp_path).kernels[0].dtbs == "boot/dtbs/6.1"


def test_names_that_no_kernel_has_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    for name in ("vmlinuz-..", "vmlinuz-a b", "vmlinuz-\x1b[2J", "vmlinuz-"):
        (tmp_path / "boot" / name).write_bytes(b"k")
    (tmp_path / "boot" / "vmlinuz-out").symlink_to("/etc/passwd")
    assert looked_at(tmp_path).kernels == ()


def test_a_name_that_would_move_the_cursor_is_shown_without_that(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_bytes(b'PRETTY_NAME="Tiny\x1b[31m \xff"\n')
    assert looked_at(tmp_path).system == "Tiny[31m \ufffd"
