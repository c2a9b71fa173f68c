"""
Finds the system on a stranger's disk image and packs its tree; this machine's kernel reads none of its file systems.

A virtual machine that is made for it does: the disk reader (see ``bootware/disk_reader.py``). It has the image's
bytes, a second disk to write a tar archive to, and a line through which it tells what it found, in words.
"""

import os
import re
import shutil
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from boardgrid.adapters.store.cage import Cage, Run
from boardgrid.adapters.store.damage import cut_off
from boardgrid.adapters.store.diary import NO_DIARY, Diary, written
from boardgrid.adapters.store.formats import HEAD_BYTES, disk_bytes
from boardgrid.adapters.store.limits import Limits, shown
from boardgrid.adapters.store.source import Archive, File
from boardgrid.adapters.store.workroom import Disk
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.model.headroom import no_room

ARCH = "armhf"  # the machine's; Debian's word
_MEMORY_MIB = 512
_TOLD_LINES, _LINE_BYTES = 2000, 1000
_SLACK_BYTES = 64 << 20  # what headers and the ends of files add to their sizes in an archive
_FULL = "No space left"
_TREE = "tree.tar"  # the machine's second disk
_SILENT_S = 120.0  # the slowest file of a disk is read in less
_ENDS_S = 10.0  # a machine that has hung up is gone by then
_KEPT_LINES = 3  # of what it said, for who has to find out why it did not say more
# A kernel that a stranger's file system brought down ends the machine. That alone it says on the line for words, and
# with a time before it, so that it is none of them.
_CMDLINE = "console=ttyAMA0 loglevel=2 printk.time=1 panic=-1 oops=panic"


_CLOCK = re.compile(r"\[ *\d+\.\d+\] ")  # of the kernel, before all that it says


@dataclass(slots=True)
class Words:
    """What the machine told so far."""

    parts: list[str] = field(default_factory=list)  # each as a person reads it
    unread: list[str] = field(default_factory=list)
    systems: list[str] = field(default_factory=list)
    failed: str = ""
    end: str = ""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))  # the last lines, as they came
    panic: list[str] = field(default_factory=list)  # the first lines of its kernel's; where it was follows, at length

    @property
    def last(self) -> str:
        return " | ".join((*self.said, *self.panic)) or _("it said nothing")

    def add(self, line: str) -> None:
        if line.startswith("["):
            self.panic += [shown(line.encode())] if len(self.panic) < _KEPT_LINES else []
            return
        if line:
            self.said.append(shown(line.encode()))
        word, _space, rest = line.partition(" ")
        match word:
            case "part":
                number, size, kind, label = [*rest.split(), "", "", "", ""][:4]
                mib = int(size) >> 20 if size.isdigit() else 0
                name = "" if label in {"", "-"} else f" {label}"
                self.parts.append(f"{number}: {mib} MiB {_('of no known kind') if kind == '-' else kind}{name}")
            case "unread":
                self.unread.append(_CLOCK.sub("", rest))
            case "systems":
                self.systems, self.end = rest.split(), "systems"
            case "failed":
                self.failed, self.end = self.failed or rest, "failed"
            case "done":
                self.end = "done"
            case _:
                pass  # of which the tree itself tells


Machine = Callable[[File, int | None, Cage, int, int], Words]  # which partition, bytes at most, and processors


