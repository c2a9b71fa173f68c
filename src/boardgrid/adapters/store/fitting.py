"""
Fits a boot kit and a root together: a program in mount, pid, network and ipc namespaces of its own.

The order comes as JSON on standard input; see :func:`fit`.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from boardgrid import lasting
from boardgrid.adapters.store import source
from boardgrid.adapters.store.boot_files import FROM_ROOT, INITRD, KERNEL, BootCopies
from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.formats import HEAD_BYTES, packer_of
from boardgrid.adapters.store.inspection import inspected
from boardgrid.adapters.store.kernel_config import config_of
from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.nfs_boot import Judge
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.adapters.store.workroom import Disk
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault, Invalid, NotFound
from boardgrid.model.image import Kernel

_POWERS = ("dac_override",)  # to write below folders that their modes close; what it makes is root's
_BESIDE = "lib/modules/.boardgrid"


def fit(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``tree``, where the root is mounted; ``folder`` of the kit; ``modules``, a tar archive or
            null; ``takes``, whether the root's own kernel is to be copied; ``release``; ``initrd``, whether a kernel is
            to have one made where it needs one; ``boot_parts`` and ``drivers``, of which that is made. Or only
            ``tree``, ``release`` and ``looks``: whether the root has such a kernel.

    Raises:
        FarmError: as ``Kits.fit``.
    """
    os.umask(0o022)
    try:
        with TreeDir(TreePath(order["tree"])) as tree:
            if order.get("looks"):
                _kernel_in(tree, order["release"])
                return {}
            folder = Path(order["folder"])
            if order["modules"]:
                _put_modules(tree, Path(order["modules"]), order["release"], folder / "cage")
            if order["initrd"]:
                parts = order["boot_parts"]
                judge = Judge(tree, inspected(tree).arch, Path(parts) if parts else None, order["drivers"])
                _make_initrd(judge, order["release"], folder)
            if order["takes"]:
                _take_kernel(tree, order["release"], folder)
    except OSError as error:
        raise Fault(
            Code.ROOT_UNFIT,
            _("the root does not let it be done: {what}: {why}"),
            blame=Blame.IMAGE,
            what=shown(os.fsencode(error.filename or "/")),
            why=error.strerror,
        ) from error
    return {}


def _put_modules(tree: TreeDir, archive: Path, release: str, cage_folder: Path) -> None:
    """All of a release are replaced, or none: a kernel that was built anew finds nothing of the one before."""
    tree.make_folder("lib/modules")
    tree.remove(_BESIDE)
    tree.make_folder(_BESIDE)
    shutil.rmtree(cage_folder, ignore_errors=True)
    with tree.folder(_BESIDE) as fd:
        # Nobody else has the tree: what the descriptor is called stays where it leads.
        cage = Cage(cage_folder, Path(f"/proc/{os.getpid()}/fd/{fd}"))
        cage.build()
        given = source.stored(archive, _("the archive of modules"))
        packer = packer_of(os.pread(given.fd, HEAD_BYTES, 0))
        stream = source.Archive(given.fd, given.name, (packer.word,) if packer else ())
        tar = ["tar", "--extract", *stream.words, "--file=-", "--no-same-owner", "--no-same-permissions"]
        with stream.opened() as content:
            run = cage.run(tar, _POWERS, content)
            status = run.ended()
        cage.remove()
    if status:
        tree.remove(_BESIDE)
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the modules could not be unpacked into the root: {said}"),
            hint=_("is there room on the root, and is it a folder as `make modules_install` makes it?"),
            said=run.complaints.first() or f"tar ended with status {status}",
        )
    tree.put_in_place(_BESIDE, f"lib/modules/{release}")
    tree.sync()


def _make_initrd(judge: Judge, release: str, folder: Path) -> None:
    with TreeDir(TreePath(str(folder))) as brought:
        made = judge.for_brought(release, config_of(brought, release, KERNEL))
    if made is None:
        return
    Disk(folder, 0).want(len(made))
    beside = folder / f".{INITRD}"
    beside.write_bytes(made)
    lasting.write_down(beside)
    lasting.rename(beside, folder / INITRD)  # a board may still have the one before under another name


def _kernel_in(tree: TreeDir, release: str) -> Kernel:
    """
    Raises:
        NotFound: KERNEL_MISSING.
    """
    kernels = inspected(tree).kernels
    kernel = next((one for one in kernels if release in {"", one.release}), None)
    if kernel is None:
        raise NotFound(
            Code.KERNEL_MISSING,
            _("the root has no kernel {release} in its /boot") if release else _("the root has no kernel in its /boot"),
            hint=_("it has: {found}") if kernels else _("install one there"),
            release=release,
            found=", ".join(one.release for one in kernels),
        )
    return kernel


def _take_kernel(tree: TreeDir, release: str, folder: Path) -> None:
    kernel = _kernel_in(tree, release)
    beside = folder / f".{FROM_ROOT}"
    shutil.rmtree(beside, ignore_errors=True)
    BootCopies(tree, Disk(folder, 0)).copy(kernel, beside)
    lasting.write_down_all(beside)
    lasting.rename(beside, folder / FROM_ROOT)


if __name__ == "__main__":
    answer(fit)
