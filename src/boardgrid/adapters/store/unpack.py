"""Unpacks a stranger's tar stream into a file system of its own, just large enough for what it says it holds."""

import os
from dataclasses import dataclass
from pathlib import Path

from boardgrid.adapters.store.archive import AT_ONCE, LIST_WORDS, Listing
from boardgrid.adapters.store.cage import Cage, Run
from boardgrid.adapters.store.damage import damaged, is_damage
from boardgrid.adapters.store.diary import NO_DIARY, Diary, Look, position
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.source import Archive, TarStream
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.adapters.store.workroom import Disk, Workroom
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

# To make files and folders for anyone, device nodes, setuid bits and file capabilities; nothing that reaches further.
POWERS = ("chown", "dac_override", "fowner", "fsetid", "mknod", "setfcap")
_LINE_BYTES = 32768  # of a listing: four times the longest names that are taken, each byte of them escaped
_NAMES_BYTES = 1 << 20
_ATTRIBUTES_BYTES = 8192  # of each file, where they take more than was left
# The server's own; and labels of a machine's integrity and policy, which only that machine's kernel may write.
_LEFT_OUT = ("trusted.*", "security.ima", "security.evm", "security.apparmor")
_BYTES_OF_A_FILE = 16384  # of a whole system, on average
_FULL = "No space left"
_TOO_LARGE = "File too large"


def unpack(
    stream: TarStream, limits: Limits, disk: Disk, folder: Path, diary: Diary = NO_DIARY, *, spare_bytes: int = 0
) -> TreePath:
    """
    Bring the stream's tree to a file system in *folder*, with so much to spare.

    Raises:
        Invalid: a member is refused, by name; it is too large; or tar cannot read it.
        Fault: STORE_FULL.
    """
    reading = Cage(folder / "reading", folder / "nothing")
    reading.workplace.mkdir()
    reading.build()
    with diary.phase("listing", *_extent(stream)):
        listing = listed(stream, limits, reading)
    if not listing.tally.entries:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} is empty"),
            hint=_("give the tree of a whole system, with /etc and /sbin/init in it"),
            name=stream.name,
        )
    users = groups = ""
    if listing.has_acls:
        users, groups = _names(stream, reading, "passwd"), _names(stream, reading, "group")
    room = Workroom(folder / "unpacked.ext4", folder / "unpacked")
    filling = _Filling(stream, listing, room, Cage(folder / "writing", room.mount, users, groups))
    inodes = listing.tally.entries + len(listing.implied) + 128 + spare_bytes // _BYTES_OF_A_FILE
    room_bytes = listing.room_bytes + spare_bytes
    try:
        with diary.phase("unpacking", *_extent(stream)):
            filling.run(disk, room_bytes, inodes)
    except _NoRoomError:
        # No listing tells of attributes: how large they are is known once they did not fit.
        filling.undo()
        try:
            filling.run(disk, room_bytes + inodes * _ATTRIBUTES_BYTES, 2 * inodes)
        except _NoRoomError as error:
            raise Invalid(
                Code.IMAGE_TOO_LARGE,
                _("the attributes of files in {name} take more room than is given to any: {said}"),
                hint=_("pack it without them: tar --no-xattrs"),
                name=stream.name,
                said=error,
            ) from error
    with TreeDir(room.tree) as tree:
        for implied in listing.implied:
            # Made by tar as it went, at this very second: the digest of one archive must not depend on the day.
            tree.set_folder_time(os.fsdecode(implied), 0)
    return room.tree


def _extent(stream: TarStream) -> tuple[int, Look]:
    """How large it is, and how far it was read: of an archive in one file."""
    if isinstance(stream, Archive):
        return os.fstat(stream.fd).st_size, position(stream.fd)
    return 0, lambda: 0


class _NoRoomError(Exception):
    """The file system that was made for the tree is too small for it."""


@dataclass(frozen=True, slots=True)
class _Filling:
    stream: TarStream
    listing: Listing
    room: Workroom
    cage: Cage

    def run(self, disk: Disk, room_bytes: int, inodes: int) -> None:
        self.room.build(room_bytes, inodes, disk)
        self.cage.build()
        tar = ["tar", "--extract", *self.stream.words, "--file=-", "--preserve-permissions", "--same-owner"]
        tar += ["--numeric-owner", "--selinux", "--sparse", "--xattrs", "--xattrs-include=*", AT_ONCE]
        tar += [f"--xattrs-exclude={name}" for name in _LEFT_OUT]
        if self.listing.has_acls:
            tar.append("--acls")  # only then: with it, tar 1.34 drops ACLs that come as raw attributes
        with self.stream.opened() as fd:
            run = self.cage.run(tar, POWERS, fd, self.listing.limits.size_bytes)
            status, lost = run.ended(), run.complaints.lost()
            if _FULL in lost or (status and _FULL in run.complaints.first()):
                raise _NoRoomError(lost or run.complaints.first())
            _check(run, self.stream)

    def undo(self) -> None:
        self.cage.remove()
        self.room.remove()


def listed(stream: TarStream, limits: Limits, cage: Cage) -> Listing:
    """
    Read the names of all members; nothing is written anywhere.

    Raises:
        Invalid: a member is refused, by name; it is too large; or tar cannot read it.
    """
    listing = Listing(limits)
    with stream.opened() as fd:
        run = cage.run(["tar", *LIST_WORDS, *stream.words, "--file=-"], (), fd)
        try:
            while line := run.out.readline(_LINE_BYTES):
                listing.add(line)
        except Invalid:
            run.end()
            raise
        _check(run, stream)
    return listing


def _check(run: Run, stream: TarStream) -> None:
    """Wait for tar, and say why it failed."""
    status = run.ended()
    if lost := run.complaints.lost():
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} has an attribute or ACL that cannot be kept: {said}"),
            hint=_("pack it without that: tar --xattrs-exclude=NAME, or tar --no-acls"),
            name=stream.name,
            said=lost,
        )
    if not status:
        return
    said = run.complaints.first()
    if _TOO_LARGE in said:
        raise Invalid(
            Code.IMAGE_TOO_LARGE,
            _("a file in {name} is larger than it says"),
            hint=_("pack the tree anew: tar -C ROOT -c ."),
            name=stream.name,
        )
    if is_damage(status, said):
        raise damaged(stream.name)
    raise Invalid(
        Code.ARCHIVE_REFUSED,
        _("{name} could not be unpacked: {said}"),
        hint=_("see that GNU tar can unpack it"),
        name=stream.name,
        said=said or f"tar ended with status {status}",
    )


def _names(stream: TarStream, cage: Cage, file: str) -> str:
    """Users or groups that ACLs may name: the tree's own, then this machine's."""
    spellings = (f"./etc/{file}", f"etc/{file}")
    with stream.opened() as fd:
        run = cage.run(["tar", "--extract", "--to-stdout", *stream.words, "--file=-", *spellings], (), fd)
        content = run.out.read(_NAMES_BYTES)
        run.ended()  # its status tells that one of the two spellings is not there: that is no reason to stop
    return _without_doubles(content.decode("utf-8", "replace"), Path("/etc", file).read_text())


def _without_doubles(*texts: str) -> str:
    """Lines ``name:x:number:...`` of all, the first of each name, with nothing but name and number."""
    known: dict[str, str] = {}
    for line in "\n".join(texts).splitlines():
        name, _x, *rest = [*line.split(":"), "", ""]
        if name and rest[0].isdigit():
            known.setdefault(name, f"{name}:x:{rest[0]}:{rest[1] if rest[1].isdigit() else ''}::/:")
    return "\n".join(known.values()) + "\n"