@dataclass(frozen=True, slots=True)
class DiskReader:
    """
    Args:
        folder: with its parts, as ``python -m boardgrid.bootware holding`` puts them beside the holding system.
        partition: the one that holds the system; None: it is found.
        machine: runs one, to its last word.
    """

    folder: Path | None
    partition: int | None = None
    machine: Machine = field(default_factory=lambda: _run, repr=False)

    def read(self, image: File, limits: Limits, disk: Disk, draft: Path, diary: Diary = NO_DIARY) -> Archive:
        """
        The tree of the system on *image*, as a tar archive in *draft*.

        Raises:
            Invalid: ARCHIVE_REFUSED, no system is on it, or several and none was chosen, or it is broken;
                IMAGE_TOO_LARGE.
            Fault: STORE_FULL; PROGRAM_FAILED, the machine could not be started; PROGRAM_TIMEOUT, it hung twice.
        """
        place = draft / "reading-disk"
        place.mkdir()
        for part in self._files():
            shutil.copyfile(part, place / part.name)
        free = disk.free_bytes
        most = min(limits.size_bytes + _SLACK_BYTES, free) >> 20 << 20
        out = place / _TREE
        # Nobody knows how large it becomes: a card's files take less than its partitions.
        with diary.phase("opening", look=written(out)):
            told = self._told(image, draft, out, most)
        match told.end:
            case "done":
                return Archive(os.open(out, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), image.name, ())
            case "systems" | "failed" if not told.systems and (whole := _whole_bytes(image)):
                raise cut_off(image.name, os.fstat(image.fd).st_size, whole)
            case "systems":
                raise _not_one(image.name, self.partition, told)
            case "failed" if _FULL in told.failed and most == free >> 20 << 20:
                raise no_room(most + 1, free)
            case "failed" if _FULL in told.failed:
                raise Invalid(
                    Code.IMAGE_TOO_LARGE,
                    _("the tree in {name} is over the site's limit of {limit}"),
                    hint=_("leave out what the board does not need, or ask an admin for a higher limit"),
                    name=image.name,
                    limit=bytes_text(limits.size_bytes),
                )
            case "failed":
                raise Invalid(
                    Code.ARCHIVE_REFUSED,
                    _("a file system in {name} could not be read whole: {said}"),
                    hint=_("see that the image arrived whole; e2fsck or its like may repair the file system"),
                    name=image.name,
                    said=told.failed,
                )
            case _:
                raise Invalid(
                    Code.ARCHIVE_REFUSED,
                    _("a file system in {name} is so damaged that the machine that read it broke down ({said})"),
                    hint=_("see that the image arrived whole; e2fsck or its like may repair the file system"),
                    name=image.name,
                    said=told.last,
                )

    def _told(self, image: File, draft: Path, out: Path, most: int) -> Words:
        def told(processors: int) -> Words:
            with out.open("wb") as file:
                file.truncate(most)
            cage = Cage(draft / f"reader-{processors}", out.parent)
            return self.machine(image, self.partition, cage, most, processors)

        try:
            return told(2)
        except Fault as error:
            if error.code is not Code.PROGRAM_TIMEOUT:
                raise
        # Now and then one hangs whose processors are emulated side by side. With a single one that cannot be why.
        return told(1)

    def _files(self) -> tuple[Path, Path]:
        """
        Kernel and initramfs.

        Raises:
            Fault: they are not there.
        """
        if self.folder is not None:
            files = (self.folder / "vmlinuz", self.folder / "disk-reader")
            if all(file.is_file() for file in files):
                return files
        raise Fault(
            Code.PROGRAM_FAILED,
            _("this site cannot read disk images: its disk reader is not in {folder}"),
            hint=_("have it made with the holding system, by python -m boardgrid.bootware; or import a tar archive"),
            folder=self.folder,
        )


def _run(image: File, partition: int | None, cage: Cage, most: int, processors: int) -> Words:
    cage.build()
    ours, its = socket.socketpair()
    with ours:
        with its:
            words = _command(image.fd, its.fileno(), partition, processors)
            run = cage.run(words, (), subprocess.DEVNULL, most, keep=(image.fd, its.fileno()))
        return listened(run, ours, cage.workplace / _TREE)


def listened(
    run: Run, ours: socket.socket, tree: Path, *, silent_s: float = _SILENT_S, ends_s: float = _ENDS_S
) -> Words:
    """
    What a machine says to its last word. Whatever comes of it, it has ended then.

    Raises:
        Fault: PROGRAM_TIMEOUT, it hangs; PROGRAM_FAILED, it could not run.
    """
    told = Words()
    try:
        for line in lines(ours, tree, silent_s):
            told.add(line)
            if told.end:
                # What it wrote is written. It would be ended sooner than its last word came, if it did that itself.
                return told
        status = run.ended(ends_s)
    except TimeoutError:
        raise Fault(
            Code.PROGRAM_TIMEOUT,
            _("the machine that reads disk images hangs, and was ended ({said})"),
            hint=_("try again; if it hangs once more, import the tree as a tar archive"),
            said=told.last,
        ) from None
    finally:
        run.end()
    if status > 0:  # else it was ended: it said more than any machine has to say
        raise Fault(
            Code.PROGRAM_FAILED,
            _("the machine that reads disk images could not run: {said}"),
            hint=_("see that qemu-system-arm is installed on the site; or import the tree as a tar archive"),
            said=run.complaints.first() or f"status {status}",
        )
    return told


