"""Where an image's content comes from: a file or a folder on this machine, opened once."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from boardgrid.adapters.store import resolve
from boardgrid.adapters.store.cage import Run, run_bounded
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError, Invalid, NotFound
from boardgrid.model.imports import Imports

_CHANGED = 1  # tar's status when a file changed as it was read


class TarStream(Protocol):
    """A tar stream that can be read several times."""

    @property
    def name(self) -> str: ...

    @property
    def words(self) -> tuple[str, ...]:
        """What tar must be told to read it."""

    def opened(self) -> contextlib.AbstractContextManager[int]:
        """A descriptor to read it from its beginning."""


@dataclass(frozen=True, slots=True)
class File:
    """What nobody has looked into: its content tells what it is."""

    fd: int
    name: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive, plain or packed; *words* tell tar how."""

    fd: int
    name: str
    words: tuple[str, ...]

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        os.lseek(self.fd, 0, os.SEEK_SET)
        yield self.fd


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, packed by tar as it is read; what is mounted below it is left out."""

    fd: int
    name: str
    words: tuple[str, ...] = ()

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        # ACLs travel as the raw attributes that they are: as text they would carry this machine's user names.
        tar = ["tar", "--create", "--format=posix", "--xattrs", "--xattrs-include=*", "--xattrs-exclude=trusted.*"]
        tar += ["--selinux", "--sparse", "--numeric-owner", "--sort=name", "--one-file-system", "--file=-"]
        tar += [f"--directory=/proc/self/fd/{self.fd}", "."]
        packer = run_bounded(tar, ("dac_read_search",), keep=(self.fd,))
        try:
            yield packer.out.fileno()
        except FarmError:
            # Whoever reads it complains that it ended early; why it did is known here.
            self._check(packer.ended(), packer)
            raise
        self._check(packer.ended(), packer)

    def _check(self, status: int, packer: Run) -> None:
        if status == _CHANGED:
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("{path} changed while it was read: {said}"),
                hint=_("import it again when nothing writes to it"),
                path=self.name,
                said=packer.complaints.first(),
            )
        if status > 0:  # below: it was ended because nobody read on
            said = packer.complaints.first()
            raise Invalid(
                Code.ARCHIVE_REFUSED,
                _("{path} could not be read: {said}"),
                hint=_("see who may read it, and whether its disk is sound; then import it again"),
                path=self.name,
                said=said,
            )


def stored(file: Path, name: str) -> File:
    """A file that the farm itself put down."""
    return File(os.open(file, os.O_RDONLY | os.O_CLOEXEC), name)


def below(import_dirs: Sequence[str], path: str) -> File | Folder:
    """
    What lies at *path*, if that is in one of the *import_dirs*, seen through all links.

    Raises:
        Invalid: PATH_FORBIDDEN, it is elsewhere or neither file nor folder.
        NotFound: nothing is there.
    """
    imports = Imports(folders=tuple(import_dirs))
    top = imports.folder_of(path)
    fd = _opened(Path(top), PurePosixPath(path).relative_to(top), path, imports)
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        return Folder(fd, path)
    if stat.S_ISREG(mode):
        return File(fd, path)
    raise Invalid(
        Code.PATH_FORBIDDEN, _("{path} is neither a file nor a folder"), hint=_("name a file or a folder"), path=path
    )


def folder_below(import_dirs: Sequence[str], path: str) -> Folder:
    """
    Raises:
        Invalid: PATH_FORBIDDEN, it is elsewhere or no folder.
        NotFound: nothing is there.
    """
    found = below(import_dirs, path)
    if isinstance(found, Folder):
        return found
    raise Invalid(Code.PATH_FORBIDDEN, _("{path} is no folder"), hint=_("name a folder"), path=path)


def _opened(top: Path, rest: PurePosixPath, path: str, imports: Imports) -> int:
    try:
        folder = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
            return resolve.openat2(folder, os.fsencode(rest), flags, resolve.BENEATH | resolve.NO_MAGICLINKS)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.ELOOP}:
            raise imports.path_forbidden(path) from error
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            raise NotFound(
                Code.PATH_UNKNOWN,
                _("there is no {path} on the site's machine"),
                hint=_(
                    "it is a path of the site's machine, not of yours; to send a file of yours, leave out --on-server"
                ),
                path=path,
            ) from error
        raise Invalid(
            Code.PATH_FORBIDDEN,
            _("{path} cannot be opened: {why}"),
            hint=_("see who may read it, and whether its disk is sound"),
            path=path,
            why=os.strerror(error.errno or 0),
        ) from error
