"""Volumes, as an agent keeps them: made, offered to the boards of their people, and taken back from them."""

import asyncio
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Code, Fault
from boardgrid.model.image import BlobSource, PathSource
from boardgrid.model.kit import BootKit
from boardgrid.model.report import BoardReport, Reached, StepReport, VolumeReport
from boardgrid.model.wish import Deployed, ImageWish, RootWish, VolumeMount, VolumeWish
from boardgrid.ports import Export
from boardgrid.testing import FakeClock, FakeSite, FakeTree, FakeVolumes, a_board, patiently
from tests.agent import mill

HOME, DATA = UUID(int=500), UUID(int=501)
GB = 10**9
FIRST, SECOND = a_board(), a_board(2)


def wish(number: int = 0, *volumes: UUID, **changes: Any) -> Deployed:
    places = {HOME: "/home/ada", DATA: "/data"}
    mounts = tuple(VolumeMount(one, places[one]) for one in volumes)
    return mill.deployed(number, volumes=mounts, **changes)


def seen_as(number: int, volume: UUID) -> PurePosixPath:
    return PurePosixPath(f"/v/{UUID(int=mill.DEPLOYMENT.int + number)}-{volume}")


def a_site(*volumes: UUID) -> FakeSite:
    site = mill.a_site(FIRST, SECOND)
    site.volumes.sizes.update(dict.fromkeys(volumes, GB))
    return site


def offered(site: FakeSite, volume: UUID) -> set[Export]:
    return {one for one in site.exports.exports if one.tree == site.volumes.path(volume)}


async def opened(site: FakeSite, board: str = "tk1-1") -> None:
    await site.until(lambda: all(_is_open(one.wish) for one in site.controller.site.boards if one.board.name == board))


def _is_open(wish: object) -> bool:
    return isinstance(wish, Deployed) and wish.opened


def notes(site: FakeSite) -> list[str]:
    return [one.detail for one in site.controller.of_kind(StepReport) if one.phase is Phase.NOTED]


@patiently
async def test_a_board_has_its_peoples_volumes_before_it_boots_and_mounts_them_by_its_fstab() -> None:
    site = a_site(HOME, DATA)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME, DATA)))
        await opened(site)
    steps = [one.step for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.OK]
    assert steps == ["hold", "clone", "personalise", "attach", "export", "restart", "boot"]
    assert offered(site, DATA) == {Export(FIRST.address, seen_as(0, DATA), site.volumes.path(DATA))}
    persona = site.roots.trees[mill.ROOT].persona
    assert persona is not None
    assert persona.volumes == {
        "/home/ada": f"10.20.0.1:{seen_as(0, HOME)}",
        "/data": f"10.20.0.1:{seen_as(0, DATA)}",
    }


@patiently
async def test_two_boards_of_one_user_share_a_volume_and_one_that_is_given_back_has_it_no_more() -> None:
    site = a_site(HOME)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME)), mill.wished(SECOND, wish(1, HOME)))
        await opened(site)
        await opened(site, "tk1-2")
        assert {one.board for one in offered(site, HOME)} == {FIRST.address, SECOND.address}
        site.wish(mill.wished(FIRST, mill.PARKED))
        await site.until(lambda: {one.board for one in offered(site, HOME)} == {SECOND.address})
        assert site.volumes.mounted == {HOME}
        site.wish(mill.wished(SECOND, mill.PARKED))
        await site.until(lambda: not site.volumes.mounted)
    assert site.is_clean
    assert site.volumes.sizes == {HOME: GB}, "its files stay"


@patiently
async def test_a_volume_that_is_withdrawn_is_fenced_and_nothing_else_happens_to_the_board() -> None:
    site = a_site(HOME, DATA)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME, DATA)), mill.wished(SECOND, wish(1, DATA)))
        await opened(site)
        await opened(site, "tk1-2")
        restarts = site.shelf[FIRST.name].restarts
        site.wish(mill.wished(FIRST, wish(0, HOME, opened=True)), mill.wished(SECOND, wish(1, DATA, opened=True)))
        await site.until(lambda: {one.board for one in offered(site, DATA)} == {SECOND.address})
        await asyncio.sleep(600)
    assert {one.board for one in offered(site, HOME)} == {FIRST.address}
    assert site.offers(FIRST.address, mill.ROOT)
    assert (site.shelf[FIRST.name].restarts, site.shelf[FIRST.name].runs) == (restarts, mill.ROOT)


