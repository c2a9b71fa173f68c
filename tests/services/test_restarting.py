"""A root boots once more in the reservation that has it: after it was saved, or with another kernel."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from boardgrid.model.board import Act, BoardType, Boot
from boardgrid.model.deployment import Deployment, DeploymentState
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.image import Image, ImageState, RootSource
from boardgrid.model.kit import FILES_BYTES, FILES_MOST
from boardgrid.model.notice import Notice, Occasion
from boardgrid.model.report import BoardReport, HealthReport, ImageReport, Power, Reached, Voice
from boardgrid.model.reservation import ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.model.wish import Deployed, Parked
from boardgrid.ports import EVENTS
from boardgrid.services.booking import Fate
from boardgrid.services.restarting import FILES_FOR, After, WantedKit
from boardgrid.services.views import BoardState
from tests.services.house import HOST_KEY, HOUR, House, a_board, a_manifest

SECOND = timedelta(seconds=1)  # ids of one instant are in no order
KERNEL, OTHER, MODULES = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def number(house: House) -> int:
    """Ada's reservation, whose board is open."""
    house.image()
    return house.opened().reservation.number


def newest(house: House, number: int) -> Deployment:
    view = house.farm.booking.reservation(house.admin, number).deployment
    assert view is not None
    return view.deployment


def root_of(house: House, number: int) -> Root:
    with house.records.read() as records:
        root = records.root(newest(house, number).root)
    assert root is not None
    return root


def wish_of(house: House, board: str = "tk1-1") -> Deployed:
    wish = house.wish(board).wish
    assert isinstance(wish, Deployed)
    return wish


def save(house: House, number: int, image: str = "mine", **how: Any) -> None:
    house.now += SECOND
    house.farm.restarting.save(how.pop("who", house.ada), number, image, **how)


def mine(house: House, ref: str = "mine") -> Image:
    return house.farm.catalog.image(house.ada, ref).image


def made(house: House, *, is_made: bool = True, ref: str = "mine") -> None:
    """The agent has tried to make the image."""
    image = mine(house, ref).id
    why: dict[str, Any] = {} if is_made else {"code": Code.STORE_FULL, "reason": "the disk is full"}
    assert house.tell(ImageReport(uuid4(), image, a_manifest() if is_made else None, **why)).dropped == ()


def boot(house: House, number: int, **wanted: Any) -> Deployment:
    house.now += SECOND
    is_once, board = wanted.pop("is_once", False), wanted.pop("board", None)
    who: User = wanted.pop("who", house.ada)
    for sum_ in (wanted.get("kernel"), wanted.get("modules")):
        if sum_:
            house.farm.restarting.file_arrived(who, sum_, 1000)
    head = wanted.pop("head", None)
    house.farm.restarting.boot(who, number, WantedKit(**wanted), board, head=lambda _sum: head, is_once=is_once)
    return newest(house, number)


def silent(house: House, board: str = "tk1-1") -> None:
    """The agent tells that what its user booted does not answer."""
    wish = house.wish(board)
    assert isinstance(wish.wish, Deployed)
    house.tell(
        BoardReport(
            uuid4(),
            board,
            wish.generation,
            Reached.OPEN,
            wish.wish.deployment,
            host_key=HOST_KEY,
            code=Code.KERNEL_PANICKED,
            reason="the kernel of tk1-1 panicked: no root",
            hint="its console",
        )
    )


def refused(call: Any, *args: Any, **how: Any) -> FarmError:
    with pytest.raises(FarmError) as raised:
        call(*args, **how)
    return raised.value


# --- save


