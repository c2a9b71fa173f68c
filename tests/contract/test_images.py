"""What every answer to the port Images does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.model.difference import Change, Count
from boardgrid.model.errand import About, Progress
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.image import Kernel, PathSource, RootSource
from boardgrid.ports import Images, Roots
from boardgrid.testing import FakeImages, FakeRoots
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import own_mounts, unmount_below
from tests.adapters.store.trees import a_tree

SIZE = 64 * MIB


@dataclass
class World:
    images: Images
    roots: Roots
    source: PathSource

    async def boots(self, image: UUID) -> bool:
        """Whether a board can have a root made from it."""
        root = uuid4()
        try:
            await self.roots.clone(root, image, SIZE)
        except NotFound:
            return False
        await self.roots.remove(root)
        return True

    def write(self, root: UUID, name: str, text: str) -> None:
        """As the board does that runs it."""
        if isinstance(self.roots, FakeRoots):
            self.roots.trees[root].files[name] = text
        else:
            (self.roots.path(root) / name).write_text(text)

    async def image(self) -> UUID:
        image = uuid4()
        await self.images.build(image, self.source)
        return image


@pytest.fixture(params=["fake", pytest.param("store", marks=pytest.mark.world)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        images = FakeImages()
        yield World(images, images.roots, PathSource("/srv/tiny"))
        return
    for name in ("store", "imports"):
        (tmp_path / name).mkdir()
    with own_mounts():
        bench = Bench(tmp_path / "store", tmp_path / "imports")
        tree = a_tree(tmp_path / "imports" / "tiny")

        yield World(bench.images, bench.roots, PathSource(str(tree)))
        unmount_below(tmp_path / "store")


async def test_an_image_that_was_made_is_there_with_its_manifest(world: World) -> None:
    image = uuid4()
    manifest = await world.images.build(image, world.source)
    assert await world.boots(image)
    assert manifest.digest.startswith("sha256:")
    assert manifest.arch == "armhf"


async def test_making_an_image_twice_tells_its_manifest(world: World) -> None:
    image = uuid4()
    manifest = await world.images.build(image, world.source)
    assert await world.images.build(image, world.source) == manifest


async def test_the_files_of_its_kernel_are_found(world: World) -> None:
    image = uuid4()
    manifest = await world.images.build(image, world.source)
    files = await world.images.boot_files(image, manifest.kernels[0])
    assert files.kernel.is_absolute()
    assert files.initrd is not None


async def test_a_kernel_that_it_does_not_have_is_not_found(world: World) -> None:
    image = await world.image()
    with pytest.raises(NotFound) as raised:
        await world.images.boot_files(image, Kernel("9.9", "boot/vmlinuz-9.9"))
    assert raised.value.code is Code.IMAGE_UNKNOWN


async def test_a_kernel_of_an_image_that_is_not_here_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as raised:
        await world.images.boot_files(uuid4(), Kernel("9.9", "boot/vmlinuz-9.9"))
    assert raised.value.code is Code.IMAGE_UNKNOWN


async def test_a_root_that_is_kept_becomes_an_image(world: World) -> None:
    root, kept = uuid4(), uuid4()
    await world.roots.clone(root, await world.image(), SIZE)
    await world.images.build(kept, RootSource(root))
    assert await world.boots(kept)
    assert root in await world.roots.all()


async def test_a_root_that_is_not_there_cannot_be_kept(world: World) -> None:
    image = uuid4()
    with pytest.raises(NotFound) as raised:
        await world.images.build(image, RootSource(uuid4()))
    assert raised.value.code is Code.ROOT_UNKNOWN
    assert not await world.boots(image)


async def test_an_image_that_was_just_made_is_sound(world: World) -> None:
    told: list[Progress] = []
    await world.images.verify(await world.image(), uuid4(), told.append)
    await world.images.verify(await world.image(), uuid4())


async def test_an_image_is_exported_once_for_each_errand(world: World) -> None:
    image, errand = await world.image(), uuid4()
    about = About("tiny", 2026112201, {"purpose": "ci"}, ("tk1",), ("older:1",))
    await world.images.export(image, errand, about)
    await world.images.export(image, errand, about)


async def test_what_is_not_in_the_store_is_neither_verified_nor_exported(world: World) -> None:
    for errand in (
        world.images.verify(uuid4(), uuid4()),
        world.images.export(uuid4(), uuid4(), About("tiny", 1, {}, (), ())),
    ):
        with pytest.raises(NotFound) as raised:
            await errand
        assert raised.value.code is Code.IMAGE_UNKNOWN


async def test_a_store_with_nothing_in_it_has_room(world: World) -> None:
    assert await world.images.has_room()


async def test_an_image_differs_from_its_parent_in_what_was_changed_on_the_root(world: World) -> None:
    parent, root, kept = await world.image(), uuid4(), uuid4()
    await world.roots.clone(root, parent, SIZE)
    world.write(root, "notes", "mine")
    await world.images.build(kept, RootSource(root))
    found = await world.images.changes(kept, parent)
    assert (found.added, found.changed, found.removed) == (Count(1, 4), Count(), Count())
    assert [(one.path, one.change) for one in found.paths] == [("notes", Change.ADDED)]
    back = await world.images.changes(parent, kept)
    assert (back.added, back.removed) == (Count(), Count(1, 4))


async def test_an_image_that_is_not_here_differs_from_nothing(world: World) -> None:
    image = await world.image()
    for pair in ((image, uuid4()), (uuid4(), image)):
        with pytest.raises(NotFound) as raised:
            await world.images.changes(*pair)
        assert raised.value.code is Code.IMAGE_UNKNOWN


async def test_an_image_below_a_mounted_root_is_not_removed(world: World) -> None:
    image, root = await world.image(), uuid4()
    await world.roots.clone(root, image, SIZE)
    with pytest.raises(Conflict, match=str(image)) as raised:
        await world.images.remove(image)
    assert raised.value.code is Code.THING_IN_USE
    assert await world.boots(image)


async def test_an_image_may_be_removed_when_its_roots_are_and_twice(world: World) -> None:
    image, root = await world.image(), uuid4()
    await world.roots.clone(root, image, SIZE)
    await world.roots.remove(root)
    await world.images.remove(image)
    await world.images.remove(image)
    assert not await world.boots(image)
