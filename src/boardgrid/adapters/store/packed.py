"""What strangers packed, unpacked piece by piece: nobody is made to hold more of it than they ask for."""

import bz2
import contextlib
import lzma
import os
import zlib
from collections.abc import Iterator

from boardgrid.adapters.store.cage import Run, bounded

_CHUNK = 1 << 18
_MEMORY_BYTES = 256 << 20  # of lzma's own; more is no kernel's or initramfs' habit
_GZIP = b"\x1f\x8b\x08"
_MAGICS = (
    (_GZIP, "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "lzma"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
MAGICS = tuple(magic for magic, _kind in _MAGICS)
MAGIC_BYTES = 6


class UnreadableError(Exception):
    """It is packed in a way that nobody here knows, is damaged, or is cut off."""


def kind_of(head: bytes) -> str:
    """How what begins so is packed; empty: nobody knows."""
    return next((kind for magic, kind in _MAGICS if head.startswith(magic)), "")


@contextlib.contextmanager
def unpacked(fd: int, offset: int = 0) -> Iterator[Iterator[bytes]]:
    """
    What is packed in the regular file *fd* from *offset* on, in pieces. Whatever follows its end is passed over.

    Raises:
        UnreadableError: also in the middle, from the iterator.
    """
    kind = kind_of(os.pread(fd, MAGIC_BYTES, offset))
    match kind:
        case "zstd" | "lz4":
            program = Run(bounded([kind, "-dc"], ()), _at(fd, offset), {"PATH": os.defpath, "LC_ALL": "C"}, ())
            try:
                yield _printed(program)
            finally:
                program.end()
        case "gzip":
            yield filter(None, _members(fd, offset))
        case "xz" | "lzma" | "bzip2":
            yield filter(None, _stream(fd, offset, kind))
        case _:
            raise UnreadableError("packed in a way that nobody here knows")


def _at(fd: int, offset: int) -> int:
    os.lseek(fd, offset, os.SEEK_SET)
    return fd


def _printed(program: Run) -> Iterator[bytes]:
    while piece := program.out.read(_CHUNK):
        yield piece
    if program.ended():
        raise UnreadableError(program.complaints.first() or "cut off")


def _members(fd: int, offset: int) -> Iterator[bytes]:
    """Of gzip, which may follow each other."""
    unpacker, left = zlib.decompressobj(31), b""
    while True:
        if not left:
            left = os.pread(fd, _CHUNK, offset)
            offset += len(left)
        was_end = not left
        try:
            piece = unpacker.decompress(left, _CHUNK)
        except zlib.error as error:
            raise UnreadableError(str(error)) from error
        if was_end and not piece and not unpacker.eof:
            raise UnreadableError("cut off")
        yield piece
        left = unpacker.unconsumed_tail
        if unpacker.eof:
            begun = unpacker.unused_data
            more = os.pread(fd, len(_GZIP), offset)
            if not (begun + more).startswith(_GZIP):
                return
            left, unpacker = begun, zlib.decompressobj(31)


def _stream(fd: int, offset: int, kind: str) -> Iterator[bytes]:
    if kind == "bzip2":
        unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor = bz2.BZ2Decompressor()
    else:
        unpacker = lzma.LZMADecompressor(memlimit=_MEMORY_BYTES)
    try:
        while not unpacker.eof:
            chunk = b""
            if unpacker.needs_input:
                chunk = os.pread(fd, _CHUNK, offset)
                offset += len(chunk)
                if not chunk:
                    raise UnreadableError("cut off")
            yield unpacker.decompress(chunk, _CHUNK)
    except (lzma.LZMAError, OSError, EOFError) as error:
        raise UnreadableError(str(error)) from error


def whole(fd: int, at_most: int) -> bytes:
    """
    All that is packed in a file.

    Raises:
        UnreadableError: also where it is more than *at_most*.
    """
    content = bytearray()
    with unpacked(fd) as pieces:
        for piece in pieces:
            content += piece
            if len(content) > at_most:
                raise UnreadableError("too large")
    return bytes(content)


def unzipped(content: bytes, at_most: int) -> bytes:
    """The beginning of what gzip packed; empty where it did not."""
    try:
        return zlib.decompressobj(31).decompress(content, at_most)
    except zlib.error:
        return b""
