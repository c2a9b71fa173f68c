"""What an agent does where nothing helps: it says so once, pauses, and takes nothing from anybody meanwhile."""

import asyncio
from dataclasses import replace
from pathlib import PurePosixPath
from uuid import UUID

import pytest

from boardgrid.agent.site import Pace
from boardgrid.model.board import Act, Board
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Blame, Code, Conflict, Fault, Invalid
from boardgrid.model.image import PathSource, RootSource
from boardgrid.model.report import BoardReport, ImageReport, OrderReport, Reached, SiteReport, StepReport
from boardgrid.model.wish import BoardWish, Gone, ImageWish, PowerOrder, RootWish, Wish
from boardgrid.ports import Sign
from boardgrid.testing import TYPE, FakeRoots, FakeSite, a_board, patiently
from tests.agent import mill
from tests.agent.test_agent import BOARD, opened, steps

HOUR_S = 3600.0


def failures(site: FakeSite) -> list[BoardReport]:
    return [one for one in site.controller.of_kind(BoardReport) if one.reached is Reached.FAILED]


@pytest.mark.parametrize(
    ("board", "flaws", "sentence"),
    [
        (replace(BOARD, power=()), {}, "tk1-1 has no driver that can restart it"),
        (BOARD, {"powered": True, "outlet_is_stuck": True}, "power off of tk1-1 led to nothing within 45 s"),
        (BOARD, {"powered": True, "outlet_hangs": True}, "power off of tk1-1 led to nothing within 45 s"),
    ],
    ids=["no driver", "stuck outlet", "hung outlet"],
)
@patiently
async def test_a_board_that_cannot_be_parked_is_told_once_and_tried_again_after_growing_pauses(
    board: Board, flaws: dict[str, bool], sentence: str
) -> None:
    site = mill.a_site(board, **flaws)
    async with mill.agent(site):
        site.wish(mill.wished(board, mill.PARKED))
        await asyncio.sleep(6 * HOUR_S)
    (told,) = failures(site)
    assert sentence in told.reason
    assert told.blame is Blame.BOARD
    assert len(site.controller.reports) < 100


@patiently
async def test_an_outlet_that_does_not_switch_off_gives_a_flashed_boards_path_to_nobody_else() -> None:
    site = mill.a_site(mill.flashed_board())
    async with mill.agent(site):
        await opened(site)
        site.shelf["tk1-1"].outlet_is_stuck = True
        site.wish(mill.wished(site.shelf["tk1-1"].board, mill.deployed(1)))
        await site.until(mill.reached(site, Reached.FAILED))
        assert not site.exports.exports
    assert failures(site)[-1].blame is Blame.BOARD


@patiently
async def test_a_dead_board_leaves_the_farm_all_the_same() -> None:
    site = mill.a_site(is_dead=True, outlet_hangs=True)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, Gone()))
        await site.until(mill.reached(site, Reached.GONE))
    assert not site.netboot.hosts


@patiently
async def test_a_board_that_restarts_into_something_else_is_not_parked() -> None:
    board = a_board()
    site = mill.a_site(board)
    async with mill.agent(site, drivers=mill.Drivers([mill.OnlyResets(site.shelf["tk1-1"])])):
        site.shelf["tk1-1"].powered = True
        # It asked for the holding kernel before, as anybody on it may at any time.
        await opened(site)
        site.sightings.happen(board.address, Sign.TFTP, "holding/vmlinuz")
        await asyncio.sleep(1)
        site.shelf["tk1-1"].is_dead = True
        site.wish(mill.wished(board, mill.PARKED))
        await site.until(lambda: bool(failures(site)))
        assert not mill.reached(site, Reached.PARKED)()
        site.shelf["tk1-1"].is_dead = False
        await site.until(mill.reached(site, Reached.PARKED), 10 * HOUR_S)


@pytest.mark.parametrize("wish", [mill.PARKED, mill.deployed(1), Gone()], ids=["released", "given on", "removed"])
@patiently
async def test_a_root_is_taken_back_also_where_the_boot_files_cannot_be_written(wish: Wish) -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.shelf["tk1-1"].write("home/notes", "mine")
        site.netboot.broken = Fault(Code.NETBOOT_FAILED, "the disk is full")
        site.wish(mill.wished(BOARD, wish))
        await asyncio.sleep(HOUR_S)
        with pytest.raises(OSError, match="Stale"):
            site.shelf["tk1-1"].write("home/notes", "theirs")
    assert not site.offers(BOARD.address, mill.ROOT)
    if wish == mill.PARKED:
        assert not site.shelf["tk1-1"].powered
        assert not mill.reached(site, Reached.PARKED)()


