"""What a board is to boot with, on its way to the farm: nothing is sent that is there already."""

import hashlib
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from boardgrid.client.complaint import FILE_UNKNOWN, REQUEST_INVALID, Complaint
from boardgrid.client.farm import Farm
from boardgrid.client.progress import counted
from boardgrid.client.reading import unreadable
from boardgrid.messages import _

_CHUNK = 1 << 18
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,100}")
_OF_THIS_MACHINE = frozenset({"build", "source"})  # links into the folder that a kernel was built in


def sent(farm: Farm, file: str) -> str:
    """
    The SHA-256 under which the farm has a file.

    Raises:
        Complaint: it cannot be read, or is refused.
    """
    path = Path(file)
    try:
        with path.open("rb") as opened:
            return _sent(farm, opened, path.name)
    except OSError as error:
        raise unreadable(file, error) from error


def modules_sent(farm: Farm, folder: str, release: str = "") -> tuple[str, str]:
    """
    The SHA-256 under which the farm has the modules of a kernel, and its release.

    Args:
        folder: where `make modules_install INSTALL_MOD_PATH=` put them, or lib/modules/RELEASE in it.
        release: which, where there are several.
    """
    of_release = _of_release(Path(folder), release)
    with _packed(of_release) as archive:
        return _sent(farm, archive, of_release.name), of_release.name


def _of_release(folder: Path, release: str) -> Path:
    installed = folder / "lib" / "modules"
    if not installed.is_dir():
        found = [folder.resolve()] if (folder / "kernel").is_dir() or any(folder.glob("modules.*")) else []
    else:
        found = [one for one in sorted(installed.iterdir()) if one.is_dir() and release in {"", one.name}]
    if len(found) == 1 and _RELEASE.fullmatch(found[0].name):
        return found[0]
    if not found:
        raise Complaint(
            REQUEST_INVALID,
            _("there are no modules of a kernel in {folder}").format(folder=folder),
            hint=_("make modules_install INSTALL_MOD_PATH={folder} puts them there").format(folder=folder),
        )
    raise Complaint(
        REQUEST_INVALID,
        _("{folder} has modules of several kernels").format(folder=folder),
        hint=_("say of which with --kernel-release: {found}").format(found=", ".join(one.name for one in found)),
    )


@contextmanager
def _packed(folder: Path) -> Iterator[IO[bytes]]:
    """An archive that is the same whenever the same is packed, so that it is sent but once."""
    with tempfile.TemporaryFile() as file:
        try:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
                archive.add(folder, ".", filter=_plain)
        except OSError as error:
            sentence = _("{path} cannot be packed: {why}")
            raise Complaint(
                REQUEST_INVALID, sentence.format(path=error.filename or folder, why=error.strerror or error)
            ) from error
        yield file


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if member.issym() and member.name.removeprefix("./") in _OF_THIS_MACHINE:
        return None
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _sent(farm: Farm, file: IO[bytes], what: str) -> str:
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(file):
        digest.update(chunk)
        size += len(chunk)
    sha256 = digest.hexdigest()
    try:
        farm.kit_file(sha256)
    except Complaint as error:
        if error.code != FILE_UNKNOWN:
            raise
        file.seek(0)
        with counted(_chunks(file), what, size) as chunks:
            farm.send_kit_file(sha256, chunks, size_bytes=size)
    return sha256


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
