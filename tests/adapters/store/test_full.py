"""A disk that fills up: imports stop early, promises hold, and nobody loses what was written."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.messages import bytes_text
from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Fault
from boardgrid.model.headroom import Headroom
from boardgrid.model.image import BlobSource, CheckpointSource, PathSource, RecipeSource, RootSource
from boardgrid.model.recipe import Recipe, System
from tests.adapters.store import samples
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import a_small_disk
from tests.adapters.store.trees import Archive, a_tree

pytestmark = pytest.mark.world

DISK, SIZE = 256 * MIB, 64 * MIB


@pytest.fixture
def disk(alone: None, tmp_path: Path) -> Iterator[Path]:
    with a_small_disk(tmp_path, DISK) as mount:
        yield mount


@pytest.fixture
def bench(disk: Path, tmp_path: Path) -> Bench:
    (tmp_path / "imports").mkdir()
    (disk / "store").mkdir()
    return Bench(disk / "store", tmp_path / "imports", headroom=Headroom(0.1))


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
        while file.write(bytes(MIB)):
            os.fsync(file.fileno())


def free(disk: Path) -> int:
    seen = os.statvfs(disk)
    return seen.f_bavail * seen.f_frsize


async def test_what_is_written_to_a_root_on_a_full_disk_is_not_lost(bench: Bench, disk: Path) -> None:
    image, root = await bench.image(), uuid4()
    await bench.roots.clone(root, image, SIZE)
    fill(disk)
    assert free(disk) < 2 * MIB

    tree, content = bench.roots.path(root), os.urandom(40 * MIB)
    (tree / "mine").write_bytes(content)
    await SubprocessShell().run("sync", "--file-system", str(tree))
    await bench.roots.unmount(root)
    await bench.roots.clone(root, image, SIZE)
    assert (tree / "mine").read_bytes() == content


async def test_a_root_that_fills_up_takes_nothing_from_another(bench: Bench, disk: Path) -> None:
    image, greedy, modest = await bench.image(), uuid4(), uuid4()
    for root in (greedy, modest):
        await bench.roots.clone(root, image, SIZE)
    fill(bench.roots.path(greedy))
    (bench.roots.path(modest) / "mine").write_bytes(bytes(40 * MIB))
    await SubprocessShell().run("sync", "--file-system", str(bench.roots.path(modest)))
    assert (bench.roots.path(modest) / "mine").stat().st_size == 40 * MIB


@pytest.mark.parametrize("promise", [True, False])
async def test_of_two_roots_that_are_made_at_once_only_as_many_are_as_fit(bench: Bench, promise: bool) -> None:
    bench = bench.after(promise=promise)
    image = await bench.image()
    size = (await bench.roots.room()).free_bytes * 6 // 10 // MIB * MIB
    made = await asyncio.gather(*(bench.roots.clone(uuid4(), image, size) for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["Fault", "NoneType"]
    assert len(await bench.roots.all()) == 1


async def test_more_roots_than_there_is_room_for_are_refused_with_the_figures(bench: Bench) -> None:
    image, made = await bench.image(), 0
    with pytest.raises(Fault, match=bytes_text(SIZE)) as raised:
        for made in range(DISK // SIZE + 1):  # noqa: B007 - told below
            await bench.roots.clone(uuid4(), image, SIZE)
    assert raised.value.code is Code.STORE_FULL
    assert bytes_text((await bench.roots.room()).free_bytes) in str(raised.value)
    assert made >= 2
    assert len(await bench.roots.all()) == made
    assert [entry for entry in (bench.folder / "roots").iterdir() if entry.name.startswith(".")] == []


async def test_a_promise_that_is_not_taken_from_the_disk_is_counted_all_the_same(bench: Bench, disk: Path) -> None:
    image = await bench.image()
    sparse = bench.after(promise=False)
    before = (await sparse.roots.room()).free_bytes
    await sparse.roots.clone(uuid4(), image, 128 * MIB)
    assert free(disk) > before - 32 * MIB
    assert (await sparse.roots.room()).free_bytes <= before - 128 * MIB
    with pytest.raises(Fault) as raised:
        await sparse.roots.clone(uuid4(), image, 128 * MIB)
    assert raised.value.code is Code.STORE_FULL


async def test_an_import_that_would_go_over_the_mark_is_refused_with_the_figures(bench: Bench) -> None:
    tree = a_tree(bench.imports / "large")
    (tree / "large").write_bytes(bytes(120 * MIB))
    await bench.roots.clone(uuid4(), await bench.image(), SIZE)
    with pytest.raises(Fault, match=r"\d{3} MB is wanted, .* may be used") as raised:
        await bench.images.build(uuid4(), PathSource(str(tree)))
    assert raised.value.code is Code.STORE_FULL
    assert [entry for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


async def test_an_image_that_cannot_be_pressed_into_what_is_left_is_refused(bench: Bench) -> None:
    tree = a_tree(bench.imports / "noise")
    (tree / "noise").write_bytes(os.urandom(90 * MIB))
    with pytest.raises(Fault) as raised:
        await bench.images.build(uuid4(), PathSource(str(tree)))
    assert raised.value.code is Code.STORE_FULL
    assert list((bench.folder / "images").iterdir()) == []


async def test_layers_that_have_no_room_are_refused_with_the_figures(bench: Bench) -> None:
    tree = samples.a_system(bench.imports / "system")
    (tree / "noise").write_bytes(os.urandom(60 * MIB))
    given = samples.oci_archive(tree, bench.imports / "given")
    with pytest.raises(Fault, match=r"\d{3} MB is wanted") as raised:
        await bench.images.build(uuid4(), PathSource(str(given)))
    assert raised.value.code is Code.STORE_FULL
    assert list((bench.folder / "images").iterdir()) == []


async def test_a_packed_disk_image_that_fills_the_disk_is_refused(bench: Bench) -> None:
    raw = bench.imports / "disk"
    raw.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(256 * MIB))
    given = samples.packed_by("zstd", raw)
    with pytest.raises(Fault) as raised:
        await bench.images.build(uuid4(), PathSource(str(given)))
    assert raised.value.code is Code.STORE_FULL
    assert list((bench.folder / "images").iterdir()) == []


async def test_an_upload_that_has_no_room_is_not_fetched(bench: Bench) -> None:
    with pytest.raises(Fault) as raised:
        await bench.images.build(uuid4(), BlobSource("0" * 64, DISK))
    assert raised.value.code is Code.STORE_FULL


async def test_imports_leave_a_share_of_the_disk_that_roots_may_have(bench: Bench, disk: Path) -> None:
    image = await bench.image()
    greedy = bench.after(headroom=Headroom(0.95))
    with pytest.raises(Fault) as raised:
        await greedy.image()
    assert raised.value.code is Code.STORE_FULL
    await greedy.roots.clone(uuid4(), image, SIZE)


# --- whatever meets the end of the disk says so, leaves nothing, and goes well once there is room


@dataclass
class Shelf:
    """What there was before the disk became full: a root with something of its own, its image, a volume."""

    image: UUID
    root: UUID
    volume: UUID


@pytest.fixture
async def shelf(bench: Bench) -> Shelf:
    shelf = Shelf(await bench.image(), uuid4(), uuid4())
    await bench.roots.clone(shelf.root, shelf.image, 32 * MIB)
    (bench.roots.path(shelf.root) / "srv").write_text("mine")
    await bench.volumes.make(shelf.volume, 16 * MIB)
    return shelf


async def an_import(bench: Bench, _shelf: Shelf) -> None:
    tree = a_tree(bench.imports / f"more-{uuid4()}")
    (tree / "noise").write_bytes(os.urandom(20 * MIB))
    await bench.images.build(uuid4(), PathSource(str(tree)))


async def a_build(bench: Bench, _shelf: Shelf) -> None:
    recipe = Recipe("robot", System.TINY)
    bench.kitchen.archives["robot"] = Archive().file("noise", os.urandom(20 * MIB)).bytes()
    await bench.images.build(uuid4(), RecipeSource(recipe, "armhf"))


async def an_upload(bench: Bench, _shelf: Shelf) -> None:
    await bench.blob(Archive().file("noise", os.urandom(20 * MIB)).bytes())


async def a_capture(bench: Bench, shelf: Shelf) -> None:
    await bench.images.build(uuid4(), RootSource(shelf.root))


async def a_checkpoint(bench: Bench, shelf: Shelf) -> None:
    await bench.images.build(uuid4(), CheckpointSource(shelf.root))


async def an_export(bench: Bench, shelf: Shelf) -> None:
    await bench.images.export(shelf.image, uuid4(), About("tiny", 1, {}, (), ()))


async def a_verification(bench: Bench, shelf: Shelf) -> None:
    await bench.images.verify(shelf.image, uuid4())


async def a_volume(bench: Bench, _shelf: Shelf) -> None:
    await bench.volumes.make(uuid4(), 20 * MIB)


async def a_growth(bench: Bench, shelf: Shelf) -> None:
    await bench.volumes.grow(shelf.volume, 64 * MIB)


async def a_clone(bench: Bench, shelf: Shelf) -> None:
    await bench.roots.clone(uuid4(), shelf.image, 20 * MIB)


WORK = [an_import, a_build, an_upload, a_capture, a_checkpoint, an_export, a_verification, a_volume, a_growth, a_clone]


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 8 * MIB, 40 * MIB], ids=["nothing", "little", "some"])
@pytest.mark.parametrize("work", WORK)
async def test_what_meets_the_end_of_the_disk_says_so_and_leaves_nothing(
    bench: Bench, disk: Path, shelf: Shelf, work: Callable[[Bench, Shelf], Awaitable[None]], left: int
) -> None:
    bench = bench.after(headroom=Headroom(0.0))
    before = {str(path) for path in bench.folder.glob("*/*")}
    (disk / "left").write_bytes(bytes(left))
    fill(disk)
    (disk / "left").unlink()
    try:
        await work(bench, shelf)
    except Fault as fault:
        assert fault.code is Code.STORE_FULL, fault
        assert {str(path) for path in bench.folder.glob("*/*")} == before
    assert (bench.roots.path(shelf.root) / "srv").read_text() == "mine"
    (disk / "fill").unlink()
    await work(bench.after(), shelf)
