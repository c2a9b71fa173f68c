"""What of a farm is still on this machine: processes that mount its files, and loop devices behind them."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.mounts import OWN, mount_points

_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Remains:
    processes: frozenset[int]  # with a mount of the farm in their view of the files, or in their command line
    mounts: frozenset[Path]  # in our own view
    loops: frozenset[Path]  # devices

    @property
    def are_none(self) -> bool:
        return not (self.processes or self.mounts or self.loops)

    def __str__(self) -> str:
        told = [_("process {pid}").format(pid=pid) for pid in sorted(self.processes)]
        return ", ".join([*told, *map(str, sorted(self.mounts)), *map(str, sorted(self.loops))])


def remains_of(folder: Path) -> Remains:
    ours = _mounts_below(folder, OWN)
    processes = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in (os.getpid(), os.getppid()):
            with contextlib.suppress(OSError):  # it ended while we looked
                if _is_farms(entry, folder, ours):
                    processes.add(int(entry.name))
    loops = set()
    for device in Path("/sys/block").glob("loop*"):
        with contextlib.suppress(OSError):
            if Path(os.fsdecode((device / "loop" / "backing_file").read_bytes())).is_relative_to(folder):
                loops.add(Path("/dev", device.name))
    return Remains(frozenset(processes), ours, frozenset(loops))


def _is_farms(process: Path, folder: Path, ours: frozenset[Path]) -> bool:
    if _mounts_below(folder, process / "mountinfo") - ours:
        return True
    words = (process / "cmdline").read_bytes().split(b"\0")
    # What only names the folder (an editor, a shell, make) is somebody's; what runs on its config is the farm's.
    return b"boardgrid.daemon.main" in words and bytes(folder / "boardgrid.toml") in words


def _mounts_below(folder: Path, table: Path) -> frozenset[Path]:
    return frozenset(where for where in map(Path, mount_points(table)) if folder in where.parents)


def await_none(folder: Path, within_s: float) -> None:
    """
    Return when nothing is left.

    A supervisor that was killed took all with it, but the kernel may still be at it; what is not gone after half of the
    time is killed.

    Raises:
        Fault: something stays; it is named.
    """
    began = time.monotonic()
    while not (left := remains_of(folder)).are_none:
        waited_s = time.monotonic() - began
        if waited_s > within_s:
            raise Fault(
                Code.PROGRAM_TIMEOUT,
                _("these are left of the farm in {folder}: {left}"),
                hint=_("end them, then try again"),
                folder=folder,
                left=left,
            )
        if waited_s > within_s / 2:
            for pid in left.processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)
