"""
Makes an image: a program in mount, pid, network and ipc namespaces of its own.

All that it mounts and starts is gone when it is, however it ends; what it wrote so far lies in its draft folder, and
the image gets its place by one rename, at the very end. The order comes as JSON on standard input; see :func:`make`.
"""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from boardgrid import lasting
from boardgrid.adapters.store import bsp, disk_image, manifests, source
from boardgrid.adapters.store.adaptations import adapt
from boardgrid.adapters.store.boot_files import BootCopies
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.diary import Diary
from boardgrid.adapters.store.digest import Summary, first_difference, outline_of, sha256_of, summary
from boardgrid.adapters.store.disk_image import DiskReader
from boardgrid.adapters.store.exported import TREE, Told, exported_in
from boardgrid.adapters.store.finished import finished
from boardgrid.adapters.store.inspection import Findings, check_tree, inspected
from boardgrid.adapters.store.intake import Intake
from boardgrid.adapters.store.limits import Limits, Tally, shown
from boardgrid.adapters.store.nfs_boot import Judge
from boardgrid.adapters.store.place import ImagePlace
from boardgrid.adapters.store.pressing import Pressing
from boardgrid.adapters.store.tree import TreeDir, TreePath, look_alike
from boardgrid.adapters.store.undone import Undoing
from boardgrid.adapters.store.workroom import Disk, Workroom, abandon, mount_private
from boardgrid.messages import _
from boardgrid.model.adaptation import Moment, may_be_left_out
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.headroom import no_room
from boardgrid.model.image import Kernel, Manifest

_LAYER_BYTES, _LAYER_INODES = 32 << 20, 16384  # for what is changed in a root that becomes an image


