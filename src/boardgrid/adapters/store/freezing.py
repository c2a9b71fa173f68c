"""
Copies what was changed on a root while a board goes on writing to it: a program in a mount namespace of its own.

The root's file system is frozen meanwhile: whoever writes to it waits, so what is copied is of one moment, as after a
power cut. A file system that stays frozen would hang its board for ever, so there is a watchdog: a process of its own
that thaws it as soon as this one is gone, or takes too long. And beside the root lies a mark for whoever comes after
both were killed. The order comes as JSON on standard input; see :func:`work`.
"""

import contextlib
import errno
import fcntl
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.place import RootPlace
from boardgrid.adapters.store.workroom import Disk, mount_private
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

# ioctl_fsfreeze(2), ioctl_ficlone(2)
_FREEZE, _THAW, _CLONE = 0xC0045877, 0xC0045878, 0x40049409
_CHUNK = 8 << 20
_AGAIN_S = 0.05


def work(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``root``, the folder of a root that is mounted; and, unless it is only to be thawed, ``to``, the file to
            copy its file system to, ``most_s`` for which it may be frozen, and ``reserved_bytes`` of the disk.

    Raises:
        Fault: STORE_FULL; PROGRAM_TIMEOUT, it would have been frozen for too long; STORE_DAMAGED.
    """
    place = RootPlace(Path(order["root"]))
    loop = _loop(place.upper)
    if loop is None:
        if "to" in order:
            raise Fault(Code.STORE_DAMAGED, _("{upper} is not mounted"), upper=place.upper)
        place.frozen.unlink(missing_ok=True)  # the machine was started anew
        return {}
    mount_private("ext4", "nodev,nosuid,noexec,noatime", loop, str(place.disk))
    fd = os.open(place.disk, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if "to" not in order:
        _thawed(fd)
        place.frozen.unlink(missing_ok=True)
        return {}
    with place.upper.open("rb") as source, Path(order["to"]).open("xb") as copy:
        size = os.fstat(source.fileno()).st_size
        # Twice: what has to be written while it is frozen keeps its board waiting.
        subprocess.run(["sync", "--file-system", str(place.disk)], check=True, stdin=subprocess.DEVNULL)
        Disk(Path(order["to"]).parent, order["reserved_bytes"]).want(
            sum(end - at for at, end in _data(source.fileno()))
        )
        os.truncate(copy.fileno(), size)
        began_s = time.monotonic()
        with _frozen(fd, place, order["most_s"]):
            _copy(source.fileno(), copy.fileno(), began_s, order["most_s"])
        frozen_s = time.monotonic() - began_s
    return {"frozen_s": frozen_s}


def _loop(upper: Path) -> str | None:
    """The device by which a file is mounted."""
    asked = ["losetup", "--noheadings", "--output", "NAME", "--associated", str(upper)]
    found = subprocess.run(asked, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.split()
    return found[0] if found else None


@contextlib.contextmanager
def _frozen(fd: int, place: RootPlace, most_s: float) -> Iterator[None]:
    place.frozen.touch()
    watchdog, alive = _watchdog(fd, most_s)
    try:
        fcntl.ioctl(fd, _FREEZE, 0)
        try:
            yield
        finally:
            is_late = not _thawed(fd)
        if is_late:
            raise _too_late(most_s)
    finally:
        os.close(alive)
        os.waitpid(watchdog, 0)
        place.frozen.unlink(missing_ok=True)


def _watchdog(fd: int, most_s: float) -> tuple[int, int]:
    """
    A process that thaws *fd* after *most_s*, or as soon as the pipe that is returned with it is closed.

    It leads a session of its own, so that whoever ends this program with its children does not end it; and it has what
    this program inherited, the lock on the store too: nobody begins anew before it is done.
    """
    ours, alive = os.pipe()
    ready, awake = os.pipe()
    if process := os.fork():
        os.close(ours)
        os.close(awake)
        os.read(ready, 1)  # from then on it is not ended with us
        os.close(ready)
        return process, alive
    try:
        os.setsid()
        for open_ in (alive, ready, awake, 0, 1, 2):
            os.close(open_)
        select.select([ours], [], [], most_s)
        # While it is being frozen it cannot be thawed yet; as long as whoever does that lives, it may still be.
        while not _thawed(fd) and not select.select([ours], [], [], _AGAIN_S)[0]:
            pass
        _thawed(fd)
    finally:
        os._exit(0)


def _thawed(fd: int) -> bool:
    """Whether it was frozen until now."""
    try:
        fcntl.ioctl(fd, _THAW, 0)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EBUSY}:
            raise
        return False
    return True


def _copy(source: int, copy: int, began_s: float, most_s: float) -> None:
    """What it holds, and no holes; where the disk's file system can share blocks, in no time."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(copy, _CLONE, source)
        return
    for at, end in _data(source):
        here = at
        while here < end:
            if time.monotonic() > began_s + most_s:
                raise _too_late(most_s)
            here += os.copy_file_range(source, copy, min(_CHUNK, end - here), here, here)


def _data(fd: int) -> Iterator[tuple[int, int]]:
    """Where a file has data: what was promised to it and never written is none."""
    at, size = 0, os.fstat(fd).st_size
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to its end
                return
            raise
        end = os.lseek(fd, at, os.SEEK_HOLE)
        yield at, end
        at = end


def _too_late(most_s: float) -> Fault:
    return Fault(
        Code.PROGRAM_TIMEOUT,
        _("the root has too much on it to be copied within {seconds:g} s, for which its board waits at most"),
        hint=_("keep it without --checkpoint: its board is stopped then"),
        seconds=most_s,
    )


if __name__ == "__main__":
    answer(work)