@patiently
async def test_a_board_is_cut_from_its_outlet_whatever_its_last_user_fetches() -> None:
    site = mill.a_site()
    board = site.shelf["tk1-1"]
    async with mill.agent(site, drivers=mill.Drivers([asks := mill.Asks(board), mill.Outlet(board)])):
        await opened(site)
        site.wish(mill.wished(BOARD, mill.PARKED))
        for _each in range(1000):  # a program in its memory
            site.sightings.happen(BOARD.address, Sign.TFTP, "holding/vmlinuz")
            await asyncio.sleep(0.003)
        await site.until(mill.reached(site, Reached.PARKED))
    assert board.switched[-2:] == ["off", "on"]
    assert board.restarts == 2, "once for its user, once after them"
    assert asks.asked == 1, "its user's own restart; when it is taken back nobody on it is asked"


@patiently
async def test_a_flashed_board_is_cut_from_an_outlet_that_cannot_tell() -> None:
    declared = mill.flashed_board()
    site = mill.a_site(declared)
    board = site.shelf["tk1-1"]
    async with mill.agent(site, drivers=mill.Drivers([mill.Outlet(board)])):
        await opened(site)
        site.wish(mill.wished(declared, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
        assert board.runs is None
    assert board.switched[-2:] == ["off", "on"]
    assert board.restarts == 2


@patiently
async def test_an_outlet_that_fails_leaves_a_flashed_board_with_nobody() -> None:
    declared = mill.flashed_board()
    site = mill.a_site(declared)
    board = site.shelf["tk1-1"]
    async with mill.agent(site, drivers=mill.Drivers([mill.Outlet(board)])):
        await opened(site)
        board.outlet_hangs = True
        site.wish(mill.wished(declared, mill.PARKED))
        await site.until(lambda: bool(failures(site)))
    assert failures(site)[-1].blame is Blame.BOARD
    assert not mill.reached(site, Reached.PARKED)()


@pytest.mark.parametrize("is_reached", [True, False])
@patiently
async def test_an_agent_that_comes_anew_restarts_no_board_that_was_seen_parked(is_reached: bool) -> None:
    site = mill.a_site(powered=True)
    board = site.shelf["tk1-1"]
    async with mill.agent(site, drivers=mill.Drivers([mill.Outlet(board)])):
        site.wish(replace(mill.wished(BOARD, mill.PARKED), is_reached=is_reached))
        await site.until(mill.reached(site, Reached.PARKED))
    assert board.restarts == (0 if is_reached else 1)


@patiently
async def test_a_board_whose_record_cannot_be_is_set_aside_and_no_image_is_blamed() -> None:
    site = mill.a_site()
    site.netboot.broken = Invalid(Code.ADDRESS_INVALID, "10.9.9.9 is no address for board tk1-1")
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(lambda: bool(failures(site)))
    assert failures(site)[-1].blame is Blame.BOARD
    assert "10.9.9.9" in failures(site)[-1].reason


@patiently
async def test_a_mended_board_type_reaches_a_board_that_waits() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
        mended = replace(TYPE, cmdline="fbcon=map:1")
        site.wish(replace(mill.wished(BOARD, mill.PARKED), type=mended))
        await site.until(lambda: site.netboot.held["tk1-1"] == mended)


@patiently
async def test_a_store_that_lost_a_users_root_makes_no_empty_one_in_its_place() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        del site.roots.trees[mill.ROOT]
        await site.until(lambda: bool(failures(site)))
        await asyncio.sleep(HOUR_S)
    assert mill.ROOT not in site.roots.trees
    assert failures(site)[-1].reason == "the root of tk1-1 is not on the disk of its site any more"


@patiently
async def test_a_root_kept_aside_that_is_not_there_fails_its_deployment() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed(is_kept=True)))
        await site.until(mill.reached(site, Reached.FAILED))
    assert not site.roots.trees


@patiently
async def test_an_open_board_is_not_asked_to_get_ready_for_a_restart() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        stray = PurePosixPath("/by/hand")
        await site.exports.add(site.roots.path(UUID(int=7)), BOARD.address, stray)
        await site.until(lambda: all(one.seen_as != stray for one in site.exports.exports))
    assert site.shelf["tk1-1"].quiesced == 0


@patiently
async def test_a_former_holders_board_is_asked_to_write_down_what_it_has_in_memory() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.shelf["tk1-1"].quiesced == 1