@pytest.mark.parametrize("is_made", [True, False], ids=["made", "failed"])
@pytest.mark.parametrize("is_parked_first", [True, False], ids=["parked first", "image first"])
def test_a_saved_root_boots_again_on_its_board_whatever_became_of_the_image(
    house: House, number: int, is_made: bool, is_parked_first: bool
) -> None:
    first, root = newest(house, number), root_of(house, number)
    save(house, number)
    saved = newest(house, number)
    assert (saved.state, saved.root, root_of(house, number).state) == (
        DeploymentState.SAVING,
        root.id,
        RootState.CAPTURED,
    )
    assert isinstance(house.wish().wish, Parked)
    assert mine(house).source == RootSource(root.id) and mine(house).owner == house.ada.id
    assert house.farm.inventory.board(house.bob, "tk1-1").state is BoardState.CLEANING
    for is_parked in (is_parked_first, not is_parked_first):
        if is_parked:
            house.reach()
        else:
            made(house, is_made=is_made)
    wish = wish_of(house)
    assert (wish.deployment, wish.root, wish.is_again, wish.must_exist) == (saved.id, root.id, True, True)
    assert (newest(house, number).state, root_of(house, number).state) == (DeploymentState.PREPARING, RootState.LIVE)
    house.reach()
    assert newest(house, number).state is DeploymentState.OPEN
    assert house.found(number).is_running
    assert mine(house).state is (ImageState.READY if is_made else ImageState.FAILED)
    assert not house.wishes.discard, "the root is its user's still"
    assert first.id != saved.id
    house.check_plan()


def test_a_board_is_not_offered_while_its_root_is_saved(house: House, number: int) -> None:
    save(house, number)
    house.reach()
    assert house.farm.inventory.board(house.bob, "tk1-1").state is BoardState.PREPARING
    error = refused(house.reserve, house.bob)
    assert error.code is Code.BOARD_TAKEN
    assert isinstance(house.wish().wish, Parked), "nor was a new root made for its holder"


def test_a_second_save_of_the_board_is_refused_until_the_first_is_done(house: House, number: int) -> None:
    save(house, number)
    error = refused(save, house, number, "other")
    assert isinstance(error, Conflict) and error.code is Code.THING_IN_USE
    assert "tk1-1 is being made an image already" in error.detail
    assert refused(boot, house, number).code is Code.THING_IN_USE
    assert refused(house.farm.roots.discard, house.ada, root_of(house, number).name).code is Code.ROOT_NOT_ASIDE
    house.settle()
    house.settle()
    save(house, number, "other")


