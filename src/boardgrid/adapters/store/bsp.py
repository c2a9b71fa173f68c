"""
NVIDIA's step from a sample root file system to a system that boots: the BSP's own ``apply_binaries.sh``, run on a tree.

It is made to be run by root on a machine of one's own: it changes root, mounts and makes devices. So it is run as that,
for admins alone, with the tree and a layer above the BSP to write to, and the server's own files out of its way. That
keeps accidents off the server, not malice.
"""

import os
import subprocess
from pathlib import Path

from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.source import Folder
from boardgrid.adapters.store.tree import TreePath
from boardgrid.adapters.store.workroom import Disk, Workroom, mount_private
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

_SCRIPT = "apply_binaries.sh"
_LAYER_BYTES, _LAYER_INODES = 2 << 30, 65536  # what it unpacks beside the tree
_POWERS = ("chown", "dac_override", "fowner", "fsetid", "kill", "mknod", "setfcap", "setgid", "setuid")
_POWERS_OVER_MOUNTS = ("sys_admin", "sys_chroot")
_LAST_LINES = 5
_SAID_BYTES = 1 << 16


def spare_bytes(bsp: Folder) -> int:
    """How much a tree grows by it at most: what is in there is packed, three to one at best."""
    used = subprocess.run(
        ["du", "--summarize", "--bytes", "--exclude=./rootfs", "."],
        cwd=f"/proc/self/fd/{bsp.fd}",
        pass_fds=(bsp.fd,),
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return 3 * int(used.stdout.split()[0]) + (64 << 20)


def apply_binaries(bsp: Folder, tree: TreePath, disk: Disk) -> None:
    """
    Raises:
        Invalid: ARCHIVE_REFUSED, the folder is no BSP, or its script failed: with its last lines.
        Fault: STORE_FULL.
    """
    if not os.access(_SCRIPT, os.X_OK, dir_fd=bsp.fd):
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("there is no {script} in {folder}"),
            hint=_("name the folder Linux_for_Tegra of an unpacked driver package (BSP)"),
            script=_SCRIPT,
            folder=bsp.name,
        )
    draft = disk.folder
    layer = Workroom(draft / "bsp-layer.ext4", draft / "bsp-layer")
    layer.build(_LAYER_BYTES, _LAYER_INODES, disk)
    for name in ("upper", "work", "upper/rootfs"):
        (layer.mount / name).mkdir()
    view = draft / "bsp-view"
    for folder in (view, draft / "bsp"):
        folder.mkdir()
    _mount(f"/proc/self/fd/{bsp.fd}", draft / "bsp", keep=bsp.fd)
    joined = "lowerdir=bsp,upperdir=bsp-layer/upper,workdir=bsp-layer/work"
    mount_private("overlay", joined, "overlay", str(view), cwd=draft)
    _mount(str(tree), view / "rootfs")
    mount_private("none", "remount,bind,exec,dev,suid", "none", str(view / "rootfs"))
    cage = Cage(draft / "bsp-cage", view, users="root:x:0:0::/:/bin/sh\n", groups="root:x:0:\n", is_open=True)
    cage.build()
    script = ["sh", "-c", 'exec "$0" "$@" 2>&1', f"./{_SCRIPT}", "-r", "/work/rootfs"]
    run = cage.run(script, (*_POWERS, *_POWERS_OVER_MOUNTS), subprocess.DEVNULL)
    said = b""
    while heard := run.out.read(_SAID_BYTES):
        said = (said + heard)[-_SAID_BYTES:]
    failed = run.ended()
    cage.remove()
    subprocess.run(["umount", "--recursive", str(view)], check=True, stdin=subprocess.DEVNULL)
    layer.remove()
    if failed:
        lines = [line.strip() for line in said.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
        text = " / ".join(lines[-_LAST_LINES:])
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("{script} of {folder} failed: {said}"),
            hint=_("run it by hand on a copy to see more; releases from R32 on need qemu-user-static on the server"),
            script=_SCRIPT,
            folder=bsp.name,
            said="".join(letter for letter in text if letter.isprintable())[-600:] or "-",
        )


def _mount(what: str, where: Path, keep: int | None = None) -> None:
    mount = ["mount", "--no-canonicalize", "--bind", what, str(where)]
    subprocess.run(mount, check=True, stdin=subprocess.DEVNULL, pass_fds=() if keep is None else (keep,))
