"""
Makes an image: a program in mount, pid, network and ipc namespaces of its own.

All that it mounts and starts is gone when it is, however it ends; what it wrote so far lies in its draft folder, and
the image gets its place by one rename, at the very end. The order comes as JSON on standard input; see :func:`make`.
"""

import hashlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from boardgrid.adapters.store import manifests, source
from boardgrid.adapters.store.archive import Limits
from boardgrid.adapters.store.boot_files import copy_boot_files
from boardgrid.adapters.store.cage import bounded
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.digest import summary
from boardgrid.adapters.store.inspection import inspected
from boardgrid.adapters.store.place import ImagePlace, mounted
from boardgrid.adapters.store.scrub import scrub
from boardgrid.adapters.store.tree import TreeDir, TreePath, look_alike
from boardgrid.adapters.store.unpack import unpack
from boardgrid.adapters.store.workroom import Disk, mount_private, no_room
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.image import Manifest

_NEARLY = 1 << 20


def make(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``store``, ``draft`` (a new folder), ``place`` (where the image will lie); one of ``archive`` (a file and
            its ``name``), ``path`` (with ``import_dirs``) or ``root`` (a mounted tree); ``limits``; ``reserved_bytes``,
            what imports leave of the disk.

    Raises:
        FarmError: as ``Images.build``.
    """
    draft, place = Path(order["draft"]), ImagePlace(Path(order["place"]))
    _let_go_of_others(order["store"], order.get("root"))
    limits = Limits(**order["limits"])
    disk = Disk(draft, order["reserved_bytes"])
    os.umask(0o022)
    if "root" in order:
        tree = _scrubbed(TreePath(order["root"]), draft)
    else:
        if "archive" in order:
            stream: source.Archive | source.Folder = source.stored(Path(order["archive"]), order["name"])
        else:
            stream = source.below(order["import_dirs"], order["path"])
        tree = unpack(stream, limits, disk, draft)
    done = ImagePlace(draft / "done")
    done.folder.mkdir()
    Path(done.tree).mkdir()
    with TreeDir(tree) as opened:
        found = inspected(opened)
        for number, kernel in enumerate(found.kernels):
            copy_boot_files(opened, kernel, done.kernel(number), disk)
    _press(tree, done.erofs, disk)
    # Of what is stored, not of what was unpacked: the digest is of the very tree that boards will boot.
    mount_private("erofs", "loop,ro,nodev,nosuid,noexec", str(done.erofs), str(done.tree))
    seen = summary(done.tree)
    subprocess.run(["umount", str(done.tree)], check=True, stdin=subprocess.DEVNULL)
    manifest = Manifest(
        digest=seen.digest,
        checksum=_checksum(done.erofs),
        size_bytes=seen.size_bytes,
        stored_bytes=done.erofs.stat().st_size,
        files=seen.entries,
        arch=found.arch,
        kernels=found.kernels,
        modules=found.modules,
        system=found.system,
    )
    done.manifest.write_text(manifests.written(manifest))
    _write_down(done.folder)
    done.folder.rename(place.folder)
    _write_down(place.folder.parent, deep=False)
    return {}


def _let_go_of_others(store: str, kept: str | None) -> None:
    """
    Unmount, for this program alone, what else is mounted in the store.

    The namespace began as a copy of its caller's: a root that is removed meanwhile would live on in here.
    """
    inside = [point for point in mounted() if point.startswith(f"{store}/") and point != kept]
    if inside:
        subprocess.run(["umount", "--lazy", *inside], check=True, stdin=subprocess.DEVNULL)


def _scrubbed(root: TreePath, draft: Path) -> TreePath:
    """A view of a root without what was its deployment's own; what is taken out is taken out of a layer in memory."""
    layer, view = draft / "layer", draft / "view"
    for folder in (layer, view):
        folder.mkdir()
    mount_private("tmpfs", "nodev,nosuid,noexec,size=64m", "tmpfs", str(layer))
    for name in ("upper", "work"):
        (layer / name).mkdir()
    look_alike(root, layer / "upper")
    # By paths seen from the draft: commas and colons have a meaning of their own in mount options.
    lower = os.path.relpath(root, draft)
    joined = f"nodev,nosuid,noexec,xino=on,lowerdir={lower},upperdir=layer/upper,workdir=layer/work"
    mount_private("overlay", joined, "overlay", str(view), cwd=draft)
    tree = TreePath(str(view))
    with TreeDir(tree) as opened:
        scrub(opened)
    return tree


def _press(tree: TreePath, to: Path, disk: Disk) -> None:
    """Make the image's file."""
    free = disk.free_bytes
    # It reads what it may not own; nothing else of root's powers is of use to it.
    mkfs = bounded(["mkfs.erofs", "--quiet", "-zlz4", str(to), str(tree)], ("dac_read_search",))
    ended = subprocess.run(
        ["prlimit", f"--fsize={free}", "--", *mkfs], check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
    if not ended.returncode:
        return
    # It has a sentence of its own for each way of meeting the end of the room: how far it came tells.
    if ended.returncode == -signal.SIGXFSZ or to.stat().st_size + _NEARLY >= free or disk.free_bytes < _NEARLY:
        raise no_room(free + 1, free)
    said = ended.stderr.decode("utf-8", "replace").strip()
    raise Fault(Code.PROGRAM_FAILED, _("the image's file could not be made: {said}"), said=said[-500:] or "-")


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _write_down(folder: Path, *, deep: bool = True) -> None:
    """On the disk before the image has its name: after a power cut it is there whole, or not at all."""
    entries = [folder, *folder.rglob("*")] if deep else [folder]
    for entry in entries:
        fd = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


if __name__ == "__main__":
    answer(make)
