"""A tree as a tar archive: the same bytes every time, so that an image made twice is one image."""

import io
import stat
import tarfile
from collections.abc import Iterable
from typing import BinaryIO

from boardgrid.bootware.tree import MTIME, Entry

_TYPES = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFCHR: tarfile.CHRTYPE}


def write(entries: Iterable[Entry], out: BinaryIO) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            member = tarfile.TarInfo(entry.path)
            member.type = _TYPES.get(stat.S_IFMT(entry.mode), tarfile.REGTYPE)
            member.mode, member.mtime = stat.S_IMODE(entry.mode), MTIME
            member.uname = member.gname = "root"
            member.linkname, (member.devmajor, member.devminor) = entry.target, entry.device
            data = entry.read() if stat.S_ISREG(entry.mode) else b""
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