# --- the server side


@patiently
async def test_what_cannot_be_seen_is_told_to_who_waits_and_of_the_site_once() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.exports.broken = Fault(Code.EXPORTS_FAILED, "the NFS server does not answer")
        site.wish(mill.wished(BOARD, mill.deployed()))
        await asyncio.sleep(HOUR_S)
        told = [one for one in site.controller.of_kind(StepReport) if one.board == "tk1-1"]
        assert [(one.step, one.outcome, one.detail) for one in told] == [
            ("look", Outcome.FAILED, "the NFS server does not answer")
        ]
        assert site.controller.of_kind(SiteReport)[-1].trouble == "the NFS server does not answer"
        site.exports.broken = None
        await site.until(mill.reached(site, Reached.OPEN))
        await site.until(lambda: not site.controller.of_kind(SiteReport)[-1].trouble)


class _BadRoots(FakeRoots):
    """Some of its roots cannot go."""

    def __init__(self, site: FakeSite, why: Exception, *bad: UUID) -> None:
        super().__init__(site.images, trees=site.roots.trees)
        self.why, self.bad = why, bad

    async def remove(self, root: UUID) -> None:
        if root in self.bad:
            raise self.why
        await super().remove(root)


@pytest.mark.parametrize("why", [Fault(Code.ROOT_BUSY, "root 1 is busy"), OSError("EBUSY")], ids=["fault", "bug"])
@patiently
async def test_a_root_that_cannot_go_keeps_no_other_from_going(why: Exception) -> None:
    site, roots = mill.a_site(), [UUID(int=number) for number in range(1, 4)]
    for root in roots:
        await site.roots.clone(root, mill.IMAGE, 1)
    async with mill.agent(site, roots=_BadRoots(site, why, roots[0])):
        site.wish(mill.wished(BOARD, mill.PARKED), discard=tuple(RootWish(root) for root in roots))
        await site.until(lambda: set(site.roots.trees) == {roots[0]})
        await site.until(lambda: bool(site.controller.of_kind(SiteReport)[-1].trouble))
        await site.until(mill.reached(site, Reached.PARKED))


class _SlowUnmounts(FakeRoots):
    """Time passes before the first look at all roots is answered."""

    def __init__(self, site: FakeSite) -> None:
        super().__init__(site.images, trees=site.roots.trees)
        self.unmounted: list[UUID] = []

    async def all(self) -> object:  # type: ignore[override]  # what the port gives, a moment later
        found = await super().all()
        await asyncio.sleep(5)
        return found

    async def unmount(self, root: UUID) -> None:
        self.unmounted.append(root)
        await super().unmount(root)


@patiently
async def test_a_root_that_is_wished_while_the_store_is_tidied_stays_mounted() -> None:
    site = mill.a_site()
    await site.roots.clone(mill.ROOT, mill.IMAGE, 1)
    roots = _SlowUnmounts(site)
    async with mill.agent(site, roots=roots):
        site.wish(mill.wished(BOARD, mill.PARKED))
        await asyncio.sleep(2)  # it has been seen mounted, and nobody's
        await opened(site)
    assert mill.ROOT not in roots.unmounted


@patiently
async def test_an_upload_that_the_controller_could_not_bring_is_fetched_again() -> None:
    site, image = mill.a_site(), UUID(int=101)
    site.images.refuse[image] = Fault(Code.UPLOAD_BROKEN, "the controller went away")
    await site.roots.clone(mill.ROOT, mill.IMAGE, 1)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.PARKED), images=(ImageWish(image, RootSource(mill.ROOT)),))
        await asyncio.sleep(5)
        del site.images.refuse[image]
        await site.until(lambda: image in site.images.built)
        await site.until(lambda: bool(site.controller.of_kind(ImageReport)))
    assert [one.code for one in site.controller.of_kind(ImageReport)] == [None]


# --- the lease, and wishes that move on


