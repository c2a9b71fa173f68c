"""Disk images, read by a machine of their own: the right partition, the very tree, and what is broken."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.adapters.store.disk_image import ARCH
from boardgrid.adapters.store.formats import Format, format_of
from boardgrid.model.errors import Code, FarmError, Fault, Invalid
from boardgrid.model.image import Making, Manifest, PathSource
from tests.adapters.store import samples
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import loops_below, mounts_below
from tests.adapters.store.test_crash import children, locked, mortal, wait_until
from tests.adapters.store.trees import packed

pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def bench(bench: Bench, boot_parts: Path) -> Bench:
    return bench.after(boot_parts=boot_parts)


@pytest.fixture
def tree(bench: Bench) -> Path:
    return samples.a_system(bench.imports / "system")


async def made_of(bench: Bench, given: Path, making: Making | None = None) -> Manifest:
    return await bench.images.build(uuid4(), PathSource(str(given)), making or Making())


def is_clean(bench: Bench) -> bool:
    drafts = [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")]
    return (drafts, mounts_below(bench.folder), loops_below(bench.folder)) == ([], [], [])


@pytest.mark.parametrize("what", samples.BY_MACHINE)
async def test_each_format_gives_the_very_tree(bench: Bench, tree: Path, what: str) -> None:
    given = samples.BY_MACHINE[what](tree, bench.imports / "given")
    if "SD card" in what:
        # What lies in the first partition is part of it, where its fstab says.
        files = {"config.txt": b"arm_64bit=1\n", "cmdline.txt": b"root=\n", "kernel.img": b"k"}
        for name, content in files.items():
            (tree / "boot" / "firmware" / name).write_bytes(content)
    manifest = await made_of(bench, given)
    same = await bench.blob(packed(tree, bench.imports / "same.tar").read_bytes())
    assert manifest.files == same.files
    if "SD card" not in what and what != "btrfs":  # FAT has times of its own; mkfs.btrfs gives the top folder today's
        as_folder = await made_of(bench, tree)
        assert manifest.digest == as_folder.digest
    assert is_clean(bench)


def start_mib(disk: Path, number: int) -> int:
    """Where sfdisk put a partition, which it says in sectors."""
    told = subprocess.run(["sfdisk", "--dump", str(disk)], check=True, capture_output=True, text=True).stdout
    line = next(line for line in told.splitlines() if line.startswith(f"{disk}{number} "))
    return int(line.split("start=")[1].split(",")[0]) // 2048


async def test_the_logical_partition_of_an_mbr_is_found(bench: Bench, tree: Path) -> None:
    table, root = "label: dos\nsize=1MiB\nsize=1MiB\nsize=1MiB\ntype=5\nsize=24MiB\n", bench.imports / "root"
    samples.ext4(tree, root)
    samples.disk(bench.imports / "empty", table, {40: root})
    at = start_mib(bench.imports / "empty", 5)
    card = samples.disk(bench.imports / "card", table, {at: root, 40: root})
    assert (await made_of(bench, card)).digest == (await made_of(bench, tree)).digest


async def test_of_two_systems_one_must_be_chosen(bench: Bench, tree: Path) -> None:
    one = samples.ext4(tree, bench.imports / "one")
    (tree / "etc" / "slot").write_text("b")
    two = samples.ext4(tree, bench.imports / "two")
    table = "label: gpt\nstart=1MiB,size=24MiB,name=slot_a\nstart=25MiB,size=24MiB,name=slot_b\n"
    card = samples.disk(bench.imports / "card", table, {1: one, 25: two})
    with pytest.raises(Invalid, match=r"in the partitions 1, 2: it has 1: 24 MiB ext4 rootfs; 2: 24 MiB") as raised:
        await made_of(bench, card)
    assert (raised.value.code, raised.value.hint) == (Code.ARCHIVE_REFUSED, "choose one of them: --partition N")
    assert is_clean(bench)
    manifest = await made_of(bench, card, Making(partition=2))
    assert manifest.files == (await made_of(bench, tree)).files
    with pytest.raises(Invalid, match=r"card has no partition 7: it has 1: 24 MiB"):
        await made_of(bench, card, Making(partition=7))


async def test_a_disk_without_a_system_is_refused_with_what_is_on_it(bench: Bench, tree: Path) -> None:
    (tree / "sbin" / "init").unlink()
    table = "label: gpt\nstart=1MiB,size=4MiB\nstart=5MiB,size=24MiB\n"
    boot, data = samples.vfat(bench.imports / "boot", {}), samples.ext4(tree, bench.imports / "data")
    card = samples.disk(bench.imports / "card", table, {1: boot, 5: data})
    with pytest.raises(Invalid, match=r"no system .* it has 1: 4 MiB vfat BOOT; 2: 24 MiB ext4 rootfs"):
        await made_of(bench, card)


async def test_a_partition_of_a_disk_without_a_table_is_refused_with_the_way_out(bench: Bench, tree: Path) -> None:
    with pytest.raises(Invalid, match=r"has no partition table, and so no partition 1") as raised:
        await made_of(bench, samples.ext4(tree, bench.imports / "root"), Making(partition=1))
    assert "leave out --partition" in raised.value.hint


async def test_a_links_target_is_the_systems_own_and_not_the_machines(bench: Bench, tree: Path) -> None:
    (tree / "boot" / "firmware").rmdir()
    (tree / "boot" / "firmware").symlink_to("/dev")
    await made_of(bench, samples.sd_card(tree, bench.imports / "card"))
    assert is_clean(bench)


async def test_a_site_without_the_machine_says_what_would_do(bench: Bench, tree: Path) -> None:
    without = bench.after(boot_parts=bench.imports)
    with pytest.raises(Fault, match="cannot read disk images") as raised:
        await made_of(without, samples.ext4(tree, bench.imports / "root"))
    assert "tar archive" in raised.value.hint


async def test_what_a_machine_that_breaks_down_says_at_its_end_is_told(
    bench: Bench, tree: Path, boot_parts: Path
) -> None:
    (bench.imports / ARCH).mkdir()
    shutil.copy(boot_parts / ARCH / "vmlinuz", bench.imports / ARCH)
    (bench.imports / ARCH / "disk-reader").write_bytes(b"no initramfs")
    broken = bench.after(boot_parts=bench.imports)
    with pytest.raises(Invalid, match=r"broke down \(\[ .*Kernel panic - not syncing: VFS"):
        await made_of(broken, samples.ext4(tree, bench.imports / "root"))
    assert is_clean(bench)


@pytest.mark.parametrize("after_s", [0.0, 0.4, 1.0, 2.0, 4.0])
async def test_an_import_that_is_given_up_ends_at_once_whatever_it_is_doing(
    bench: Bench, tree: Path, after_s: float
) -> None:
    card = samples.sd_card(tree, bench.imports / "card")
    making = asyncio.ensure_future(made_of(bench, card))
    await asyncio.wait([making], timeout=after_s)
    making.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([making])
    assert making.cancelled() and is_clean(bench)
    assert "disk-reader" not in machines(os.getpid())


async def test_a_tree_that_is_larger_than_the_limit_is_no_image(bench: Bench, tree: Path) -> None:
    with (tree / "usr" / "large").open("wb") as file:
        file.truncate(20 * MIB)
    given = samples.ext4(tree, bench.imports / "root")
    with pytest.raises(Invalid) as raised:
        await made_of(bench.after(image_limit_bytes=10 * MIB), given)
    assert raised.value.code is Code.IMAGE_TOO_LARGE


async def test_a_sparse_image_that_says_it_is_huge_is_refused_before_it_is_written(bench: Bench, tree: Path) -> None:
    sparse = bytearray(
        samples.android_sparse(samples.ext4(tree, bench.imports / "r"), bench.imports / "s").read_bytes()
    )
    sparse[16:20] = (0x7FFFFFFF).to_bytes(4, "little")
    with pytest.raises(Invalid) as raised:
        await bench.blob(bytes(sparse))
    assert raised.value.code is Code.IMAGE_TOO_LARGE


@pytest.mark.parametrize("what", ["ext4", "SD card", "Android sparse", "squashfs"])
@pytest.mark.parametrize("share", [0.3, 0.8])
async def test_half_a_disk_image_is_no_image(bench: Bench, tree: Path, what: str, share: float) -> None:
    whole = samples.BY_MACHINE[what](tree, bench.imports / "given").read_bytes()
    try:
        await bench.blob(whole[: int(len(whole) * share)])
    except FarmError as error:
        assert error.code is Code.ARCHIVE_REFUSED
    assert is_clean(bench)


def test_the_machine_is_gone_with_the_import_that_was_killed(bench: Bench, tree: Path, boot_parts: Path) -> None:
    card = samples.sd_card(tree, bench.imports / "card")
    agent = mortal(bench, "build", "0", uuid4(), card, boot_parts)
    wait_until("the machine runs", lambda: "disk-reader" in machines(agent.pid))
    for process in (agent.pid, children(agent.pid)[0]):
        os.kill(process, signal.SIGKILL)
    agent.wait(60)
    wait_until("the next agent may begin", lambda: not locked(bench))
    assert (mounts_below(bench.folder), loops_below(bench.folder), bench.stored()) == ([], [], {})


def machines(process: int) -> str:
    """The words of all that a process started."""
    try:
        words = (
            Path(f"/proc/{process}/cmdline").read_text() if "qemu" in Path(f"/proc/{process}/comm").read_text() else ""
        )
        return words + "".join(map(machines, children(process)))
    except OSError:
        return ""


def test_a_format_is_told_by_content_alone(tmp_path: Path) -> None:
    tree = samples.a_system(tmp_path / "system")
    for name, make in samples.BY_MACHINE.items():
        head = make(tree, tmp_path / name.replace(" ", "-")).read_bytes()[: 1 << 17]
        wanted = {"Android sparse": Format.ANDROID_SPARSE, "packed SD card": Format.PACKED}.get(name, Format.DISK)
        assert format_of(head) is wanted, name
