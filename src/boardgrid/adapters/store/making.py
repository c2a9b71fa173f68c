"""
Makes an image: a program in mount, pid, network and ipc namespaces of its own.

All that it mounts and starts is gone when it is, however it ends; what it wrote so far lies in its draft folder, and
the image gets its place by one rename, at the very end. The order comes as JSON on standard input; see :func:`make`.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from boardgrid.adapters.store import bsp, manifests, source
from boardgrid.adapters.store.boot_files import BootCopies
from boardgrid.adapters.store.cage import bounded
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.digest import Summary, first_difference, summary
from boardgrid.adapters.store.disk_image import DiskReader
from boardgrid.adapters.store.inspection import inspected
from boardgrid.adapters.store.intake import Intake
from boardgrid.adapters.store.limits import Limits, shown
from boardgrid.adapters.store.place import ImagePlace
from boardgrid.adapters.store.scrub import scrub
from boardgrid.adapters.store.tree import TreeDir, TreePath, look_alike
from boardgrid.adapters.store.workroom import Disk, Workroom, mount_private, no_room
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.model.image import Manifest
from boardgrid.mounts import mount_points

_NEARLY = 1 << 20
_LAYER_BYTES, _LAYER_INODES = 32 << 20, 16384  # for what is scrubbed


def make(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``store``, ``draft`` (a new folder), ``place`` (where the image will lie); one of ``archive`` (a file and
            its ``name``), ``path`` or ``root`` (a mounted tree); ``making`` (the fields of a ``Making``);
            ``import_dirs``, below which paths must lie; ``disk_reader`` (the folder with its parts, or empty);
            ``limits``; ``reserved_bytes``, what imports leave of the disk.

    Raises:
        FarmError: as ``Images.build``.
    """
    draft, place = Path(order["draft"]), ImagePlace(Path(order["place"]))
    _let_go_of_others(order["store"], order.get("root"))
    limits = Limits(**order["limits"])
    disk = Disk(draft, order["reserved_bytes"])
    os.umask(0o022)
    is_kept = "root" in order
    tree = _scrubbed(TreePath(order["root"]), draft, disk) if is_kept else _taken_in(order, limits, disk, draft)
    done = ImagePlace(draft / "done")
    done.folder.mkdir()
    Path(done.tree).mkdir()
    with _telling_what_is_unfit(), TreeDir(tree) as opened:
        seen = summary(tree, limits)  # first: the rest may rely on the limits
        found = inspected(opened)
        copies = BootCopies(opened, disk)
        for number, kernel in enumerate(found.kernels):
            copies.copy(kernel, done.kernel(number))
    _press(tree, done.erofs, disk)
    _compare(tree, seen, done)
    manifest = Manifest(
        digest=seen.digest,
        checksum=_checksum(done.erofs),
        size_bytes=seen.size_bytes,
        stored_bytes=done.erofs.stat().st_size + copies.stored_bytes,
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


def _taken_in(order: dict[str, Any], limits: Limits, disk: Disk, draft: Path) -> TreePath:
    """The tree that somebody gave."""
    making = order["making"]
    reader = DiskReader(Path(order["disk_reader"]) if order["disk_reader"] else None, making["partition"])
    board_support = source.folder_below(order["import_dirs"], making["bsp"]) if making["bsp"] else None
    spare_bytes = bsp.spare_bytes(board_support) if board_support else 0
    intake = Intake(draft, limits, disk, reader, spare_bytes)
    if "archive" in order:
        tree = intake.tree_of(source.stored(Path(order["archive"]), order["name"]))
    else:
        tree = intake.tree_of(source.below(order["import_dirs"], order["path"]))
    if board_support:
        bsp.apply_binaries(board_support, tree, draft, disk)
    return tree


def _let_go_of_others(store: str, kept: str | None) -> None:
    """
    Unmount, for this program alone, what else is mounted in the store.

    The namespace began as a copy of its caller's: a root that is removed meanwhile would live on in here.
    """
    inside = [point for point in mount_points() if point.startswith(f"{store}/") and point != kept]
    if inside:
        subprocess.run(["umount", "--lazy", *inside], check=True, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def _telling_what_is_unfit() -> Iterator[None]:
    """What goes wrong in the block goes wrong with a stranger's tree."""
    try:
        yield
    except OSError as error:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the tree cannot be made an image: {path}: {why}"),
            hint=_("repair or remove it, and make the image anew"),
            path=shown(os.fsencode(error.filename or ".")),
            why=error.strerror,
        ) from error


def _scrubbed(root: TreePath, draft: Path, disk: Disk) -> TreePath:
    """A view of a root without what was its deployment's own; what is taken out is taken out of a layer above it."""
    view = draft / "view"
    view.mkdir()
    # No tmpfs: before Linux 6.6 that keeps no attributes of users.
    layer = Workroom(draft / "layer.ext4", draft / "layer")
    layer.build(_LAYER_BYTES, _LAYER_INODES, disk)
    for name in ("upper", "work"):
        (layer.mount / name).mkdir()
    look_alike(root, layer.mount / "upper")
    # By paths seen from the draft: commas and colons have a meaning of their own in mount options.
    lower = os.path.relpath(root, draft)
    joined = f"nodev,nosuid,noexec,xino=on,lowerdir={lower},upperdir=layer/upper,workdir=layer/work"
    mount_private("overlay", joined, "overlay", str(view), cwd=draft)
    tree = TreePath(str(view))
    with _telling_what_is_unfit(), TreeDir(tree) as opened:
        scrub(opened)
    return tree


def _compare(tree: TreePath, seen: Summary, done: ImagePlace) -> None:
    """
    See that what boards will boot is the very tree that was read.

    Raises:
        Invalid: it is not, by the name of the first thing that is missing or another: mkfs.erofs says nothing of it.
    """
    mount_private("erofs", "loop,ro,nodev,nosuid,noexec", str(done.erofs), str(done.tree))
    if summary(done.tree) != seen:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the image's file cannot hold {path} as it is"),
            hint=_("remove it or give it another name; none may begin with lost+found"),
            path=shown(first_difference(tree, done.tree) or b"."),
        )
    subprocess.run(["umount", str(done.tree)], check=True, stdin=subprocess.DEVNULL)


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
