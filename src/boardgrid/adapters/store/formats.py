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


def disk_bytes(head: bytes) -> int:
    """How large a disk or file system is, as its own first bytes tell; 0 where they do not."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(head[at : at + size], "little")

    for sector in (512, 4096):
        if head[sector : sector + 8] == b"EFI PART":
            return (number(sector + 32, 8) + 1) * sector  # where the other copy of the table is: the last sector
    if head[1080:1082] == b"\x53\xef":
        return number(1028, 4) << 10 << min(number(1048, 4), 6)
    if head[:4] == b"hsqs":
        return number(40, 8)
    if head[510:512] == b"\x55\xaa":
        entries = [head[at : at + 16] for at in range(446, 510, 16)]
        if any(one[0] not in {0, 0x80} for one in entries):
            return 0  # a boot sector of a file system, whose program stands there
        ends = [
            int.from_bytes(one[8:12], "little") + int.from_bytes(one[12:16], "little")
            for one in entries
            if one[4] not in {0, 0xEE}
        ]
        return 512 * max(ends, default=0)
    return 0
