"""What the farm wrote into a root is told from what its user did there."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store import root_files
from boardgrid.model.difference import Change
from boardgrid.model.errors import FarmError
from boardgrid.model.image import RootSource
from boardgrid.ports import Persona
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import a_disk, a_small_disk

pytestmark = pytest.mark.slow

VOLUMES = {"/data": "10.20.0.1:/v/" + f"{UUID(int=1)}-{UUID(int=2)}"}


async def a_root(bench: Bench, persona: Persona | None = None) -> UUID:
    root = uuid4()
    await bench.roots.clone(root, await bench.image(), 64 * MIB)
    await bench.roots.personalise(root, persona or a_persona())
    return root


async def told(bench: Bench, root: UUID) -> dict[str, Change]:
    return {one.path: one.change for one in (await bench.roots.changes(root, without_farms=True)).paths}


def power_cut(disk: Path, tree: Path, later: Path) -> None:
    """What a disk holds at one moment is what it holds after a power cut then."""
    subprocess.run(["sync", "--file-system", str(tree)], check=True)  # the kernel may do that at any time
    later.mkdir()
    shutil.copy(disk / "disk.img", later)


async def test_nothing_of_a_root_that_was_just_made_is_its_users(bench: Bench) -> None:
    root = await a_root(bench, replace(a_persona(), volumes=VOLUMES))
    every, users = await bench.roots.changes(root), await bench.roots.changes(root, without_farms=True)
    assert users.paths == () and every.left_out == 0
    assert users.left_out == len(every.paths) > 8
    names = {one.path for one in every.paths}
    assert {"etc/hostname", "etc/machine-id", "etc/fstab", "root/.ssh/authorized_keys", "data"} <= names


async def test_what_a_user_changed_of_it_is_shown(bench: Bench) -> None:
    root = await a_root(bench)
    tree = bench.roots.path(root)
    with (tree / "root/.ssh/authorized_keys").open("a") as file:
        file.write("ssh-ed25519 AAAA mine\n")
    (tree / "etc/hostname").write_text("robot\n")
    (tree / "etc/boardgrid").chmod(0o700)
    (tree / "etc/ssh/ssh_host_ed25519_key").unlink()
    (tree / "etc/boardgrid/mine").write_text("1")
    assert set(await told(bench, root)) == {
        "root/.ssh",
        "root/.ssh/authorized_keys",
        "etc/hostname",
        "etc/boardgrid",
        "etc/boardgrid/mine",
    }, "the key is gone again, as in the image; and a folder that holds what is theirs is theirs"


async def test_what_a_user_changed_is_shown_and_saved_though_size_and_time_are_kept(bench: Bench) -> None:
    root = await a_root(bench)
    file = bench.roots.path(root) / "etc/hostname"
    as_left = file.stat()
    file.write_text("tk1-9\n")
    os.utime(file, ns=(as_left.st_atime_ns, as_left.st_mtime_ns))
    assert file.stat().st_size == as_left.st_size
    assert set(await told(bench, root)) == {"etc/hostname"}
    await bench.images.build(image := uuid4(), RootSource(root))
    await bench.roots.clone(again := uuid4(), image, 64 * MIB)
    assert (bench.roots.path(again) / "etc/hostname").read_text() == "tk1-9\n"


async def test_an_account_that_was_kept_before_content_was_read_is_good(bench: Bench) -> None:
    root = await a_root(bench)
    meta = bench.store.places.root(root).meta
    kept = json.loads(meta.read_text())
    unread = {path: left[:6] if left and len(left) == 7 else left for path, left in kept["farms"].items()}
    assert unread != kept["farms"]
    meta.write_text(json.dumps({**kept, "farms": unread}))
    assert await told(bench, root) == {}
    (bench.roots.path(root) / "etc/hostname").write_text("robot\n")
    await bench.roots.personalise(root, replace(a_persona(), deployment=uuid4()))
    assert set(await told(bench, root)) == {"etc/hostname"}


async def test_a_link_on_the_way_changes_nothing(bench: Bench) -> None:
    root = uuid4()
    await bench.roots.clone(root, await bench.image(), 64 * MIB)
    tree = bench.roots.path(root)
    (tree / "srv").mkdir(exist_ok=True)
    (tree / "etc/ssh").rename(tree / "srv/keys")
    (tree / "etc/ssh").symlink_to("/srv/keys")
    await bench.roots.personalise(root, a_persona())
    assert (tree / "srv/keys/ssh_host_ed25519_key").is_file()
    assert not [path for path in await told(bench, root) if "ssh_host" in path]


async def test_a_root_that_boots_again_has_its_users_changes_shown_and_the_farms_not(bench: Bench) -> None:
    root = await a_root(bench)
    tree = bench.roots.path(root)
    with (tree / "etc/hosts").open("a") as file:
        file.write("10.0.0.9\tserver\n")
    (tree / "etc/fstab").write_text("tmpfs /tmp tmpfs defaults 0 0\n")
    await bench.roots.personalise(root, replace(a_persona(), deployment=uuid4(), hostname="tk1-2.lab", volumes=VOLUMES))
    assert "10.0.0.9" in (tree / "etc/hosts").read_text() and "/data" in (tree / "etc/fstab").read_text()
    assert set(await told(bench, root)) == {"etc/hosts", "etc/fstab"}


async def test_what_the_farm_had_begun_to_write_when_it_was_killed_is_not_its_users(bench: Bench) -> None:
    root = await a_root(bench)
    tree = bench.roots.path(root)
    (tree / "etc/hostname").write_text("robot\n")
    again = replace(a_persona(), deployment=uuid4(), hostname="tk1-2.lab", volumes=VOLUMES)
    (tree / "root").rename(tree / "etc/home")
    (tree / "root").write_text("it comes so far and no further")
    with pytest.raises(FarmError):
        await bench.roots.personalise(root, again)
    (tree / "root").unlink()
    (tree / "etc/home").rename(tree / "root")
    await bench.after().roots.personalise(root, again)
    assert set(await told(bench, root)) == {"etc/hostname", "root"}, "its user's, by what stood there"
    (tree / "etc/hosts").write_text("mine\n")
    await bench.roots.personalise(root, replace(again, deployment=uuid4()))
    assert set(await told(bench, root)) == {"etc/hostname", "etc/hosts", "root"}, (
        "what was begun once tells nothing later"
    )


async def test_whose_an_entry_was_is_known_after_a_power_cut_however_little_was_written(
    alone: None, tmp_path: Path
) -> None:
    again = replace(a_persona(), deployment=uuid4(), hostname="tk1-2.lab", volumes=VOLUMES)
    (tmp_path / "imports").mkdir()
    with a_small_disk(tmp_path, 256 * MIB) as disk:
        (disk / "store").mkdir()
        before = Bench(disk / "store", tmp_path / "imports")
        root = await a_root(before)
        tree = before.roots.path(root)
        (tree / "etc/hostname").write_text("robot\n")
        (tree / "root").rename(tree / "etc/home")
        (tree / "root").write_text("it comes so far and no further")
        with pytest.raises(FarmError):
            await before.roots.personalise(root, again)
        power_cut(tmp_path, tree, later := tmp_path / "later")
    with a_disk(later) as disk:
        after = Bench(disk / "store", tmp_path / "imports")
        await after.roots.clone(root, UUID(root_files.read(after.store.places.root(root)).image), 64 * MIB)
        tree = after.roots.path(root)
        assert (tree / "etc/hostname").read_text() == "tk1-2\n", "it was written"
        (tree / "root").unlink()
        (tree / "etc/home").rename(tree / "root")
        await after.roots.personalise(root, again)
        assert set(await told(after, root)) == {"etc/hostname", "root"}


async def test_a_root_that_was_made_before_the_farm_kept_account_shows_all(bench: Bench) -> None:
    root = await a_root(bench)
    meta = bench.store.places.root(root).meta
    kept = json.loads(meta.read_text())
    del kept["farms"]
    meta.write_text(json.dumps(kept))
    assert "etc/hostname" in await told(bench, root)
