"""Images made of recipes: prepared elsewhere, unpacked as any archive; and of systems that were finished on a board."""

import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.finished import finished
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.bootware.kitchen import DebianKitchen
from boardgrid.bootware.packages import cache_of_user
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.model.headroom import Headroom
from boardgrid.model.image import RecipeSource, RootSource
from boardgrid.model.recipe import Recipe, RecipeFile, System
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.trees import a_tree, packed

RECIPE = RecipeSource(Recipe("robot", System.DEBIAN), "armhf")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/etc/boardgrid").mkdir(parents=True)
    return tmp_path / "tree"


def told(tree: Path, words: str) -> int | None:
    (tree / "etc/boardgrid/finished").write_text(words)
    with TreeDir(TreePath(str(tree))) as opened:
        return finished(opened)


def test_a_root_in_which_nothing_was_finished_tells_nothing(tree: Path) -> None:
    with TreeDir(TreePath(str(tree))) as opened:
        assert finished(opened) is None


def test_one_that_was_finished_tells_of_what_time_it_is(tree: Path) -> None:
    assert told(tree, "dated 1700000000\n") == 1_700_000_000


@pytest.mark.parametrize(
    "words", ["failed\ndpkg: error\nthe script user failed\n", "dated soon\n", "dated 1", "failed"]
)
def test_one_that_could_not_be_finished_tells_why(tree: Path, words: str) -> None:
    with pytest.raises(Invalid) as raised:
        told(tree, words)
    assert raised.value.code is Code.BUILD_FAILED
    assert ("dpkg: error | the script user failed" in str(raised.value)) is ("user" in words)


def test_what_a_board_wrote_there_reaches_people_as_plain_words(tree: Path) -> None:
    with pytest.raises(Invalid) as raised:
        told(tree, "failed\n\x1b]0;title\x07{why}\n" + "x" * 99999)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 20000


# --- with a store


async def kept(bench: Bench, words: str) -> UUID:
    """An image made of a root that says how it was finished."""
    image, root, again = await bench.image(), uuid4(), uuid4()
    await bench.roots.clone(root, image, 64 * MIB)
    inside = Path(bench.roots.path(root))
    (inside / "etc" / "boardgrid").mkdir()
    (inside / "etc" / "boardgrid" / "finished").write_text(words)
    await bench.images.build(again, RootSource(root))
    await bench.roots.remove(root)
    return again


@pytest.mark.world
async def test_an_image_of_a_recipe_is_what_was_prepared(bench: Bench, tmp_path: Path) -> None:
    archive = packed(a_tree(tmp_path / "robot"), tmp_path / "robot.tar")
    bench.kitchen.archives["robot"] = archive.read_bytes()
    made = await bench.images.build(uuid4(), RECIPE)
    assert made.digest == (await bench.blob(archive.read_bytes())).digest


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_debian_system_as_the_kitchen_prepares_it_is_an_image_twice_the_same(bench: Bench) -> None:
    small = Recipe("small", System.DEBIAN, files=(RecipeFile("/etc/motd", "small\n"),))
    images = StoredImages(
        bench.store,
        bench.roots,
        bench.blobs,
        bench.downloads,
        DebianKitchen(SubprocessShell(), cache_of_user()),
        headroom=Headroom(0.01),
    )
    one, two = [await images.build(uuid4(), RecipeSource(small, "armhf")) for _time in range(2)]
    assert one.digest == two.digest
    assert (one.arch, one.distribution) == ("armhf", "debian") and len(one.kernels) == 1


@pytest.mark.world
async def test_a_recipe_that_cannot_be_prepared_leaves_nothing(bench: Bench) -> None:
    bench.kitchen.broken = Fault(Code.NETBOOT_FAILED, "no mirror")
    with pytest.raises(Fault, match="no mirror"):
        await bench.images.build(uuid4(), RECIPE)
    assert bench.stored() == {}
    assert not list((bench.folder / "images").glob(".*"))


@pytest.mark.world
async def test_the_same_system_finished_twice_has_one_digest(bench: Bench) -> None:
    images = [await kept(bench, "dated 1000000000\n") for _time in range(2)]
    digests = {bench.stored()[image].digest for image in images}
    assert len(digests) == 1


@pytest.mark.world
async def test_the_day_on_which_a_system_took_its_last_traces_away_is_not_in_its_image(bench: Bench) -> None:
    tree = a_tree(bench.imports / "tiny")
    (tree / "usr/lib/boardgrid").mkdir()
    for path in (tree, *tree.rglob("*")):
        os.utime(path, ns=(0, 900_000_000 * 10**9), follow_symlinks=False)
    parent, images = await bench.image(), [uuid4(), uuid4()]
    for day, image in enumerate(images):
        root = uuid4()
        await bench.roots.clone(root, parent, 64 * MIB)
        await bench.roots.personalise(root, a_persona())
        live = bench.roots.path(root)
        (live / "usr/lib/boardgrid").rmdir()
        (live / "etc/boardgrid/finished").write_text("dated 1000000000\n")
        for folder in ("usr/lib", "etc/boardgrid", "etc"):
            os.utime(live / folder, ns=(0, (1_500_000_000 + 86400 * day) * 10**9))
        await bench.images.build(image, RootSource(root))
        await bench.roots.remove(root)
    one, other = (bench.stored()[image].digest for image in images)
    assert one == other
    again = uuid4()
    await bench.roots.clone(again, images[0], 64 * MIB)
    assert (bench.roots.path(again) / "usr/lib").stat().st_mtime == 1_000_000_000


@pytest.mark.world
async def test_a_system_that_could_not_be_finished_is_no_image(bench: Bench) -> None:
    with pytest.raises(Invalid, match="the script user failed"):
        await kept(bench, "failed\nthe script user failed\n")
