"""
Makes the file system of a volume larger: a program in mount, pid, network and ipc namespaces of its own.

One that boards have is made larger as it is mounted. One at rest is changed in its file, and must be mounted nowhere
meanwhile: whoever reads it for a backup holds a lock on the file.
"""

import fcntl
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.complaint import answer
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.mounts import mount_points

_TRIES, _PAUSE_S = 50, 0.1
_BLOCK = re.compile(r"^Block (count|size): +(\d+)$", re.MULTILINE)


def grow(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``file`` of the volume, which is as large already, and how large it was before (``had_bytes``); ``tree``,
            where it is mounted if boards have it; ``size_bytes``, which its file system has in the end at least.

    Raises:
        Fault: ROOT_BUSY, a backup reads it, or another program; PROGRAM_FAILED, in that program's own words. Its file
            is no larger than it was.
    """
    file = Path(order["file"])
    if order["tree"] in mount_points():
        _grow_in_use(file, order["tree"], order["size_bytes"], order["had_bytes"])
    else:
        _grow_at_rest(file, order["size_bytes"], order["had_bytes"])
    return {}


def _grow_in_use(file: Path, tree: str, size_bytes: int, had_bytes: int) -> None:
    device = _said("findmnt", "--noheadings", "--output=SOURCE", "--mountpoint", tree).strip()
    blocks = os.statvfs(tree).f_blocks
    try:
        _said("losetup", "--set-capacity", device)
        _resize(device, size_bytes)
    except Fault:  # in a container the kernel may not let even root
        if os.statvfs(tree).f_blocks == blocks:  # of what began to grow nothing is cut off
            os.truncate(file, had_bytes)
            with suppress(Fault):
                _said("losetup", "--set-capacity", device)
        raise


def _grow_at_rest(file: Path, size_bytes: int, had_bytes: int) -> None:
    try:
        with _locked(file):
            _check(file)
            had_bytes = file.stat().st_size  # of what began to grow nothing is cut off
            _resize(str(file), size_bytes)
            os.truncate(file, _size_bytes(str(file)))  # what an earlier growth left that was killed
    except Fault:
        os.truncate(file, had_bytes)
        raise


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Fault(Code.ROOT_BUSY, _("it cannot be made larger while a backup reads it")) from error
        # Here it is mounted nowhere; in the namespace of a program that began before that it may still be.
        for left in reversed(range(_TRIES)):
            if not _said("losetup", "--noheadings", "--output=NAME", "--associated", str(file)).strip():
                break
            if not left:
                raise Fault(Code.ROOT_BUSY, _("it cannot be made larger while something on the server still uses it"))
            time.sleep(_PAUSE_S)
        yield


def _check(file: Path) -> None:
    """What resize2fs wants done before; e2fsck fails, too, where it mended something."""
    check = ("e2fsck", "-f", "-p", str(file))
    try:
        _said(*check)
    except Fault:
        _said(*check)


def _resize(what: str, size_bytes: int) -> None:
    """Only ever to more: resize2fs would make it smaller as well."""
    if _size_bytes(what) < size_bytes:
        _said("resize2fs", what, f"{size_bytes >> 10}K")


def _size_bytes(what: str) -> int:
    told = dict(_BLOCK.findall(_said("dumpe2fs", "-h", what)))
    return int(told["count"]) * int(told["size"])


def _said(*words: str) -> str:
    ended = subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).decode("utf-8", "replace").strip()[-500:]
        raise Fault(Code.PROGRAM_FAILED, _("{program} failed: {said}"), program=words[0], said=said or "-")
    return ended.stdout.decode("utf-8", "replace")


if __name__ == "__main__":
    answer(grow)
