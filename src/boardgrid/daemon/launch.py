"""
The last step before a process of the farm begins: its doors at the agreed numbers, its view of the files, then exec.

Run as a program, still as root and in the place of the process that it becomes (so the parent sees one process and
one end). What it does takes system calls that no shell tool offers in this order. It stands in the way of every start,
so it imports nothing of ours.
"""

import argparse
import ctypes
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_FD = 3  # handed-on sockets are 3, 4, ...: the LISTEN_FDS convention
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18


@dataclass(frozen=True, slots=True)
class View:
    """Folders that are covered by an empty one, and the paths that appear again below them."""

    hide: tuple[Path, ...] = ()
    show: tuple[Path, ...] = ()


def words(doors: Sequence[int], view: View) -> list[str]:
    """The command line that has this module done, up to the program that it becomes; empty where nothing is to do."""
    if not doors and not view.hide:
        return []
    return [
        *(sys.executable, "-I", "-m", "boardgrid.daemon.launch"),
        *(f"--door={fd}" for fd in doors),
        *(f"--hide={path}" for path in view.hide),
        *(f"--show={path}" for path in view.show),
        "--",
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", type=int, action="append", default=[])
    parser.add_argument("--hide", type=Path, action="append", default=[])
    parser.add_argument("--show", type=Path, action="append", default=[])
    parser.add_argument("argv", nargs="+")
    asked = parser.parse_args()
    if asked.hide:
        _confine(View(tuple(asked.hide), tuple(asked.show)))
    if asked.door:
        _place(asked.door)
        os.environ["LISTEN_PID"] = str(os.getpid())
    os.chdir("/")
    os.execvp(asked.argv[0], asked.argv)  # noqa: S606 - the words come from the supervisor


def _place(doors: Sequence[int]) -> None:
    """The given descriptors become 3, 4, ...; nothing else stays open."""
    # First out of the way: one of them may stand where another belongs.
    high = [os.dup(fd) for fd in doors]
    spare = FIRST_FD + len(doors)
    while any(fd < spare for fd in high):
        high = [fd if fd >= spare else os.dup(fd) for fd in high]
    for number, fd in enumerate(high):
        os.dup2(fd, FIRST_FD + number, inheritable=True)
    os.closerange(spare, max(*high, *doors) + 1)


def _confine(view: View) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)

    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "unshare")
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    # What is shown is held open before it disappears under what hides it; a descriptor from before the new namespace
    # would not do, the kernel binds no mount of another one.
    held = {path: (os.open(path, os.O_PATH | os.O_CLOEXEC), path.is_dir()) for path in view.show}
    for folder in view.hide:
        mount("tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755,size=256k")
    for path, (fd, is_folder) in held.items():
        if is_folder:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        mount(f"/proc/self/fd/{fd}", str(path), "", _MS_BIND | _MS_REC)
        os.close(fd)
    for folder in view.hide:
        mount("tmpfs", str(folder), "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


if __name__ == "__main__":
    main()