def test_a_board_that_is_not_open_is_not_saved(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    assert refused(save, house, number).code is Code.BOARD_NOT_OPEN
    house.reach()
    save(house, number)


def test_save_may_give_the_board_back(house: House, number: int) -> None:
    root = root_of(house, number)
    save(house, number, after=After.RELEASE)
    assert house.found(number).state is ReservationState.ENDED
    house.settle()
    assert mine(house).state is ImageState.READY
    house.settle()
    with house.records.read() as records:
        gone = records.root(root.id)
    assert gone is not None and gone.state is RootState.GONE


@pytest.mark.parametrize("is_made", [True, False])
@pytest.mark.parametrize("is_parked", [True, False])
def test_a_reservation_that_ends_while_it_saves_leaves_the_root_aside(
    house: House, number: int, is_made: bool, is_parked: bool
) -> None:
    root = root_of(house, number)
    save(house, number)
    if is_parked:
        house.reach()
    house.pass_to(house.now + 2 * HOUR)
    assert house.found(number).state is ReservationState.ENDED
    assert newest(house, number).state is DeploymentState.ENDED
    made(house, is_made=is_made)
    with house.records.read() as records:
        kept = records.root(root.id)
    assert kept is not None and kept.state is RootState.ASIDE and kept.expires_at is not None
    house.settle()
    assert house.standing().is_offered
    house.reserve(root=root.name)
    assert wish_of(house).root == root.id


def test_a_release_while_it_saves_may_name_the_root_or_give_it_up(house: House, number: int) -> None:
    save(house, number)
    error = refused(house.release, number, fate=Fate.KEEP, name="again")
    assert error.code is Code.THING_IN_USE and "already" in error.detail
    house.release(number, fate=Fate.ASIDE, name="before-the-upgrade")
    made(house)
    assert [one.root.name for one in house.farm.roots.roots(house.ada)] == ["before-the-upgrade"]
    house.settle()
    again = house.reserve(root="before-the-upgrade").reservation.number
    house.reach()
    save(house, again, "other")
    house.release(again, fate=Fate.DISCARD)
    made(house, ref="other")
    house.settle()
    house.settle()
    assert house.farm.roots.roots(house.ada) == []


def test_a_release_that_discards_loses_nothing_where_the_image_is_not_made(house: House, number: int) -> None:
    root = root_of(house, number)
    save(house, number)
    house.release(number, fate=Fate.DISCARD)
    made(house, is_made=False)
    with house.records.read() as records:
        kept = records.root(root.id)
    assert kept is not None and kept.state is RootState.ASIDE


def test_a_board_that_does_not_stop_ends_the_save_and_keeps_the_root(house: House, number: int) -> None:
    save(house, number)
    house.fail(Blame.BOARD, reason="its outlet is dead")
    assert newest(house, number).state is DeploymentState.FAILED and not house.found(number).is_running
    made(house)
    with house.records.read() as records:
        kept = records.root(newest(house, number).root)
    assert kept is not None and kept.state is RootState.ASIDE
    assert refused(house.reserve, house.bob).code is Code.BOARD_SET_ASIDE


def test_a_board_that_is_set_aside_meanwhile_is_its_holders_still(house: House, number: int) -> None:
    save(house, number)
    house.farm.inventory.aside(house.admin, "tk1-1", "a new fan")
    house.reach()
    made(house)
    assert wish_of(house).is_again


def test_its_power_is_the_farms_while_it_saves(house: House, number: int) -> None:
    save(house, number)
    house.reach()
    error = refused(house.farm.orders.order_power, house.ada, "tk1-1", Act.ON)
    assert error.code is Code.BOARD_NOT_OPEN


def test_time_may_be_added_and_people_let_in_while_it_saves(house: House, number: int) -> None:
    save(house, number)
    house.farm.booking.extend(house.ada, number, HOUR)
    house.farm.booking.share(house.ada, number, ["bob"])
    house.settle()
    house.settle()
    assert set(wish_of(house).keys) == {*house.ada.ssh_keys, *house.bob.ssh_keys}


def test_who_holds_a_board_and_nobody_else_saves_what_is_on_it(house: House, number: int) -> None:
    assert isinstance(refused(save, house, number, who=house.bob), NotAllowed)
    assert refused(save, house, 99).code is Code.RESERVATION_UNKNOWN
    save(house, number, who=house.admin)
    assert mine(house).owner == house.ada.id, "what is made of a user's files is that user's"


def test_of_several_boards_one_is_named(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.image()
    number = house.reserve(board_type="tk1", count=2).reservation.number
    for board in ("tk1-1", "tk1-2"):
        house.reach(board)
    assert refused(save, house, number).code is Code.REQUEST_INVALID
    assert refused(save, house, number, board="tk1-9").code is Code.BOARD_UNKNOWN
    save(house, number, board="tk1-2")
    assert isinstance(house.wish("tk1-1").wish, Deployed) and isinstance(house.wish("tk1-2").wish, Parked)
    house.farm.booking.release(house.ada, number, Fate.DISCARD, board="tk1-1")
    house.settle()
    house.settle()
    assert wish_of(house, "tk1-2").is_again


def test_whose_account_is_closed_while_it_saves_leaves_nothing_running(house: House, number: int) -> None:
    save(house, number)
    assert refused(house.farm.accounts.remove, house.admin, "ada").code is Code.THING_IN_USE
    house.release(number)
    house.farm.accounts.remove(house.admin, "ada")
    assert house.tell(ImageReport(uuid4(), house.wishes.images[0].image, a_manifest())).dropped == ()
    house.settle()
    assert house.standing().is_offered


# --- boot


def test_the_same_root_boots_again_as_a_deployment_of_its_own(house: House, number: int) -> None:
    before, wish = newest(house, number), wish_of(house)
    after = boot(house, number)
    assert (after.state, after.root, after.kit) == (DeploymentState.PREPARING, before.root, None)
    assert wish_of(house) == replace(wish, deployment=after.id, opened=False, is_kept=True, is_again=True)
    house.reach()
    assert newest(house, number).state is DeploymentState.OPEN and house.found(number).is_running
    assert not house.wishes.discard
    with house.records.read() as records:
        ended = records.deployment(before.id)
    assert ended is not None and ended.state is DeploymentState.ENDED and ended.ended_at == house.now


def test_a_kernel_of_ones_own_goes_out_to_the_agent_with_its_files(house: House, number: int) -> None:
    after = boot(house, number, kernel=KERNEL, modules=MODULES, release="6.9.0", append=" dyndbg=on ")
    kit = after.kit
    assert kit is not None and kit.kernel is not None and kit.append == "dyndbg=on"
    assert wish_of(house).kit == kit and not wish_of(house).is_once
    for blob in kit.blobs:
        assert house.farm.fleet.blob("lab", blob.sha256) == blob
    assert refused(house.farm.fleet.blob, "lab", OTHER).code is Code.FILE_UNKNOWN
    assert house.farm.restarting.blobs() == {KERNEL, MODULES}


def test_a_kernel_that_does_not_come_up_costs_nobody_anything(house: House, number: int) -> None:
    boot(house, number, kernel=KERNEL)
    silent(house)
    deployment = newest(house, number)
    assert (deployment.state, deployment.code) == (DeploymentState.OPEN, Code.KERNEL_PANICKED)
    assert "panicked" in deployment.reason and not deployment.is_good
    assert house.told(number)[-1] == "it does not answer, and stays its user's as it is", "why, its step has told"
    assert house.found(number).is_running and house.standing().board.is_fit
    assert wish_of(house).opened and wish_of(house).kit is not None, "until its user says otherwise"
    after = boot(house, number)
    assert after.kit is None
    house.reach()
    assert newest(house, number).is_good


def test_what_is_booted_once_is_followed_by_what_was_good_before(house: House, number: int) -> None:
    boot(house, number, kernel=KERNEL, is_once=True)
    wish = wish_of(house)
    assert wish.is_once and wish.then is None, "the image's own kernel"
    assert (wish.boots, replace(wish, opened=True).boots) == (wish.kit, None)
    silent(house)
    good = boot(house, number, kernel=OTHER, modules=MODULES, release="6.9.0").kit
    house.reach()
    boot(house, number, kernel=KERNEL)
    silent(house)
    boot(house, number, kernel=KERNEL, is_once=True)
    assert good is not None
    assert wish_of(house).then == replace(good, modules=None, release=""), "its modules are in the root"


def test_a_boot_may_be_asked_for_before_the_one_before_has_ended(house: House, number: int) -> None:
    boot(house, number, kernel=KERNEL)
    after = boot(house, number, kernel=OTHER)
    assert wish_of(house).deployment == after.id
    house.reach()
    assert newest(house, number).id == after.id
    house.image("fresh")
    house.farm.inventory.put_board(house.admin, a_board(2))
    fresh = house.reserve(board="tk1-2", image="fresh").reservation.number
    assert refused(boot, house, fresh).code is Code.BOARD_NOT_OPEN, "nothing of its user is there yet"


def test_what_cannot_be_laid_out_is_followed_by_what_was_good_before(house: House, number: int) -> None:
    root = newest(house, number).root
    bad = boot(house, number, kernel=KERNEL)
    house.now += SECOND
    house.fail(Blame.IMAGE, reason="the modules could not be unpacked")
    with house.records.read() as records:
        failed = records.deployment(bad.id)
    assert failed is not None and failed.state is DeploymentState.FAILED and "unpacked" in failed.reason
    assert failed.ended_at == house.now
    after = newest(house, number)
    assert (after.state, after.kit, after.root) == (DeploymentState.PREPARING, None, root)
    house.fail(Blame.IMAGE, reason="its /etc is gone")
    assert not house.found(number).is_running, "nor does that: it ends, and the root is kept"
    assert root_of(house, number).state is RootState.ASIDE


@pytest.mark.parametrize("is_once", [True, False])
def test_what_fails_before_the_board_is_touched_leaves_it_as_it_was(house: House, number: int, is_once: bool) -> None:
    good = boot(house, number, kernel=OTHER).kit
    house.reach()
    boot(house, number, kernel=KERNEL, is_once=is_once)
    house.reach()
    before = newest(house, number)
    wish, entry = wish_of(house), wish_of(house).entry
    assert wish.then == (good if is_once else None)
    bad = boot(house, number, from_root=True, release="9.9")
    assert set(wish_of(house).keeps) == {kit.id for kit in wish.kits}, "it may have to go on with them"
    house.now += SECOND
    house.fail(Blame.IMAGE, reason="the root has no kernel 9.9 in its /boot", still=before.id)
    assert wish_of(house) == wish and wish.opened and wish_of(house).entry == entry, "nothing is to be done"
    assert newest(house, number) == before, "what runs is told, not what came after it"
    with house.records.read() as records:
        failed = records.deployment(bad.id)
    assert failed is not None and failed.state is DeploymentState.FAILED and failed.ended_at == house.now
    assert "it goes on as it was: nothing was done to it" in house.told(number)
    after = boot(house, number)
    house.reach()
    assert newest(house, number).id == after.id


def test_an_agent_cannot_have_a_board_go_on_as_what_was_never_its(house: House, number: int) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    other = newest(house, house.opened(house.bob, board="tk1-2").reservation.number)
    for still in (other.id, uuid4()):
        bad = boot(house, number, from_root=True)
        house.fail(Blame.IMAGE, still=still)
        assert newest(house, number).id not in {bad.id, other.id}
        assert newest(house, number).state is DeploymentState.PREPARING


def test_what_brought_a_root_up_last_is_kept_while_other_kernels_fail(house: House, number: int) -> None:
    good = boot(house, number, kernel=OTHER, modules=MODULES, release="6.9.0").kit
    assert good is not None
    house.reach()
    for _nth in range(2):
        boot(house, number, kernel=KERNEL)
        silent(house)
        assert wish_of(house).opened and good.id in wish_of(house).keeps, "what was made of it is nowhere else"
    former = newest(house, number)
    bad = boot(house, number, from_root=True, release="9.9")
    house.fail(Blame.IMAGE, still=former.id)
    assert newest(house, number).id == former.id and good.id in wish_of(house).keeps
    bad = boot(house, number, kernel=KERNEL)
    house.now += SECOND
    house.fail(Blame.IMAGE, reason="the modules could not be unpacked")
    after = newest(house, number).kit
    assert after is not None and (after.id, bad.kit == after) == (good.id, False)
    house.reach()
    assert {*wish_of(house).keeps, after.id} == {good.id}, "nothing else is gone back to"


def test_what_brought_a_root_up_is_kept_while_that_is_saved(house: House, number: int) -> None:
    good = boot(house, number, kernel=OTHER, modules=MODULES, release="6.9.0").kit
    assert good is not None
    house.reach()
    boot(house, number, kernel=KERNEL)
    silent(house)
    save(house, number)
    assert house.wish().wish == Parked(keeps=(good.id,))
    house.reach()
    assert house.wish().wish == Parked(keeps=(good.id,))
    made(house)
    assert [kit.id for kit in wish_of(house).kits] == [good.id]


def test_nothing_is_kept_of_a_root_that_does_not_boot_again_once_it_is_saved(house: House, number: int) -> None:
    boot(house, number, kernel=OTHER, modules=MODULES, release="6.9.0")
    house.reach()
    save(house, number)
    before = house.wish()
    house.farm.booking.release(house.ada, number)
    assert house.wish() == replace(before, wish=Parked()), "and the board has nothing to do for that"


def test_a_site_in_trouble_fails_no_boot(house: House, number: int) -> None:
    after = boot(house, number, kernel=KERNEL)
    house.fail(Blame.SITE)
    assert newest(house, number) == after


def test_a_flashed_board_is_refused_with_the_way_out(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(3, boot=Boot.FLASHED, nfs_path="/NFSRoot1"))
    number = house.opened(board="tk1-3").reservation.number
    error = refused(boot, house, number, kernel=KERNEL)
    assert error.code is Code.KERNEL_FLASHED and "flash" in error.hint
    assert boot(house, number).kit is None, "the same kernel boots again"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"from_root": True, "kernel": KERNEL}, Code.REQUEST_INVALID),
        ({"kernel": KERNEL, "release": "6.9"}, Code.REQUEST_INVALID),
        ({"modules": MODULES}, Code.REQUEST_INVALID),
        ({"modules": MODULES, "release": "../../etc"}, Code.REQUEST_INVALID),
        ({"append": "a\nappend init=/bin/sh"}, Code.REQUEST_INVALID),
        ({"append": "x" * 501}, Code.REQUEST_INVALID),
        ({"is_once": True}, Code.REQUEST_INVALID),
        ({"dtb": OTHER}, Code.FILE_UNKNOWN),
        ({"board": "tk1-7"}, Code.BOARD_UNKNOWN),
    ],
)
def test_what_does_not_go_together_is_refused(house: House, number: int, wanted: dict[str, Any], code: Code) -> None:
    wish = house.wish()
    error = refused(boot, house, number, **wanted)
    assert error.code is code and isinstance(error, Invalid | NotFound)
    assert house.wish() == wish