def make(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``draft`` (a new folder), ``place`` (where the image will lie); one of ``archive`` (a file and
            its ``name``), ``path``, ``root`` (a mounted ``tree``) or ``copy`` (``upper``, the file with what was
            changed, and ``options`` to join it with what is below), the last two with the tree ``below`` them, that of
            their image, and ``farms``, what the farm wrote into them; ``making`` (the fields of a ``Making``);
            ``import_dirs``, below which paths must lie; ``limits``; ``reserved_bytes``, what imports leave of the disk;
            ``boot_parts``, a folder with what initramfs are made of and with the disk reader (or null), and
            ``drivers``, the modules that initramfs hold besides. How far it is is told in the draft's file
            ``progress``.

    Raises:
        FarmError: as ``Images.build``.
    """
    draft, place = Path(order["draft"]), ImagePlace(Path(order["place"]))
    limits = Limits(**order["limits"])
    disk, diary = Disk(draft, order["reserved_bytes"]), Diary(draft / "progress")
    os.umask(0o022)
    told: Told | None = None
    if copy := order.get("copy"):
        tree, moment = _layered(_joined(copy, draft), copy, draft, disk), Moment.CAPTURE
    elif root := order.get("root"):
        tree, moment = _layered(TreePath(root["tree"]), root, draft, disk), Moment.CAPTURE
    else:
        tree, told = _taken_in(order, limits, disk, diary)
        moment = Moment.IMPORT
    done = ImagePlace(draft / "done")
    done.folder.mkdir()
    Path(done.tree).mkdir()
    with _telling_what_is_unfit(tree), TreeDir(tree) as opened:
        without = tuple(order["making"]["without"])
        if moment is Moment.IMPORT:
            check_tree(opened, order.get("name") or order["path"])
        if told:
            _check_stated(_read(tree, limits, diary), told.digest)  # as it came, before anything in it is changed
            without = told.without
        dated = finished(opened) if moment is Moment.CAPTURE else None  # what is told goes with what is the board's own
        with diary.phase("adapting"):
            if told and told.adapted is not None:
                # It comes back as the image that it was; others are kept safe by what nobody can leave out.
                done_here = adapt(opened, moment, may_be_left_out())
                seen_here = {one.name for one in done_here}
                adapted = (*(one for one in told.adapted if one.name not in seen_here), *done_here)
            else:
                adapted = adapt(opened, moment, without)
        if dated is not None:
            opened.date_back(dated)
        with Pressing(tree, draft / "pressed", disk) as pressing:
            seen = _read(tree, limits, diary)  # first: the rest may rely on the limits
            found = inspected(opened)
            kernels, boot_bytes = _booting(opened, found, order, done, disk)
            checksum = _linked(seen, done, place.folder.parent)
            if not checksum:
                pressing.finish(diary, seen.size_bytes)
    if not checksum:
        (draft / "pressed").rename(done.erofs)
        checksum = _compared(tree, seen, done, diary)
    manifest = Manifest(
        digest=seen.digest,
        checksum=checksum,
        size_bytes=seen.size_bytes,
        stored_bytes=done.erofs.stat().st_size + boot_bytes,
        files=seen.entries,
        arch=found.arch,
        kernels=kernels,
        modules=found.modules,
        system=found.system,
        distribution=found.distribution,
        release=found.release,
        adapted=adapted,
        without=without,
        init=found.init,
        about=told.about if told else None,
    )
    done.manifest.write_text(manifests.written(manifest))
    lasting.write_down_all(done.folder)
    lasting.rename(done.folder, place.folder)
    if moment is Moment.IMPORT:
        abandon(tree)
    return {}


def _taken_in(order: dict[str, Any], limits: Limits, disk: Disk, diary: Diary) -> tuple[TreePath, Told | None]:
    """The tree that somebody gave, and what is told of it, where a farm exported it."""
    making, parts = order["making"], order["boot_parts"]
    board_support = source.folder_below(order["import_dirs"], making["bsp"]) if making["bsp"] else None
    intake = Intake(
        limits,
        disk,
        diary,
        DiskReader(Path(parts) / disk_image.ARCH if parts else None, making["partition"]),
        spare_bytes=bsp.spare_bytes(board_support) if board_support else 0,
    )
    if "archive" in order:
        given: source.File | source.Folder = source.stored(Path(order["archive"]), order["name"])
    else:
        given = source.below(order["import_dirs"], order["path"])
    exported = exported_in(given.fd, given.name) if isinstance(given, source.File) else None
    if exported and making["without"] and board_support is None:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("{name} was exported: it comes back as the image that it was, made without what that was made without"),
            hint=_("leave out --without; or unpack it by hand, and import its {tree}"),
            name=exported.name,
            tree=TREE,
        )
    tree = intake.tree_of(exported or given)
    if board_support is None:
        return tree, exported.told if exported else None
    with diary.phase("adapting"):
        bsp.apply_binaries(board_support, tree, disk)
    return tree, None


@contextlib.contextmanager
def _telling_what_is_unfit(tree: TreePath) -> Iterator[None]:
    """What goes wrong in the block goes wrong with a stranger's tree, or with the room that it is changed in."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            room = os.statvfs(tree)
            raise no_room(room.f_blocks * room.f_frsize + 1, room.f_blocks * room.f_frsize) from error
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("the tree cannot be made an image: {path}: {why}"),
            hint=_("repair or remove it, and make the image anew"),
            path=shown(os.fsencode(error.filename or ".")),
            why=error.strerror,
        ) from error


def _joined(copy: dict[str, Any], draft: Path) -> TreePath:
    """The tree of a root, from its parts."""
    for name in ("disk", "joined"):
        (draft / name).mkdir()
    mount_private("ext4", "loop,nodev,nosuid,noexec,noatime", copy["upper"], str(draft / "disk"))
    # By paths seen from the draft: commas and colons have a meaning of their own in mount options.
    layers = f"lowerdir={os.path.relpath(copy['below'], draft)},upperdir=disk/upper,workdir=disk/work"
    options = ",".join(("nodev,nosuid,noexec", *copy["options"], layers))
    mount_private("overlay", options, "overlay", str(draft / "joined"), cwd=draft)
    return TreePath(str(draft / "joined"))


def _layered(root: TreePath, of: dict[str, Any], draft: Path, disk: Disk) -> TreePath:
    """
    A view of a root that can be changed: what was its deployment's own is taken out in a layer above it. Of what the
    farm alone wrote there is nothing in it any more.
    """
    with TreeDir(root) as opened, TreeDir(TreePath(of["below"])) as image:
        undoing = Undoing(opened, image, of["farms"])
        view = _view(root, draft, disk, _LAYER_BYTES + undoing.size_bytes)
        with _telling_what_is_unfit(view), TreeDir(view) as changed:
            undoing.act(changed)
    return view