@patiently
async def test_a_board_comes_up_without_a_volume_that_is_lost_or_damaged_and_says_so() -> None:
    site = a_site(DATA)
    site.volumes.damaged.add(DATA)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME, DATA)))
        await opened(site)
    told = [one for one in notes(site) if one.startswith("it goes on without")]
    assert [one.partition(":")[0] for one in told] == ["it goes on without /home/ada", "it goes on without /data"]
    assert offered(site, HOME) == offered(site, DATA) == set()
    persona = site.roots.trees[mill.ROOT].persona
    assert persona is not None and "/home/ada" not in persona.volumes


@patiently
async def test_an_open_board_has_its_volumes_again_after_the_server_lost_them() -> None:
    site = a_site(HOME)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME)))
        await opened(site)
        before, restarts = offered(site, HOME), site.shelf["tk1-1"].restarts
        site.exports.exports.clear()
        site.volumes.mounted.clear()
        await site.until(lambda: offered(site, HOME) == before)
        await site.until(lambda: len(site.exports.exports) == 2)
    assert site.shelf["tk1-1"].restarts == restarts


@patiently
async def test_what_an_earlier_deployment_was_offered_is_taken_back_before_anything_else() -> None:
    site = a_site(HOME)
    await site.exports.add(site.volumes.path(HOME), FIRST.address, seen_as(7, HOME), shared=True)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME)))
        await opened(site)
    steps = [one.step for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.OK]
    assert steps[0] == "fence"
    assert {one.seen_as for one in offered(site, HOME)} == {seen_as(0, HOME)}


@patiently
async def test_a_volume_is_made_and_grown_and_each_is_told_once() -> None:
    site = a_site()
    async with mill.agent(site):
        site.wish(volumes=(VolumeWish(HOME, GB),))
        await site.until(lambda: len(site.controller.of_kind(VolumeReport)) == 1)
        site.wish(volumes=(VolumeWish(HOME, 2 * GB, is_there=True),))
        await site.until(lambda: len(site.controller.of_kind(VolumeReport)) == 2)
        site.wish(volumes=(VolumeWish(HOME, 2 * GB, is_there=True),))
        await FakeClock().sleep(600)
    told = [(one.volume, one.size_bytes, one.reason) for one in site.controller.of_kind(VolumeReport)]
    assert told == [(HOME, GB, ""), (HOME, 2 * GB, "")]
    assert site.volumes.sizes == {HOME: 2 * GB}


@patiently
async def test_a_volume_that_has_files_is_not_made_anew_where_it_is_lost() -> None:
    site = a_site()
    async with mill.agent(site):
        site.wish(volumes=(VolumeWish(HOME, GB, is_there=True),))
        await site.until(lambda: bool(site.controller.of_kind(VolumeReport)))
    [told] = site.controller.of_kind(VolumeReport)
    assert told.code is Code.VOLUME_UNKNOWN
    assert site.volumes.sizes == {}


@patiently
async def test_what_does_not_fit_is_told_and_troubles_no_site() -> None:
    site = a_site()
    site.volumes.total_bytes = GB // 2
    async with mill.agent(site):
        site.wish(volumes=(VolumeWish(HOME, GB), VolumeWish(DATA, GB // 4)))
        await site.until(lambda: len(site.controller.of_kind(VolumeReport)) == 2)
    told = {one.volume: one.code for one in site.controller.of_kind(VolumeReport)}
    assert told == {HOME: Code.STORE_FULL, DATA: None}


@patiently
async def test_only_what_is_wished_away_goes_and_not_while_a_board_has_it() -> None:
    site = a_site(HOME, DATA)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, HOME)))
        await opened(site)
        site.wish(volumes=(VolumeWish(HOME, None),))
        await FakeClock().sleep(600)
        assert site.volumes.sizes == {HOME: GB, DATA: GB}
        site.wish(mill.wished(FIRST, mill.PARKED))
        await site.until(lambda: bool(site.controller.of_kind(VolumeReport)))
    [told] = site.controller.of_kind(VolumeReport)
    assert (told.volume, told.size_bytes, told.reason) == (HOME, None, "")
    assert site.volumes.sizes == {DATA: GB}


class SlowVolumes(FakeVolumes):
    async def make(self, volume: UUID, size_bytes: int) -> None:
        await FakeClock().sleep(600)
        await super().make(volume, size_bytes)


