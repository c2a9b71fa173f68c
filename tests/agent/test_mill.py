"""Each step fails, hangs, and has its agent killed, before its work and after; in the end all is as wished."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from boardgrid.model.board import Board
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.model.report import Reached
from boardgrid.model.wish import Deployed, Gone, VolumeMount, Wish
from boardgrid.testing import FakeSite, a_board, patiently
from tests.agent import mill

NETBOOTED, FLASHED = a_board(), mill.flashed_board()
SECOND = UUID(int=mill.ROOT.int + 1)
VOLUME = UUID(int=500)
VOLUMES = (VolumeMount(VOLUME, "/data"),)

# Where a fate can strike on the way to each wish, from a board that is open with its first root.
DEPLOY = [
    *[("roots", "clone"), ("roots", "personalise"), ("exports", "add"), ("images", "boot_files"), ("netboot", "offer")],
    *[("exports", "remove"), ("drivers", "reset"), ("host_keys", "of"), ("controller", "report")],
    *[("volumes", "all"), ("volumes", "mount")],
]
SWITCH = [
    *[("roots", "clone"), ("roots", "personalise"), ("exports", "remove"), ("drivers", "off"), ("exports", "add")],
    *[("drivers", "on"), ("host_keys", "of")],
]
PARK = [("exports", "remove"), ("drivers", "off"), ("netboot", "hold")]
LEAVE = [("exports", "remove"), ("drivers", "off"), ("netboot", "forget")]

WAYS = [
    *[pytest.param(NETBOOTED, mill.deployed(1, volumes=VOLUMES), *at, id=f"deploy-{at[0]}.{at[1]}") for at in DEPLOY],
    *[pytest.param(FLASHED, mill.deployed(1), *at, id=f"switch-{at[0]}.{at[1]}") for at in SWITCH],
    *[pytest.param(NETBOOTED, mill.PARKED, *at, id=f"park-{at[0]}.{at[1]}") for at in PARK],
    *[pytest.param(NETBOOTED, Gone(), *at, id=f"leave-{at[0]}.{at[1]}") for at in LEAVE],
]
every_way = pytest.mark.parametrize(("board", "wish", "port", "call"), WAYS)
before_and_after = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


async def an_open_board(board: Board) -> FakeSite:
    """A board that runs its first root, into which its user has written, and has a volume beside it."""
    site, wish = mill.a_site(board), mill.deployed(volumes=VOLUMES)
    site.volumes.sizes[VOLUME] = 1 << 30
    async with mill.agent(site):
        site.wish(mill.wished(board, wish))
        await site.until(lambda: site.controller.site.boards[0].wish == replace(wish, opened=True))
        site.shelf[board.name].write("home/notes", "mine")
    return site


async def comes_to(site: FakeSite, wish: Wish) -> None:
    """In the end the world is what was wished, and what a user wrote is still there."""
    reached = {"deployed": Reached.OPEN, "parked": Reached.PARKED, "gone": Reached.GONE}[wish.kind]
    await site.until(mill.reached(site, reached))
    board = site.shelf["tk1-1"]
    if reached is Reached.OPEN:
        assert board.runs == SECOND
        volumes = {site.volumes.path(one.volume) for one in wish.volumes} if isinstance(wish, Deployed) else set()
        assert {one.tree for one in site.exports.exports} == {site.roots.path(SECOND), *volumes}
        assert site.host_keys.keys[board.board.address] == site.roots.trees[SECOND].host_key
    else:
        assert site.is_clean
    assert site.roots.trees[mill.ROOT].files == {"home/notes": "mine"}


@every_way
@before_and_after
@patiently
async def test_a_killed_agent_is_taken_over(board: Board, wish: Wish, port: str, call: str, after: bool) -> None:
    site, fate = await an_open_board(board), mill.Fate(port, call, after)
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(board, wish))
        async with asyncio.timeout(3600):
            await fate.struck.wait()
    async with mill.agent(site):
        await comes_to(site, wish)
        site.wish(mill.wished(board, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.is_clean


@every_way
@before_and_after
@patiently
async def test_a_step_that_fails_once_is_tried_again(
    board: Board, wish: Wish, port: str, call: str, after: bool
) -> None:
    blame = Blame.BOARD if port in {"drivers", "host_keys"} else Blame.SITE
    site = await an_open_board(board)
    fate = mill.Fate(port, call, after, Fault(Code.PROGRAM_FAILED, "it failed", blame=blame))
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(board, wish))
        await comes_to(site, wish)
    assert fate.has_struck


@every_way
@patiently
async def test_a_step_that_hangs_is_ended_and_tried_again(board: Board, wish: Wish, port: str, call: str) -> None:
    if port == "controller":
        return  # the door's own client ends its requests
    site, fate = await an_open_board(board), mill.Fate(port, call, after=False, error="hang")
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(board, wish))
        await comes_to(site, wish)
    assert fate.has_struck


@every_way
@before_and_after
@patiently
async def test_a_wish_that_moves_on_in_any_step_is_followed(
    board: Board, wish: Wish, port: str, call: str, after: bool
) -> None:
    site, fate = await an_open_board(board), mill.Fate(port, call, after, error="hang")
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(board, wish))
        async with asyncio.timeout(3600):
            await fate.struck.wait()
        if port == "controller":
            return
        site.wish(mill.wished(board, mill.deployed(2)))
        await site.until(lambda: site.shelf["tk1-1"].runs == UUID(int=mill.ROOT.int + 2))
        await site.until(mill.reached(site, Reached.OPEN))
        site.wish(mill.wished(board, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.is_clean
    assert site.roots.trees[mill.ROOT].files == {"home/notes": "mine"}