def _command(image: int, told: int, partition: int | None, processors: int) -> list[str]:
    wanted = f" partition={partition}" if partition is not None else ""
    return [
        "qemu-system-arm",
        *("-name", "disk-reader", "-M", "virt,highmem=off", "-cpu", "cortex-a15", "-smp", str(processors)),
        *("-accel", f"tcg,thread={'multi' if processors > 1 else 'single'},tb-size=128", "-m", str(_MEMORY_MIB)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", "/work/vmlinuz", "-initrd", "/work/disk-reader", "-append", _CMDLINE + wanted),
        # The machine numbers its disks from the last one on.
        *("-drive", f"if=none,id=out,format=raw,file=/work/{_TREE},file.locking=off,cache=unsafe,werror=report"),
        *("-device", "virtio-blk-device,drive=out"),
        *("-add-fd", f"fd={image},set=1"),
        *("-drive", "if=none,id=in,format=raw,readonly=on,file=/dev/fdset/1,file.locking=off,cache=unsafe"),
        *("-device", "virtio-blk-device,drive=in"),
        *("-chardev", f"socket,id=told,fd={told}", "-serial", "chardev:told"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]


def lines(told: socket.socket, tree: Path, silent_s: float = _SILENT_S) -> Iterator[str]:
    """
    What the machine says until it ends; what goes on for longer than it ever has to say is not listened to.

    Args:
        tree: what it writes, by which it shows that it works.
        silent_s: twice as long it may do neither.

    Raises:
        TimeoutError: it neither says nor writes anything any more.
    """
    told.settimeout(silent_s)
    said, written = b"", -1
    for _count in range(_TOLD_LINES):
        while b"\n" not in said and len(said) < _LINE_BYTES:
            try:
                more = told.recv(_LINE_BYTES)
            except TimeoutError:
                if written == (written := tree.stat().st_blocks):
                    raise
                continue
            if not more:
                return
            said += more
        line, _end, said = said.partition(b"\n")
        yield line.decode("ascii", "replace").rstrip()


def _whole_bytes(image: File) -> int:
    """How large it should be, where it is shorter than it tells of itself; else 0."""
    told = disk_bytes(os.pread(image.fd, HEAD_BYTES, 0))
    return told if told > os.fstat(image.fd).st_size else 0


def _not_one(name: str, partition: int | None, told: Words) -> Invalid:
    parts = "; ".join(told.parts[:40]) or _("no partition")
    why = "".join(_("; partition {said}").format(said=said) for said in told.unread[:3])
    if partition is not None and all(part.startswith("0:") for part in told.parts):
        return Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} has no partition table, and so no partition {number}: it has {parts}"),
            hint=_("leave out --partition: the one file system on it is taken"),
            number=partition,
            name=name,
            parts=parts,
        )
    if partition is not None and not any(part.startswith(f"{partition}:") for part in told.parts):
        return Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} has no partition {number}: it has {parts}"),
            hint=_("choose one of these: --partition N"),
            number=partition,
            name=name,
            parts=parts,
        )
    if partition is not None:
        return Invalid(
            Code.ARCHIVE_REFUSED,
            _("partition {number} of {name} holds no system that the farm can read (it has {parts}){why}"),
            hint=_("choose another one: --partition N"),
            number=partition,
            name=name,
            parts=parts,
            why=why,
        )
    if not told.systems:
        return Invalid(
            Code.ARCHIVE_REFUSED,
            _("there is no system that the farm can read on {name}: it has {parts}{why}"),
            hint=_(
                "a system has /etc and an init, in ext4, btrfs, xfs, f2fs, squashfs or erofs; no LVM, not encrypted"
            ),
            name=name,
            parts=parts,
            why=why,
        )
    return Invalid(
        Code.ARCHIVE_REFUSED,
        _("{name} has several systems, in the partitions {systems}: it has {parts}"),
        hint=_("choose one of them: --partition N"),
        name=name,
        systems=", ".join(told.systems),
        parts=parts,
    )
