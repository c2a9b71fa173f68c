"""
What every answer to the port Exports does.

The kernel's server answers in a virtual machine: tests/world/test_exports_knfsd.py runs this file in there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest

from boardgrid.model.errors import Code, Conflict
from boardgrid.ports import Export, Exports
from boardgrid.testing import FakeExports
from tests.world.exports_box import a_box, a_server, ready
from tests.world.exports_guest import MARK

BOARD, OTHER = IPv4Address("10.77.0.21"), IPv4Address("10.77.0.22")
PATH, FIXED = PurePosixPath("/r/0192f3a1/0192f3b2"), PurePosixPath("/NFSRoot1")


@dataclass
class Place:
    """An answer to the port, and trees to offer by it."""

    tree: Callable[[str], Path]
    fresh: Callable[[], Exports]  # as an agent has it that was started anew

    def __post_init__(self) -> None:
        self.exports = self.fresh()


@pytest.fixture(
    params=[pytest.param("knfsd", marks=pytest.mark.world)]
    if MARK.exists()
    else ["fake", pytest.param("ganesha", marks=pytest.mark.world)]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "fake":
        fake = FakeExports()
        yield Place(tmp_path.joinpath, lambda: fake)
        return
    with contextlib.ExitStack() as stack:
        box = stack.enter_context(a_box(tmp_path))
        server = stack.enter_context(a_server(request.param, box))
        await ready(server.exports())
        yield Place(box.memory_tree, server.exports)


async def test_what_is_offered_is_told(place: Place) -> None:
    first, second = place.tree("first"), place.tree("second")
    assert await place.exports.all() == set()
    await place.exports.add(first, BOARD, PATH)
    await place.exports.add(second, OTHER, FIXED)
    assert await place.exports.all() == {Export(BOARD, PATH, first), Export(OTHER, FIXED, second)}


async def test_every_call_may_be_made_twice(place: Place) -> None:
    tree = place.tree("tree")
    await place.exports.add(tree, BOARD, PATH)
    await place.exports.add(tree, BOARD, PATH)
    assert await place.exports.all() == {Export(BOARD, PATH, tree)}
    await place.exports.remove(PATH)
    await place.exports.remove(PATH)
    assert await place.exports.all() == set()


async def test_what_ends_leaves_the_others(place: Place) -> None:
    first, second = place.tree("first"), place.tree("second")
    await place.exports.add(first, BOARD, PATH)
    await place.exports.add(second, OTHER, FIXED)
    await place.exports.remove(PATH)
    assert await place.exports.all() == {Export(OTHER, FIXED, second)}


@pytest.mark.parametrize("seen_as", ["/r/0192f3a1/0192f3b2", "/NFSRoot1"])
async def test_a_path_is_free_again_once_its_export_ended(place: Place, seen_as: str) -> None:
    path = PurePosixPath(seen_as)
    first, second = place.tree("first"), place.tree("second")
    await place.exports.add(first, BOARD, path)
    with pytest.raises(Conflict, match=seen_as) as refused:
        await place.exports.add(second, BOARD, path)
    assert refused.value.code is Code.EXPORT_TAKEN
    assert await place.exports.all() == {Export(BOARD, path, first)}
    await place.exports.remove(path)
    await place.exports.add(second, BOARD, path)
    assert await place.exports.all() == {Export(BOARD, path, second)}


async def test_a_tree_is_offered_to_one_board_only(place: Place) -> None:
    tree = place.tree("tree")
    await place.exports.add(tree, BOARD, PATH)
    for board, path in ((OTHER, PATH), (OTHER, FIXED), (BOARD, FIXED)):
        with pytest.raises(Conflict) as refused:
            await place.exports.add(tree, board, path)
        assert refused.value.code is Code.EXPORT_TAKEN
    assert await place.exports.all() == {Export(BOARD, PATH, tree)}


async def test_a_shared_tree_is_offered_to_several_boards_and_taken_from_each_by_itself(place: Place) -> None:
    tree = place.tree("tree")
    mine, theirs = PurePosixPath("/v/0192f3a1-0192f3b2"), PurePosixPath("/v/0192f3a2-0192f3b2")
    await place.exports.add(tree, BOARD, mine, shared=True)
    await place.exports.add(tree, OTHER, theirs, shared=True)
    await place.exports.add(tree, OTHER, theirs, shared=True)
    assert await place.exports.all() == {Export(BOARD, mine, tree), Export(OTHER, theirs, tree)}
    for board, path in ((OTHER, mine), (OTHER, FIXED)):
        with pytest.raises(Conflict) as refused:
            await place.exports.add(tree, board, path, shared=True)
        assert refused.value.code is Code.EXPORT_TAKEN
    with pytest.raises(Conflict):
        await place.exports.add(tree, BOARD + 9, FIXED)
    await place.exports.remove(mine)
    assert await place.fresh().all() == {Export(OTHER, theirs, tree)}
    await place.exports.add(tree, BOARD, mine, shared=True)
    await place.exports.remove(theirs)
    await place.exports.remove(mine)
    assert await place.exports.all() == set()


async def test_an_agent_that_comes_after_another_sees_and_ends_what_that_one_offered(place: Place) -> None:
    tree = place.tree("tree")
    await place.exports.add(tree, BOARD, PATH)
    later = place.fresh()
    assert await later.all() == {Export(BOARD, PATH, tree)}
    await later.add(tree, BOARD, PATH)
    await later.remove(PATH)
    assert await place.exports.all() == set()


async def test_what_was_never_offered_may_be_ended(place: Place) -> None:
    await place.exports.remove(PATH)
    assert await place.exports.all() == set()


async def test_many_boards_are_served_at_once(place: Place) -> None:
    trees = {IPv4Address("10.77.0.30") + n: place.tree(f"tree{n}") for n in range(8)}
    wanted = {Export(board, PurePosixPath(f"/r/{tree.name}/x"), tree) for board, tree in trees.items()}
    await asyncio.gather(*(place.exports.add(each.tree, each.board, each.seen_as) for each in wanted))
    told = await asyncio.gather(*(place.exports.all() for each in wanted))
    assert all(one == wanted for one in told)
    await asyncio.gather(*(place.exports.remove(each.seen_as) for each in wanted))
    assert await place.exports.all() == set()


async def test_who_asks_after_a_change_is_told_of_it(place: Place) -> None:
    """Also while others ask all the time, whose answer may be shared."""
    tree = place.tree("tree")
    others = [asyncio.create_task(place.exports.all()) for _each in range(5)]
    await asyncio.sleep(0)
    await place.exports.add(tree, BOARD, PATH)
    assert await place.exports.all() == {Export(BOARD, PATH, tree)}
    await asyncio.gather(*others)
