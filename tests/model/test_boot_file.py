"""Files to boot with, told by their first bytes."""

import gzip
from ipaddress import IPv4Address

import pytest

from boardgrid.model.board import Board, Boot
from boardgrid.model.boot_file import HEAD_BYTES, check_device_tree, check_initrd, check_kernel
from boardgrid.model.errors import Code, Invalid


def placed(*parts: tuple[int, bytes]) -> bytes:
    head = bytearray(HEAD_BYTES)
    for at, part in parts:
        head[at : at + len(part)] = part
    return bytes(head)


def efi(machine: bytes, *parts: tuple[int, bytes]) -> bytes:
    return placed((0, b"MZ"), (0x3C, b"\x40"), (0x40, b"PE\0\0" + machine), *parts)


def packed(head: bytes) -> bytes:
    return gzip.compress(head, mtime=0)  # the same in each process, for it names a test


ARM_MARK, ARM64_MARK, X86_MARK = (0x24, b"\x18\x28\x6f\x01"), (0x38, b"ARM\x64"), (0x202, b"HdrS")
Z_IMAGE, IMAGE, BZ_IMAGE = placed(ARM_MARK), placed(ARM64_MARK), efi(b"\x64\x86", X86_MARK)
EFI_IMAGE, EFI_ZBOOT = efi(b"\x64\xaa", ARM64_MARK), efi(b"\x64\xaa", (4, b"zimg"))
U_IMAGE = placed((0, b"\x27\x05\x19\x56"), (29, b"\x02"))
DTB = placed((0, b"\xd0\x0d\xfe\xed"), (64, b"compatible\0"))
FIT = placed((0, b"\xd0\x0d\xfe\xed"), (64, b"\0\0\0\x01images\0"))
CPIO, ELF = placed((0, b"070701")), placed((0, b"\x7fELF"))
PACKED = tuple(mark + bytes(64) for mark in (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18"))
JUNK = b"make: *** No rule to make target zImage.\n"


def a_board(boot: Boot = Boot.PXELINUX) -> Board:
    return Board("tk1-1", "tk1", "lab", "52:54:00:00:00:01", IPv4Address("10.20.0.11"), boot)


@pytest.mark.parametrize(
    ("head", "arch", "boot"),
    [
        (Z_IMAGE, "armhf", Boot.PXELINUX),
        (U_IMAGE, "armhf", Boot.PXELINUX),
        (FIT, "armhf", Boot.PXELINUX),
        (efi(b"\xc2\x01", ARM_MARK), "armhf", Boot.PXELINUX),
        (IMAGE, "arm64", Boot.PXELINUX),
        (packed(IMAGE), "arm64", Boot.PXELINUX),
        (EFI_IMAGE, "arm64", Boot.GRUB),
        (EFI_ZBOOT, "arm64", Boot.GRUB),
        (packed(EFI_IMAGE), "arm64", Boot.GRUB),
        (BZ_IMAGE, "amd64", Boot.GRUB),
        (placed(X86_MARK), "amd64", Boot.GRUB),
        (JUNK, "riscv64", Boot.PXELINUX),
    ],
)
def test_a_kernel_of_the_boards_architecture_is_taken(head: bytes, arch: str, boot: Boot) -> None:
    check_kernel(head, a_board(boot), arch)


@pytest.mark.parametrize("mark", [b"BZh9", b"\x5d\0\0\x80", b"\x89LZO", b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"])
def test_a_packed_kernel_of_arm64_is_left_to_u_boot_and_to_no_other(mark: bytes) -> None:
    head = placed((0, mark))
    check_kernel(head, a_board(), "arm64")
    for board, arch in ((a_board(Boot.GRUB), "arm64"), (a_board(), "armhf"), (a_board(Boot.GRUB), "amd64")):
        with pytest.raises(Invalid, match="no kernel that tk1-1 can boot"):
            check_kernel(head, board, arch)


@pytest.mark.parametrize(
    ("head", "arch", "said"),
    [
        (JUNK, "armhf", "no kernel that tk1-1 can boot: it is text"),
        (b"", "armhf", "it is empty"),
        (b"\x27\x05\x19\x56", "armhf", "no kernel that tk1-1 can boot"),
        (ELF, "armhf", "it is an ELF file, as vmlinux is"),
        (DTB, "armhf", "it is a device tree"),
        (CPIO, "armhf", "it is an initramfs"),
        (packed(Z_IMAGE), "armhf", "or something else that is packed"),
        (packed(IMAGE)[:20], "arm64", "or something else that is packed"),
        (b"\x1f\x8b damaged", "arm64", "or something else that is packed"),
        (IMAGE, "armhf", "the kernel that was sent is for arm64, and tk1-1 is armhf"),
        (Z_IMAGE, "arm64", "the kernel that was sent is for armhf, and tk1-1 is arm64"),
        (BZ_IMAGE, "armhf", "is for amd64"),
        (efi(b"\xff\xff"), "amd64", "no kernel that tk1-1 can boot"),
        (b"MZ", "amd64", "no kernel that tk1-1 can boot"),
    ],
)
def test_what_is_no_kernel_of_the_boards_is_refused_and_named(head: bytes, arch: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as raised:
        check_kernel(head, a_board(), arch)
    assert raised.value.code is Code.FILE_UNFIT


def test_grub_takes_no_kernel_without_an_efi_stub() -> None:
    with pytest.raises(Invalid, match="it has no EFI stub"):
        check_kernel(IMAGE, a_board(Boot.GRUB), "arm64")


def test_the_hint_says_where_make_leaves_a_good_one() -> None:
    with pytest.raises(Invalid) as raised:
        check_kernel(ELF, a_board(), "armhf")
    assert "arch/arm/boot/zImage" in raised.value.hint


def test_a_device_tree_is_one() -> None:
    check_device_tree(DTB)
    for head in (b"/dts-v1/;\n", Z_IMAGE, b""):
        with pytest.raises(Invalid, match="what was sent as device tree is none"):
            check_device_tree(head)


def test_an_initrd_is_a_cpio_archive_packed_or_not() -> None:
    for head in (CPIO, *PACKED, U_IMAGE, bytes(512) + CPIO, bytes(HEAD_BYTES)):
        check_initrd(head)
    for head in (JUNK, ELF, DTB, b""):
        with pytest.raises(Invalid, match="what was sent as initrd is none"):
            check_initrd(head)
