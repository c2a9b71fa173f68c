"""Packages as Debian makes them, cut down to what is looked at."""

from pathlib import Path

import pytest

from boardgrid.bootware.kernel import Kernel
from boardgrid.bootware.userland import Userland

RELEASE = "6.1.0-1-armmp"
_APPLETS = ["[", "[[", *(f"applet{number:02}" for number in range(60)), "busybox", "init", "mount", "sh", "switch_root"]
_NEEDS = {
    "drivers/virtio_mmio": "",
    "drivers/virtio_pci": "",
    "drivers/virtio_rng": "",
    "drivers/failover": "",
    "drivers/virtio_net": "failover",
    "net/sunrpc": "",
    "fs/lockd": "sunrpc",
    "fs/nfs": "lockd,sunrpc",
    "fs/nfsv3": "sunrpc,nfs,lockd",
    "sound/loud": "",
}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    package = tmp_path / "linux-image"
    modules = package / "lib/modules" / RELEASE
    for name, needs in _NEEDS.items():
        _write(modules / "kernel" / f"{name}.ko", b"\x7fELF\0license=GPL\0depends=" + needs.encode() + b"\0name=x\0")
    _write(modules / "modules.builtin", b"kernel/net/packet/af_packet.ko\n")
    _write(modules / "modules.order", b"")
    _write(package / "boot" / f"vmlinuz-{RELEASE}", b"a kernel")
    _write(package / "usr/lib" / f"linux-image-{RELEASE}" / "board.dtb", b"a device tree")
    return Kernel.of(package)


@pytest.fixture
def userland(tmp_path: Path) -> Userland:
    names = "\0".join([*_APPLETS, "udhcpc"]).encode()
    busybox, dropbear, libc = tmp_path / "busybox-static", tmp_path / "dropbear-bin", tmp_path / "libc6"
    sftp = tmp_path / "openssh-sftp-server"
    _write(busybox / "bin/busybox", b"\x7fELF\0usage\0" + names + b"\0\0rest")
    _write(dropbear / "usr/sbin/dropbear", b"\x7fELF\0libc.so.6\0libz.so.1\0/root/.ssh/authorized_keys\0")
    _write(dropbear / "usr/bin/dropbearkey", b"\x7fELF\0libc.so.6\0")
    _write(sftp / "usr/lib/openssh/sftp-server", b"\x7fELF\0libc.so.6\0")
    folder = libc / "lib/arm-linux-gnueabihf"
    _write(folder / "libc.so.6", b"\x7fELF\0ld-linux-armhf.so.3\0")
    _write(folder / "libz.so.1.2.13", b"\x7fELF\0libc.so.6\0")
    (folder / "libz.so.1").symlink_to("libz.so.1.2.13")
    _write(folder / "libunwanted.so.1", b"\x7fELF\0")
    _write(folder / "ld-linux-armhf.so.3", b"\x7fELF the loader")
    packages = (busybox, dropbear, sftp, libc)
    return Userland("armhf", {package.name: package for package in packages})
