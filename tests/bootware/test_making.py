"""The commands, and the real thing from real packages."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from boardgrid.adapters.netboot.grub import LOADERS
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.initramfs import content_of
from boardgrid.bootware.__main__ import main
from boardgrid.bootware.making import Workshop
from boardgrid.bootware.packages import DebianPackages
from boardgrid.model.errors import Fault

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boardgrid/debian"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFarm agent"


def test_a_private_key_is_never_put_into_a_boot_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    done = CliRunner().invoke(main, ["holding", str(tmp_path / "out"), "--agent-key", str(key)])
    assert done.exit_code == 2
    assert "holds no OpenSSH public key in one line" in done.output


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["holding", str(tmp_path), "--agent-key", str(tmp_path / "nowhere")])
    assert done.exit_code == 2
    assert "nowhere" in done.output


def test_an_architecture_that_nothing_is_known_of_is_refused_in_a_sentence(tmp_path: Path) -> None:
    words = ["--arch", "mips", "--cache", str(tmp_path), "tiny", str(tmp_path / "tiny.tar")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "boot files can be put together for amd64, arm64, armhf, not for mips" in done.output
    assert not (tmp_path / "tiny.tar").exists()


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "loader", "most_mib"),
    [
        ("armhf", "lib/ld-linux-armhf.so.3", 20),
        ("arm64", "lib/ld-linux-aarch64.so.1", 60),
        ("amd64", "lib64/ld-linux-x86-64.so.2", 30),
    ],
)
async def test_the_tiny_image_made_twice_is_the_same_to_the_byte(
    tmp_path: Path, arch: str, loader: str, most_mib: int
) -> None:
    workshop = Workshop(DebianPackages(SubprocessShell(), CACHE, arch))
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    await workshop.write_tiny(first)
    await workshop.write_tiny(second)
    content = first.read_bytes()
    assert content == second.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
    assert any(name.startswith("boot/vmlinuz-") for name in names)
    assert {"bin/busybox", "sbin/dropbear", "usr/lib/sftp-server", loader} <= set(names)
    assert len(content) < most_mib << 20


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.parametrize(("arch", "grub"), [("arm64", "grubnetaa64.efi"), ("amd64", "grubnetx64.efi")])
async def test_beside_the_holding_kernel_of_uefi_boards_lies_the_grub_that_they_ask_for(
    tmp_path: Path, arch: str, grub: str
) -> None:
    workshop = Workshop(DebianPackages(SubprocessShell(), CACHE, arch), drivers=["r8169", "realtek"])
    await workshop.write_holding(tmp_path, KEY)
    assert {path.name for path in (tmp_path / arch).iterdir()} == {"vmlinuz", "initrd", "base.cpio", grub}
    assert LOADERS[arch] == grub
    assert b"kernel/drivers/net/ethernet/realtek/r8169.ko\n" in gzip.decompress(
        (tmp_path / arch / "initrd").read_bytes()
    )


@pytest.mark.world
@pytest.mark.slow
async def test_a_device_tree_that_the_kernel_does_not_have_is_named(tmp_path: Path) -> None:
    workshop = Workshop(DebianPackages(SubprocessShell(), CACHE))
    with pytest.raises(Fault, match=r"has no device tree \.\./\.\./\.\./boot/config"):
        await workshop.write_holding(tmp_path, KEY, ["../../../boot/config"])
    await workshop.write_holding(tmp_path, KEY, ["tegra124-jetson-tk1.dtb"])
    assert (tmp_path / "armhf/dtbs/tegra124-jetson-tk1.dtb").stat().st_size > 10_000
    assert (tmp_path / "armhf/initrd").stat().st_size < 4 << 20
    assert (tmp_path / "armhf/disk-reader").stat().st_size < 8 << 20
    with (tmp_path / "armhf/base.cpio").open("rb") as file:
        seen = content_of(file.fileno())
    assert (seen.marks, seen.has_nfs) == ({"etc/dhcp-answer"}, False), "what an image's own modules complete"
