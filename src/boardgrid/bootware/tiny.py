"""The tiny image: a whole system of some megabytes with which the farm is tried, put together in seconds."""

from collections.abc import Sequence

from boardgrid.bootware import initramfs
from boardgrid.bootware.kernel import NETWORK_MODULES, Kernel
from boardgrid.bootware.tree import Tree
from boardgrid.bootware.userland import Userland

_OS_RELEASE = """\
NAME="BoardGrid tiny"
PRETTY_NAME="BoardGrid tiny"
ID=boardgrid-tiny
ID_LIKE=debian
VERSION_ID="1"
HOME_URL="https://www.debian.org/"
"""
_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
_FOLDERS = {
    **dict.fromkeys(("boot", "dev", "etc/ssh", "home", "mnt", "opt", "proc", "run", "srv", "sys", "usr/bin"), 0o755),
    **dict.fromkeys(("usr/sbin", "var/lib", "var/log"), 0o755),
    "root/.ssh": 0o700,
    "tmp": 0o1777,
}
# Busybox init runs these; the names say what each is for.
_SCRIPTS = ("rcS", "rcK", "dropbear", "console", "login")


def tiny(userland: Userland, kernel: Kernel, modules: Sequence[str] = NETWORK_MODULES) -> Tree:
    """
    Busybox as init and everything else, dropbear as SSH server, and the kernel with an initramfs for NFS roots.

    It has the places that a root is made personal in: /etc/hostname, /etc/dropbear/dropbear_ed25519_host_key,
    /etc/ssh, /root/.ssh/authorized_keys. It reboots with its root on NFS: nothing takes its network away.
    """
    tree = Tree()
    for path, mode in _FOLDERS.items():
        tree.folder(path, mode)
    userland.busybox(tree)
    userland.dropbear(tree)
    userland.sftp_server(tree)
    initramfs.accounts(tree)
    for script in _SCRIPTS:
        tree.script(f"etc/init.d/{script}", f"tiny-{script}")
    tree.script("etc/inittab", "tiny-inittab")
    tree.file("etc/os-release", _OS_RELEASE)
    tree.file("etc/hostname", "tiny\n")
    tree.file("etc/hosts", _HOSTS)
    tree.file("etc/profile", "export PATH=/bin:/sbin:/usr/bin:/usr/sbin PS1='\\u@\\h:\\w\\$ '\n")
    tree.file("root/.ssh/authorized_keys", "", mode=0o600)

    tree.file(f"boot/vmlinuz-{kernel.release}", kernel.image)
    tree.file(f"boot/initrd.img-{kernel.release}", initramfs.for_nfs_root(userland, kernel, modules))
    chosen = kernel.modules(modules)
    for path, file in chosen.items():
        tree.file(f"lib/modules/{kernel.release}/{path}", file)
    for name, table in kernel.tables(chosen).items():
        tree.file(f"lib/modules/{kernel.release}/{name}", table)
    return tree
