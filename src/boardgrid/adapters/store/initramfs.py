"""An initramfs: whether an image's own mounts roots over NFS, and one that the farm makes of the image's modules."""

import gzip
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from boardgrid import newc
from boardgrid.adapters.store import packed
from boardgrid.adapters.store.modules import is_interface, name_of
from boardgrid.adapters.store.packed import UnreadableError

_CHUNK = 1 << 18
_NAMES_MOST = 200_000
_UNPACKED_BYTES = 2 << 30
_ZEROS_MOST = 1 << 20  # between two archives
# By what one is known that mounts NFS roots: all names of one of these lines.
_MAKERS = {
    "initramfs-tools": ("scripts/nfs", "bin/nfsmount"),
    "initramfs-framework": ("-nfsrootfs",),  # Yocto's
    "mkinitcpio": ("hooks/net", "bin/nfsmount"),
    "dracut": ("parse-nfsroot.sh", "nfs-lib.sh"),
    "boardgrid": ("etc/dhcp-answer", "lib/modules/order"),
}


@dataclass(slots=True)
class Content:
    """What was seen in an initramfs."""

    marks: set[str] = field(default_factory=set)
    has_nfs: bool = False  # as a module
    has_interface: bool = False  # as a module

    @property
    def maker(self) -> str:
        """What made it, if that knows NFS roots; else empty."""
        return next((maker for maker, needed in _MAKERS.items() if self.marks.issuperset(needed)), "")

    def see(self, name: str) -> None:
        self.marks.update(mark for needed in _MAKERS.values() for mark in needed if name.endswith(mark))
        self.has_nfs = self.has_nfs or name_of(name) == "nfs"
        self.has_interface = self.has_interface or (bool(name_of(name)) and is_interface(name))


def content_of(fd: int) -> Content:
    """
    What an initramfs holds: archives, one after the other, the last one packed.

    Raises:
        UnreadableError: it cannot be told.
    """
    seen = Content()
    left = _NAMES_MOST
    try:
        for name in _names(fd):
            left -= 1
            if not left:
                raise UnreadableError("more files than any has")
            seen.see(name)
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    return seen


def _names(fd: int) -> Iterator[str]:
    lying = _Pieces(_read(fd))
    while head := lying.after_zeros(packed.MAGIC_BYTES):
        if newc.begins(head):
            yield from newc.names(head, lying)
            continue
        with packed.unpacked(fd, lying.position - len(head)) as pieces:
            inside = _Pieces(pieces)
            while head := inside.after_zeros(packed.MAGIC_BYTES):
                yield from newc.names(head, inside)
        return  # what follows a packed one is none that any maker of initramfs writes


def _read(fd: int) -> Iterator[bytes]:
    offset = 0
    while piece := os.pread(fd, _CHUNK, offset):
        yield piece
        offset += len(piece)


class _Pieces:
    """Reads on and on in what comes in pieces; no more is held than one piece and what is asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self.position = pieces, 0
        self._held, self._at = b"", 0  # a piece, and how much of it was taken

    def take(self, size: int) -> bytes:
        while len(self._held) - self._at < size and self._more():
            pass
        taken = self._held[self._at : self._at + size]
        self._at += len(taken)
        self.position += len(taken)
        return taken

    def skip(self, size: int) -> None:
        self.position += size
        while (held := len(self._held) - self._at) < size:
            size -= held
            self._at = len(self._held)
            if not self._more():
                raise UnreadableError("cut off")
        self._at += size

    def after_zeros(self, size: int) -> bytes:
        begun = self.position
        while True:
            if self._at == len(self._held) and not self._more():
                return b""
            left = self._held[self._at :].lstrip(b"\0")
            self.position += len(self._held) - self._at - len(left)
            self._held, self._at = left, 0
            if left:
                return self.take(size)
            if self.position - begun > _ZEROS_MOST:
                raise UnreadableError("zeros without end")

    def _more(self) -> bool:
        if piece := next(self._pieces, b""):
            self._held, self._at = self._held[self._at :] + piece, 0
            if self.position + len(self._held) > _UNPACKED_BYTES:
                raise UnreadableError("larger than any is")
        return bool(piece)


def made(base: bytes, modules: Mapping[str, bytes]) -> bytes:
    """
    One that mounts NFS roots.

    Args:
        base: an archive with ``init``, which loads ``lib/modules/order``.
        modules: in the order in which they are loaded.
    """
    out = [base]
    folders = [("lib", b""), ("lib/modules", b"")]
    files = [(f"lib/modules/{name}", content) for name, content in modules.items()]
    order = ("lib/modules/order", "".join(f"{name}\n" for name in modules).encode())
    kinds = [
        *((one, stat.S_IFDIR | 0o755) for one in folders),
        *((one, stat.S_IFREG | 0o644) for one in (*files, order)),
    ]
    for number, ((name, content), mode) in enumerate(kinds, start=1):
        out.append(newc.member(number, name, mode, content))
    out.append(newc.member(len(kinds) + 1, newc.END, 0))
    # The lightest compression: a small board takes longer to unpack a better one than to fetch the difference.
    return gzip.compress(b"".join(out), compresslevel=6, mtime=0)
