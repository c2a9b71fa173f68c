"""Unpacks a stranger's tar stream into a file system of its own, just large enough for what it says it holds."""

import os
from pathlib import Path

from boardgrid.adapters.store.archive import LIST_WORDS, Limits, Listing
from boardgrid.adapters.store.cage import Cage, Run
from boardgrid.adapters.store.source import TarStream
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.adapters.store.workroom import Disk, Workroom
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

# To make files and folders for anyone, device nodes, setuid bits and file capabilities; nothing that reaches further.
_POWERS = ("chown", "dac_override", "fowner", "fsetid", "mknod", "setfcap")
_LINE_BYTES = 32768  # of a listing: four times the longest names that are taken, each byte of them escaped
_NAMES_BYTES = 1 << 20


def unpack(stream: TarStream, limits: Limits, disk: Disk, folder: Path) -> TreePath:
    """
    Bring the stream's tree to a file system in *folder*.

    Raises:
        Invalid: a member is refused, by name; it is too large; or tar cannot read it.
        Fault: STORE_FULL.
    """
    reading = Cage(folder / "reading", folder / "nothing")
    reading.workplace.mkdir()
    reading.build()
    listing = _listed(stream, limits, reading)
    room = Workroom(folder / "unpacked.ext4", folder / "unpacked")
    room.build(listing.room_bytes, listing.entries + len(listing.implied) + 128, disk)
    tar = ["tar", "--extract", *stream.words, "--file=-", "--preserve-permissions", "--same-owner", "--numeric-owner"]
    tar += ["--xattrs", "--xattrs-include=*", "--xattrs-exclude=trusted.*", "--selinux", "--sparse"]
    users = groups = ""
    if listing.has_acls:
        tar.append("--acls")  # only then: with it, tar 1.34 drops ACLs that come as raw attributes
        users, groups = _names(stream, reading, "passwd"), _names(stream, reading, "group")
    writing = Cage(folder / "writing", room.mount, users, groups)
    writing.build()
    with stream.opened() as fd:
        _check(writing.run(tar, _POWERS, fd), stream)
    with TreeDir(room.tree) as tree:
        for implied in listing.implied:
            # Made by tar as it went, at this very second: the digest of one archive must not depend on the day.
            tree.set_folder_time(os.fsdecode(implied), 0)
    return room.tree


def _listed(stream: TarStream, limits: Limits, cage: Cage) -> Listing:
    """Read the names of all members; nothing is written anywhere."""
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
    if not listing.entries:
        raise Invalid(Code.ARCHIVE_REFUSED, _("{name} is empty"), name=stream.name)
    return listing


def _check(run: Run, stream: TarStream) -> None:
    """Wait for tar, and say why it failed."""
    status = run.ended()
    if not status:
        return
    said = run.complaints.first()
    if "No space left" in said:
        raise Invalid(Code.IMAGE_TOO_LARGE, _("{name} takes more room than its members say"), name=stream.name)
    raise Invalid(
        Code.ARCHIVE_REFUSED,
        _("{name} could not be unpacked: {said}"),
        hint=_("see that it arrived whole, and that GNU tar can unpack it"),
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
