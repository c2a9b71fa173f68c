"""What differs between two trees, and how much of it is told."""

import asyncio
import contextlib
import os
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.difference import found
from boardgrid.adapters.store.tree import TreePath
from boardgrid.model.difference import Change, Count, Difference, PackageChange
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.image import RootSource
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import loops_below, mounts_below
from tests.adapters.store.test_crash import Gate, Through, wait_until
from tests.adapters.store.trees import a_deep_folder, a_tree

VIM = "Package: vim\nStatus: install ok installed\nArchitecture: armhf\nVersion: 2:9.0\n"
LIBC = "Package: libc6\nVersion: {version}\nStatus: install ok installed\nArchitecture: armhf\n"
REMOVED = "Package: nano\nStatus: deinstall ok config-files\nArchitecture: armhf\nVersion: 7.2\n"
ADDUSER = "Package: adduser\nStatus: install ok installed\nArchitecture: all\nDescription: x\n more\nVersion: 3\n"


def between(was: Path, now: Path) -> Difference:
    return found(TreePath(str(was)), TreePath(str(now)))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two trees that are the same."""
    was, now = a_tree(tmp_path / "was"), tmp_path / "now"
    subprocess.run(["cp", "-a", str(was), str(now)], check=True)
    return was, now


def told(difference: Difference) -> dict[str, tuple[Change, tuple[str, ...]]]:
    return {one.path: (one.change, one.what) for one in difference.paths}


def test_two_trees_that_are_the_same_differ_in_nothing(pair: tuple[Path, Path]) -> None:
    assert between(*pair) == Difference()


def test_files_are_added_changed_and_removed_with_their_sizes(pair: tuple[Path, Path]) -> None:
    was, now = pair
    (now / "root" / "notes").write_text("mine")
    (now / "etc" / "hostname").write_text("another name\n")
    (now / "boot" / "vmlinuz-6.1.0-50-armmp").unlink()
    seen = between(was, now)
    assert (seen.added, seen.changed, seen.removed) == (Count(1, 4), Count(1, 13), Count(1, 6))
    assert told(seen) == {
        "etc/hostname": (Change.CHANGED, ("content",)),
        "boot/vmlinuz-6.1.0-50-armmp": (Change.REMOVED, ()),
        "root/notes": (Change.ADDED, ()),
    }
    assert [one.size_bytes for one in seen.paths] == [13, 6, 4]


def test_a_folder_counts_with_all_that_is_in_it(pair: tuple[Path, Path]) -> None:
    was, now = pair
    (now / "opt" / "a" / "b").mkdir(parents=True)
    (now / "opt" / "a" / "b" / "c").write_text("12345")
    assert between(was, now).added == Count(4, 5)
    assert between(now, was).removed == Count(4, 5)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda tree: (tree / "bin" / "busybox").chmod(0o4755), ("mode",)),
        (lambda tree: os.setxattr(tree / "bin" / "busybox", "user.note", b"1"), ("attributes",)),
        (lambda tree: os.utime(tree / "bin" / "busybox", ns=(0, 1)), ("content",)),
        (lambda tree: replaced(tree / "bin" / "busybox", lambda at: at.symlink_to("sh")), ("kind",)),
        (lambda tree: replaced(tree / "bin" / "busybox", lambda at: at.mkdir()), ("kind",)),
    ],
)
def test_it_is_told_how_a_file_changed(
    pair: tuple[Path, Path], change: Callable[[Path], None], what: tuple[str, ...]
) -> None:
    change(pair[1])
    assert told(between(*pair)) == {"bin/busybox": (Change.CHANGED, what)}


def replaced(at: Path, make: Callable[[Path], None]) -> None:
    at.unlink()
    make(at)


def test_a_link_that_points_elsewhere_changed_and_one_made_anew_did_not(pair: tuple[Path, Path]) -> None:
    was, now = pair
    replaced(now / "bin" / "sh", lambda at: at.symlink_to("busybox"))
    assert between(was, now) == Difference(times_only=2)  # of the link, and of its folder
    replaced(now / "bin" / "sh", lambda at: at.symlink_to("/elsewhere"))
    assert told(between(was, now)) == {"bin/sh": (Change.CHANGED, ("target",))}


def test_folders_and_links_with_other_times_alone_are_counted_apart(pair: tuple[Path, Path]) -> None:
    was, now = pair
    (was / "link").symlink_to("opt")
    (now / "link").symlink_to("opt")
    for path in (now / "link", now / "etc", now):
        os.utime(path, ns=(1, 1), follow_symlinks=False)
    assert between(was, now) == Difference(times_only=3)


@pytest.mark.slow
def test_owners_and_devices_are_told(pair: tuple[Path, Path]) -> None:
    was, now = pair
    for tree, minor in ((was, 3), (now, 5)):
        os.mknod(tree / "null", stat.S_IFCHR | 0o666, os.makedev(1, minor))
    os.chown(now / "etc" / "hostname", 1000, 1000)
    assert told(between(was, now)) == {
        "null": (Change.CHANGED, ("device",)),
        "etc/hostname": (Change.CHANGED, ("owner",)),
    }


def test_names_of_strangers_are_told_so_that_they_can_be_printed(pair: tuple[Path, Path]) -> None:
    (pair[1] / "a\n\x1b[31m\udcff").touch()
    assert told(between(*pair)) == {"a\\x0a\\x1b[31m\\xff": (Change.ADDED, ())}


def test_of_very_many_the_largest_are_told_and_all_are_counted(pair: tuple[Path, Path]) -> None:
    many = pair[1] / "many"
    many.mkdir()
    for number in range(3000):
        (many / f"{number:04d}").write_bytes(bytes(number % 10))
    (many / "large").write_bytes(bytes(1000))
    seen = between(*pair)
    assert seen.added == Count(3002, 300 * sum(range(10)) + 1000)
    assert seen.paths[0].path == "many/large"
    assert 1000 < len(seen.paths) <= 2000
    assert min(one.size_bytes for one in seen.paths) > 2


def test_what_lies_too_deep_is_refused(pair: tuple[Path, Path]) -> None:
    a_deep_folder(pair[1] / "deep", 200)
    with pytest.raises(Invalid, match="more than 128 folders deep") as raised:
        between(*pair)
    assert raised.value.code is Code.ARCHIVE_REFUSED


# --- packages


def with_packages(tree: Path, *paragraphs: str) -> None:
    (tree / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
    (tree / "var/lib/dpkg/status").write_text("\n".join(paragraphs))


def test_packages_are_told_by_what_dpkg_wrote_down(pair: tuple[Path, Path]) -> None:
    was, now = pair
    with_packages(was, LIBC.format(version="2.36-9"), ADDUSER, VIM)
    with_packages(now, LIBC.format(version="2.36-10"), ADDUSER.replace(": 3", ": 4"), REMOVED)
    seen = between(was, now)
    assert seen.packages == (
        PackageChange("adduser", "3", "4"),
        PackageChange("libc6:armhf", "2.36-9", "2.36-10"),
        PackageChange("vim:armhf", "2:9.0", ""),
    )
    assert (seen.packages_changed, seen.packages_by) == (3, "dpkg")


def test_packages_of_an_image_without_a_package_manager_are_told_too(pair: tuple[Path, Path]) -> None:
    for tree, version in zip(pair, ("1", "2"), strict=True):
        (tree / "var/lib/dpkg/status.d").mkdir(parents=True)
        (tree / "var/lib/dpkg/status.d/tzdata").write_text(f"Package: tzdata\nVersion: {version}\n")
        (tree / "var/lib/dpkg/status.d/tzdata.md5sums").write_text("")
    assert between(*pair).packages == (PackageChange("tzdata", "1", "2"),)


def test_a_status_that_is_no_text_or_leads_out_is_nobodys(pair: tuple[Path, Path], tmp_path: Path) -> None:
    was, now = pair
    with_packages(tmp_path, VIM)
    for tree in pair:
        (tree / "var").mkdir()
        (tree / "var" / "lib").symlink_to(tmp_path / "var" / "lib")
    assert between(was, now).packages_by == ""
    for tree in pair:
        (tree / "var" / "lib").unlink()
        with_packages(tree, VIM)
    odd = b"\xff\n\nPackage:\xff\x1b\nVersion:\x1b\n\n\n:\n\nPackage: none\n" + bytes(1000)
    (now / "var/lib/dpkg/status").write_bytes(odd)
    assert between(was, now).packages == (
        PackageChange("\\xff\\x1b", "", "\\x1b"),
        PackageChange("vim:armhf", "2:9.0", ""),
    )


def test_very_many_packages_are_counted_and_not_all_told(pair: tuple[Path, Path]) -> None:
    with_packages(pair[0])
    with_packages(pair[1], *(VIM.replace("vim", f"package-{number:05d}") for number in range(5000)))
    seen = between(*pair)
    assert seen.packages_changed == 5000
    assert 500 < len(seen.packages) <= 1000


# --- in a store


@pytest.mark.world
async def test_a_captured_image_differs_from_its_parent_in_what_was_changed(bench: Bench) -> None:
    parent, root, kept = await bench.image(), uuid4(), uuid4()
    await bench.roots.clone(root, parent, 64 * MIB)
    tree = bench.roots.path(root)
    (tree / "etc" / "hostname").write_text("changed\n")
    (tree / "bin" / "busybox").unlink()
    (tree / "boot").chmod(0o700)
    before = await bench.roots.changes(root)
    assert told(before) == {
        "etc/hostname": (Change.CHANGED, ("content",)),
        "bin/busybox": (Change.REMOVED, ()),
        "boot": (Change.CHANGED, ("mode",)),
    }
    await bench.images.build(kept, RootSource(root))
    await bench.roots.remove(root)
    assert await bench.images.changes(kept, parent) == before
    assert mounts_below(bench.folder) == []
    assert loops_below(bench.folder) == []


@pytest.mark.world
async def test_a_root_that_is_written_to_meanwhile_is_looked_at_all_the_same(bench: Bench) -> None:
    root, busy = uuid4(), threading.Event()
    await bench.roots.clone(root, await bench.image(), 64 * MIB)
    folder = bench.roots.path(root) / "busy"
    folder.mkdir()

    def write() -> None:
        number = 0
        while not busy.is_set():
            (folder / f"d{number % 50}").mkdir(exist_ok=True)
            (folder / f"d{number % 50}" / "f").write_text("x")
            other = folder / f"d{(number + 25) % 50}"
            (other / "f").unlink(missing_ok=True)
            if other.exists():
                other.rmdir()
            number += 1
            time.sleep(0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _look in range(5):
            assert (await bench.roots.changes(root)).added.entries >= 1
    finally:
        busy.set()
        writer.join()


@pytest.mark.slow
@pytest.mark.world
async def test_a_look_that_is_killed_in_its_midst_leaves_nothing_and_another_finds_all(
    bench: Bench, tmp_path: Path
) -> None:
    parent, kept, root = await bench.image(), uuid4(), uuid4()
    await bench.roots.clone(root, parent, 64 * MIB)
    (bench.roots.path(root) / "notes").write_text("mine")
    await bench.images.build(kept, RootSource(root))
    await bench.roots.remove(root)
    gate = Gate(tmp_path / "gate", "mount").build()
    through = bench.after(shell=Through(gate.folder))
    work = asyncio.ensure_future(through.images.changes(kept, parent))
    await asyncio.to_thread(wait_until, "it mounts an image", gate.reached)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert mounts_below(bench.folder) == []
    await asyncio.to_thread(wait_until, "no loop device is left", lambda: not loops_below(bench.folder))
    assert (await bench.images.changes(kept, parent)).added == Count(1, 4)


# --- while a root is wanted


class Waiting:
    """A shell whose looks at trees wait until they may go on."""

    def __init__(self) -> None:
        self.began, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        if argv[-1].endswith(".difference"):
            self.began.set()
            await self.may_go_on.wait()
        return await SubprocessShell().run(*argv, timeout_s=timeout_s, stdin=stdin)


@pytest.mark.slow
@pytest.mark.parametrize("is_mounted", [False, True])
async def test_a_root_that_is_looked_at_is_given_to_a_board_that_wants_it(bench: Bench, *, is_mounted: bool) -> None:
    image, root, shell = await bench.image(), uuid4(), Waiting()
    roots = bench.after(shell=shell).roots
    await roots.clone(root, image, 64 * MIB)
    (roots.path(root) / "notes").write_text("mine")
    if not is_mounted:
        await roots.unmount(root)
    look = asyncio.ensure_future(roots.changes(root))
    await shell.began.wait()
    assert (await roots.all())[root].is_mounted is is_mounted
    await roots.clone(root, image, 64 * MIB)
    persona = a_persona()
    await roots.personalise(root, persona)
    shell.may_go_on.set()
    assert "notes" in told(await look)
    seen = (await roots.all())[root]
    assert (seen.is_mounted, seen.personal) == (True, persona.deployment)


@pytest.mark.slow
async def test_two_looks_at_a_root_that_nobody_has_leave_it_as_it_was(bench: Bench) -> None:
    image, root, shell = await bench.image(), uuid4(), Waiting()
    roots = bench.after(shell=shell).roots
    await roots.clone(root, image, 64 * MIB)
    await roots.unmount(root)
    looks = [asyncio.ensure_future(roots.changes(root)) for _look in range(2)]
    await shell.began.wait()
    looks.pop().cancel()
    shell.may_go_on.set()
    assert await looks[0] == Difference()
    await asyncio.to_thread(wait_until, "it is put away", lambda: mounts_below(bench.folder) == [])


@pytest.mark.slow
@pytest.mark.parametrize("is_mounted", [False, True])
async def test_a_root_that_is_put_away_is_looked_at_no_longer(bench: Bench, *, is_mounted: bool) -> None:
    image, root, shell = await bench.image(), uuid4(), Waiting()
    roots = bench.after(shell=shell).roots
    await roots.clone(root, image, 64 * MIB)
    if not is_mounted:
        await roots.unmount(root)
    look = asyncio.ensure_future(roots.changes(root))
    await shell.began.wait()
    await roots.remove(root)
    with pytest.raises(Conflict, match="was put away while it was looked at") as raised:
        await look
    assert raised.value.code is Code.THING_IN_USE
    assert mounts_below(bench.folder) == []
