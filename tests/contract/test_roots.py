"""What every answer to the port Roots does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.messages import bytes_text
from boardgrid.model.difference import Change, Count, Difference
from boardgrid.model.errors import Code, Fault, NotFound
from boardgrid.model.image import PathSource
from boardgrid.ports import Images, Roots
from boardgrid.testing import FakeImages
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import own_mounts, unmount_below
from tests.adapters.store.trees import a_tree

SIZE = 64 * MIB


@dataclass
class World:
    roots: Roots
    images: Images
    tree: str
    write: Callable[[UUID, str], None]  # as the root's user would
    read: Callable[[UUID], str]

    async def image(self) -> UUID:
        image = uuid4()
        await self.images.build(image, PathSource(self.tree))
        return image

    async def root(self) -> UUID:
        root = uuid4()
        await self.roots.clone(root, await self.image(), SIZE)
        return root


@pytest.fixture(params=["fake", pytest.param("store", marks=pytest.mark.world)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        images = FakeImages()
        trees = images.roots.trees

        def note(root: UUID, text: str) -> None:
            trees[root].files["/srv"] = text

        yield World(images.roots, images, "/srv/tiny", note, lambda root: trees[root].files["/srv"])
        return
    for name in ("store", "imports"):
        (tmp_path / name).mkdir()
    with own_mounts():
        bench = Bench(tmp_path / "store", tmp_path / "imports")
        tree = a_tree(tmp_path / "imports" / "tiny")

        def write(root: UUID, text: str) -> None:
            (bench.roots.path(root) / "srv").write_text(text)

        yield World(
            bench.roots, bench.images, str(tree), write, lambda root: (bench.roots.path(root) / "srv").read_text()
        )
        unmount_below(tmp_path / "store")


async def test_a_cloned_root_is_there_and_mounted_and_nobodys(world: World) -> None:
    root = await world.root()
    tree = (await world.roots.all())[root]
    assert (tree.is_mounted, tree.personal, tree.host_key) == (True, None, "")


async def test_cloning_twice_keeps_what_was_written_between(world: World) -> None:
    image, root = await world.image(), uuid4()
    await world.roots.clone(root, image, SIZE)
    world.write(root, "mine")
    await world.roots.clone(root, image, SIZE)
    assert world.read(root) == "mine"


async def test_two_roots_of_one_image_know_nothing_of_each_other(world: World) -> None:
    image, mine, yours = await world.image(), uuid4(), uuid4()
    await world.roots.clone(mine, image, SIZE)
    await world.roots.clone(yours, image, SIZE)
    world.write(mine, "mine")
    world.write(yours, "yours")
    assert (world.read(mine), world.read(yours)) == ("mine", "yours")
    assert world.roots.path(mine) != world.roots.path(yours)


async def test_an_unmounted_root_keeps_its_files_and_is_mounted_by_cloning_it_again(world: World) -> None:
    image, root = await world.image(), uuid4()
    await world.roots.clone(root, image, SIZE)
    world.write(root, "mine")
    await world.roots.unmount(root)
    await world.roots.unmount(root)
    assert not (await world.roots.all())[root].is_mounted

    await world.roots.clone(root, image, SIZE)
    assert (await world.roots.all())[root].is_mounted
    assert world.read(root) == "mine"


async def test_a_root_differs_from_its_image_in_what_was_written_to_it_mounted_or_not(world: World) -> None:
    root = await world.root()
    assert await world.roots.changes(root) == Difference()
    world.write(root, "mine")
    live = await world.roots.changes(root)
    assert (live.added, live.changed, live.removed) == (Count(1, 4), Count(), Count())
    assert [(one.path.strip("/"), one.change) for one in live.paths] == [("srv", Change.ADDED)]
    await world.roots.unmount(root)
    assert await world.roots.changes(root) == live
    assert not (await world.roots.all())[root].is_mounted


async def test_what_the_farm_wrote_is_told_from_what_its_user_did(world: World) -> None:
    root = await world.root()
    await world.roots.personalise(root, a_persona())
    told = await world.roots.changes(root, without_farms=True)
    assert (told.added, told.changed, told.removed, told.paths) == (Count(), Count(), Count(), ())
    world.write(root, "mine")
    told = await world.roots.changes(root, without_farms=True)
    assert [(one.path.strip("/"), one.change) for one in told.paths] == [("srv", Change.ADDED)]


async def test_what_a_root_that_is_not_there_differs_in_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as raised:
        await world.roots.changes(uuid4())
    assert raised.value.code is Code.ROOT_UNKNOWN


async def test_a_root_of_an_image_that_is_not_here_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as raised:
        await world.roots.clone(uuid4(), uuid4(), SIZE)
    assert raised.value.code is Code.IMAGE_UNKNOWN
    assert await world.roots.all() == {}


async def test_a_root_that_does_not_fit_is_refused_with_the_figures_and_leaves_nothing(world: World) -> None:
    image, wanted = await world.image(), (await world.roots.room()).total_bytes + MIB
    with pytest.raises(Fault, match=bytes_text(wanted)) as raised:
        await world.roots.clone(uuid4(), image, wanted)
    assert raised.value.code is Code.STORE_FULL
    assert await world.roots.all() == {}


async def test_a_personal_root_is_told_with_its_deployment_and_its_host_key(world: World) -> None:
    root, persona = await world.root(), a_persona()
    key = await world.roots.personalise(root, persona)
    assert key.startswith("ssh-ed25519 AAAA")
    tree = (await world.roots.all())[root]
    assert (tree.personal, tree.host_key) == (persona.deployment, key)


async def test_each_deployment_of_a_root_has_a_host_key_of_its_own(world: World) -> None:
    root = await world.root()
    first = await world.roots.personalise(root, a_persona())
    second = await world.roots.personalise(root, a_persona())
    assert first != second
    assert (await world.roots.all())[root].host_key == second


async def test_who_a_root_is_for_is_remembered_while_it_is_not_mounted(world: World) -> None:
    root, persona = await world.root(), a_persona()
    key = await world.roots.personalise(root, persona)
    await world.roots.unmount(root)
    tree = (await world.roots.all())[root]
    assert (tree.is_mounted, tree.personal, tree.host_key) == (False, persona.deployment, key)


async def test_a_root_that_is_not_there_cannot_be_made_personal(world: World) -> None:
    with pytest.raises(NotFound) as raised:
        await world.roots.personalise(uuid4(), a_persona())
    assert raised.value.code is Code.ROOT_UNKNOWN


async def test_a_removed_root_is_gone_for_ever_and_may_be_removed_again(world: World) -> None:
    root = await world.root()
    await world.roots.remove(root)
    await world.roots.remove(root)
    assert await world.roots.all() == {}


async def test_one_root_is_seen_as_among_all(world: World) -> None:
    root = await world.root()
    await world.roots.personalise(root, a_persona())
    assert await world.roots.seen(root) == (await world.roots.all())[root]
    assert await world.roots.seen(uuid4()) is None


async def test_unmounting_what_is_not_there_is_no_complaint(world: World) -> None:
    await world.roots.unmount(uuid4())


async def test_room_is_promised_to_a_root_and_comes_back_with_its_end(world: World) -> None:
    # So much that what others write to the disk of this machine meanwhile makes no difference.
    image, root, size = await world.image(), uuid4(), 4 << 30
    before = (await world.roots.room()).free_bytes
    await world.roots.clone(root, image, size)
    with_root = (await world.roots.room()).free_bytes
    await world.roots.remove(root)
    after = (await world.roots.room()).free_bytes
    assert before - with_root > size // 2
    assert after - with_root > size // 2
