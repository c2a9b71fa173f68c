"""
The two small systems that boards boot into memory: one mounts an NFS root and moves there, the other one waits.

Both run ``scripts/init``; what makes the holding system hold is that it carries an inittab.
"""

import gzip
import io
from collections.abc import Sequence

from boardgrid.bootware import cpio
from boardgrid.bootware.kernel import NETWORK_MODULES, Kernel
from boardgrid.bootware.tree import Tree
from boardgrid.bootware.userland import Userland


def base(userland: Userland) -> bytes:
    """What the farm completes with an image's own modules, for a kernel that has no way to an NFS root: an archive."""
    out = io.BytesIO()
    cpio.write(_system(userland), out)
    return out.getvalue()


def for_nfs_root(userland: Userland, kernel: Kernel, modules: Sequence[str] = NETWORK_MODULES) -> bytes:
    """Reads ``nfsroot=`` and ``ip=`` as a kernel with these built in would."""
    return packed(_base(userland, kernel, modules))


def holding(userland: Userland, kernel: Kernel, agent_key: str, modules: Sequence[str] = NETWORK_MODULES) -> bytes:
    """
    Says that the board is free, and waits. No root, no NFS, no secret in it.

    *agent_key* is the public line of the only key that may log in, to restart the board.
    """
    tree = _base(userland, kernel, [name for name in modules if not name.startswith("nfs")])
    userland.dropbear(tree)
    accounts(tree)
    tree.script("etc/hold", "hold")
    tree.script("etc/inittab", "hold-inittab")
    tree.folder("root/.ssh", mode=0o700)
    tree.file("root/.ssh/authorized_keys", f"{agent_key}\n", mode=0o600)
    return packed(tree)


def packed(tree: Tree) -> bytes:
    # The lightest compression: a small board takes longer to unpack a better one than to fetch the difference.
    out = io.BytesIO()
    cpio.write(tree, out)
    return gzip.compress(out.getvalue(), compresslevel=6, mtime=0)


def accounts(tree: Tree) -> None:
    """root alone, who can log in by key only."""
    tree.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    tree.file("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")
    tree.file("etc/shadow", "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n", mode=0o600)
    tree.file("etc/shells", "/bin/sh\n")
    tree.folder("root", mode=0o700)


def _base(userland: Userland, kernel: Kernel, modules: Sequence[str]) -> Tree:
    tree = _system(userland)
    chosen = kernel.modules(modules)
    for path, file in chosen.items():
        tree.file(f"lib/modules/{path}", file)
    tree.file("lib/modules/order", "".join(f"{path}\n" for path in chosen))
    return tree


def _system(userland: Userland) -> Tree:
    """All but modules."""
    tree = Tree()
    for name in ("dev", "proc", "sys", "root", "etc", "tmp", "run"):
        tree.folder(name)
    tree.character_device("dev/console", 5, 1)  # the kernel opens it for init before anything is mounted
    userland.busybox(tree)
    tree.script("init", "init")
    tree.script("etc/dhcp-answer", "dhcp-answer")
    return tree
