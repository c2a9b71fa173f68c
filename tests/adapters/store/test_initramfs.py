"""What is seen of an initramfs, however it is packed, and however hostile."""

import contextlib
import gzip
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid import newc
from boardgrid.adapters.store.initramfs import Content, content_of, made
from boardgrid.adapters.store.packed import UnreadableError
from tests.adapters.store.boot_parts import (
    DRACUT,
    FILE,
    FOR_DISKS,
    INITRAMFS_TOOLS,
    MICROCODE,
    OURS,
    PACKERS,
    an_archive,
)


def seen(folder: Path, content: bytes) -> Content:
    file = folder / "initrd"
    file.write_bytes(content)
    fd = os.open(file, os.O_RDONLY)
    try:
        return content_of(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("names", "maker"),
    [
        (INITRAMFS_TOOLS, "initramfs-tools"),
        (DRACUT, "dracut"),
        (["hooks/net", "usr/bin/nfsmount", "nfs.ko", "r8169.ko"], "mkinitcpio"),
        (["init.d/85-nfsrootfs", "nfs.ko", "fec.ko"], "initramfs-framework"),
        (OURS, "boardgrid"),
        (FOR_DISKS, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_its_maker_is_known_if_that_mounts_nfs_roots(tmp_path: Path, names: Sequence[str], maker: str) -> None:
    content = seen(tmp_path, an_archive(names))
    assert content.maker == maker
    assert content.has_nfs == content.has_interface == bool(maker)


@pytest.mark.parametrize("packer", PACKERS)
def test_it_is_understood_however_it_is_packed(tmp_path: Path, packer: str) -> None:
    early = an_archive(MICROCODE) + b"\0" * 700
    content = seen(tmp_path, early + PACKERS[packer](an_archive(INITRAMFS_TOOLS)))
    assert content.maker == "initramfs-tools"


def test_archives_may_follow_each_other_inside_and_outside(tmp_path: Path) -> None:
    first, second = an_archive(INITRAMFS_TOOLS[:2]), an_archive(INITRAMFS_TOOLS[2:])
    for content in (
        first + b"\0" * 512 + second,
        gzip.compress(first + second),
        gzip.compress(first) + gzip.compress(second),
    ):
        found = seen(tmp_path, content)
        assert (found.maker, found.has_nfs, found.has_interface) == ("initramfs-tools", True, True)


@pytest.mark.parametrize(
    "content",
    [
        b"initrd",
        b"070701" + b"z" * 200,
        newc.member(1, "x" * 5000, FILE),
        an_archive(INITRAMFS_TOOLS)[:150],
        an_archive(INITRAMFS_TOOLS)[:-124],
        *(PACKERS[packer](an_archive(INITRAMFS_TOOLS * 400, b"x" * 999))[:-90] for packer in PACKERS),
        PACKERS["gzip"](b"\0" * (64 << 20)),
        b"\x1f\x8b\x08" + b"?" * 100,
        b"\xfd7zXZ\x00" + b"?" * 100,
        b"\x28\xb5\x2f\xfd" + b"?" * 100,
        b"\x02\x21\x4c\x18" + b"\xff" * 100,
    ],
)
def test_one_that_is_damaged_cut_off_or_endless_is_not_read(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableError):
        seen(tmp_path, content)


def test_an_empty_one_holds_nothing(tmp_path: Path) -> None:
    assert seen(tmp_path, b"").maker == ""
    assert seen(tmp_path, b"\0" * 4096).maker == ""


@pytest.mark.slow
def test_one_that_unpacks_to_more_than_any_is_not_read_to_its_end(tmp_path: Path) -> None:
    head = newc.member(1, "zeros", FILE)[:54] + b"FFFFFFFF" + newc.member(1, "zeros", FILE)[62:]
    with (tmp_path / "bomb").open("wb") as file:
        zstd = subprocess.Popen(["zstd", "-q", "-c"], stdin=subprocess.PIPE, stdout=file)
        assert zstd.stdin is not None
        zstd.stdin.write(head)
        for _turn in range(2560):
            zstd.stdin.write(bytes(1 << 20))
        zstd.stdin.close()
        zstd.wait()
    with pytest.raises(UnreadableError):
        seen(tmp_path, (tmp_path / "bomb").read_bytes())


@pytest.mark.slow
def test_one_with_more_names_than_any_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        seen(tmp_path, an_archive(["x"] * 200_001, b""))


@given(st.binary(max_size=300), st.sampled_from(["", "070701", *PACKERS]))
def test_no_bytes_make_it_fail_otherwise(tmp_path_factory: pytest.TempPathFactory, noise: bytes, begin: str) -> None:
    content = {"": noise, "070701": an_archive(MICROCODE) + b"070701" + noise}.get(begin)
    with contextlib.suppress(UnreadableError):
        seen(tmp_path_factory.getbasetemp(), content if content is not None else PACKERS[begin](noise)[:250])


def test_the_farms_own_is_one_that_mounts_nfs_roots(tmp_path: Path) -> None:
    base = an_archive(["init", "etc/dhcp-answer"])
    packed = made(base, {"nfs.ko": b"n", "virtio_net.ko": b"v"})
    assert packed == made(base, {"nfs.ko": b"n", "virtio_net.ko": b"v"}), "the same parts give the same bytes"
    content = seen(tmp_path, packed)
    assert (content.maker, content.has_nfs, content.has_interface) == ("boardgrid", True, True)
    listed = subprocess.run(
        ["busybox", "cpio", "-t"], input=gzip.decompress(packed)[len(base) :], capture_output=True, check=True
    )
    order = [b"lib", b"lib/modules", b"lib/modules/nfs.ko", b"lib/modules/virtio_net.ko", b"lib/modules/order"]
    assert listed.stdout.split() == order