@pytest.mark.parametrize("append", ["a='b'", "a\\b", 'a="b', "x" * 500])
def test_words_that_the_boot_method_cannot_hand_on_are_refused_at_once(house: House, append: str) -> None:
    house.image()
    house.farm.inventory.put_type(house.admin, BoardType("tk1", "armhf", console="ttyS0", cmdline="y" * 400))
    house.farm.inventory.put_board(house.admin, a_board(4, boot=Boot.GRUB))
    number = house.opened(board="tk1-4").reservation.number
    wish = house.wish("tk1-4")
    error = refused(boot, house, number, append=append)
    assert isinstance(error, Invalid) and error.code is Code.REQUEST_INVALID
    assert house.wish("tk1-4") == wish
    kit = boot(house, number, append='dyndbg="file a.c +p"').kit
    assert kit is not None and kit.append == 'dyndbg="file a.c +p"'


def test_who_holds_a_board_and_nobody_else_boots_it(house: House, number: int) -> None:
    assert isinstance(refused(boot, house, number, who=house.bob), NotAllowed)
    house.farm.restarting.file_arrived(house.bob, KERNEL, 1000)
    error = refused(house.farm.restarting.boot, house.ada, number, WantedKit(kernel=KERNEL), head=lambda _sum: None)
    assert error.code is Code.FILE_UNKNOWN, "what another sent is another's"


