"""
A volume as a tar archive, for backups: a program in a mount namespace of its own, which goes with all that it mounts.

``pack STORE VOLUME LOCK`` writes the archive to standard output. It is started where the agent's mounts are seen: of a
volume that boards use the files are read as they are at that moment, each by itself. Without arguments it unpacks: the
order comes as JSON on standard input; see :func:`unpack`.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.place import Places
from boardgrid.adapters.store.workroom import let_go_of_others, mount_private
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.mounts import mount_points

ALONE = ("unshare", "--mount", "--propagation", "private")
PROGRAM = (sys.executable, "-I", "-m", "boardgrid.adapters.store.volume_archive")

# The server runs nothing of it, and opens no device of it. After an error of the disk no more is written over it.
OPTIONS = "loop,nodev,nosuid,noexec,errors=remount-ro"
_TO_READ = ("dac_read_search",)
_TO_WRITE = ("chown", "dac_override", "fowner", "fsetid", "mknod", "setfcap")
_KEEP = ("--numeric-owner", "--sparse", "--selinux", "--acls", "--xattrs", "--xattrs-include=*")
_LEFT_OUT = ("--xattrs-exclude=trusted.*", "--exclude=./lost+found")
_CHANGED = 1  # tar's status where a file changed or went while it was read


def pack(store: Path, volume: UUID, to: int, lock: int) -> None:
    """
    Args:
        lock: the volume's file, open, with a lock on it that was taken before this program's namespace was made. Nobody
            mounts it before it is mounted here, and nobody makes it larger at rest before this program has ended.

    Raises:
        Fault: it could not be read.
    """
    place = Places(store.resolve()).volume(volume)
    let_go_of_others(str(store.resolve()), {str(place.tree)})
    with tempfile.TemporaryDirectory() as made:
        folder, tree = Path(made), Path(place.tree)
        if str(tree) not in mount_points():
            tree = folder / "tree"
            tree.mkdir()
            # As the agent does, who may mount it meanwhile: then it is one file system in two places.
            mount_private("ext4", OPTIONS, str(place.file), str(tree))
        fcntl.flock(lock, fcntl.LOCK_SH)
        with _caged(folder / "cage", tree) as cage:
            words = ["tar", "--create", "--format=posix", "--one-file-system", *_KEEP, *_LEFT_OUT, "--file=-", "."]
            tar = cage.run(words, _TO_READ, subprocess.DEVNULL, keep=(lock,))
            zstd = subprocess.run(["zstd", "-q", "-c"], check=False, stdin=tar.out, stdout=to, pass_fds=(lock,))
            status = tar.ended()
        if tree != Path(place.tree):
            subprocess.run(["umount", str(tree)], check=True, stdin=subprocess.DEVNULL)
    if zstd.returncode or status > _CHANGED:
        said = tar.complaints.first() or f"zstd ended with status {zstd.returncode}"
        raise Fault(Code.PROGRAM_FAILED, _("volume {volume} cannot be read: {said}"), volume=volume, said=said)


def unpack(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``file``, a new file system; ``archive``, what is to be in it.

    Raises:
        Fault: it could not be read or written whole.
    """
    with tempfile.TemporaryDirectory() as made, Path(order["archive"]).open("rb") as archive:
        folder, tree = Path(made), Path(made, "tree")
        tree.mkdir()
        mount_private("ext4", OPTIONS, order["file"], str(tree))
        with _caged(folder / "cage", tree) as cage:
            zstd = subprocess.Popen(["zstd", "-q", "-d", "-c"], stdin=archive, stdout=subprocess.PIPE)
            words = ["tar", "--extract", "--preserve-permissions", "--same-owner", *_KEEP, *_LEFT_OUT, "--file=-"]
            assert zstd.stdout is not None  # noqa: S101 - it is a pipe
            tar = cage.run(words, _TO_WRITE, zstd.stdout.fileno())
            zstd.stdout.close()
            status, failed = tar.ended(), zstd.wait()
        # It tells of a disk that fails; umount(8) would not.
        subprocess.run(["sync", "--file-system", str(tree)], check=True, stdin=subprocess.DEVNULL)
        subprocess.run(["umount", str(tree)], check=True, stdin=subprocess.DEVNULL)
    if status or failed or tar.complaints.lost():
        said = tar.complaints.lost() or tar.complaints.first() or f"zstd ended with status {failed}"
        raise Fault(Code.PROGRAM_FAILED, _("{archive} cannot be unpacked: {said}"), archive=order["archive"], said=said)
    return {}


@contextmanager
def _caged(folder: Path, tree: Path) -> Iterator[Cage]:
    cage = Cage(folder, tree)
    cage.build()
    try:
        yield cage
    finally:
        cage.remove()


def main(words: list[str]) -> None:
    if not words:
        answer(unpack)
        return
    _pack, store, volume, lock = words
    try:
        pack(Path(store), UUID(volume), sys.stdout.fileno(), int(lock))
    except Fault as error:
        sys.exit(str(error))


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1:])
