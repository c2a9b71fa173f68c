"""Kernels, modules and initramfs for the tests, as their makers make them and otherwise."""

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from boardgrid import newc

FOLDER, FILE = 0o40755, 0o100644
INITRAMFS_TOOLS = (
    "scripts/nfs",
    "bin/nfsmount",
    "lib/modules/6.1/kernel/fs/nfs/nfs.ko",
    "lib/modules/6.1/virtio_net.ko",
)
DRACUT = (
    "usr/lib/dracut/hooks/cmdline/90-parse-nfsroot.sh",
    "usr/lib/nfs-lib.sh",
    "usr/lib/modules/6.1/kernel/fs/nfs/nfs.ko.xz",
    "usr/lib/modules/6.1/kernel/drivers/net/ethernet/rare/rare.ko.xz",
)
OURS = ("init", "etc/dhcp-answer", "lib/modules/order", "lib/modules/kernel/fs/nfs/nfs.ko", "lib/modules/r8169.ko")
MICROCODE = ("kernel/x86/microcode/GenuineIntel.bin",)
FOR_DISKS = ("init", "scripts/local", "lib/modules/6.1/kernel/fs/ext4/ext4.ko")


def an_archive(names: Sequence[str], content: bytes = b"#!/bin/sh\n") -> bytes:
    members = [newc.member(number, name, FILE, content) for number, name in enumerate(names, start=1)]
    return b"".join((*members, newc.member(len(names) + 1, newc.END, 0)))


def _by(*program: str) -> Callable[[bytes], bytes]:
    return lambda content: subprocess.run([*program, "-c"], input=content, capture_output=True, check=True).stdout


PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "zstd": _by("zstd", "-q"),
    "lz4": _by("lz4", "-q", "-l"),  # as kernels want it
}


def a_module(*needs: str, before: str = "") -> bytes:
    told = [f"depends={','.join(needs)}", *([f"softdep=pre: {before}"] if before else []), "vermagic=6.1"]
    return b"\x7fELF" + b"\0" + b"\0".join(one.encode() for one in told) + b"\0rest"


def a_config(*built_in: str) -> str:
    return "# Linux\n" + "".join(f"CONFIG_{name}=y\n" for name in built_in) + "CONFIG_EXT4_FS=m\n"


def with_config(*built_in: str) -> bytes:
    """What a kernel with IKCONFIG has in it."""
    return (
        b"\x13code" * 50
        + b"IKCFG_ST"
        + gzip.compress(a_config(*built_in).encode(), mtime=0)
        + b"IKCFG_ED"
        + b"\x13data" * 50
    )


def put(tree: Path, name: str, content: bytes | str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_bytes(content.encode() if isinstance(content, str) else content)
