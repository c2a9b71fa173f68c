"""The archive format that kernels unpack at boot: cpio "newc", written and read member by member."""

from collections.abc import Iterator
from typing import Protocol

END = "TRAILER!!!"

_MAGICS = (b"070701", b"070702")
_HEAD_BYTES = 110
_NAME_BYTES = 4096
_MTIME = 1_704_067_200  # one for all: the same parts give the same bytes


def member(inode: int, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """Folders must come before what they hold: the kernel makes none by itself. The last member is :data:`END`."""
    named = name.encode("utf-8", "surrogateescape") + b"\0"
    # Links are told by their number of names: one, so that no two members are taken for the same file.
    fields = (inode, mode, 0, 0, 1, _MTIME, len(data), 0, 0, *device, len(named), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + named
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


class Reader(Protocol):
    def take(self, size: int) -> bytes:
        """So many bytes, or fewer where it ends."""

    def skip(self, size: int) -> None: ...


def names(begun: bytes, reader: Reader) -> Iterator[str]:
    """
    Names in an archive, of which *begun* was read already, up to its end mark.

    Raises:
        ValueError: it is no such archive, or is cut off.
    """
    while True:
        head = begun + reader.take(_HEAD_BYTES - len(begun))
        begun = b""
        if len(head) < _HEAD_BYTES or head[:6] not in _MAGICS:
            raise ValueError("no member begins here")
        size, name_bytes = int(head[54:62], 16), int(head[94:102], 16)
        if not 0 < name_bytes <= _NAME_BYTES:
            raise ValueError("a name that is too long")
        padded = name_bytes + -(_HEAD_BYTES + name_bytes) % 4
        name = reader.take(padded)
        if len(name) < padded:
            raise ValueError("cut off")
        reader.skip(size + -size % 4)
        told = name[: name_bytes - 1].decode("utf-8", "surrogateescape")
        if told == END:
            return
        yield told.removeprefix("./")


def begins(head: bytes) -> bool:
    return head.startswith(_MAGICS)
