"""A root that its user boots again, with another kernel or after it was saved: nothing they wrote is lost."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Blame, Code, Fault, Invalid
from boardgrid.model.image import BlobSource, RootSource
from boardgrid.model.kit import BootKit
from boardgrid.model.report import BoardReport, ImageReport, Reached, StepReport
from boardgrid.model.wish import Deployed, ImageWish, Parked
from boardgrid.testing import TYPE, FakeSite, a_board, patiently
from tests.agent import mill

BOARD = a_board()
KERNEL, MODULES = BlobSource("a" * 64, 8_000_000), BlobSource("b" * 64, 20_000_000)
KIT = BootKit(UUID(int=900), kernel=KERNEL, modules=MODULES, release="6.9.0", append="dyndbg")
NEXT = UUID(int=mill.DEPLOYMENT.int + 1)
OF_KIT = f"/fake/kits/{KIT.id}/kernel"


def again(**changes: object) -> Deployed:
    """Another deployment of the first root."""
    wish = mill.deployed(deployment=NEXT, is_kept=True, is_again=True)
    return replace(wish, **changes)  # type: ignore[arg-type]  # a test's words


async def an_open_board(**flaws: object) -> FakeSite:
    """A board that runs its first root, into which its user has written."""
    site = mill.a_site(BOARD, **flaws)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.deployed()))
        await site.until(lambda: site.controller.site.boards[0].wish == mill.deployed(opened=True))
        site.shelf[BOARD.name].write("home/notes", "mine")
    return site


def last_report(site: FakeSite) -> BoardReport:
    reports: list[BoardReport] = site.controller.of_kind(BoardReport)
    return reports[-1]


def failures(site: FakeSite, step: str) -> list[StepReport]:
    return [one for one in site.controller.of_kind(StepReport) if one.step == step and one.outcome == "failed"]


# --- the mill: each step fails, hangs, or has its agent killed

FATES = [
    *[("kits", "fetch"), ("kits", "fit"), ("exports", "remove"), ("roots", "personalise"), ("exports", "add")],
    *[("images", "boot_files"), ("kits", "files"), ("netboot", "offer"), ("drivers", "reset"), ("host_keys", "of")],
    *[("controller", "report")],
]
every_fate = pytest.mark.parametrize(("port", "call"), FATES, ids=[f"{port}.{call}" for port, call in FATES])
before_and_after = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


async def comes_up_again(site: FakeSite) -> None:
    await site.until(mill.reached(site, Reached.OPEN))
    assert last_report(site).reason == ""
    assert site.shelf[BOARD.name].runs == mill.ROOT
    tree = site.roots.trees[mill.ROOT]
    assert tree.files == {"home/notes": "mine", "lib/modules/6.9.0": MODULES.sha256}
    assert site.host_keys.keys[BOARD.address] == tree.host_key
    entry = site.netboot.offered[BOARD.name]
    assert entry is not None and str(entry.files.kernel) == OF_KIT
    assert entry.cmdline.endswith(" dyndbg") and entry.files.initrd is not None


@every_fate
@before_and_after
@patiently
async def test_a_killed_agent_is_taken_over(port: str, call: str, after: bool) -> None:
    site, fate = await an_open_board(), mill.Fate(port, call, after)
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        async with asyncio.timeout(3600):
            await fate.struck.wait()
    async with mill.agent(site):
        await comes_up_again(site)


@every_fate
@before_and_after
@patiently
async def test_a_step_that_fails_once_is_tried_again(port: str, call: str, after: bool) -> None:
    blame = Blame.BOARD if port in {"drivers", "host_keys"} else Blame.SITE
    site = await an_open_board()
    fate = mill.Fate(port, call, after, Fault(Code.PROGRAM_FAILED, "it failed", blame=blame))
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await comes_up_again(site)
    assert fate.has_struck


@every_fate
@patiently
async def test_a_step_that_hangs_is_ended_and_tried_again(port: str, call: str) -> None:
    if port in {"controller", "host_keys"}:
        return  # they end what they ask by themselves
    site, fate = await an_open_board(), mill.Fate(port, call, after=False, error="hang")
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await comes_up_again(site)
    assert fate.has_struck


@every_fate
@before_and_after
@patiently
async def test_a_wish_that_moves_on_in_any_step_is_followed(port: str, call: str, after: bool) -> None:
    site, fate = await an_open_board(), mill.Fate(port, call, after, error="hang")
    async with mill.agent(site, **mill.mortal(site, fate)):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        async with asyncio.timeout(3600):
            await fate.struck.wait()
        if port == "controller":
            return
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(mill.reached(site, Reached.PARKED))
    assert site.is_clean
    assert site.roots.trees[mill.ROOT].files["home/notes"] == "mine"


# --- a kernel that does not come up


@patiently
async def test_a_kernel_that_panics_leaves_the_board_to_its_user_with_what_it_printed() -> None:
    site = await an_open_board(panics={OF_KIT})
    restarts = site.shelf[BOARD.name].restarts
    async with mill.agent(site):
        began_s = asyncio.get_running_loop().time()
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
        assert asyncio.get_running_loop().time() - began_s < TYPE.boot_s / 2, "the deadline is not waited for"
        await asyncio.sleep(3600)
    report = last_report(site)
    assert report.code is Code.KERNEL_PANICKED
    assert "panicked: Kernel panic - not syncing: VFS: Unable to mount root fs" in report.reason
    assert report.host_key == site.roots.trees[mill.ROOT].host_key, "it may come up yet"
    [failure] = failures(site, "boot")
    assert any("Kernel panic" in line for line in failure.console)
    assert site.shelf[BOARD.name].restarts == restarts + 1, "nothing is healed"
    assert str(site.netboot.offered[BOARD.name].files.kernel) == OF_KIT, "until its user says otherwise"  # type: ignore[union-attr]


@patiently
@pytest.mark.parametrize(
    "line",
    [
        "zimage: Bad magic!",
        "Bad Linux ARM zImage magic!",
        "Bad Linux ARM64 Image magic!",
        "ERROR: can't get kernel image!",
        "Wrong Image Format for bootm command",
        "error: ../../grub-core/loader/arm64/linux.c:58:invalid magic number.",
        "error: you need to load the kernel first.",
    ],
)
async def test_a_bootloader_that_does_not_take_what_it_is_to_boot_is_told_in_its_own_words(line: str) -> None:
    site = await an_open_board(panics={OF_KIT}, last_words=line)
    async with mill.agent(site):
        began_s = asyncio.get_running_loop().time()
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
        assert asyncio.get_running_loop().time() - began_s < TYPE.boot_s / 2, "the deadline is not waited for"
    report = last_report(site)
    assert report.code is Code.KERNEL_REFUSED and report.reason.endswith(line)
    [failure] = failures(site, "boot")
    assert line in failure.console


@patiently
async def test_a_panic_of_before_is_not_this_ones() -> None:
    site = await an_open_board()
    site.shelf[BOARD.name].printed += ["Kernel panic - not syncing: yesterday", "rebooting"]
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await comes_up_again(site)


@patiently
@pytest.mark.parametrize("line", ["Kernel panic - not syncing: Attempted to kill init!", "Bad Header Checksum"])
async def test_what_is_printed_before_a_boots_first_sign_is_not_its_own(line: str) -> None:
    site = await an_open_board()
    site.shelf[BOARD.name].parting = line
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await comes_up_again(site)
    assert not failures(site, "boot")


@patiently
async def test_a_kernel_that_says_nothing_is_its_users_after_the_deadline() -> None:
    site = await an_open_board()
    site.shelf[BOARD.name].never_mounts = True
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
        await asyncio.sleep(3600)
    assert last_report(site).code is Code.ROOT_NOT_MOUNTED
    assert len(failures(site, "boot")) == 1


@patiently
async def test_a_board_that_does_not_restart_is_restarted_harder_and_blamed_for_nothing() -> None:
    site = await an_open_board()
    site.shelf[BOARD.name].is_dead = True
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
    restarts = [one.detail for one in site.controller.of_kind(StepReport) if one.step == "restart" and one.outcome]
    assert [one for one in restarts if "reset" in one] and [one for one in restarts if "power cycle" in one]
    assert last_report(site).code is Code.BOARD_SILENT


def gone_back(site: FakeSite) -> list[str]:
    told = site.controller.of_kind(StepReport)
    return [one.detail for one in told if (one.step, one.phase) == ("boot", Phase.NOTED) and "before" in one.detail]


@patiently
async def test_what_was_booted_once_gives_way_to_what_was_good_before() -> None:
    for panics in (set[str](), {OF_KIT}):
        site = await an_open_board(panics=panics)
        async with mill.agent(site):
            site.wish(mill.wished(BOARD, again(kit=KIT, is_once=True)))
            await site.until(mill.reached(site, Reached.OPEN))
            await asyncio.sleep(60)
            entry = site.netboot.offered[BOARD.name]
            assert entry is not None and entry.files.kernel == Path("/fake/images") / str(mill.IMAGE) / (
                "boot/vmlinuz-6.1.0-50-armmp"
            )
            assert f":/r/{NEXT}," in entry.cmdline, "the same export"
            assert gone_back(site) == []
            await site.shelf[BOARD.name].reset()
            await asyncio.sleep(60)
            assert gone_back(site) == ["it has restarted, and boots the kernel that was good before"]
            assert site.shelf[BOARD.name].runs == mill.ROOT
            assert site.host_keys.keys[BOARD.address] == site.roots.trees[mill.ROOT].host_key


# --- what its user brought


@patiently
async def test_a_kit_that_does_not_arrive_leaves_the_board_untouched() -> None:
    site = await an_open_board()
    site.kits.sent = set()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.FAILED))
    report = last_report(site)
    assert (report.code, report.blame, report.still) == (Code.UPLOAD_BROKEN, Blame.IMAGE, mill.DEPLOYMENT)
    assert site.offers(BOARD.address, mill.ROOT) and site.shelf[BOARD.name].runs == mill.ROOT


@patiently
async def test_a_root_without_the_kernel_that_is_named_is_told_before_its_board_is_touched() -> None:
    site = await an_open_board()
    restarts = site.shelf[BOARD.name].restarts
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=BootKit(UUID(int=901), from_root=True, release="9.9"))))
        await site.until(mill.reached(site, Reached.FAILED))
        await asyncio.sleep(600)
        report = last_report(site)
        assert (report.code, report.blame, report.still) == (Code.KERNEL_MISSING, Blame.IMAGE, mill.DEPLOYMENT)
        assert site.offers(BOARD.address, mill.ROOT) and site.shelf[BOARD.name].runs == mill.ROOT
        entry = site.netboot.offered[BOARD.name]
        site.wish(mill.wished(BOARD, mill.deployed(opened=True)))
        await asyncio.sleep(600)
    assert (site.shelf[BOARD.name].restarts, site.netboot.offered[BOARD.name]) == (restarts, entry)
    assert site.offers(BOARD.address, mill.ROOT) and site.shelf[BOARD.name].runs == mill.ROOT


@patiently
async def test_words_of_its_user_that_cannot_be_handed_on_blame_no_board() -> None:
    site = await an_open_board()
    site.netboot.broken = Invalid(Code.REQUEST_INVALID, "GRUB cannot hand it on")
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.FAILED))
    report = last_report(site)
    assert (report.code, report.blame, report.still) == (Code.REQUEST_INVALID, Blame.IMAGE, None)


@patiently
async def test_the_roots_own_kernel_is_taken_once_nobody_writes_to_it_any_more() -> None:
    site = await an_open_board()
    site.shelf[BOARD.name].write("boot/vmlinuz", "of apt")
    kit = BootKit(UUID(int=901), from_root=True)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=kit)))
        await site.until(mill.reached(site, Reached.OPEN))
    entry = site.netboot.offered[BOARD.name]
    assert entry is not None and str(entry.files.kernel) == f"/fake/kits/{kit.id}/kernel"
    assert entry.files.initrd is None, "the image's is of another kernel"


@patiently
async def test_a_kit_that_no_board_is_to_boot_with_any_more_is_forgotten() -> None:
    site = await an_open_board()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
        assert set(site.kits.fetched) == {KIT.id}
        site.wish(mill.wished(BOARD, again(deployment=UUID(int=999))))
        await site.until(lambda: not site.kits.fetched)


@patiently
async def test_a_kit_that_its_board_may_have_to_go_on_with_is_kept_while_the_next_one_fails() -> None:
    site = await an_open_board()
    site.shelf[BOARD.name].write("boot/vmlinuz", "of apt")
    kit, bad = BootKit(UUID(int=901), from_root=True), BootKit(UUID(int=902), kernel=BlobSource("c" * 64, 1))
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=kit)))
        await site.until(mill.reached(site, Reached.OPEN))
        site.kits.sent = set()
        site.wish(mill.wished(BOARD, again(deployment=UUID(int=998), kit=bad, keeps=(kit.id,))))
        await site.until(mill.reached(site, Reached.FAILED))
        await asyncio.sleep(600)
        assert set(site.kits.fetched) == {kit.id}, "with what was copied out of its root"
        await site.netboot.forget(BOARD)
        site.exports.exports.clear()
        site.wish(mill.wished(BOARD, again(kit=kit, opened=True)))
        await site.until(lambda: site.offers(BOARD.address, mill.ROOT))
        await asyncio.sleep(600)
    entry = site.netboot.offered[BOARD.name]
    assert entry is not None and str(entry.files.kernel) == f"/fake/kits/{kit.id}/kernel"


@patiently
async def test_a_kit_of_a_root_that_is_saved_is_kept_until_that_boots_again() -> None:
    site = await an_open_board()
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
        site.wish(mill.wished(BOARD, Parked(keeps=(KIT.id,))))
        await site.until(mill.reached(site, Reached.PARKED))
        await asyncio.sleep(600)
        assert set(site.kits.fetched) == {KIT.id}
        site.wish(mill.wished(BOARD, mill.PARKED))
        await site.until(lambda: not site.kits.fetched)


@patiently
async def test_a_board_on_its_way_to_rest_does_not_begin_anew_because_less_is_to_be_kept() -> None:
    site = await an_open_board()
    board = site.shelf[BOARD.name]
    async with mill.agent(site, drivers=mill.Drivers([mill.OnlyResets(board)])):
        site.wish(mill.wished(BOARD, again(kit=KIT)))
        await site.until(mill.reached(site, Reached.OPEN))
        board.boot_s, restarts = 40.0, board.restarts
        site.wish(mill.wished(BOARD, Parked(keeps=(KIT.id,))))
        await site.until(lambda: board.restarts > restarts)
        wishes = site.controller.site
        site.controller.set(replace(wishes, boards=(replace(wishes.boards[0], wish=mill.PARKED),)))
        await site.until(mill.reached(site, Reached.PARKED))
    assert board.restarts == restarts + 1


# --- saved, and booted again


@patiently
async def test_a_root_that_is_saved_is_read_while_its_board_has_it_not_and_boots_there_again() -> None:
    site, image = await an_open_board(), UUID(int=555)
    async with mill.agent(site):
        site.wish(mill.wished(BOARD, mill.PARKED), images=(ImageWish(image, RootSource(mill.ROOT)),))
        await site.until(lambda: any(one.image == image for one in site.controller.of_kind(ImageReport)))
        assert not site.offers(BOARD.address, mill.ROOT)
        await site.until(mill.reached(site, Reached.PARKED))
        site.wish(mill.wished(BOARD, again()), images=())
        await site.until(mill.reached(site, Reached.OPEN))
    assert site.images.contents[image] == {"home/notes": "mine"}
    assert site.roots.trees[mill.ROOT].files == {"home/notes": "mine"}
    assert site.shelf[BOARD.name].runs == mill.ROOT