@patiently
async def test_a_large_volume_that_is_made_keeps_nothing_else_waiting() -> None:
    site, image, root = a_site(), UUID(int=600), UUID(int=601)
    site.volumes = SlowVolumes()
    site.roots.trees[root] = FakeTree(image, 1, {}, is_mounted=False)
    images, discard = (ImageWish(image, PathSource("/srv/tree")),), (RootWish(root),)
    async with mill.agent(site):
        site.wish(volumes=(VolumeWish(HOME, GB),))
        await FakeClock().sleep(5)
        site.wish(images=images, discard=discard)
        await FakeClock().sleep(300)
        assert image in site.images.built and root not in site.roots.trees
        assert not site.controller.of_kind(VolumeReport)
        await site.until(lambda: HOME in site.volumes.sizes)
        # What is wished of it while it is made larger follows.
        site.wish(volumes=(VolumeWish(HOME, 2 * GB, is_there=True),))
        await FakeClock().sleep(5)
        site.wish(volumes=(VolumeWish(HOME, None),))
        await site.until(lambda: not site.volumes.sizes)


class BackedUpVolumes(FakeVolumes):
    """A backup reads them for a quarter of an hour."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.until_s = FakeClock().now_s() + 900

    async def grow(self, volume: UUID, size_bytes: int) -> None:
        if FakeClock().now_s() < self.until_s:
            raise Fault(Code.ROOT_BUSY, "it cannot be made larger while a backup reads it")
        await super().grow(volume, size_bytes)


@patiently
async def test_a_volume_that_a_backup_reads_is_made_larger_once_that_has_ended() -> None:
    site = a_site()
    site.volumes = BackedUpVolumes(sizes={HOME: GB})
    async with mill.agent(site):
        site.wish(volumes=(VolumeWish(HOME, 2 * GB, is_there=True),))
        await site.until(lambda: bool(site.controller.of_kind(VolumeReport)))
    [told] = site.controller.of_kind(VolumeReport)
    assert (told.code, told.reason) == (None, "")
    assert site.volumes.sizes == {HOME: 2 * GB}


# --- a root that boots again

KIT = BootKit(UUID(int=900), kernel=BlobSource("a" * 64, 8_000_000))
NEXT = UUID(int=mill.DEPLOYMENT.int + 1)


def again(*mounts: VolumeMount) -> Deployed:
    return replace(wish(0), deployment=NEXT, volumes=mounts, is_kept=True, is_again=True, kit=KIT)


async def an_open_board(*volumes: UUID) -> FakeSite:
    site = a_site(*volumes)
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, wish(0, *volumes)))
        await opened(site)
    return site


@patiently
async def test_a_board_has_its_volumes_until_what_it_boots_with_is_here() -> None:
    site = await an_open_board(HOME, DATA)
    before, board = set(site.exports.exports), site.shelf[FIRST.name]
    site.kits.sent = set()
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, again(VolumeMount(HOME, "/home/ada"), VolumeMount(DATA, "/moved"))))
        await site.until(mill.reached(site, Reached.FAILED))
        assert site.controller.of_kind(BoardReport)[-1].still == mill.DEPLOYMENT
        assert (set(site.exports.exports), board.quiesced, board.runs) == (before, 0, mill.ROOT)
        site.kits.sent = None
        site.wish(mill.wished(FIRST, again(VolumeMount(HOME, "/home/ada"), VolumeMount(DATA, "/moved"))))
        await opened(site)
    assert {one.seen_as for one in (*offered(site, HOME), *offered(site, DATA))} == {seen_as(1, HOME), seen_as(1, DATA)}
    persona = site.roots.trees[mill.ROOT].persona
    assert persona is not None and persona.volumes["/moved"] == f"10.20.0.1:{seen_as(1, DATA)}"


@patiently
async def test_a_volume_that_a_board_is_not_to_have_any_more_goes_at_once_and_alone() -> None:
    site = await an_open_board(HOME, DATA)
    board = site.shelf[FIRST.name]
    site.kits.sent = set()
    async with mill.agent(site):
        site.wish(mill.wished(FIRST, again(VolumeMount(HOME, "/home/ada"))))
        await site.until(lambda: not offered(site, DATA))
        await site.until(mill.reached(site, Reached.FAILED))
    assert site.controller.of_kind(BoardReport)[-1].still == mill.DEPLOYMENT
    assert {one.seen_as for one in offered(site, HOME)} == {seen_as(0, HOME)}
    assert site.offers(FIRST.address, mill.ROOT) and (board.quiesced, board.runs) == (0, mill.ROOT)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@patiently
async def test_one_that_is_killed_while_it_takes_them_back_leaves_none_by_its_former_path(after: bool) -> None:
    site = await an_open_board(HOME, DATA)
    fate = mill.Fate("exports", "remove", after)
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(FIRST, again(VolumeMount(HOME, "/home/ada"), VolumeMount(DATA, "/data"))))
        await fate.struck.wait()
    async with mill.agent(site):
        await opened(site)
        await asyncio.sleep(600)
    paths = {one.seen_as for one in (*offered(site, HOME), *offered(site, DATA))}
    assert paths == {seen_as(1, HOME), seen_as(1, DATA)}