def test_a_root_that_was_booted_again_is_released_as_any(house: House, number: int) -> None:
    boot(house, number, kernel=KERNEL)
    silent(house)
    root = root_of(house, number)
    house.release(number)
    assert root_of(house, number).state is RootState.ASIDE
    house.settle()
    assert house.standing().is_offered
    house.reserve(root=root.name)
    assert wish_of(house).kit is None, "a new reservation begins with the image's own kernel"


# --- a root that was kept aside, on another board


def test_a_root_kept_aside_boots_on_any_board_that_fits(house: House, number: int) -> None:
    from boardgrid.model.board import BoardType  # noqa: PLC0415 - here alone

    house.farm.inventory.put_type(house.admin, BoardType("imx6", "armhf", console="ttymxc0"))
    house.farm.inventory.put_type(house.admin, BoardType("rpi4", "arm64"))
    house.farm.inventory.put_board(house.admin, a_board(4, name="imx6-1"))
    house.farm.inventory.put_board(house.admin, a_board(5, name="rpi4-1"))
    root = root_of(house, number)
    house.release(number, fate=Fate.ASIDE)
    house.settle()
    assert refused(house.reserve, board="rpi4-1", root=root.name).code is Code.IMAGE_MISFIT
    again = house.reserve(board="imx6-1", root=root.name).reservation.number
    wish = wish_of(house, "imx6-1")
    assert (wish.root, wish.must_exist, wish.hostname.partition(".")[0]) == (root.id, True, "imx6-1")
    house.reach("imx6-1")
    boot(house, again, kernel=KERNEL)
    assert wish_of(house, "imx6-1").kit is not None


