"""
A virtual amd64 machine with Debian's own kernel, for what this machine's kernel cannot do: serve NFS.

Its file system is this machine's, read only, with a memory disk above: it runs this very project, and leaves nothing.
"""

import asyncio
import gzip
import io
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.bootware import cpio
from boardgrid.bootware.kernel import Kernel
from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.tree import Tree

MARK = Path("/run/boardgrid-guest")  # where this file is, the kernel's NFS server may be tried

_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "crc32c_generic", "ext4", "loop", "erofs", "veth", "bridge")
_NFS_MODULES = ("nfsd", "nfs", "nfsv3")

# Everything is loaded here, since the machine below the new root has the modules of another kernel.
_INIT = """\
#!/bin/busybox sh
for name in mkdir mount insmod switch_root; do /bin/busybox ln -s busybox /bin/$name; done
PATH=/bin
mkdir -p /proc /sys /dev /host /over /new
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/lib/modules/$module"; done < /lib/modules/order
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=524288,cache=loose host /host
mount -t tmpfs over /over
mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work root /new
for folder in proc sys dev; do mount -o move "/$folder" "/new/$folder"; done
mount -t tmpfs -o size=90% tmp /new/mnt
mount -t tmpfs run /new/run
mkdir /new/run/out /new/run/lock
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 out /new/run/out
exec switch_root /new /bin/sh /run/out/begin
"""
_BEGIN = """\
export PATH={path}:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TMPDIR=/media
ip link set lo up
# A store lies on a file system that keeps what users attach to files; this kernel's memory disk does not.
truncate -s 2G /mnt/disk && mkfs.ext4 -q -m 0 /mnt/disk && mount -o loop /mnt/disk /media
: > {mark}
cd {folder}
timeout {timeout_s} {words} > /run/out/log 2>&1
echo $? > /run/out/status
sync
echo 1 > /proc/sys/kernel/sysrq
echo b > /proc/sysrq-trigger
"""


@dataclass(frozen=True, slots=True)
class Guest:
    kernel: Path
    initrd: Path
    nfs_server: Path  # the unpacked package nfs-kernel-server: installed, it would start on this machine

    @classmethod
    def made(cls, cache: Path) -> "Guest":
        return asyncio.run(cls._fetched(cache))

    @classmethod
    async def _fetched(cls, cache: Path) -> "Guest":
        debian = DebianPackages(SubprocessShell(), cache, "amd64")
        name = await debian.kernel("amd64")
        packages = await debian.unpacked([name, "busybox-static", "nfs-kernel-server"])
        kernel = Kernel.of(packages[name])
        initrd = packages[name].with_suffix(".exports-initrd")
        beside = initrd.with_suffix(f".{os.getpid()}")
        beside.write_bytes(_initrd(kernel, packages["busybox-static"]))
        beside.rename(initrd)
        return cls(kernel.image, initrd, packages["nfs-kernel-server"])

    def run(self, folder: Path, out: Path, *words: str, timeout_s: int) -> int:
        """Run a program in *folder* and return its status. What it prints is *out*/log; *out* is its /run/out."""
        begin = _BEGIN.format(
            path=self.nfs_server / "usr/sbin",
            mark=MARK,
            folder=quote(str(folder)),
            timeout_s=timeout_s,
            words=" ".join(map(quote, words)),
        )
        (out / "begin").write_text(begin)
        host = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
        argv = ["setpriv", "--pdeathsig", "KILL", "nice", "qemu-system-x86_64", "-M", "q35", "-cpu", "max"]
        argv += ["-accel", "tcg", "-smp", "2", "-m", "2560", "-nodefaults", "-no-user-config", "-display", "none"]
        argv += ["-no-reboot", "-kernel", str(self.kernel), "-initrd", str(self.initrd), "-serial", "stdio"]
        argv += ["-append", "console=ttyS0 panic=-1 quiet no_timer_check", "-virtfs", host]
        argv += ["-virtfs", f"local,path={out},mount_tag=out,security_model=none"]
        with (out / "console").open("wb") as console:
            subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=timeout_s + 60, check=True
            )
        status = out / "status"
        assert status.exists(), (out / "console").read_text(errors="replace")[-4000:]
        return int(status.read_text())


def _initrd(kernel: Kernel, busybox: Path) -> bytes:
    tree = Tree()
    tree.character_device("dev/console", 5, 1)
    tree.file("bin/busybox", busybox / "bin/busybox", mode=0o755)
    tree.file("init", _INIT, mode=0o755)
    modules = kernel.modules(_MODULES + _NFS_MODULES)
    for path, file in modules.items():
        tree.file(f"lib/modules/{path}", file)
    tree.file("lib/modules/order", "".join(f"{path}\n" for path in modules))
    out = io.BytesIO()
    cpio.write(tree, out)
    return gzip.compress(out.getvalue(), compresslevel=1, mtime=0)
