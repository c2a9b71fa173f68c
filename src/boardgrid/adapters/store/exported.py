"""What another farm exported: a tar archive of ``manifest.json`` and ``tree.tar.zst``, see ``packing``."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from tarfile import TarError, TarInfo
from typing import Any

from boardgrid.adapters.store.cage import run_bounded
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

MANIFEST, TREE = "manifest.json", "tree.tar.zst"
FORMAT = "boardgrid-image-1"

_BLOCK = 512
_MANIFEST_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """The tree in an export, as a tar stream; its digest is what the manifest says it has."""

    fd: int
    name: str
    digest: str
    offset: int
    size_bytes: int
    words: tuple[str, ...] = ("--zstd",)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        # What lies behind the tree is no part of it, and zstd would take it for damage.
        dd = ["dd", f"if=/proc/self/fd/{self.fd}", "bs=1M", "iflag=skip_bytes,count_bytes,fullblock", "status=none"]
        run = run_bounded([*dd, f"skip={self.offset}", f"count={self.size_bytes}"], (), keep=(self.fd,))
        try:
            yield run.out.fileno()
        finally:
            run.ended()


def exported_in(fd: int, name: str) -> Exported | None:
    """
    What was exported, if that is what a file is.

    Raises:
        Invalid: ARCHIVE_REFUSED, it is cut off, or another release's.
    """
    if (first := _member(fd, 0)) is None or first.name != MANIFEST or not 0 <= first.size <= _MANIFEST_MOST:
        return None
    second_at = _BLOCK + first.size + -first.size % _BLOCK
    second = _member(fd, second_at)
    if second is None or second.name != TREE:
        return None
    digest = _digest(os.pread(fd, first.size, _BLOCK))
    if digest is None:
        raise Invalid(
            Code.ARCHIVE_REFUSED,
            _("{name} was exported by a farm of another release, and this one does not know how"),
            hint=_("unpack it by hand, and import {tree}"),
            name=name,
            tree=TREE,
        )
    begins = second_at + _BLOCK
    if not 0 <= second.size <= os.fstat(fd).st_size - begins:  # base-256 numbers may be below zero
        raise Invalid(Code.ARCHIVE_REFUSED, _("{name} is cut off"), hint=_("export or copy it anew"), name=name)
    return Exported(fd, name, digest, begins, second.size)


def _member(fd: int, at: int) -> TarInfo | None:
    try:
        return TarInfo.frombuf(os.pread(fd, _BLOCK, at), "utf-8", "surrogateescape")
    except TarError:
        return None


def _digest(manifest: bytes) -> str | None:
    try:
        told: Any = json.loads(manifest)
        return str(told["manifest"]["digest"]) if told["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError):
        return None