# --- the files


def test_what_was_used_longest_ago_makes_way_for_what_comes(house: House) -> None:
    send = house.farm.restarting.file_arrived
    for number, sum_ in enumerate((KERNEL, OTHER, MODULES)):
        house.now += timedelta(minutes=number)
        send(house.ada, sum_, FILES_BYTES // 2)
    assert refused(house.farm.restarting.file, house.ada, KERNEL).code is Code.FILE_UNKNOWN
    assert house.farm.restarting.file(house.ada, OTHER).size_bytes == FILES_BYTES // 2
    assert refused(house.farm.restarting.file, house.bob, OTHER).code is Code.FILE_UNKNOWN
    assert house.farm.restarting.blobs() == {OTHER, MODULES}


def test_of_one_user_a_number_of_files_is_kept_and_who_keeps_the_spool_is_told(house: House) -> None:
    def send(number: int) -> None:
        house.now += SECOND
        house.farm.restarting.file_arrived(house.ada, f"{number:064x}", 1)

    for number in range(FILES_MOST):
        send(number)
    mark = house.changes.mark(EVENTS)
    send(FILES_MOST)
    assert house.farm.restarting.blobs() == {f"{number + 1:064x}" for number in range(FILES_MOST)}
    assert house.changes.mark(EVENTS) > mark


def test_a_file_that_nobody_boots_with_goes_after_a_week(house: House, number: int) -> None:
    boot(house, number, kernel=KERNEL)
    house.farm.restarting.file_arrived(house.ada, OTHER, 10)
    house.farm.booking.extend(house.ada, number, HOUR)
    house.pass_to(house.now + HOUR)
    assert house.farm.restarting.blobs() == {KERNEL, OTHER}
    house.pass_to(house.now + FILES_FOR)
    assert house.farm.restarting.blobs() == frozenset()


def test_a_guest_sends_nothing(house: House) -> None:
    from boardgrid.model.user import Role  # noqa: PLC0415 - here alone

    guest = house.farm.accounts.add(house.admin, "eve", Role.GUEST, ())[0]
    assert isinstance(refused(house.farm.restarting.file_arrived, guest, KERNEL, 1), NotAllowed)


def test_no_two_deployments_have_one_root(house: House, number: int) -> None:
    save(house, number)
    saved = newest(house, number)
    with pytest.raises(Exception, match=r"(?i)unique"), house.records.write() as tx:
        tx.add(replace(saved, id=UUID(int=1), board="tk1-9"))


def test_nobody_gets_mail_of_what_they_asked_for_themselves(house: House, number: int) -> None:
    house.farm.notices.change_contact(house.ada, email="ada@example.org", occasions=frozenset(Occasion))
    before = notices(house)
    save(house, number)
    house.settle()
    house.settle()
    boot(house, number, kernel=KERNEL)
    house.reach()
    boot(house, number, kernel=OTHER)
    house.now += SECOND
    house.fail(Blame.IMAGE, reason="no room for its modules")
    house.reach()
    assert notices(house) == before
    boot(house, number)
    house.fail(Blame.IMAGE, reason="its /etc is gone")
    assert Occasion.FAILED in [one.occasion for one in notices(house)]


def notices(house: House) -> list[Notice]:
    with house.records.read() as records:
        return [one.notice for one in records.postings()]


# --- what was sent


def test_a_kernel_for_another_architecture_is_refused_and_changes_nothing(house: House, number: int) -> None:
    before = house.wish()
    error = refused(boot, house, number, kernel=KERNEL, head=bytes(0x38) + b"ARM\x64")
    assert error.code is Code.FILE_UNFIT and "is for arm64, and tk1-1 is armhf" in error.detail
    assert house.wish() == before
    boot(house, number, kernel=KERNEL, head=bytes(0x24) + b"\x18\x28\x6f\x01")


# --- how it is seen


def test_what_was_seen_of_the_board_before_it_booted_anew_is_not_told_of_it_now(house: House, number: int) -> None:
    def health() -> Voice | None:
        seen = house.farm.inventory.board(house.ada, "tk1-1").health
        return seen.voice if seen else None

    def see(voice: Voice) -> None:
        house.now += SECOND
        house.tell(HealthReport(uuid4(), "tk1-1", house.wish().generation, Power.ON, voice))

    see(Voice.OURS)
    assert health() is Voice.OURS
    boot(house, number, kernel=KERNEL)
    silent(house)
    assert health() is None, "its kernel panicked: nothing was seen of it since"
    see(Voice.SILENT)
    assert health() is Voice.SILENT
