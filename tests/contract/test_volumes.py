"""What every answer to the port Volumes does."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.model.errors import Code, Fault, NotFound
from boardgrid.ports import Volumes
from boardgrid.testing import FakeVolumes
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.own_mounts import loops_below, own_mounts, unmount_below

SIZE = 64 * MIB


@dataclass
class World:
    volumes: Volumes
    room_bytes: Callable[[UUID], int]  # how much may be written to one that is mounted
    files: dict[UUID, str] = field(default_factory=dict)  # of the fake's

    def write(self, volume: UUID, text: str) -> None:
        """As a board that has it does."""
        if isinstance(self.volumes, FakeVolumes):
            assert volume in self.volumes.mounted
            self.files[volume] = text
        else:
            (self.volumes.path(volume) / "notes").write_text(text)

    def read(self, volume: UUID) -> str:
        if isinstance(self.volumes, FakeVolumes):
            return self.files[volume] if volume in self.volumes.sizes else ""
        return (self.volumes.path(volume) / "notes").read_text()

    async def made(self, size_bytes: int = SIZE) -> UUID:
        volume = uuid4()
        await self.volumes.make(volume, size_bytes)
        return volume


@pytest.fixture(params=["fake", pytest.param("store", marks=pytest.mark.world)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        fake = FakeVolumes(total_bytes=1 << 40)
        yield World(fake, lambda volume: fake.sizes[volume])
        return
    for name in ("store", "imports"):
        (tmp_path / name).mkdir()
    with own_mounts():
        volumes = Bench(tmp_path / "store", tmp_path / "imports").volumes

        def room_bytes(volume: UUID) -> int:
            seen = os.statvfs(volumes.path(volume))
            return seen.f_blocks * seen.f_frsize

        yield World(volumes, room_bytes)
        unmount_below(tmp_path / "store")
    assert loops_below(tmp_path) == []


async def test_one_that_was_made_is_there_and_nobody_has_it_yet(world: World) -> None:
    volume = await world.made()
    assert await world.volumes.all() == {volume: False}
    await world.volumes.mount(volume)
    await world.volumes.mount(volume)
    assert await world.volumes.all() == {volume: True}


async def test_making_it_twice_keeps_what_was_written_between(world: World) -> None:
    volume = await world.made()
    await world.volumes.mount(volume)
    world.write(volume, "mine")
    await world.volumes.make(volume, SIZE)
    assert world.read(volume) == "mine"


async def test_an_unmounted_one_keeps_its_files(world: World) -> None:
    volume = await world.made()
    await world.volumes.mount(volume)
    world.write(volume, "mine")
    await world.volumes.unmount(volume)
    await world.volumes.unmount(volume)
    assert await world.volumes.all() == {volume: False}
    await world.volumes.mount(volume)
    assert world.read(volume) == "mine"


_CAP_SYS_RESOURCE = 24


def may_resize_what_is_mounted() -> bool:
    """In many containers root may not; tests/adapters/store/test_oldest_kernel.py runs this on a machine of its own."""
    [powers] = re.findall(r"CapEff:\s+([0-9a-f]+)", Path("/proc/self/status").read_text())
    return bool(int(powers, 16) >> _CAP_SYS_RESOURCE & 1)


@pytest.mark.parametrize("is_mounted", [False, True])
async def test_one_grows_with_its_files_and_never_becomes_smaller(world: World, *, is_mounted: bool) -> None:
    if is_mounted and not isinstance(world.volumes, FakeVolumes) and not may_resize_what_is_mounted():
        volume = await world.made()
        await world.volumes.mount(volume)
        with pytest.raises(Fault, match="while boards have it"):
            await world.volumes.grow(volume, 4 * SIZE)
        await world.volumes.unmount(volume)
        await world.volumes.grow(volume, 4 * SIZE)
        return
    volume = await world.made()
    await world.volumes.mount(volume)
    world.write(volume, "mine")
    before = world.room_bytes(volume)
    if not is_mounted:
        await world.volumes.unmount(volume)
    for size_bytes in (4 * SIZE, 4 * SIZE, SIZE):
        await world.volumes.grow(volume, size_bytes)
    await world.volumes.mount(volume)
    assert world.room_bytes(volume) > 3 * before
    assert world.read(volume) == "mine"


async def test_one_that_is_not_there_is_not_made_by_growing_or_mounting_it(world: World) -> None:
    for call in (world.volumes.mount(uuid4()), world.volumes.grow(uuid4(), SIZE)):
        with pytest.raises(NotFound) as refused:
            await call
        assert refused.value.code is Code.VOLUME_UNKNOWN
    assert await world.volumes.all() == {}


async def test_what_does_not_fit_is_refused_and_leaves_nothing(world: World) -> None:
    with pytest.raises(Fault) as refused:
        await world.volumes.make(uuid4(), 1 << 50)
    assert refused.value.code is Code.STORE_FULL
    assert await world.volumes.all() == {}
    volume = await world.made()
    with pytest.raises(Fault):
        await world.volumes.grow(volume, 1 << 50)
    await world.volumes.mount(volume)
    assert world.room_bytes(volume) <= SIZE


async def test_a_removed_one_is_gone_for_ever_and_may_be_removed_again(world: World) -> None:
    volume, other = await world.made(), await world.made()
    await world.volumes.mount(volume)
    await world.volumes.remove(volume)
    await world.volumes.remove(volume)
    await world.volumes.unmount(volume)
    assert await world.volumes.all() == {other: False}


async def test_each_has_a_place_of_its_own(world: World) -> None:
    mine, yours = await world.made(), await world.made()
    for volume, text in ((mine, "mine"), (yours, "yours")):
        await world.volumes.mount(volume)
        world.write(volume, text)
    assert (world.read(mine), world.read(yours)) == ("mine", "yours")
    assert world.volumes.path(mine) != world.volumes.path(yours)
