"""Roots as they lie on the disk and in the kernel."""

import asyncio
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.errors import Code, Conflict, Fault
from boardgrid.model.image import PathSource
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import loops_below, mounts_below, unmount_below
from tests.adapters.store.trees import a_tree

pytestmark = pytest.mark.world

SIZE = 64 * MIB


async def a_root(bench: Bench, image: UUID) -> UUID:
    root = uuid4()
    await bench.roots.clone(root, image, SIZE)
    return root


def mount_of(point: Path) -> str:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return next(line for line in lines if line.split()[4] == str(point))


async def test_two_roots_of_one_image_are_two_file_systems(bench: Bench) -> None:
    image = await bench.image()
    one, two = await a_root(bench, image), await a_root(bench, image)
    assert os.statvfs(bench.roots.path(one)).f_fsid != os.statvfs(bench.roots.path(two)).f_fsid


async def test_a_root_is_the_same_file_system_after_it_was_mounted_again(bench: Bench) -> None:
    image = await bench.image()
    root = await a_root(bench, image)
    before = os.statvfs(bench.roots.path(root)).f_fsid
    await bench.roots.unmount(root)
    await bench.roots.clone(root, image, SIZE)
    assert os.statvfs(bench.roots.path(root)).f_fsid == before


async def test_a_root_can_be_exported_and_does_nothing_on_the_server(bench: Bench) -> None:
    root = await a_root(bench, await bench.image())
    options = mount_of(bench.roots.path(root))
    for word in ("nodev", "nosuid", "noexec", "index=on", "nfs_export=on", "redirect_dir=on", "xino=on"):
        assert word in options
    assert "metacopy=on" not in options


async def test_files_and_folders_have_one_device_number(bench: Bench) -> None:
    root = await a_root(bench, await bench.image())
    tree = bench.roots.path(root)
    assert {entry.lstat().st_dev for entry in tree.rglob("*")} == {tree.stat().st_dev}


async def test_the_images_layer_is_mounted_once_and_read_only_for_all_its_roots(bench: Bench) -> None:
    image = await bench.image()
    one, two = await a_root(bench, image), await a_root(bench, image)
    below = bench.folder / "images" / str(image) / "tree"
    assert " ro," in mount_of(below)
    assert mounts_below(bench.folder) == sorted(map(str, (below, bench.roots.path(one), bench.roots.path(two))))
    await bench.roots.unmount(one)
    assert str(below) in mounts_below(bench.folder)
    await bench.roots.unmount(two)
    assert mounts_below(bench.folder) == []


async def test_the_top_folder_looks_like_the_images(bench: Bench) -> None:
    tree = a_tree(bench.imports / "odd")
    tree.chmod(0o711)
    os.chown(tree, 0, 50)
    image = uuid4()
    await bench.images.build(image, PathSource(str(tree)))
    seen = bench.roots.path(await a_root(bench, image)).stat()
    assert (stat.S_IMODE(seen.st_mode), seen.st_gid) == (0o711, 50)


async def test_roots_that_are_cloned_at_once_do_not_get_in_each_others_way(bench: Bench) -> None:
    image, roots = await bench.image(), [uuid4() for _ in range(6)]
    await asyncio.gather(*(bench.roots.clone(root, image, SIZE) for root in roots))
    assert all(tree.is_mounted for tree in (await bench.roots.all()).values())
    await asyncio.gather(*(bench.roots.remove(root) for root in roots[:3]), *(a_root(bench, image) for _ in range(3)))
    for root, tree in (await bench.roots.all()).items():
        assert tree.is_mounted
        assert (bench.roots.path(root) / "bin" / "busybox").exists()


@dataclass
class CancellingShell:
    """Has the task that uses it cancelled once the nth program has ended."""

    at: int
    ran: int = 0

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        said = await SubprocessShell().run(*argv, timeout_s=timeout_s, stdin=stdin)
        self.ran += 1
        task = asyncio.current_task()
        if self.ran == self.at and task:
            task.cancel()  # it learns of it wherever it waits next: for a program, or for a thread in its midst
        return said


async def test_a_clone_that_is_cancelled_anywhere_leaves_a_whole_root_or_none(bench: Bench) -> None:
    image, cancelled = await bench.image(), 0
    for at in range(1, 10):
        root = uuid4()
        work = asyncio.ensure_future(bench.after(shell=CancellingShell(at)).roots.clone(root, image, SIZE))
        await asyncio.wait([work])
        cancelled += work.cancelled()
        assert [entry for entry in (bench.folder / "roots").iterdir() if entry.name.startswith(".")] == []
        await bench.roots.clone(root, image, SIZE)
        assert (await bench.roots.all())[root].is_mounted
        await bench.roots.remove(root)
    assert cancelled >= 4
    assert mounts_below(bench.folder) == []


