"""What is in the small systems that boards boot."""

import gzip
import stat
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from boardgrid.bootware import initramfs
from boardgrid.bootware.kernel import Kernel
from boardgrid.bootware.tiny import tiny
from boardgrid.bootware.userland import Userland

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFarm agent"
SCRIPTS = sorted(Path(str(files("boardgrid.bootware"))).joinpath("scripts").iterdir())


@pytest.mark.parametrize(
    "script", [script for script in SCRIPTS if "inittab" not in script.name], ids=lambda one: one.name
)
def test_each_script_is_one_that_a_shell_understands(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_the_holding_system_lets_the_agent_in_and_knows_no_nfs(userland: Userland, kernel: Kernel) -> None:
    archive = gzip.decompress(initramfs.holding(userland, kernel, KEY))
    assert KEY.encode() in archive
    assert b"etc/inittab\0" in archive
    assert b"sbin/dropbear\0" in archive
    assert b"nfsv3.ko" not in archive


def test_the_system_for_nfs_roots_holds_modules_and_nobody_can_log_in(userland: Userland, kernel: Kernel) -> None:
    archive = gzip.decompress(initramfs.for_nfs_root(userland, kernel))
    assert b"nfsv3.ko" in archive
    assert b"etc/inittab\0" not in archive
    assert b"sbin/dropbear\0" not in archive


def test_no_boot_file_holds_a_secret(userland: Userland, kernel: Kernel) -> None:
    for built in (initramfs.holding(userland, kernel, KEY), initramfs.for_nfs_root(userland, kernel)):
        archive = gzip.decompress(built)
        assert b"PRIVATE KEY" not in archive
        assert b"host_key\0" not in archive  # a key that many boards share would be no key


def test_the_tiny_image_has_a_place_for_all_that_makes_a_root_personal(userland: Userland, kernel: Kernel) -> None:
    entries = {entry.path: entry for entry in tiny(userland, kernel)}
    for folder in ("etc/dropbear", "etc/ssh", "root/.ssh", "tmp", "dev", "proc", "sys", "run"):
        assert stat.S_ISDIR(entries[folder].mode), folder
    assert stat.S_IMODE(entries["root/.ssh/authorized_keys"].mode) == 0o600
    assert stat.S_IMODE(entries["tmp"].mode) == 0o1777
    assert entries["etc/hostname"].read() == b"tiny\n"
    assert 'PRETTY_NAME="BoardGrid tiny"' in entries["etc/os-release"].read().decode()
    assert not any("host_key" in path for path in entries)


def test_the_tiny_image_has_its_kernel_and_what_belongs_to_it(userland: Userland, kernel: Kernel) -> None:
    entries = {entry.path: entry for entry in tiny(userland, kernel)}
    assert entries["boot/vmlinuz-6.1.0-1-armmp"].read() == b"a kernel"
    assert gzip.decompress(entries["boot/initrd.img-6.1.0-1-armmp"].read()).startswith(b"070701")
    assert "lib/modules/6.1.0-1-armmp/modules.dep" in entries
    assert "lib/modules/6.1.0-1-armmp/kernel/fs/nfs.ko" in entries
