"""
Packs an image to be taken away: a program in mount, pid, network and ipc namespaces of its own.

What comes of it is a tar archive of two files: ``manifest.json``, which tells what the image is, and ``tree.tar.zst``.
By hand any tar unpacks both, one after the other; and an import knows it by its first file.
"""

import json
import os
import signal
import subprocess
from pathlib import Path
from tarfile import GNU_FORMAT, TarInfo
from typing import Any, BinaryIO

from boardgrid.adapters.store import exported
from boardgrid.adapters.store.cage import bounded
from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.diary import Diary, read_by
from boardgrid.adapters.store.place import ImagePlace
from boardgrid.adapters.store.source import Folder
from boardgrid.adapters.store.workroom import Disk, mount_private
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.model.headroom import no_room

_BLOCK = 512


def pack(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``place`` of the image; ``draft`` (a folder), where ``export.tar`` is made; ``manifest``, what is told of
            it; ``size_bytes`` of its files and ``stored_bytes``; ``reserved_bytes``, what exports leave of the disk.

    Raises:
        Fault: STORE_FULL; PROGRAM_FAILED.
    """
    draft, place = Path(order["draft"]), ImagePlace(Path(order["place"]))
    disk = Disk(draft, order["reserved_bytes"])
    disk.want(order["stored_bytes"])
    os.umask(0o077)
    tree = draft / "tree"
    tree.mkdir()
    mount_private("erofs", "loop,ro,nodev,nosuid,noexec", str(place.erofs), str(tree))
    with (draft / "export.tar").open("xb") as file:
        _add(file, exported.MANIFEST, json.dumps(order["manifest"], indent=1, ensure_ascii=False).encode())
        header_at = file.tell()
        file.write(bytes(_BLOCK))
        _stream(tree, file, disk, Diary(draft / "progress"), order["size_bytes"])
        size = file.seek(0, os.SEEK_END) - header_at - _BLOCK
        file.write(bytes(-size % _BLOCK + 2 * _BLOCK))
        file.seek(header_at)
        file.write(_header(exported.TREE, size))
    subprocess.run(["umount", str(tree)], check=True, stdin=subprocess.DEVNULL)
    return {}


def _add(file: BinaryIO, name: str, content: bytes) -> None:
    file.write(_header(name, len(content)) + content + bytes(-len(content) % _BLOCK))
    file.flush()


def _header(name: str, size: int) -> bytes:
    member = TarInfo(name)
    member.size = size
    return member.tobuf(GNU_FORMAT)  # one block, however large the file is


def _stream(tree: Path, to: BinaryIO, disk: Disk, diary: Diary, size_bytes: int) -> None:
    to.flush()
    free = disk.free_bytes
    zstd = ["prlimit", f"--fsize={to.tell() + free}", "--", *bounded(["zstd", "-q", "-T0", "-c"], ())]
    folder = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with Folder(folder, str(tree), may_have_holes=False).opened() as fd:
            process = subprocess.Popen(zstd, stdin=fd, stdout=to, stderr=subprocess.PIPE)
            with diary.phase("packing", size_bytes, read_by(process.pid)):
                _out, said = process.communicate()
            if process.returncode == -signal.SIGXFSZ or (process.returncode and b"No space left" in said):
                raise no_room(free + 1, free)
            if process.returncode:
                why = said.decode("utf-8", "replace").strip()[-500:]
                raise Fault(Code.PROGRAM_FAILED, _("the image could not be packed: {said}"), said=why or "-")
    finally:
        os.close(folder)


if __name__ == "__main__":
    answer(pack)
