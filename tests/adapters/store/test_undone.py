"""An image that is made of a root holds what its user did, and of what the farm wrote there nothing."""

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store.digest import summary
from boardgrid.adapters.store.tree import TreePath
from boardgrid.model.difference import Change, Difference
from boardgrid.model.errors import Code, FarmError, Fault
from boardgrid.model.image import CheckpointSource, Manifest, PathSource, RootSource
from boardgrid.ports import Persona
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import own_mounts, unmount_below
from tests.adapters.store.test_crash import Gate, Through, wait_until
from tests.adapters.store.trees import CAPABILITY, a_nasty_tree

pytestmark = pytest.mark.slow

VOLUMES = {"/data/of/mine": "10.20.0.1:/v/" + f"{UUID(int=1)}-{UUID(int=2)}"}
BOTH = pytest.mark.parametrize("source", [RootSource, CheckpointSource])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    for name in ("store", "imports"):
        (tmp_path / name).mkdir()
    with own_mounts():
        yield Bench(tmp_path / "store", tmp_path / "imports")
        unmount_below(tmp_path / "store")


def put(tree: Path, name: str, content: str = "", mode: int = 0o644) -> Path:
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(mode)
    return file


def what_the_farm_writes_to(tree: Path) -> Path:
    """All that it changes at a deployment, each as no system has it."""
    for name in ("lib/systemd/systemd", "lib/systemd/systemd-timesyncd", "sbin/fake-hwclock", "etc/modprobe.d/x.conf"):
        put(tree, name)
    put(tree, "etc/hosts", "127.0.0.1 localhost\n", 0o6600)
    os.chown(tree / "etc/hosts", 1234, 70_000)
    os.setxattr(tree / "etc/hosts", "user.large", bytes(3000))
    (tree / "etc/hosts").chmod(0o6600)
    os.setxattr(tree / "etc/hosts", "security.capability", CAPABILITY)
    os.utime(tree / "etc/hosts", ns=(0, 1_234_567_890_123_456_789))
    (tree / "etc/also hosts").hardlink_to(tree / "etc/hosts")
    (tree / "srv/hosts").hardlink_to(tree / "etc/hosts")
    (tree / "etc/hostname").unlink()
    (tree / "etc/hostname").symlink_to("/no/such\udcff")
    os.mkfifo(put(tree, "etc/fake-hwclock.data").rename(tree / "etc/fake").with_name("fake-hwclock.data"), 0o640)
    put(tree, "etc/network/interfaces", "iface eth0 inet dhcp\n" + "#" * 9000)
    put(tree, "etc/network/interfaces.d/a", "auto eth0\niface eth0 inet dhcp\n", 0o444)
    put(tree, "etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n")
    (tree / "etc/dropbear").mkdir(mode=0o2700)
    os.chown(tree / "etc/dropbear", 7, 8)
    (tree / "etc/dropbear").chmod(0o2700)
    (tree / "root").chmod(0o755)
    os.setxattr(tree / "root", "user.note", b"of the image")
    (tree / "root/.ssh").symlink_to("nowhere")
    put(tree, "etc/boardgrid-is-not-ours", "1")
    for number, name in enumerate((".", "etc", "root", "etc/ssh", "etc/network", "etc/modprobe.d"), 1):
        os.utime(tree / name, ns=(0, 1_111_111_111_000_000_000 + number))
    return tree


async def an_image(bench: Bench) -> UUID:
    tree, image = bench.imports / "nasty", uuid4()
    if not tree.exists():
        what_the_farm_writes_to(a_nasty_tree(tree))
    await bench.images.build(image, PathSource(str(tree)))
    return image


def somebody(number: int = 1) -> Persona:
    return replace(
        a_persona(),
        deployment=uuid4(),
        hostname=f"tk1-{number}.lab",
        server=IPv4Address("10.20.0.1"),
        volumes=VOLUMES,
    )


async def a_root(bench: Bench, image: UUID, number: int = 1, size_bytes: int = 64 * MIB) -> UUID:
    root = uuid4()
    await bench.roots.clone(root, image, size_bytes)
    await bench.roots.personalise(root, somebody(number))
    return root


Of = type[RootSource] | type[CheckpointSource]


async def captured(bench: Bench, root: UUID, source: Of = RootSource) -> UUID:
    image = uuid4()
    await bench.images.build(image, source(root))
    return image


