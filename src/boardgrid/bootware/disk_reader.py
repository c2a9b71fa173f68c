"""
The disk reader: a system that a virtual machine boots to read one stranger's disk image, and is thrown away after it.

The file systems of strangers are read by its kernel, not by the server's; ``scripts/read-disk`` is all that runs in it.
"""

from boardgrid.bootware import initramfs
from boardgrid.bootware.kernel import Kernel
from boardgrid.bootware.packages import DebianPackages
from boardgrid.bootware.tree import Tree
from boardgrid.bootware.userland import Userland

ARCH = "armhf"
_ALWAYS = ("virtio_mmio", "virtio_blk")
_CHECKSUMS = ("crc32c_generic",)  # asked for by name when one of these is mounted, where nobody loads modules by name
# What each kind of file system needs; it is loaded when one is met, for some take long.
FILE_SYSTEMS = {
    **dict.fromkeys(("ext2", "ext3", "ext4"), (*_CHECKSUMS, "ext4")),
    "vfat": ("nls_cp437", "nls_ascii", "nls_utf8", "vfat"),
    "btrfs": (*_CHECKSUMS, "btrfs"),
    "xfs": (*_CHECKSUMS, "xfs"),
    "f2fs": (*_CHECKSUMS, "f2fs"),
    "squashfs": ("squashfs",),
    "erofs": (*_CHECKSUMS, "erofs"),
}


async def programs(debian: DebianPackages) -> Userland:
    """
    Raises:
        Fault: a package could not be had.
    """
    names = {"busybox-static": None}
    for package in ("tar", "util-linux"):
        names.update(dict.fromkeys(await debian.with_libraries(package)))
    return Userland(debian.arch, await debian.unpacked(list(names)))


def disk_reader(userland: Userland, kernel: Kernel) -> bytes:
    """The initramfs; it is booted with the *kernel* that the holding system has."""
    tree = Tree()
    for name in ("dev", "proc", "sys", "root", "mnt", "tmp"):
        tree.folder(name)
    tree.character_device("dev/console", 5, 1)
    userland.busybox(tree)
    # Busybox has both, under the same names, and they tell and keep less: these are called by their paths.
    userland.install(tree, {"bin/tar": "bin/tar", "bin/blkid": "sbin/blkid"})
    tree.script("init", "read-disk")
    for order, wanted in {"order": _ALWAYS, **{f"order-{kind}": names for kind, names in FILE_SYSTEMS.items()}}.items():
        chosen = kernel.modules(wanted)
        for path, file in chosen.items():
            tree.file(f"lib/modules/{path}", file)
        tree.file(f"lib/modules/{order}", "".join(f"{path}\n" for path in chosen))
    return initramfs.packed(tree)
