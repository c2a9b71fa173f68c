"""A mount namespace for tests, and what they look at in it: nothing that they mount outlives them, however they end."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNS = 0x20000

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def own_mounts() -> Iterator[None]:
    """
    Inside the block this thread, and what it starts, mounts in a namespace of its own.

    It goes when its last process does, so that even a test run that is killed leaves no mount and no loop device.
    """
    outside, root, here = os.open("/proc/self/ns/mnt", os.O_RDONLY), os.open("/", os.O_PATH), os.open(".", os.O_PATH)
    try:
        if _libc.unshare(_CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "cannot have a mount namespace: are you root?")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        yield
        # Refused while a thread that was started inside still lives; then all stay in here, which does no harm.
        if _libc.setns(outside, _CLONE_NEWNS) == 0:
            # The kernel makes the namespace's own root ours, also where we were confined to a folder below it.
            os.fchdir(root)
            os.chroot(".")
            os.fchdir(here)
    finally:
        for descriptor in (outside, root, here):
            os.close(descriptor)


def mounts_below(folder: Path) -> list[str]:
    return sorted(
        point
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if (point := line.split()[4].replace("\\040", " ")).startswith(f"{folder}/")
    )


def unmount_below(folder: Path) -> None:
    """What a reboot does to a store, and what a test owes to the next one."""
    if points := mounts_below(folder):
        subprocess.run(["umount", *reversed(points)], check=True)


def loops_below(folder: Path) -> list[str]:
    """Files below *folder* that are attached to loop devices, in whatever namespace."""
    printed = subprocess.run(["losetup", "--noheadings", "--output", "BACK-FILE"], check=True, capture_output=True)
    return [line for line in printed.stdout.decode().splitlines() if line.strip().startswith(f"{folder}/")]


@contextlib.contextmanager
def a_small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A disk of its own, to be filled up."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    with a_disk(folder) as mount:
        yield mount


@contextlib.contextmanager
def a_disk(folder: Path) -> Iterator[Path]:
    """What its file holds."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir()
    subprocess.run(["mount", "--options", "loop", str(image), str(mount)], check=True)
    try:
        yield mount
    finally:
        unmount_below(mount)
        subprocess.run(["umount", str(mount)], check=True)