def manifest(bench: Bench, image: UUID) -> Manifest:
    return bench.stored()[image]


async def tree_of(bench: Bench, image: UUID) -> Path:
    root = uuid4()
    await bench.roots.clone(root, image, 64 * MIB)
    return bench.roots.path(root)


def told(difference: Difference) -> dict[str, Change]:
    return {one.path: one.change for one in difference.paths}


# --- nobody changed anything


@BOTH
async def test_a_root_that_nobody_touched_is_its_image_again_whoever_had_it(bench: Bench, source: Of) -> None:
    parent = await an_image(bench)
    for number in (1, 2):
        root = await a_root(bench, parent, number)
        assert len(told(await bench.roots.changes(root))) > 15
        again = await captured(bench, root, source)
        assert told(await bench.images.changes(again, parent)) == {}
        assert manifest(bench, again).digest == manifest(bench, parent).digest
        assert manifest(bench, again).adapted == ()


async def test_the_root_itself_stays_as_it_was(bench: Bench) -> None:
    root = await a_root(bench, await an_image(bench))
    before = summary(TreePath(str(bench.roots.path(root))))
    await captured(bench, root)
    assert summary(TreePath(str(bench.roots.path(root)))) == before


async def test_one_that_had_several_deployments_is_too(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    for number in (2, 3):
        await bench.roots.unmount(root)
        await bench.roots.personalise(root, somebody(number))
    assert manifest(bench, await captured(bench, root)).digest == manifest(bench, parent).digest


async def test_one_whose_making_was_cut_off_is_once_it_is_made(bench: Bench) -> None:
    parent, root = await an_image(bench), uuid4()
    await bench.roots.clone(root, parent, 64 * MIB)
    tree = bench.roots.path(root)
    was_ns = (tree / "etc").stat().st_mtime_ns
    (tree / "etc/boardgrid/deployment").mkdir(parents=True)
    os.utime(tree / "etc", ns=(0, was_ns))
    with pytest.raises(FarmError, match="etc/boardgrid/deployment"):
        await bench.roots.personalise(root, somebody())
    (tree / "etc/boardgrid/deployment").rmdir()
    (tree / "etc/boardgrid").rmdir()
    await bench.after().roots.personalise(root, somebody())
    assert manifest(bench, await captured(bench, root)).digest == manifest(bench, parent).digest


async def test_a_capture_that_is_killed_when_it_has_undone_leaves_the_root_to_the_next(
    bench: Bench, tmp_path: Path
) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    gate = Gate(tmp_path / "gate", "mkfs.erofs").build()
    through = bench.after(shell=Through(gate.folder))
    work = asyncio.ensure_future(through.images.build(uuid4(), RootSource(root)))
    await asyncio.to_thread(wait_until, "it has undone all", lambda: gate.reached() or work.done())
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert (bench.roots.path(root) / "etc/boardgrid/deployment").is_file()
    assert manifest(bench, await captured(bench, root)).digest == manifest(bench, parent).digest


async def test_one_whose_image_was_unmounted_behind_our_back_is_too(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    await bench.store.shell.run("umount", str(bench.store.places.image(parent).tree))
    assert manifest(bench, await captured(bench, root)).digest == manifest(bench, parent).digest


async def test_of_a_root_that_nobody_touched_nothing_is_told_but_how_much_is_the_farms(bench: Bench) -> None:
    root = await a_root(bench, await an_image(bench))
    seen = await bench.roots.changes(root, without_farms=True)
    assert seen == Difference(left_out=seen.left_out)


# --- its user changed something


def ours(tree: Path) -> None:
    (tree / "etc/hostname").write_text("robot\n")


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, Change]]] = {
    "content": (ours, {"etc/hostname": Change.CHANGED}),
    "mode": (lambda tree: (tree / "etc/hostname").chmod(0o600), {"etc/hostname": Change.CHANGED}),
    "mode of a folder": (lambda tree: (tree / "root").chmod(0o711), {"root": Change.CHANGED}),
    "owner": (lambda tree: os.chown(tree / "etc/hosts", 5, 5), {"etc/hosts": Change.CHANGED}),
    "time": (lambda tree: os.utime(tree / "etc/hosts", ns=(0, 1)), {"etc/hosts": Change.CHANGED}),
    "attribute": (lambda tree: os.setxattr(tree / "etc/hosts", "user.mine", b"1"), {"etc/hosts": Change.CHANGED}),
    "gone": (lambda tree: (tree / "etc/hostname").unlink(), {"etc/hostname": Change.REMOVED}),
    "in a folder of ours": (
        lambda tree: put(tree, "etc/NetworkManager/mine"),
        {"etc/NetworkManager": Change.ADDED, "etc/NetworkManager/mine": Change.ADDED},
    ),
    "beside our keys": (
        lambda tree: put(tree, "root/.ssh/config"),
        {"root/.ssh": Change.CHANGED, "root/.ssh/config": Change.ADDED},
    ),
    "in a place for volumes": (
        lambda tree: put(tree, "data/of/notes"),
        {"data": Change.ADDED, "data/of": Change.ADDED, "data/of/notes": Change.ADDED},
    ),
    "by another name": (lambda tree: (tree / "srv/hosts").write_text("mine\n"), {}),
}


