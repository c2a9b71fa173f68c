"""What a file is that somebody wants to import, told by its first bytes alone: never by its name."""

from dataclasses import dataclass
from enum import Enum, auto

HEAD_BYTES = 1 << 17  # as far into it as any of these marks lies


class Format(Enum):
    TAR = auto()
    PACKED = auto()  # what is inside has a format of its own
    ANDROID_SPARSE = auto()
    DISK = auto()  # a partition table, or one file system without any


@dataclass(frozen=True, slots=True)
class Packer:
    """How a file was packed."""

    magic: bytes
    program: str  # unpacks standard input with --decompress --stdout
    word: str  # tells tar so


PACKERS = (
    Packer(b"\x1f\x8b", "gzip", "--gzip"),
    Packer(b"\xfd7zXZ\x00", "xz", "--xz"),
    Packer(b"\x28\xb5\x2f\xfd", "zstd", "--zstd"),
    Packer(b"BZh", "bzip2", "--bzip2"),
)
_MARKS = (
    (257, b"ustar", Format.TAR),  # first: the rest of a tar archive's head is a stranger's name
    (0, b"\x3a\xff\x26\xed", Format.ANDROID_SPARSE),
    (510, b"\x55\xaa", Format.DISK),  # an MBR, or the one that protects a GPT; vfat
    (512, b"EFI PART", Format.DISK),
    (4096, b"EFI PART", Format.DISK),  # sectors of 4096 bytes
    (1080, b"\x53\xef", Format.DISK),  # ext2, ext3, ext4
    (1024, b"\xe2\xe1\xf5\xe0", Format.DISK),  # erofs
    (1024, b"\x10\x20\xf5\xf2", Format.DISK),  # f2fs
    (0, b"hsqs", Format.DISK),  # squashfs
    (0, b"XFSB", Format.DISK),
    (0x10040, b"_BHRfS_M", Format.DISK),  # btrfs
)


def packer_of(head: bytes) -> Packer | None:
    return next((one for one in PACKERS if head.startswith(one.magic)), None)


def format_of(head: bytes) -> Format | None:
    """None where the farm can make nothing of it."""
    if packer_of(head):
        return Format.PACKED
    return next((kind for at, magic, kind in _MARKS if head[at : at + len(magic)] == magic), None)
