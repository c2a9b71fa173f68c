"""A tree as a tar archive: the same bytes every time, so that an image made twice is one image."""

import io
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from boardgrid.bootware.tree import MTIME, Entry

_TYPES = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFCHR: tarfile.CHRTYPE}


def write(entries: Iterable[Entry], out: BinaryIO) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _put(entries, archive)


def append(entries: Iterable[Entry], path: Path) -> None:
    """Put more into an archive that is there; what it has under the same name is of no account any more."""
    with tarfile.open(path, mode="a", format=tarfile.PAX_FORMAT) as archive:
        there = {member.name.removeprefix("./"): member for member in archive.getmembers()}
        # All names are spelled as those that are there.
        dot = "./" if any(name.startswith("./") for name in archive.getnames()) else ""
        entries = list(entries)
        folders = [there[one.path] for one in entries if stat.S_ISDIR(one.mode) and one.path in there]
        _put((one for one in entries if not (stat.S_ISDIR(one.mode) and one.path in there)), archive, dot)
        # Once more, so that they have the mode and the time that they had, whatever was put into them since.
        for folder in folders:
            archive.addfile(folder)


def _put(entries: Iterable[Entry], archive: tarfile.TarFile, prefix: str = "") -> None:
    for entry in entries:
        member = tarfile.TarInfo(f"{prefix}{entry.path}")
        member.type = _TYPES.get(stat.S_IFMT(entry.mode), tarfile.REGTYPE)
        member.mode, member.mtime = stat.S_IMODE(entry.mode), MTIME
        member.uid, member.gid = entry.owner
        if not any(entry.owner):
            member.uname = member.gname = "root"
        member.linkname, (member.devmajor, member.devminor) = entry.target, entry.device
        data = entry.read() if stat.S_ISREG(entry.mode) else b""
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