async def test_after_a_reboot_a_root_is_mounted_again_with_all_that_was_in_it(bench: Bench) -> None:
    image = await bench.image()
    root, persona = await a_root(bench, image), a_persona()
    key = await bench.roots.personalise(root, persona)
    (bench.roots.path(root) / "srv").write_text("mine")
    (bench.roots.path(root) / "etc" / "os-release").unlink()
    unmount_below(bench.folder)

    after = bench.after()
    tree = (await after.roots.all())[root]
    assert (tree.is_mounted, tree.personal, tree.host_key) == (False, persona.deployment, key)
    await after.roots.clone(root, image, SIZE)
    assert (after.roots.path(root) / "srv").read_text() == "mine"
    assert not (after.roots.path(root) / "etc" / "os-release").exists()


async def test_a_root_is_never_put_on_another_image(bench: Bench) -> None:
    root = await a_root(bench, await bench.image())
    with pytest.raises(Conflict, match=str(root)):
        await bench.roots.clone(root, await bench.image(), SIZE)


async def test_an_image_is_kept_for_a_root_that_is_only_put_aside(bench: Bench) -> None:
    image = await bench.image()
    root = await a_root(bench, image)
    await bench.roots.unmount(root)
    with pytest.raises(Conflict) as raised:
        await bench.images.remove(image)
    assert raised.value.code is Code.THING_IN_USE


async def test_a_root_that_something_still_uses_is_told_so_and_stays(bench: Bench) -> None:
    root = await a_root(bench, await bench.image())
    with (bench.roots.path(root) / "bin" / "busybox").open("rb"):
        with pytest.raises(Fault, match=str(root)) as raised:
            await bench.roots.remove(root)
        assert raised.value.code is Code.ROOT_BUSY
        assert (await bench.roots.all())[root].is_mounted
    await bench.roots.remove(root)


async def test_a_damaged_root_is_told_and_stops_no_other(bench: Bench) -> None:
    image = await bench.image()
    one, two = await a_root(bench, image), await a_root(bench, image)
    await bench.roots.unmount(one)
    (bench.folder / "roots" / str(one) / "upper.ext4").write_bytes(bytes(SIZE))
    (bench.folder / "roots" / str(uuid4())).mkdir()
    with pytest.raises(Fault) as raised:
        await bench.roots.clone(one, image, SIZE)
    assert raised.value.code is Code.STORE_DAMAGED
    assert (await bench.roots.all())[two].is_mounted


async def test_what_is_remembered_of_a_root_is_out_of_its_users_reach(bench: Bench) -> None:
    root = await a_root(bench, await bench.image())
    await bench.roots.personalise(root, a_persona())
    names = {entry.name for entry in bench.roots.path(root).rglob("*")}
    assert "meta.json" not in names
    assert mounts_below(bench.folder / "roots" / str(root)) == [str(bench.roots.path(root))]


async def test_two_stores_work_side_by_side(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other, with: marks").mkdir()
    other = Bench(tmp_path / "other, with: marks", bench.imports)
    images = await bench.image(), await other.image()
    root = uuid4()  # even of one name
    await asyncio.gather(bench.roots.clone(root, images[0], SIZE), other.roots.clone(root, images[1], SIZE))
    (bench.roots.path(root) / "srv").write_text("one")
    (other.roots.path(root) / "srv").write_text("two")
    await bench.roots.remove(root)
    assert (other.roots.path(root) / "srv").read_text() == "two"
    await other.roots.remove(root)
    await other.images.remove(images[1])
    assert mounts_below(other.folder) == []


async def test_nothing_is_left_of_what_was_removed(bench: Bench) -> None:
    image = await bench.image()
    root = await a_root(bench, image)
    await bench.roots.remove(root)
    await bench.images.remove(image)
    assert [list((bench.folder / kind).iterdir()) for kind in ("images", "roots")] == [[], []]
    assert mounts_below(bench.folder) == []
    assert loops_below(bench.folder) == []


async def test_an_overlay_gives_handles_that_outlive_its_remount(bench: Bench) -> None:
    """What an NFS server lives by: a file is found again by its handle, changed or not."""
    image = await bench.image()
    root = await a_root(bench, image)
    tree = bench.roots.path(root)
    (tree / "etc" / "hostname").write_text("changed")
    numbers = {name: (tree / name).stat().st_ino for name in ("etc/hostname", "bin/busybox", "etc")}
    await SubprocessShell().run("sync", "--file-system", str(tree))
    await bench.roots.unmount(root)
    await bench.roots.clone(root, image, SIZE)
    assert {name: (tree / name).stat().st_ino for name in numbers} == numbers
