"""What a file is, by its first bytes."""

import bz2
import gzip
import io
import lzma
import tarfile

import pytest

from boardgrid.adapters.store.formats import HEAD_BYTES, Format, disk_bytes, format_of, packer_of


def at(where: int, mark: bytes) -> bytes:
    return bytes(where) + mark + bytes(HEAD_BYTES - where - len(mark))


def a_tar(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return out.getvalue()


KNOWN = {
    "tar": (a_tar("etc"), Format.TAR),
    "tar whose first name looks like something else": (a_tar("XFSB"), Format.TAR),
    "MBR": (at(510, b"\x55\xaa"), Format.DISK),
    "GPT without an MBR": (at(512, b"EFI PART"), Format.DISK),
    "GPT with large sectors": (at(4096, b"EFI PART"), Format.DISK),
    "ext4": (at(1080, b"\x53\xef"), Format.DISK),
    "btrfs": (at(0x10040, b"_BHRfS_M"), Format.DISK),
    "squashfs": (at(0, b"hsqs"), Format.DISK),
    "Android sparse": (at(0, b"\x3a\xff\x26\xed"), Format.ANDROID_SPARSE),
    "gzip": (gzip.compress(b"x"), Format.PACKED),
    "xz": (lzma.compress(b"x"), Format.PACKED),
    "bzip2": (bz2.compress(b"x"), Format.PACKED),
    "nothing": (b"", None),
    "zeros": (bytes(HEAD_BYTES), None),
    "text": (b"no archive at all" * 1000, None),
    "less than a mark": (at(1080, b"\x53\xef")[:1081], None),
}


@pytest.mark.parametrize("what", KNOWN)
def test_a_format_is_told_by_its_mark(what: str) -> None:
    head, expected = KNOWN[what]
    assert format_of(head) is expected
    assert (packer_of(head) is not None) == (expected is Format.PACKED)


def test_a_disk_tells_how_large_it_is() -> None:
    gpt = at(512, b"EFI PART".ljust(32, b"\0") + (99_999).to_bytes(8, "little"))
    assert disk_bytes(gpt) == 100_000 * 512
    ext4 = bytearray(at(1080, b"\x53\xef"))
    ext4[1028:1032], ext4[1048:1052] = (65536).to_bytes(4, "little"), (2).to_bytes(4, "little")
    assert disk_bytes(bytes(ext4)) == 65536 * 4096
    mbr = bytearray(at(510, b"\x55\xaa"))
    mbr[450], mbr[454:462] = 0x83, (2048).to_bytes(4, "little") + (6144).to_bytes(4, "little")
    assert disk_bytes(bytes(mbr)) == 8192 * 512
    mbr[446] = 0x42  # the program in the boot sector of a vfat
    assert disk_bytes(bytes(mbr)) == disk_bytes(at(1024, b"x")) == 0