def _view(root: TreePath, draft: Path, disk: Disk, room_bytes: int) -> TreePath:
    view = draft / "view"
    view.mkdir()
    # No tmpfs: before Linux 6.6 that keeps no attributes of users.
    layer = Workroom(draft / "layer.ext4", draft / "layer")
    layer.build(room_bytes, _LAYER_INODES, disk)
    for name in ("upper", "work"):
        (layer.mount / name).mkdir()
    look_alike(root, layer.mount / "upper")
    # By paths seen from the draft: commas and colons have a meaning of their own in mount options. Without an index a
    # file that is changed, be it by one more name, is no longer what its other names tell.
    lower = os.path.relpath(root, draft)
    layers = f"lowerdir={lower},upperdir=layer/upper,workdir=layer/work"
    mount_private("overlay", f"nodev,nosuid,noexec,index=on,xino=on,{layers}", "overlay", str(view), cwd=draft)
    return TreePath(str(view))


def _read(tree: TreePath, limits: Limits, diary: Diary) -> Summary:
    tally = Tally(limits)
    with diary.phase("reading", look=lambda: tally.size_bytes):
        return summary(tree, limits, tally)


def _booting(
    tree: TreeDir, found: Findings, order: dict[str, Any], done: ImagePlace, disk: Disk
) -> tuple[tuple[Kernel, ...], int]:
    """Its kernels, and how many bytes are taken by what boots them, which is copied beside it."""
    parts = order["boot_parts"]
    judge = Judge(tree, found.arch, Path(parts) if parts else None, order["drivers"])
    copies, kernels = BootCopies(tree, disk), []
    for number, one in enumerate(found.kernels):
        kernel, made = judge.judged(one)
        copies.copy(kernel, done.kernel(number), made)
        kernels.append(kernel)
    return tuple(kernels), copies.stored_bytes


def _check_stated(seen: Summary, stated: str) -> None:
    if seen.digest != stated:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("this export was changed since: its tree has the digest {found}, and its manifest says {stated}"),
            hint=_("export or copy it anew"),
            found=seen.digest,
            stated=stated,
        )


def _linked(seen: Summary, done: ImagePlace, images: Path) -> str:
    """
    The checksum of the file with this very content, if the store has one already. It is now this image's too, and goes
    when the last of them goes.
    """
    for twin, manifest in manifests.with_digest(images, seen.digest):
        try:
            os.link(twin.erofs, done.erofs)
        except OSError:
            continue  # it goes at this very moment, or has as many names as a file may have
        if _checksum(done.erofs) == manifest.checksum:
            return manifest.checksum
        done.erofs.unlink()  # it is damaged
    return ""


def _compared(tree: TreePath, seen: Summary, done: ImagePlace, diary: Diary) -> str:
    """
    See that what boards will boot is the tree that was read: mkfs.erofs says nothing of what it leaves out. The content
    of files is not read again: that it can press those is taken on trust. Its checksum.

    Raises:
        Invalid: it is not, by the name of the first thing that is missing or another.
    """
    with ThreadPoolExecutor(1) as beside, diary.phase("comparing"):
        checksum = beside.submit(_checksum, done.erofs)
        mount_private("erofs", "loop,ro,nodev,nosuid,noexec", str(done.erofs), str(done.tree))
        if outline_of(done.tree) != seen.outline:
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("the image's file cannot hold {path} as it is"),
                hint=_("remove it or give it another name; none may begin with lost+found"),
                path=shown(first_difference(tree, done.tree) or b"."),
            )
        subprocess.run(["umount", str(done.tree)], check=True, stdin=subprocess.DEVNULL)
        return checksum.result()


def _checksum(file: Path) -> str:
    with file.open("rb", buffering=0) as opened:
        return f"sha256:{sha256_of(opened.fileno(), file.stat().st_size)}"


if __name__ == "__main__":
    answer(make)
