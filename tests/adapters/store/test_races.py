"""Something is done with an image at the moment at which it goes: that is refused, or does no harm."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.model.errand import About
from boardgrid.model.errors import Code, Conflict, Fault, NotFound
from boardgrid.model.image import CheckpointSource, PathSource, RootSource
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import loops_below, mounts_below
from tests.adapters.store.test_crash import Gate, Through, wait_until

pytestmark = [pytest.mark.world, pytest.mark.slow]

SIZE = 64 * MIB
ABOUT = About("tiny", 1, {}, (), ())


@pytest.fixture
async def image(bench: Bench) -> UUID:
    return await bench.image()


@pytest.fixture
async def root(bench: Bench, image: UUID) -> UUID:
    made = uuid4()
    await bench.roots.clone(made, image, SIZE)
    await bench.roots.personalise(made, a_persona())
    (bench.roots.path(made) / "srv").write_text("mine")
    return made


Stopped = Callable[[str, Callable[[Bench], Awaitable[object]]], contextlib.AbstractAsyncContextManager[Bench]]


@pytest.fixture
def stopped(bench: Bench, tmp_path: Path) -> Stopped:
    """Inside its block an agent's work has come to a program, and goes on only after that; its end is awaited."""

    @contextlib.asynccontextmanager
    async def at(program: str, work: Callable[[Bench], Awaitable[object]]) -> AsyncIterator[Bench]:
        gate = Gate(tmp_path / "gate", program).build()
        agent = bench.after(shell=Through(gate.folder))
        working = asyncio.ensure_future(work(agent))
        try:
            await asyncio.to_thread(wait_until, "it was come to", lambda: gate.reached() or working.done())
            yield agent
        finally:
            gate.open()
            await asyncio.wait([working])
        working.result()

    return at


def remains(bench: Bench) -> list[str]:
    wait_until("no loop device is left", lambda: not loops_below(bench.folder))
    return [*mounts_below(bench.folder), *map(str, bench.folder.glob("[irvk]*/*"))]


async def test_an_image_that_goes_while_it_is_packed_is_packed_whole(
    bench: Bench, image: UUID, stopped: Stopped
) -> None:
    before, during = uuid4(), uuid4()
    await bench.images.export(image, before, ABOUT)
    async with stopped("zstd", lambda agent: agent.images.export(image, during, ABOUT)) as agent:
        await agent.images.remove(image)
    assert agent.blobs.sent[during] == bench.blobs.sent[before]
    assert remains(bench) == []


async def test_an_image_that_goes_before_it_is_verified_leaves_nothing(
    bench: Bench, image: UUID, stopped: Stopped
) -> None:
    with pytest.raises(Fault) as raised:
        async with stopped("ionice", lambda agent: agent.images.verify(image, uuid4())) as agent:
            await agent.images.remove(image)
    assert raised.value.code is Code.IMAGE_DAMAGED, "its errand went with it, so that nobody is told"
    assert remains(bench) == []


async def test_an_image_stays_while_one_is_made_of_a_root_above_it(
    bench: Bench, image: UUID, root: UUID, stopped: Stopped
) -> None:
    kept = uuid4()
    async with stopped("mkfs.erofs", lambda agent: agent.images.build(kept, RootSource(root))) as agent:
        with pytest.raises(Conflict, match="stands on it") as raised:
            await agent.images.remove(image)
        assert raised.value.code is Code.THING_IN_USE
    await agent.roots.remove(root)
    await agent.images.remove(image)
    await agent.images.verify(kept, uuid4())
    await agent.images.remove(kept)
    assert remains(bench) == []


async def test_an_image_stays_while_one_is_made_of_the_copy_of_a_root_that_is_gone(
    bench: Bench, image: UUID, root: UUID, stopped: Stopped
) -> None:
    kept = uuid4()
    async with stopped("mkfs.erofs", lambda agent: agent.images.build(kept, CheckpointSource(root))) as agent:
        await agent.roots.remove(root)
        with pytest.raises(Conflict, match="being made or mounted on it"):
            await agent.images.remove(image)
    await agent.images.remove(image)
    await agent.images.verify(kept, uuid4())
    await agent.images.remove(kept)
    assert remains(bench) == []


async def test_of_one_root_two_images_are_made_one_after_the_other(bench: Bench, image: UUID, root: UUID) -> None:
    kept = [uuid4(), uuid4()]
    made = await asyncio.gather(*(bench.images.build(one, RootSource(root)) for one in kept))
    assert made[0].files == made[1].files
    assert {*kept, image} == bench.stored().keys()


async def test_content_that_comes_as_its_like_goes_is_there(bench: Bench, image: UUID, stopped: Stopped) -> None:
    again = uuid4()
    source = PathSource(str(bench.imports / "tiny"))
    async with stopped("mkfs.ext4", lambda agent: agent.images.build(again, source)) as agent:
        await agent.images.remove(image)
    await agent.images.verify(again, uuid4())
    assert bench.stored().keys() == {again}


async def test_who_asks_what_an_image_changed_as_it_goes_is_told_that_it_went(
    bench: Bench, image: UUID, stopped: Stopped
) -> None:
    other = await bench.image()
    with pytest.raises(NotFound) as raised:
        async with stopped("prlimit", lambda agent: agent.images.changes(other, image)) as agent:
            await agent.images.remove(other)
    assert raised.value.code is Code.IMAGE_UNKNOWN
    await agent.images.remove(image)
    assert remains(bench) == []
