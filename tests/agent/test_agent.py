"""What an agent does with its boards, in a world where time costs nothing."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from boardgrid.agent.site import Pace
from boardgrid.messages import bytes_text
from boardgrid.model import cmdline
from boardgrid.model.board import Act
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errand import About, ErrandKind
from boardgrid.model.errors import Blame, Code, Fault, Invalid
from boardgrid.model.image import CheckpointSource, PathSource, RootSource, UrlSource
from boardgrid.model.imports import Imports
from boardgrid.model.inventory import checked_type
from boardgrid.model.recipe import FINISH
from boardgrid.model.report import (
    BoardReport,
    ErrandReport,
    HealthReport,
    ImageReport,
    OrderReport,
    Power,
    ProgressReport,
    Reached,
    SiteReport,
    StepReport,
    Voice,
)
from boardgrid.model.wish import BoardWish, ErrandWish, Gone, ImageWish, Lease, PowerOrder, RootWish
from boardgrid.ports import Sign
from boardgrid.testing import TYPE, FakeSite, FakeTree, a_board, patiently
from tests.agent import mill

BOARD = a_board()


def steps(site: FakeSite, board: str = "tk1-1") -> list[str]:
    """The steps that ended well, in order."""
    return [one.step for one in site.controller.of_kind(StepReport) if one.board == board and one.outcome is Outcome.OK]


async def opened(site: FakeSite, number: int = 0) -> None:
    """Deploy the *number*-th root on the first board and wait until it is open."""
    board = site.shelf["tk1-1"].board
    site.wish(mill.wished(board, mill.deployed(number)))
    await site.until(lambda: site.controller.site.boards[0].wish == mill.deployed(number, opened=True))


@patiently
async def test_a_netbooted_board_comes_up_with_its_own_root() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
    assert steps(site) == ["hold", "clone", "personalise", "export", "restart", "boot"]
    assert site.shelf["tk1-1"].runs == mill.ROOT
    assert site.host_keys.keys[BOARD.address] == site.roots.trees[mill.ROOT].host_key


@patiently
async def test_its_user_and_the_agent_may_log_in_and_nobody_else() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        persona = site.roots.trees[mill.ROOT].persona
    assert persona is not None
    assert persona.keys == ("ssh-ed25519 AAAAada", "ssh-ed25519 AAAAagent")
    assert persona.facts["DEPLOYMENT"] == str(mill.DEPLOYMENT)


@patiently
async def test_a_flashed_board_is_stopped_before_its_path_is_switched() -> None:
    site = mill.a_site(mill.flashed_board())
    async with mill.agent(site):
        await opened(site)
        site.shelf["tk1-1"].write("home/notes", "mine")
        await opened(site, 1)
    assert steps(site)[-7:] == ["fence", "clone", "personalise", "stop", "export", "restart", "boot"]
    assert site.shelf["tk1-1"].runs == UUID(int=mill.ROOT.int + 1)
    assert site.roots.trees[mill.ROOT].files == {"home/notes": "mine"}


@patiently
async def test_the_signs_of_a_boot_are_told_in_their_order() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
    notes = [one.detail.partition(":")[0] for one in site.controller.of_kind(StepReport) if one.phase is Phase.NOTED]
    assert notes == ["dhcp", "tftp", "nfs", "ssh"]


@patiently
async def test_a_new_deployment_fences_the_old_root_and_keeps_its_files() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        board.write("home/notes", "mine")
        await opened(site, 1)
        assert not site.offers(BOARD.address, mill.ROOT)
        assert board.runs == UUID(int=mill.ROOT.int + 1)
    assert site.roots.trees[mill.ROOT].files == {"home/notes": "mine"}
    assert not site.roots.trees[mill.ROOT].is_mounted


@patiently
async def test_a_released_board_is_fenced_and_switched_off() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.is_clean
    assert not site.shelf["tk1-1"].powered


@patiently
async def test_a_new_board_gets_the_holding_entry_before_anyone_uses_it() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.netboot.offered == {"tk1-1": None}


@patiently
async def test_a_flashed_board_may_be_silent_until_it_mounts_its_root() -> None:
    site = mill.a_site(mill.flashed_board(), boot_s=90)
    async with mill.agent(site):
        await opened(site)
    assert site.shelf["tk1-1"].restarts == 1


@patiently
async def test_a_board_that_leaves_keeps_no_boot_files() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.wish(mill.wished(BOARD, Gone()))
        await site.until(mill.reached(site, Reached.GONE))
    assert site.is_clean
    assert "tk1-1" not in site.netboot.offered


@patiently
async def test_an_open_board_is_not_healed_but_shown() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        restarts = board.restarts
        await board.off()
        await asyncio.sleep(600)
        assert board.restarts == restarts
        assert not board.powered
        last = site.controller.of_kind(HealthReport)[-1]
    assert (last.power, last.voice) == (Power.OFF, Voice.SILENT)


@patiently
async def test_what_an_open_board_looks_like_is_told_at_once_and_after_each_order() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        await site.until(lambda: bool(site.controller.of_kind(HealthReport)), 1)
        order = PowerOrder(UUID(int=1), Act.OFF)
        site.wish(BoardWish(BOARD, TYPE, 0, mill.deployed(opened=True), order))
        await site.until(lambda: site.controller.of_kind(HealthReport)[-1].power is Power.OFF, 2)


@patiently
async def test_a_longer_reservation_does_not_restart_the_board() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        restarts = site.shelf["tk1-1"].restarts
        site.wish(mill.wished(BOARD, mill.deployed(opened=True)))
        await asyncio.sleep(600)
    assert site.shelf["tk1-1"].restarts == restarts


@patiently
async def test_the_console_is_told_of_a_boot_alone_for_what_was_printed_before_is_somebody_elses() -> None:
    site = mill.a_site(is_dead=True)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: bool(site.controller.of_kind(BoardReport)))
        site.shelf["tk1-1"].outlet_hangs = True
        site.wish(mill.wished(BOARD, mill.deployed(1)))
        await site.until(lambda: len(site.controller.of_kind(BoardReport)) == 2)
    failed = [one for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.FAILED]
    assert {one.step for one in failed} > {"boot"}
    assert {one.step for one in failed if one.console} == {"boot"}


@patiently
async def test_a_dead_board_is_blamed_after_the_whole_ladder() -> None:
    site = mill.a_site(is_dead=True)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(mill.reached(site, Reached.FAILED))
        told = site.controller.of_kind(BoardReport)[-1]
    assert told.blame is Blame.BOARD
    assert told.code is Code.BOARD_SILENT
    assert "tk1-1 gave no sign of life" in told.reason
    assert BOARD.mac in told.hint
    failed = [one.step for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.FAILED]
    assert failed == ["boot", "boot"], "the reset and the power cycle were both tried"


@patiently
async def test_a_board_that_boots_another_root_is_blamed_and_never_opened() -> None:
    board = mill.flashed_board()
    site = mill.a_site(board, ignores_exports=True)
    async with mill.agent(site):
        site.wish(mill.wished(board, mill.deployed()))
        await site.until(mill.reached(site, Reached.FAILED))
        told = site.controller.of_kind(BoardReport)
    assert [one.reached for one in told] == [Reached.FAILED]
    assert told[-1].blame is Blame.BOARD
    assert told[-1].code is Code.BOARD_WRONG_ROOT


@patiently
async def test_an_image_whose_ssh_server_has_a_key_of_its_own_is_blamed_itself() -> None:
    site = mill.a_site(ignores_exports=True)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(mill.reached(site, Reached.FAILED))
    told = site.controller.of_kind(BoardReport)[-1]
    assert told.blame is Blame.IMAGE, "it fetched the files of its deployment: all that ran after that was the image's"
    assert told.code is Code.SSH_OTHER_KEY


@patiently
async def test_an_image_that_does_not_mount_its_root_is_blamed_itself() -> None:
    site = mill.a_site(never_mounts=True)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(mill.reached(site, Reached.FAILED))
        told = site.controller.of_kind(BoardReport)[-1]
    assert told.blame is Blame.IMAGE
    assert told.code is Code.ROOT_NOT_MOUNTED


@patiently
async def test_a_hung_outlet_delays_no_other_board() -> None:
    boards = [a_board(number) for number in range(1, 21)]
    site = mill.a_site(*boards, outlet_hangs=True)
    for number in range(2, 12):
        site.shelf[f"tk1-{number}"].outlet_hangs = True
    async with mill.agent(site, pace=Pace(window=4)):
        site.wish(*(mill.wished(board, mill.deployed(index)) for index, board in enumerate(boards)))
        await site.until(lambda: all(mill.reached(site, Reached.OPEN, f"tk1-{n}")() for n in range(12, 21)), 120)
        assert not mill.reached(site, Reached.OPEN)()


@patiently
async def test_restarts_go_out_in_windows() -> None:
    boards = [a_board(number) for number in range(1, 13)]
    site = mill.a_site(*boards)
    most = 0

    def quiet() -> int:
        return sum(
            board.powered and (board.board.address not in {address for address, _sign in site.sightings.last})
            for board in site.shelf.values()
        )

    async with mill.agent(site, pace=Pace(window=3)):
        site.wish(*(mill.wished(board, mill.deployed(index)) for index, board in enumerate(boards)))
        while not all(mill.reached(site, Reached.OPEN, board.name)() for board in boards):
            most = max(most, quiet())
            await asyncio.sleep(0.05)
    assert 0 < most <= 3


@patiently
async def test_a_silent_nfs_server_pauses_deployments_and_blames_no_board() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.exports.broken = Fault(Code.EXPORTS_FAILED, "the NFS server does not answer")
        site.wish(mill.wished(BOARD, mill.deployed()))
        await asyncio.sleep(300)
        assert site.controller.of_kind(BoardReport) == []
        site.exports.broken = None
        await site.until(mill.reached(site, Reached.OPEN))


@patiently
async def test_a_full_store_is_told_with_its_figures() -> None:
    site = mill.a_site()
    site.roots.total_bytes = 1 << 20
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await asyncio.sleep(60)
        told = [one.detail for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.FAILED]
        assert any(bytes_text(1 << 30) in one and bytes_text(1 << 20) in one for one in told)
        await site.until(lambda: any(one.trouble for one in site.controller.of_kind(SiteReport)))
        assert site.controller.of_kind(BoardReport) == []


class _SlowDoor:
    """A controller that takes its time to answer a new agent."""

    def __init__(self, site: FakeSite) -> None:
        self.report, self.wishes, self._lease = site.controller.report, site.controller.wishes, site.controller.lease

    async def lease(self, instance: UUID) -> Lease:
        await asyncio.sleep(2)
        return await self._lease(instance)


@patiently
async def test_an_agent_that_comes_while_its_board_boots_waits_for_it() -> None:
    site = mill.a_site(boot_s=60)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: (BOARD.address, Sign.TFTP) in site.sightings.last)
    async with mill.agent(site, controller=_SlowDoor(site)):
        await site.until(mill.reached(site, Reached.OPEN))
    assert site.shelf["tk1-1"].restarts == 1


@patiently
async def test_past_its_lease_an_agent_begins_nothing() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board = site.shelf["tk1-1"]
        site.controller.is_silent = True
        await asyncio.sleep(200)
        # What reaches it by another way than the controller still moves nothing: the board is still its user's.
        site.wish(mill.wished(BOARD, mill.PARKED))
        await asyncio.sleep(200)
        assert site.offers(BOARD.address, mill.ROOT)
        assert board.runs == mill.ROOT
        site.controller.is_silent = False
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.is_clean


@patiently
async def test_reports_survive_a_silent_controller() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: "export" in steps(site))
        site.controller.is_silent = True
        await asyncio.sleep(30)
        site.controller.is_silent = False
        await site.until(mill.reached(site, Reached.OPEN))
    assert steps(site) == ["hold", "clone", "personalise", "export", "restart", "boot"]


@patiently
async def test_a_power_order_is_carried_out_once() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        board, order = site.shelf["tk1-1"], PowerOrder(UUID(int=1), Act.CYCLE)
        restarts = board.restarts
        wish = BoardWish(BOARD, TYPE, 0, mill.deployed(opened=True), order)
        site.wish(wish)
        await site.until(lambda: bool(site.controller.of_kind(OrderReport)))
        site.wish(wish)
        await asyncio.sleep(100)
        assert board.restarts == restarts + 1
        assert [one.reason for one in site.controller.of_kind(OrderReport)] == [""]


@patiently
async def test_a_power_order_that_no_driver_can_do_says_so() -> None:
    board = replace(BOARD, power=())
    site = mill.a_site(board)
    async with mill.agent(site):
        site.wish(BoardWish(board, TYPE, 0, mill.deployed(opened=True), PowerOrder(UUID(int=1), Act.OFF)))
        await site.until(lambda: bool(site.controller.of_kind(OrderReport)))
    assert "tk1-1 has no driver that can do 'power off'" in site.controller.of_kind(OrderReport)[0].reason


@patiently
async def test_a_root_is_discarded_only_when_no_board_is_offered_it() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        # The discard comes together with the release: the fence must be first.
        site.exports.broken = Fault(Code.EXPORTS_FAILED, "the NFS server does not answer")
        site.wish(mill.wished(BOARD, mill.PARKED), discard=(RootWish(mill.ROOT),))
        await asyncio.sleep(60)
        assert mill.ROOT in site.roots.trees
        site.exports.broken = None
        await site.until(lambda: mill.ROOT not in site.roots.trees)


@patiently
async def test_a_root_in_a_live_wish_is_never_discarded() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.wish(discard=(RootWish(mill.ROOT),))
        await asyncio.sleep(120)
    assert mill.ROOT in site.roots.trees


@patiently
async def test_a_kept_root_becomes_an_image_with_its_users_files() -> None:
    site, kept = mill.a_site(), UUID(int=101)
    async with mill.agent(site):
        await opened(site)
        site.shelf["tk1-1"].write("home/notes", "mine")
        site.wish(mill.wished(BOARD, mill.PARKED), images=(ImageWish(kept, RootSource(mill.ROOT)),))
        await site.until(lambda: kept in site.images.built)
    assert site.images.contents[kept] == {"home/notes": "mine"}
    assert mill.ROOT in site.roots.trees, "it goes only when the controller knows the image"


@patiently
async def test_an_image_is_made_with_the_network_drivers_that_the_sites_board_types_name() -> None:
    site, image = mill.a_site(), UUID(int=101)
    rare = replace(mill.wished(BOARD, mill.PARKED), type=replace(TYPE, network="dwmac-rare"))
    async with mill.agent(site):
        site.wish(rare, images=(ImageWish(image, PathSource("/srv/tiny")),))
        await site.until(lambda: image in site.images.built)
    assert site.images.drivers[image] == {"dwmac-rare"}


@patiently
async def test_an_image_that_cannot_be_made_is_told_with_its_sentence() -> None:
    site, bad = mill.a_site(), UUID(int=101)
    site.images.refuse[bad] = Fault(Code.ARCHIVE_REFUSED, "member ../etc/passwd leaves the archive")
    async with mill.agent(site):
        site.wish(images=(ImageWish(bad, PathSource("/srv/bad.tar")),))
        await site.until(lambda: any(one.kind == "image" for one in site.controller.reports))
    told = next(one for one in site.controller.reports if one.kind == "image")
    assert told.reason == "member ../etc/passwd leaves the archive"


@patiently
async def test_how_far_an_image_is_is_told_and_what_is_no_news_is_not_kept() -> None:
    site, made = mill.a_site(), UUID(int=101)
    site.images.phase_s = 30.0
    async with mill.agent(site):
        site.wish(images=(ImageWish(made, PathSource("/srv/tiny.tar")),))
        await site.until(lambda: made in site.images.built)
    told = [(one.thing, one.phase) for one in site.controller.of_kind(ProgressReport)]
    assert told == [(made, "unpacking"), (made, "pressing")]


@pytest.mark.parametrize("after_s", [1.0, 45.0])
@patiently
async def test_an_image_that_is_no_more_wished_for_is_not_made_on(after_s: float) -> None:
    site, made = mill.a_site(), UUID(int=101)
    site.images.phase_s = 30.0
    async with mill.agent(site):
        site.wish(images=(ImageWish(made, PathSource("/srv/tiny.tar")),))
        await asyncio.sleep(after_s)
        site.wish(images=(ImageWish(made, None),))
        await site.until(lambda: any(one.image == made for one in site.controller.of_kind(ImageReport)))
        await asyncio.sleep(120)
    assert made not in site.images.built
    [report] = site.controller.of_kind(ImageReport)
    assert (report.manifest, report.code) == (None, None)


@patiently
async def test_why_an_image_failed_is_told_with_what_would_do() -> None:
    site, made = mill.a_site(), UUID(int=101)
    site.images.refuse[made] = Invalid(Code.ARCHIVE_REFUSED, "it has two systems", hint="choose one: --partition N")
    async with mill.agent(site):
        site.wish(images=(ImageWish(made, PathSource("/srv/tiny.img")),))
        await site.until(lambda: bool(site.controller.of_kind(ImageReport)))
    [report] = site.controller.of_kind(ImageReport)
    assert (report.code, report.reason, report.hint) == (
        Code.ARCHIVE_REFUSED, "it has two systems", "choose one: --partition N",
    )  # fmt: skip


@patiently
async def test_the_controller_is_told_where_the_site_imports_from() -> None:
    site, imports = mill.a_site(), Imports(("/srv/images",), ("https://images.example.org/",))
    async with mill.agent(site, imports=imports):
        site.wish()
        await site.until(lambda: bool(site.controller.of_kind(SiteReport)))
    assert site.controller.of_kind(SiteReport)[-1].imports == imports


@patiently
async def test_where_the_store_is_nearly_full_images_wait_and_boards_do_not() -> None:
    site, made = mill.a_site(), UUID(int=101)
    site.images.is_full = True
    async with mill.agent(site):
        site.wish(images=(ImageWish(made, PathSource("/srv/tiny.tar")),))
        await opened(site)
        await site.until(lambda: any("images wait" in one.trouble for one in site.controller.of_kind(SiteReport)))
        assert [one.phase for one in site.controller.of_kind(ProgressReport)][:1] == ["waiting for room"]
        assert made not in site.images.built
        site.images.is_full = False
        await site.until(lambda: made in site.images.built)
        await site.until(lambda: site.controller.of_kind(SiteReport)[-1].trouble == "")


@patiently
async def test_errands_are_done_once_and_told() -> None:
    site = mill.a_site()
    other = UUID(int=102)
    site.images.built[other] = site.images.built[mill.IMAGE]
    site.images.damaged.add(other)
    about = About("tiny", 1, {}, (), ())
    async with mill.agent(site):
        site.wish(
            errands=(
                ErrandWish(UUID(int=1), ErrandKind.VERIFY, mill.IMAGE),
                ErrandWish(UUID(int=2), ErrandKind.VERIFY, other),
                ErrandWish(UUID(int=3), ErrandKind.EXPORT, mill.IMAGE, about),
                ErrandWish(UUID(int=4), ErrandKind.EXPORT, UUID(int=999), about),
            )
        )
        await site.until(lambda: len(site.controller.of_kind(ErrandReport)) == 4)
        await asyncio.sleep(600)
    told = {one.errand.int: one.code for one in site.controller.of_kind(ErrandReport)}
    assert told == {1: None, 2: Code.IMAGE_DAMAGED, 3: None, 4: Code.IMAGE_UNKNOWN}
    assert site.images.exported == {UUID(int=3): (mill.IMAGE, about)}
    assert len(site.controller.of_kind(ErrandReport)) == 4


@patiently
async def test_an_errand_that_nobody_wants_any_more_is_stopped() -> None:
    site = mill.a_site()
    site.images.phase_s = 300.0
    wish = ErrandWish(UUID(int=3), ErrandKind.EXPORT, mill.IMAGE, About("tiny", 1, {}, (), ()))
    async with mill.agent(site):
        site.wish(errands=(wish,))
        await asyncio.sleep(60)
        site.wish(errands=())
        await asyncio.sleep(600)
    assert site.images.exported == {} and site.controller.of_kind(ErrandReport) == []


@patiently
async def test_an_export_to_an_address_that_is_no_boards_is_fenced() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.wish(mill.wished(replace(BOARD, address=BOARD.address + 100), mill.PARKED))
        await site.until(lambda: not site.exports.exports)


@patiently
async def test_a_hand_edited_export_is_put_right_under_an_open_board() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        site.exports.exports.clear()
        await site.until(lambda: site.offers(BOARD.address, mill.ROOT))
    assert site.shelf["tk1-1"].runs == mill.ROOT


@patiently
async def test_another_agent_on_the_site_ends_this_one() -> None:
    site = mill.a_site()
    async with mill.agent(site) as task:
        await opened(site)
        site.controller.epoch += 1
        with pytest.raises(Exception, match="another agent"):
            await task


@patiently
async def test_the_longest_command_line_that_a_type_may_declare_is_one_that_boots() -> None:
    longest = checked_type(replace(TYPE, console="x" * 80, cmdline="y" * 600))
    board = replace(BOARD, name=f"{'t' * 31}-9999", type="t" * 31)
    site = mill.a_site(board)
    async with mill.agent(site):
        site.wish(replace(mill.wished(board, replace(mill.deployed(), init=FINISH)), type=longest))
        await site.until(lambda: site.netboot.offered.get(board.name) is not None)
        entry = site.netboot.offered[board.name]
    assert entry is not None
    shortest_address, longest_address = "10.20.0.1", "255.255.255.255"
    room = 5 * (len(longest_address) - len(shortest_address))
    # What users may add to it at any time is told from this.
    assert len(entry.cmdline) - len(longest.console) - len(longest.cmdline) - 1 + room <= cmdline.FARMS_MOST
    assert len(cmdline.checked(entry.cmdline, board.boot)) + room <= cmdline.MOST


@patiently
async def test_the_first_program_is_another_one_where_that_is_wished() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, replace(mill.deployed(), init=FINISH)))
        await site.until(lambda: site.netboot.offered.get(BOARD.name) is not None)
        entry = site.netboot.offered[BOARD.name]
    assert entry is not None and f" init={FINISH}" in entry.cmdline


@pytest.mark.parametrize("is_trial", [False, True])
def test_what_the_console_of_a_board_said_that_came_up_is_told_of_the_farms_own_alone(is_trial: bool) -> None:
    @patiently
    async def told() -> None:
        site = mill.a_site()
        site.shelf["tk1-1"].printed.append("Linux version 6.1")
        async with mill.agent(site):
            wish = replace(mill.deployed(), is_trial=is_trial)
            site.wish(mill.wished(BOARD, wish))
            await site.until(lambda: site.controller.site.boards[0].wish == replace(wish, opened=True))
        consoles.extend(one.console for one in site.controller.of_kind(StepReport) if one.outcome is Outcome.OK)

    consoles: list[tuple[str, ...]] = []
    told()
    assert any("Linux version 6.1" in console for console in consoles) is is_trial


@patiently
async def test_whom_its_user_lets_in_is_admitted_to_a_board_that_runs_and_nothing_restarts_it() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        before = steps(site)
        keys = ("ssh-ed25519 AAAAada", "ssh-ed25519 AAAAbob")
        site.wish(mill.wished(site.shelf["tk1-1"].board, mill.deployed(opened=True, keys=keys)))
        await site.until(lambda: site.admission.admitted.get(BOARD.address) == (*keys, "ssh-ed25519 AAAAagent"))
    assert steps(site) == before


@patiently
async def test_a_board_that_does_not_answer_is_told_who_may_log_in_when_it_does() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        host_key = site.host_keys.keys.pop(BOARD.address)
        wish = mill.deployed(opened=True, keys=("ssh-ed25519 AAAAbob",))
        site.wish(mill.wished(site.shelf["tk1-1"].board, wish))
        await asyncio.sleep(120)
        assert site.admission.admitted == {}
        site.host_keys.keys[BOARD.address] = host_key
        await site.until(lambda: BOARD.address in site.admission.admitted)


@patiently
async def test_that_an_open_boards_console_says_something_is_told_now_and_then() -> None:
    site = mill.a_site()
    async with mill.agent(site):
        await opened(site)
        await site.until(lambda: bool(site.controller.of_kind(HealthReport)), 1)
        await asyncio.sleep(600)
        quiet = len(site.controller.of_kind(HealthReport))
        for line in range(10):
            site.shelf["tk1-1"].printed.append(f"# {line}")
            await asyncio.sleep(30)
        told = site.controller.of_kind(HealthReport)
        assert quiet < len(told) <= quiet + 4  # each two minutes at most
        assert told[-1].console_s is not None and told[-1].console_s < 60
        await asyncio.sleep(600)
        assert len(site.controller.of_kind(HealthReport)) <= len(told) + 1


@patiently
async def test_a_checkpoint_leaves_the_board_to_its_user_and_has_it_write_down_first() -> None:
    site, image = mill.a_site(), UUID(int=77)
    async with mill.agent(site):
        await opened(site)
        site.shelf["tk1-1"].write("home/notes", "mine")
        site.wish(images=(ImageWish(image, CheckpointSource(mill.ROOT)),))
        await site.until(lambda: image in site.images.built)
    assert site.images.contents[image] == {"home/notes": "mine"}
    board = site.shelf["tk1-1"]
    assert (board.written_down, board.quiesced, board.restarts) == (1, 0, 1)
    assert board.runs == mill.ROOT
    assert site.offers(BOARD.address, mill.ROOT)


@patiently
async def test_a_root_stays_as_long_as_a_checkpoint_of_it_waits_its_turn() -> None:
    site, image = mill.a_site(), uuid4()
    site.roots.trees[mill.ROOT] = FakeTree(mill.IMAGE, 1, {})
    site.images.phase_s = 100
    others = tuple(ImageWish(uuid4(), PathSource(f"/srv/{number}")) for number in range(Pace().builds))
    async with mill.agent(site):
        site.wish(images=others)
        await asyncio.sleep(5)
        checkpoint = ImageWish(image, CheckpointSource(mill.ROOT))
        site.wish(images=(*others, checkpoint), discard=(RootWish(mill.ROOT),))
        await site.until(lambda: image in site.images.built)
        assert mill.ROOT in site.roots.trees
        site.wish(images=(), discard=(RootWish(mill.ROOT),))
        await site.until(lambda: mill.ROOT not in site.roots.trees)


@patiently
async def test_a_checkpoint_of_a_board_that_does_not_answer_is_made_all_the_same() -> None:
    site, image = mill.a_site(), UUID(int=77)
    async with mill.agent(site):
        await opened(site)
        site.shelf["tk1-1"].outlet_hangs = True
        site.wish(images=(ImageWish(image, CheckpointSource(mill.ROOT)),))
        await site.until(lambda: image in site.images.built)


@patiently
@pytest.mark.parametrize("kind", [RootSource, CheckpointSource])
async def test_what_is_kept_of_a_root_waits_for_no_import(kind: type[RootSource | CheckpointSource]) -> None:
    site, root, image = mill.a_site(), uuid4(), uuid4()
    site.roots.trees[root] = FakeTree(uuid4(), 1, {}, is_mounted=False)
    site.images.phase_s = 1000
    imports = tuple(ImageWish(uuid4(), UrlSource("https://images.example.org/a.tar")) for _ in range(10))
    async with mill.agent(site):
        site.wish(images=imports)
        await asyncio.sleep(60)
        site.wish(images=(*imports, ImageWish(image, kind(root))))
        await asyncio.sleep(2100)
        assert image in site.images.built
        assert sum(one.image in site.images.built for one in imports) == 2, "the others wait"