@pytest.mark.parametrize("case", CHANGES)
async def test_what_its_user_changed_is_in_it_and_nothing_else(bench: Bench, case: str) -> None:
    change, expected = CHANGES[case]
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    change(bench.roots.path(root))
    before = await bench.roots.changes(root, without_farms=True)
    after = await bench.images.changes(await captured(bench, root), parent)
    if expected:
        assert told(after) == expected
    assert replace(before, left_out=0) == after


async def test_only_the_time_of_a_folder_in_which_its_user_wrote_is_another(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    live = bench.roots.path(root)
    put(live, "etc/mine")
    wrote_ns = (live / "etc").stat().st_mtime_ns
    was, now = await tree_of(bench, parent), await tree_of(bench, await captured(bench, root))
    folders = [path.relative_to(was) for path in (was, *was.rglob("*")) if stat.S_ISDIR(path.lstat().st_mode)]
    moved = {str(one) for one in folders if (now / one).stat().st_mtime_ns != (was / one).stat().st_mtime_ns}
    assert moved == {"etc"}
    assert (now / "etc").stat().st_mtime_ns == wrote_ns


async def test_a_folder_that_its_user_took_away_does_not_come_back(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    live = bench.roots.path(root)
    for file in (live / "etc/network/interfaces.d").iterdir():
        file.unlink()
    (live / "etc/network/interfaces.d").rmdir()
    now = await tree_of(bench, await captured(bench, root))
    assert not (now / "etc/network/interfaces.d").exists()
    assert "dhcp" in (now / "etc/network/interfaces").read_text()


async def test_nothing_is_undone_through_a_link(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    live = bench.roots.path(root)
    (live / "etc/network").rename(live / "srv/network")
    (live / "etc/network").symlink_to("/srv/network")
    now = await tree_of(bench, await captured(bench, root))
    assert (now / "etc/network").readlink() == Path("/srv/network")
    assert "manual" in (now / "srv/network/interfaces").read_text(), "what lies there its user put there"


# --- what nobody may get


async def test_where_the_farm_kept_no_account_secrets_are_taken_out_as_ever(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    meta = bench.store.places.root(root).meta
    for farms in ({}, {"etc/hosts": None, "etc/hostname": [1, "x"], "no/such": [1], "etc/ssh/": ["x"]}):
        meta.write_text(json.dumps({**json.loads(meta.read_text()), "farms": farms}))
        now = await tree_of(bench, await captured(bench, root))
        assert not list((now / "etc/ssh").glob("ssh_host*")) and not (now / "etc/boardgrid").exists()
        assert not (now / "root/.ssh/authorized_keys").exists()
        assert "10.20.0.1:/v/" not in (now / "etc/fstab").read_text()


async def test_a_secret_that_its_user_changed_is_taken_out_all_the_same(bench: Bench) -> None:
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    live = bench.roots.path(root)
    for name in ("root/.ssh/authorized_keys", "etc/ssh/ssh_host_ed25519_key", "etc/boardgrid/deployment", "etc/fstab"):
        with (live / name).open("a") as file:
            file.write("# mine\n")
    put(live, "root/.bash_history", "secret")
    changes = told(await bench.images.changes(await captured(bench, root), parent))
    assert changes == {"root/.ssh": Change.CHANGED, "etc/fstab": Change.CHANGED}
    now = await tree_of(bench, await captured(bench, root))
    assert "# mine" in (now / "etc/fstab").read_text() and "/v/" not in (now / "etc/fstab").read_text()


async def test_what_would_be_a_secret_of_its_image_is_not_given_back(bench: Bench) -> None:
    tree = what_the_farm_writes_to(a_nasty_tree(bench.imports / "nasty"))
    (tree / "root/.ssh").unlink()
    put(tree, "root/.ssh/authorized_keys", "ssh-ed25519 AAAA vendor")
    root = await a_root(bench, await an_image(bench))
    image = await captured(bench, root)
    assert not (await tree_of(bench, image) / "root/.ssh/authorized_keys").exists()
    assert [one.name for one in manifest(bench, image).adapted] == ["no-keys-left"]


# --- its room


async def test_what_is_undone_may_be_large(bench: Bench) -> None:
    tree = what_the_farm_writes_to(a_nasty_tree(bench.imports / "nasty"))
    (tree / "etc/hostname").unlink()
    (tree / "etc/hostname").write_bytes(os.urandom(MIB) * 90)
    parent = await an_image(bench)
    root = await a_root(bench, parent, size_bytes=256 * MIB)
    assert manifest(bench, await captured(bench, root)).digest == manifest(bench, parent).digest


@BOTH
async def test_a_file_of_several_names_stays_one_by_those_that_its_user_left_alone(bench: Bench, source: Of) -> None:
    root = await a_root(bench, await an_image(bench))
    live = bench.roots.path(root)
    (live / "etc/also hosts").unlink()
    put(live, "etc/also hosts", "mine\n")
    now = await tree_of(bench, await captured(bench, root, source))
    assert (now / "etc/hosts").samefile(now / "srv/hosts")
    assert (now / "etc/also hosts").read_text() == "mine\n"


@BOTH
async def test_a_name_that_its_user_gave_to_a_file_of_several_names_is_one_of_them(bench: Bench, source: Of) -> None:
    root = await a_root(bench, await an_image(bench))
    live = bench.roots.path(root)
    (live / "opt-mine").hardlink_to(live / "srv/hosts")
    now = await tree_of(bench, await captured(bench, root, source))
    inodes = {(now / name).stat().st_ino for name in ("opt-mine", "srv/hosts", "etc/hosts", "etc/also hosts")}
    assert len(inodes) == 1
    assert (now / "opt-mine").stat().st_nlink == 4


async def test_a_folder_that_holds_something_stays_where_the_image_has_a_file_of_several_names(bench: Bench) -> None:
    tree = what_the_farm_writes_to(a_nasty_tree(bench.imports / "nasty"))
    (tree / "root/.ssh").unlink()
    (tree / "root/.ssh").hardlink_to(tree / "etc/hosts")
    root = await a_root(bench, await an_image(bench))
    put(bench.roots.path(root), "root/.ssh/config", "mine\n")
    now = await tree_of(bench, await captured(bench, root))
    assert (now / "root/.ssh/config").read_text() == "mine\n"
    assert (now / "etc/hosts").samefile(now / "srv/hosts")


async def test_what_is_undone_may_have_very_many_names(bench: Bench) -> None:
    tree = what_the_farm_writes_to(a_nasty_tree(bench.imports / "nasty"))
    for number in range(17_000):
        (tree / f"many/{number}").mkdir(parents=True)
        (tree / f"many/{number}/hosts").hardlink_to(tree / "etc/hosts")
    parent = await an_image(bench)
    root = await a_root(bench, parent)
    assert manifest(bench, await captured(bench, root)).digest == manifest(bench, parent).digest


async def test_what_is_changed_for_an_image_and_has_no_room_is_no_fault_of_the_tree(bench: Bench) -> None:
    root = await a_root(bench, await an_image(bench), size_bytes=256 * MIB)
    live = bench.roots.path(root)
    put(live, "etc/boardgrid/finished", "dated 1000000000\n")  # each that is younger is changed
    for number in range(17_000):
        (live / f"many/{number}").mkdir(parents=True)
    with pytest.raises(Fault, match="is wanted") as raised:
        await captured(bench, root)
    assert raised.value.code is Code.STORE_FULL
