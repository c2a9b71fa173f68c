"""
What a file is that somebody wants a board to boot with, told by its first bytes.

A bootloader that is handed another says so on a console that perhaps nobody hears, and minutes pass. So what surely is
none is refused before; what may be one is left to the bootloader.
"""

import zlib

from boardgrid.messages import _
from boardgrid.model.board import Board, Boot
from boardgrid.model.errors import Code, Invalid

HEAD_BYTES = 4096  # as far into a file as any of these marks lies

_MADE_AT = {"armhf": "arch/arm/boot/zImage", "arm64": "arch/arm64/boot/Image", "amd64": "arch/x86/boot/bzImage"}
_MARKS = (
    (0x24, b"\x18\x28\x6f\x01", "armhf"),  # zImage
    (0x38, b"ARM\x64", "arm64"),  # Image
    (0x202, b"HdrS", "amd64"),  # bzImage
)
_UIMAGE, _UIMAGE_ARCHES = b"\x27\x05\x19\x56", {2: "armhf", 22: "arm64", 3: "amd64", 24: "amd64"}
_PE_ARCHES = {b"\xc2\x01": "armhf", b"\xc4\x01": "armhf", b"\x64\xaa": "arm64", b"\x64\x86": "amd64"}
_TREE = b"\xd0\x0d\xfe\xed"  # a device tree; U-Boot's FIT images are made as one
_GZIP = b"\x1f\x8b"
_ANY = "any"
# Out of these, too, U-Boot unpacks a kernel of arm64. All others unpack themselves.
_PACKED = (b"BZh", b"\x5d\x00\x00", b"\x89LZO", b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd")
_RAMDISKS = (
    *(b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7"),  # cpio
    *(_GZIP, b"BZh", b"\x5d\x00\x00", b"\xfd7zXZ\x00", b"\x89LZO", b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd"),
    _UIMAGE,
)


def check_kernel(head: bytes, board: Board, arch: str) -> None:
    """
    Args:
        arch: of the board's type.

    Raises:
        Invalid: FILE_UNFIT, it is none, or none that this board can boot.
    """
    if arch not in _MADE_AT:
        return
    found = _kernel_arch(head)
    if found is None and arch == "arm64" and board.boot is not Boot.GRUB and head.startswith(_PACKED):
        return
    if found is None or (board.boot is Boot.GRUB and not _is_for_grub(head)):
        raise Invalid(
            Code.FILE_UNFIT,
            _("what was sent is no kernel that {board} can boot: {what}"),
            hint=_("`make` leaves a good one at {path} of its build"),
            board=board.name,
            what=_("it has no EFI stub, and GRUB boots none without") if found else _what(head),
            path=_MADE_AT[arch],
        )
    if found not in {arch, _ANY}:
        raise Invalid(
            Code.FILE_UNFIT,
            _("the kernel that was sent is for {found}, and {board} is {arch}"),
            hint=_("build it with the board's ARCH, or choose a board for {found}"),
            found=found,
            board=board.name,
            arch=arch,
        )


def check_device_tree(head: bytes) -> None:
    """
    Raises:
        Invalid: FILE_UNFIT.
    """
    if not head.startswith(_TREE):
        raise Invalid(
            Code.FILE_UNFIT,
            _("what was sent as device tree is none: {what}"),
            hint=_("it is the .dtb that is meant: `make dtbs` compiles it"),
            what=_what(head),
        )


def check_initrd(head: bytes) -> None:
    """
    Raises:
        Invalid: FILE_UNFIT.
    """
    # The kernel skips zeros before an archive, be they all of its beginning.
    start = head.lstrip(b"\0")
    if not head or (start and not start.startswith(_RAMDISKS)):
        raise Invalid(
            Code.FILE_UNFIT,
            _("what was sent as initrd is none: {what}"),
            hint=_("it is a cpio archive, packed by gzip, zstd, xz or lz4, or not at all"),
            what=_what(head),
        )


def _kernel_arch(head: bytes) -> str | None:
    """Debian's word for it; None: it is no kernel."""
    for at, mark, arch in _MARKS:
        if head[at : at + len(mark)] == mark:
            return arch
    if head.startswith(_UIMAGE) and len(head) > 29:
        return _UIMAGE_ARCHES.get(head[29])
    if head.startswith(_TREE):
        return _ANY if b"images\0" in head else None  # all kernels of a FIT image lie below that node
    if head.startswith(_GZIP):
        # Alone of all kernels that of arm64 leaves it to the bootloader to unpack it.
        return "arm64" if _unpacked(head)[0x38:0x3C] == b"ARM\x64" else None
    if head.startswith(b"MZ"):
        at = int.from_bytes(head[0x3C:0x40], "little")
        return _PE_ARCHES.get(head[at + 4 : at + 6]) if head[at : at + 4] == b"PE\0\0" else None
    return None


def _is_for_grub(head: bytes) -> bool:
    return head.startswith(b"MZ") or head[0x202:0x206] == b"HdrS" or _unpacked(head).startswith(b"MZ")


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""


def _what(head: bytes) -> str:
    if not head:
        return _("it is empty")
    if head.startswith(b"\x7fELF"):
        return _("it is an ELF file, as vmlinux is")
    if head.startswith(_TREE):
        return _("it is a device tree")
    if _kernel_arch(head):
        return _("it is a kernel")
    if head.startswith(_RAMDISKS):
        return _("it is an initramfs, or something else that is packed")
    return _("it is text") if head.isascii() else _("nothing that a board boots begins as it does")