@patiently
async def test_an_agent_that_lost_touch_while_it_waited_restarts_nothing_and_discards_nothing() -> None:
    boards = [a_board(number) for number in range(1, 41)]
    site, roots = mill.a_site(*boards), [UUID(int=number) for number in range(1, 31)]
    for root in roots:
        await site.roots.clone(root, mill.IMAGE, 1)
    async with mill.agent(site, pace=Pace(window=1, window_s=30), roots=_SlowRemovals(site)):
        site.wish(*(mill.wished(board, mill.deployed(index)) for index, board in enumerate(boards)))
        site.wish(discard=tuple(RootWish(root) for root in roots))
        await asyncio.sleep(20)
        site.controller.is_silent = True
        await asyncio.sleep(site.controller.ttl_s)

        def touched() -> tuple[int, int]:
            return sum(board.restarts for board in site.shelf.values()), len(site.roots.trees)

        before = touched()
        await asyncio.sleep(HOUR_S)
        assert touched() == before
        site.controller.is_silent = False
        await site.until(lambda: all(mill.reached(site, Reached.OPEN, board.name)() for board in boards))


class _SlowRemovals(FakeRoots):
    def __init__(self, site: FakeSite) -> None:
        super().__init__(site.images, trees=site.roots.trees)

    async def remove(self, root: UUID) -> None:
        await asyncio.sleep(10)
        await super().remove(root)


@patiently
async def test_after_a_silence_the_new_wish_is_followed_and_nothing_of_the_old_one_done() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        restarts = board.restarts
        site.exports.broken = Fault(Code.EXPORTS_FAILED, "the NFS server does not answer")
        site.wish(mill.wished(BOARD, mill.deployed(1)))
        await asyncio.sleep(5)
        site.controller.is_silent = True
        await asyncio.sleep(200)
        site.exports.broken = None
        site.wish(mill.wished(BOARD, mill.PARKED))
        await asyncio.sleep(200)
        site.controller.is_silent = False
        await site.until(mill.reached(site, Reached.PARKED))
    assert board.restarts == restarts
    assert site.is_clean


@pytest.mark.parametrize("turns", range(6))
@patiently
async def test_a_board_is_never_told_parked_while_a_root_runs_on_it(turns: int) -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        board = site.shelf["tk1-1"]
        await site.until(lambda: board.runs == mill.ROOT)
        await site.until(lambda: BOARD.address in site.host_keys.keys)
        for _turn in range(turns):
            await asyncio.sleep(0)
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
        assert not board.powered


@patiently
async def test_events_are_told_of_the_wish_that_they_belong_to_and_each_step_ends() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: "restart" in steps(site))
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    told: list[StepReport] = [one for one in site.controller.of_kind(StepReport) if one.phase is not Phase.NOTED]
    began = [(one.step, one.generation, one.deployment) for one in told if one.phase is Phase.BEGAN]
    assert began == [(one.step, one.generation, one.deployment) for one in told if one.phase is Phase.ENDED]
    assert ("boot", 1, mill.DEPLOYMENT) in began


@patiently
async def test_a_driver_that_takes_its_cancellation_for_a_fault_stops_nobody() -> None:
    site = mill.a_site()
    async with mill.agent(site, drivers=_Deaf(site)):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: any(one.step == "restart" for one in site.controller.of_kind(StepReport)))
        site.wish(mill.wished(BOARD, mill.deployed(1)))
        await site.until(lambda: any(one.deployment == UUID(int=mill.DEPLOYMENT.int + 1) for one in failures(site)))


