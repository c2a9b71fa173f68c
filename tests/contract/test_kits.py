"""What every answer to the port Kits does."""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.model.errors import Code, Fault, NotFound
from boardgrid.model.image import BlobSource, PathSource
from boardgrid.model.kit import BootKit
from boardgrid.ports import Images, Kits, Roots
from boardgrid.testing import FakeImages, FakeKits
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import own_mounts, unmount_below
from tests.adapters.store.trees import a_tree

RELEASE = "6.9.0-mine"


def modules_of(**files: bytes) -> bytes:
    """A tar archive as it is sent; two underscores in a name are a slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name.replace('__', '/')}")
            member.size, member.uid, member.gid = len(content), 1000, 1000
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@dataclass
class World:
    kits: Kits
    roots: Roots
    images: Images
    tree: str
    send: Callable[[bytes], BlobSource]
    put_kernel: Callable[[UUID], None]  # into the root's /boot, as its user would
    has_modules: Callable[[UUID, str], bool]

    async def root(self) -> UUID:
        image, root = uuid4(), uuid4()
        await self.images.build(image, PathSource(self.tree))
        await self.roots.clone(root, image, 64 * MIB)
        return root

    def kit(self, **parts: object) -> BootKit:
        kernel = self.send(b"a kernel")
        return replace(BootKit(uuid4(), kernel=kernel), **parts)  # type: ignore[arg-type]  # a test's words


@pytest.fixture(params=["fake", pytest.param("store", marks=pytest.mark.world)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        images = FakeImages()
        kits = FakeKits(images.roots, set())
        trees, sent = images.roots.trees, kits.sent

        def send_to_fake(content: bytes) -> BlobSource:
            assert sent is not None
            sent.add(sha256(content).hexdigest())
            return BlobSource(sha256(content).hexdigest(), len(content))

        def put(root: UUID) -> None:
            trees[root].files["boot/vmlinuz"] = "mine"

        def has(root: UUID, release: str) -> bool:
            return f"lib/modules/{release}" in trees[root].files

        yield World(kits, images.roots, images, "/srv/tiny", send_to_fake, put, has)
        return
    for name in ("store", "imports"):
        (tmp_path / name).mkdir()
    with own_mounts():
        bench = Bench(tmp_path / "store", tmp_path / "imports")
        tree = a_tree(tmp_path / "imports" / "tiny")

        def send(content: bytes) -> BlobSource:
            blob = BlobSource(sha256(content).hexdigest(), len(content))
            bench.blobs.blobs[blob.sha256] = content
            return blob

        def put_kernel(root: UUID) -> None:
            (bench.roots.path(root) / "boot" / "vmlinuz-99.1").write_bytes(b"newest")

        def has_modules(root: UUID, release: str) -> bool:
            return (bench.roots.path(root) / "lib/modules" / release).is_dir()

        yield World(bench.kits, bench.roots, bench.images, str(tree), send, put_kernel, has_modules)
        unmount_below(tmp_path / "store")


async def test_a_kit_that_was_fetched_is_here_and_may_be_fetched_and_removed_twice(world: World) -> None:
    kit = world.kit(initrd=world.send(b"an initrd"), dtb=world.send(b"a device tree"))
    for _time in range(2):
        await world.kits.fetch(kit)
    assert set(await world.kits.all()) == {kit.id}
    files = await world.kits.files(kit)
    assert files.kernel and files.initrd and files.dtbs
    for _time in range(2):
        await world.kits.remove(kit.id)
    assert not await world.kits.all()
    with pytest.raises(NotFound) as raised:
        await world.kits.files(kit)
    assert raised.value.code is Code.FILE_UNKNOWN


async def test_what_it_does_not_bring_is_the_images(world: World) -> None:
    kit = BootKit(uuid4(), append="debug")
    await world.kits.fetch(kit)
    files = await world.kits.files(kit)
    assert (files.kernel, files.initrd, files.dtbs) == (None, None, None)


async def test_a_kit_whose_files_do_not_arrive_is_not_here(world: World) -> None:
    kit = world.kit(initrd=BlobSource("0" * 64, 10))
    with pytest.raises(Fault) as raised:
        await world.kits.fetch(kit)
    assert raised.value.code is Code.UPLOAD_BROKEN
    assert not await world.kits.all()


async def test_its_modules_come_into_the_root_and_may_come_twice(world: World) -> None:
    root, kit = await world.root(), world.kit(modules=world.send(modules_of(kernel__a=b"1")), release=RELEASE)
    await world.kits.fetch(kit)
    for _time in range(2):
        await world.kits.fit(kit, root)
    assert world.has_modules(root, RELEASE)


async def test_the_roots_own_kernel_is_taken_out_of_it_once(world: World) -> None:
    root, kit = await world.root(), BootKit(uuid4(), from_root=True)
    world.put_kernel(root)
    await world.kits.fetch(kit)
    for _time in range(2):
        await world.kits.fit(kit, root)
    assert (await world.kits.files(kit)).kernel is not None


async def test_whether_a_root_has_a_kernel_of_its_own_is_seen_before(world: World) -> None:
    root, kit = await world.root(), BootKit(uuid4(), from_root=True)
    await world.kits.check(world.kit(), root)
    world.put_kernel(root)
    await world.kits.check(kit, root)
    assert not await world.kits.all()


async def test_a_root_that_is_not_there_fits_nothing(world: World) -> None:
    kit = world.kit()
    await world.kits.fetch(kit)
    for call in (world.kits.fit, world.kits.check):
        with pytest.raises(NotFound) as raised:
            await call(kit, uuid4())
        assert raised.value.code is Code.ROOT_UNKNOWN
