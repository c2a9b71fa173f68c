"""The configuration that a kernel was built with, wherever it lies: beside it, with its modules, or inside it."""

import contextlib
import mmap
import os
from collections.abc import Iterator

from boardgrid.adapters.store import packed
from boardgrid.adapters.store.packed import UnreadableError
from boardgrid.adapters.store.tree import TreeDir

_TEXT_BYTES = 4 << 20
_IMAGE_BYTES = 256 << 20
_BEGIN, _END = b"IKCFG_ST", b"IKCFG_ED"
# A kernel is a small program with the real one packed in it, somewhere. All that is tried together unpacks to no more.
_UNPACKED_BYTES = 512 << 20
_TRIES = 12


def config_of(tree: TreeDir, release: str, image: str) -> frozenset[str] | None:
    """What is built in (``CONFIG_X=y``, as ``X``); None where nothing tells."""
    places = (f"boot/config-{release}", f"lib/modules/{release}/config", f"usr/lib/modules/{release}/config")
    for place in places:
        if text := tree.read(place, _TEXT_BYTES):
            return _built_in(text)
    with contextlib.suppress(OSError), tree.file(image) as fd:
        if text := _inside(fd):
            return _built_in(text)
    return None


def _built_in(text: bytes) -> frozenset[str]:
    lines = text.decode("utf-8", "replace").splitlines()
    return frozenset(line[7:-2] for line in lines if line.startswith("CONFIG_") and line.endswith("=y"))


def _inside(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    if not 0 < size <= _IMAGE_BYTES:
        return b""
    with mmap.mmap(fd, size, prot=mmap.PROT_READ) as image:
        # A mark may be seen in a packed part too, and lead to nothing there.
        if (at := image.find(_BEGIN)) >= 0 and (text := _cut_out(image[at : at + _TEXT_BYTES])):
            return text
        left = _UNPACKED_BYTES
        for offset in _packed_parts(image):
            with contextlib.suppress(UnreadableError, OSError), packed.unpacked(fd, offset) as pieces:
                before = b""
                for piece in pieces:
                    left -= len(piece)
                    if left < 0:
                        return b""
                    seen = before + piece
                    if (at := seen.find(_BEGIN)) >= 0:
                        return _cut_out(_with_rest(seen[at:], pieces))
                    before = seen[-len(_BEGIN) :]
    return b""


def _packed_parts(image: mmap.mmap) -> Iterator[int]:
    """Where something packed may begin; the first places of each kind."""
    for magic in packed.MAGICS:
        at = -1
        for _try in range(_TRIES):
            if (at := image.find(magic, at + 1)) < 0:
                break
            yield at


def _with_rest(begun: bytes, pieces: Iterator[bytes]) -> bytes:
    # No piece is asked for that is not needed: what follows a packed kernel looks like damage.
    while _END not in begun and len(begun) <= _TEXT_BYTES and (piece := next(pieces, b"")):
        begun += piece
    return begun


def _cut_out(from_mark: bytes) -> bytes:
    """The text: gzip, between two marks."""
    text, end, _rest = from_mark[len(_BEGIN) : _TEXT_BYTES].partition(_END)
    return packed.unzipped(text, _TEXT_BYTES) if end else b""