class _Deaf:
    """Drivers as somebody wrote them in a hurry."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site

    def of(self, board: Board) -> list[object]:
        return [self]

    async def reset(self) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError as error:
            raise Fault(Code.POWER_FAILED, "the outlet did not answer", blame=Blame.BOARD) from error


@pytest.mark.slow
@patiently
async def test_healthy_boards_that_wait_for_a_place_in_the_window_are_not_blamed() -> None:
    boards = [a_board(number) for number in range(1, 41)]
    site = mill.a_site(*boards, is_dead=True)
    for number in range(2, 31):
        site.shelf[f"tk1-{number}"].is_dead = True  # each holds its place in the window to the end
    async with mill.agent(site, pace=Pace(window=1, window_s=30)):
        site.wish(*(mill.wished(board, mill.deployed(index)) for index, board in enumerate(boards)))
        await site.until(lambda: all(mill.reached(site, Reached.OPEN, board.name)() for board in boards[30:]))
    assert {one.board for one in failures(site)} <= {board.name for board in boards[:30]}


@patiently
async def test_that_a_board_is_open_is_told_though_its_root_could_not_be_read_at_once() -> None:
    site = mill.a_site()
    roots = _FailsOnce(site)
    async with mill.agent(site, roots=roots):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: "boot" in steps(site))
        roots.fails = True
        await site.until(mill.reached(site, Reached.OPEN))


class _FailsOnce(FakeRoots):
    def __init__(self, site: FakeSite) -> None:
        super().__init__(site.images, trees=site.roots.trees)
        self.fails = False

    async def seen(self, root: UUID) -> object:  # type: ignore[override]  # what the port gives
        if self.fails:
            self.fails = False
            raise Fault(Code.STORE_DAMAGED, "it cannot be read just now")
        return await super().seen(root)


# --- the network


@patiently
async def test_a_flashed_board_is_known_to_the_network_and_a_changed_board_as_it_is_now() -> None:
    flashed = mill.flashed_board()
    site = mill.a_site(flashed)
    async with mill.agent(site):
        site.wish(mill.wished(flashed, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
        assert site.netboot.hosts == {"tk1-1": (flashed.mac, flashed.address)}
        moved = replace(flashed, mac="52:54:00:00:00:99", address=flashed.address + 50)
        site.wish(mill.wished(moved, mill.PARKED))
        await site.until(lambda: site.netboot.hosts == {"tk1-1": (moved.mac, moved.address)})


@patiently
async def test_an_old_kernel_that_only_connects_anew_is_no_boot() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        board.is_dead = True
        site.wish(mill.wished(BOARD, mill.deployed(1)))
        await site.until(lambda: steps(site)[-1] == "restart")
        site.sightings.happen(BOARD.address, Sign.NFS, "port 901")
        await site.until(mill.reached(site, Reached.FAILED))
    assert failures(site)[-1].code is Code.BOARD_SILENT
    assert failures(site)[-1].blame is Blame.BOARD


# --- reports and orders


@patiently
async def test_a_report_that_can_never_be_taken_keeps_no_other_from_arriving() -> None:
    site = mill.a_site()
    site.controller.refuses = lambda report: isinstance(report, StepReport) and report.step == "personalise"
    async with mill.agent(site):
        await opened(site)
    assert "personalise" not in steps(site)
    assert "export" in steps(site)


@patiently
async def test_in_the_place_of_a_manifest_that_can_never_be_taken_a_failure_is_told() -> None:
    site, image = mill.a_site(), UUID(int=7)
    site.controller.refuses = lambda report: isinstance(report, ImageReport) and report.manifest is not None
    async with mill.agent(site):
        site.controller.set(replace(site.controller.site, images=(ImageWish(image, PathSource("/srv/odd")),)))
        await site.until(lambda: len(site.controller.of_kind(ImageReport)) == 1)
    [told] = site.controller.of_kind(ImageReport)
    assert (told.image, told.code) == (image, Code.BUG) and "cannot be told" in told.reason


@patiently
async def test_orders_are_obeyed_one_after_another() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        board.switched.clear()
        for number, act in enumerate((Act.CYCLE, Act.OFF), start=1):
            order = PowerOrder(UUID(int=number), act)
            site.wish(BoardWish(BOARD, TYPE, 0, mill.deployed(opened=True), order))
        await site.until(lambda: len(site.controller.of_kind(OrderReport)) == 2 or not board.powered)
        await asyncio.sleep(10)
    assert board.switched in (["off", "on", "off"], ["off"])
    assert not board.powered


@patiently
async def test_what_a_former_holder_ordered_is_not_done_to_the_next_ones_board() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        board.outlet_hangs = True
        site.wish(BoardWish(BOARD, TYPE, 0, mill.deployed(opened=True), PowerOrder(UUID(int=1), Act.CYCLE)))
        await asyncio.sleep(5)
        site.wish(mill.wished(BOARD, mill.PARKED))
        board.outlet_hangs = False
        await site.until(mill.reached(site, Reached.PARKED))
        await asyncio.sleep(600)
    assert not board.powered
    assert site.controller.of_kind(OrderReport) == []


@patiently
async def test_another_boards_stale_address_is_no_reason_to_fail() -> None:
    site = mill.a_site()
    async with mill.agent(site, netboot=_Clashes(site)):
        site.wish(mill.wished(BOARD, mill.PARKED))
        await asyncio.sleep(HOUR_S)
    assert failures(site) == [], "nobody is blamed"
    told = [one for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.FAILED]
    assert [one.detail for one in told] == ["another has its address"], "what only goes on is told once"
    assert any("another has its address" in one.trouble for one in site.controller.of_kind(SiteReport))
    assert len(site.controller.reports) < 60


class _Clashes:
    """A network that refuses to know the board."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site

    async def seen(self, board: Board, type_: object) -> None:
        return None

    async def hold(self, board: Board, type_: object) -> None:
        raise Conflict(Code.NAME_TAKEN, "another has its address")
