"""From a file or folder that somebody gave, whatever its format, to a tree in a file system of its own."""

import contextlib
import os
import struct
from dataclasses import dataclass

from boardgrid.adapters.store import container
from boardgrid.adapters.store.cage import Cage
from boardgrid.adapters.store.damage import damaged, is_damage
from boardgrid.adapters.store.diary import Diary, position
from boardgrid.adapters.store.disk_image import DiskReader
from boardgrid.adapters.store.exported import Exported
from boardgrid.adapters.store.formats import HEAD_BYTES, Format, Packer, format_of, packer_of
from boardgrid.adapters.store.limits import Limits
from boardgrid.adapters.store.source import Archive, File, Folder, TarStream
from boardgrid.adapters.store.tree import TreePath
from boardgrid.adapters.store.unpack import unpack
from boardgrid.adapters.store.workroom import Disk
from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.headroom import no_room

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_CHUNK_BYTES = 1 << 20
_SPARSE_HEADER = struct.Struct("<IHHHHIIII")


@dataclass(frozen=True, slots=True)
class Intake:
    """
    What is needed to take in one tree.

    Args:
        disk: its folder is for all that is made on the way.
        spare_bytes: room that the tree's file system has for what is put into it afterwards.
    """

    limits: Limits
    disk: Disk
    diary: Diary
    reader: DiskReader
    spare_bytes: int = 0

    def tree_of(self, given: File | Folder | Exported) -> TreePath:
        """
        Raises:
            Invalid: ARCHIVE_REFUSED, it is of no format that is known, or broken, or holds what is refused;
                IMAGE_TOO_LARGE.
            Fault: STORE_FULL.
        """
        if isinstance(given, Exported):
            self._check_no_partition(given.name)
            return self._tree_in(given)
        if isinstance(given, Folder):
            self._check_no_partition(given.name)
            if container.is_layout(given):
                return self._container(given, "oci")
            return self._tree_in(given)
        (self.disk.folder / "work").mkdir()
        cage = Cage(self.disk.folder / "opening", self.disk.folder / "work")
        cage.build()
        head = os.pread(given.fd, HEAD_BYTES, 0)
        words: tuple[str, ...] = ()
        if packer := packer_of(head):
            packed, head, words = given, _head_inside(given, packer, cage), (packer.word,)
        match format_of(head):
            case Format.TAR:
                self._check_no_partition(given.name)
                archive = Archive(given.fd, given.name, words)
                if kind := container.kind_of(archive, self.limits, cage):
                    return self._container(archive, kind)
                if not words:
                    _check_end(given)
                return self._tree_in(archive)
            case Format.ANDROID_SPARSE:
                whole = self._unpacked(packed, packer, cage) if packer else given
                return self._system_on(self._filled(whole, head, cage))
            case Format.DISK:
                return self._system_on(self._unpacked(packed, packer, cage) if packer else given)
            case _:
                raise Invalid(
                    Code.ARCHIVE_REFUSED,
                    _("{name} is nothing that the farm can import"),
                    hint=_(
                        "give a tar archive, a disk image, an Android sparse image or an OCI archive, each as it is or "
                        "packed with gzip, xz, zstd or bzip2"
                    ),
                    name=given.name,
                )

    def _check_no_partition(self, name: str) -> None:
        if self.reader.partition is not None:
            raise Invalid(
                Code.REQUEST_INVALID,
                _("partition {number} was asked for, and {name} is no disk image: it has no partitions"),
                hint=_("leave out --partition"),
                number=self.reader.partition,
                name=name,
            )

    def _tree_in(self, stream: TarStream) -> TreePath:
        return unpack(stream, self.limits, self.disk, self.disk.folder, self.diary, spare_bytes=self.spare_bytes)

    def _container(self, given: Archive | Folder, kind: str) -> TreePath:
        with self.diary.phase("unpacking"):
            return container.unpacked(given, kind, self.limits, self.disk, self.disk.folder)

    def _system_on(self, image: File) -> TreePath:
        return self._tree_in(self.reader.read(image, self.limits, self.disk, self.disk.folder, self.diary))

    def _unpacked(self, packed: File, packer: Packer, cage: Cage) -> File:
        """A packed disk image, unpacked; its holes stay holes."""
        file, written = self.disk.folder / "unpacked-image", 0
        os.lseek(packed.fd, 0, os.SEEK_SET)
        run = cage.run([packer.program, "--decompress", "--stdout"], (), packed.fd)
        with file.open("wb") as out, self._unpacking(packed):
            while chunk := run.out.read(_CHUNK_BYTES):
                written += len(chunk)
                if written > self.limits.size_bytes:
                    run.end()
                    raise self._too_large(packed.name)
                if chunk.count(0) == len(chunk):
                    out.seek(len(chunk), os.SEEK_CUR)
                    continue
                if self.disk.free_bytes < len(chunk):
                    run.end()
                    raise no_room(len(chunk), self.disk.free_bytes)
                out.write(chunk)
            out.truncate(written)
        if run.ended():
            raise _broken(packed.name, run.complaints.first())
        return File(os.open(file, os.O_RDONLY | os.O_CLOEXEC), packed.name)

    def _filled(self, sparse: File, head: bytes, cage: Cage) -> File:
        """What an Android sparse image stands for."""
        if len(head) < _SPARSE_HEADER.size:
            raise _broken(sparse.name, "")
        block_bytes, blocks = _SPARSE_HEADER.unpack(head[: _SPARSE_HEADER.size])[5:7]
        size = block_bytes * blocks
        if size > self.limits.size_bytes:
            raise self._too_large(sparse.name)
        self.disk.want(size)
        os.lseek(sparse.fd, 0, os.SEEK_SET)
        with self._unpacking(sparse):
            run = cage.run(["simg2img", "-", "/work/image"], (), sparse.fd, size)
            status = run.ended()
        if status:
            raise _broken(sparse.name, run.complaints.first())
        return File(os.open(cage.workplace / "image", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), sparse.name)

    def _unpacking(self, given: File) -> contextlib.AbstractContextManager[None]:
        return self.diary.phase("unpacking", os.fstat(given.fd).st_size, position(given.fd))

    def _too_large(self, name: str) -> Invalid:
        return Invalid(
            Code.IMAGE_TOO_LARGE,
            _("{name} is larger, unpacked, than the site's limit of {limit} for one image"),
            hint=_("shrink its file systems, or import the tree in it as an archive"),
            name=name,
            limit=bytes_text(self.limits.size_bytes),
        )


def _head_inside(packed: File, packer: Packer, cage: Cage) -> bytes:
    """The first bytes of what was packed."""
    os.lseek(packed.fd, 0, os.SEEK_SET)
    run = cage.run([packer.program, "--decompress", "--stdout"], (), packed.fd)
    head = run.out.read(HEAD_BYTES)
    # It is ended, not asked how it went: of most files it has not come to the end.
    if len(head) == HEAD_BYTES:
        run.end()
    elif run.ended():
        raise _broken(packed.name, run.complaints.first())
    return head


def _check_end(archive: File) -> None:
    # Two blocks of zeros end an archive. Cut off between two members it looks whole to tar; packed ones cannot be.
    if os.pread(archive.fd, len(_END), max(os.fstat(archive.fd).st_size - len(_END), 0)) != _END:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} is cut off: it has no end mark"),
            hint=_("copy it anew"),
            name=archive.name,
        )


def _broken(name: str, said: str) -> Invalid:
    if not said or is_damage(1, said):
        return damaged(name)
    return Invalid(
        Code.ARCHIVE_REFUSED,
        _("{name} could not be unpacked: {said}"),
        hint=_("see that it can be unpacked by hand, and pack it anew"),
        name=name,
        said=said,
    )
