"""Who gets which board, what it boots, and what becomes of the root."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from boardgrid.model.board import Act, Boot, DriverSpec
from boardgrid.model.deployment import DeploymentState
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.image import ImageState, Kernel, NfsBoot
from boardgrid.model.report import ImageReport, OrderReport
from boardgrid.model.reservation import Group, Kind, ReservationState
from boardgrid.model.root import ASIDE_FOR, RootState
from boardgrid.model.wish import Deployed, Parked
from boardgrid.services.booking import Fate
from boardgrid.services.views import BoardState, OrderState
from tests.services.house import HOST_KEY, HOUR, KERNEL, KEY_A, KEY_B, START, House, a_board


def _code(error: pytest.ExceptionInfo[FarmError]) -> Code:
    return error.value.code


# --- reserving


def test_a_reserved_board_is_wished_to_run_a_new_root_of_the_image_with_the_keys_of_its_user(house: House) -> None:
    image = house.image()
    view = house.reserve()
    wish = house.wish().wish
    assert isinstance(wish, Deployed)
    assert (wish.image, wish.keys, wish.kernel, wish.opened) == (image.id, (KEY_A,), KERNEL, False)
    assert wish.hostname == "tk1-1.lab.boardgrid"
    assert view.deployment is not None and view.deployment.deployment.id == wish.deployment
    assert (view.user, view.reservation.state) == ("ada", ReservationState.RUNNING)
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.PREPARING


def test_a_deployment_that_is_open_is_told_so_and_is_not_restarted(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    before = house.wish()
    house.reach()
    after = house.wish()
    assert isinstance(before.wish, Deployed) and isinstance(after.wish, Deployed)
    assert after.wish.opened and after.generation > before.generation
    assert after.wish.deployment == before.wish.deployment
    house.reach()
    assert house.wish() == replace(after, is_reached=True), "told once more, it changes nothing else"
    view = house.farm.booking.reservation(house.ada, number)
    assert view.deployment is not None
    assert view.deployment.deployment.state is DeploymentState.OPEN
    assert view.deployment.deployment.host_key == HOST_KEY
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.OPEN


def test_who_comes_second_is_told_by_whom_and_until_when_the_board_is_taken(house: House) -> None:
    house.image()
    house.reserve()
    with pytest.raises(Conflict, match=r"tk1-1 is taken by ada until 2026-03-01 13:00 UTC") as error:
        house.reserve(house.bob)
    assert _code(error) is Code.BOARD_TAKEN


def test_who_has_the_board_already_is_told_so_and_what_would_do(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    with pytest.raises(Conflict, match="you hold tk1-1 already, until 2026-03-01 13:00 UTC") as error:
        house.reserve()
    assert _code(error) is Code.BOARD_TAKEN
    assert error.value.hint.startswith(
        f"`boardgrid extend {number} +1h` gives it more time, `boardgrid release {number}`"
    )
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.reserve(board="tk1-2", at=house.now + timedelta(minutes=30))
    with pytest.raises(Conflict, match="tk1-2 is reserved for you already, from 2026-03-01 12:30 UTC until"):
        house.reserve(board="tk1-2")


def test_two_people_reserve_the_last_board_at_the_same_moment_and_one_wins(house: House) -> None:
    house.image()
    barrier, outcomes = threading.Barrier(2), list[str]()

    def try_it(user: str) -> None:
        barrier.wait(timeout=30)
        try:
            house.reserve(house.ada if user == "ada" else house.bob, board_type="tk1")
            outcomes.append(f"{user} has it")
        except Conflict as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=try_it, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    winner, loser = sorted(outcomes, key=lambda one: not one.endswith("has it"))
    assert winner in {"ada has it", "bob has it"}
    assert loser == "no board of tk1 is free for that long"


def test_a_clean_board_is_given_before_one_that_is_still_being_cleaned(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.farm.booking.release(house.bob, house.opened(house.bob, board="tk1-1").reservation.number)
    assert house.reserve(house.bob, board_type="tk1").reservation.boards == ("tk1-2",)
    assert house.reserve(house.bob, board_type="tk1").reservation.boards == ("tk1-1",)


def test_any_board_of_a_type_is_the_first_free_one_that_the_image_fits(house: House) -> None:
    house.image(modules=())
    flashed = a_board(2, boot=Boot.FLASHED, nfs_path="/NFSRoot1", kernel="3.10.40")
    house.farm.inventory.put_board(house.admin, flashed)
    house.farm.inventory.put_board(house.admin, a_board(10))
    house.farm.inventory.put_board(house.admin, a_board(3))
    taken = [house.reserve(board_type="tk1").reservation.boards[0] for _ in range(3)]
    assert taken == ["tk1-1", "tk1-3", "tk1-10"]
    with pytest.raises(Conflict, match="no board of tk1 is free"):
        house.reserve(board_type="tk1")


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"groups": ()}, Code.REQUEST_INVALID),
        ({"groups": (Group(),)}, Code.REQUEST_INVALID),
        ({"groups": (Group(board="tk1-1", type="tk1"),)}, Code.REQUEST_INVALID),
        ({"groups": (Group(2, board="tk1-1"),)}, Code.REQUEST_INVALID),
        ({"groups": (Group(board="tk1-1"), Group(board="tk1-1"))}, Code.REQUEST_INVALID),
        ({"count": 0, "board_type": "tk1"}, Code.REQUEST_INVALID),
        ({"count": 2, "board_type": "tk1", "root": "mine"}, Code.REQUEST_INVALID),
        ({"at": START - HOUR}, Code.START_INVALID),
        ({"at": START + timedelta(days=400)}, Code.START_INVALID),
        ({"at": datetime.max.replace(tzinfo=UTC)}, Code.START_INVALID),
        ({"at": datetime.min.replace(tzinfo=UTC)}, Code.START_INVALID),
        ({"at": START + HOUR, "kind": Kind.QUEUED}, Code.START_INVALID),
        ({"image": "tiny", "root": "mine"}, Code.REQUEST_INVALID),
        ({"for_": timedelta(seconds=59)}, Code.DURATION_INVALID),
        ({"for_": timedelta(days=32)}, Code.DURATION_INVALID),
        ({"for_": -HOUR}, Code.DURATION_INVALID),
        ({"board": "tk1-9"}, Code.BOARD_UNKNOWN),
        ({"board_type": "rpi4"}, Code.TYPE_UNKNOWN),
        ({"image": "big"}, Code.IMAGE_UNKNOWN),
        ({"image": "tiny:2026030102"}, Code.IMAGE_UNKNOWN),
        ({"image": "tiny:x"}, Code.IMAGE_UNKNOWN),
        ({"root": "mine"}, Code.ROOT_UNKNOWN),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_a_code(house: House, what: dict[str, Any], code: Code) -> None:
    house.image()
    with pytest.raises((Invalid, NotFound)) as error:
        house.reserve(**what)
    assert _code(error) is code
    assert isinstance(house.wish().wish, Parked)


def test_a_type_without_boards_is_told_so(house: House) -> None:
    house.image()
    house.farm.inventory.remove_board(house.admin, "tk1-1")
    house.settle()
    with pytest.raises(NotFound, match="there is no board of type tk1"):
        house.reserve(board_type="tk1")


# --- does the image fit the board?


def test_an_image_of_another_architecture_is_refused_with_both_named(house: House) -> None:
    house.image(arch="arm64")
    with pytest.raises(Invalid, match=r"tiny:2026030101 is made for arm64, but boards of type tk1 are armhf") as error:
        house.reserve()
    assert _code(error) is Code.IMAGE_MISFIT and error.value.hint


def test_an_image_that_tells_no_architecture_is_refused(house: House) -> None:
    house.image(arch="")
    with pytest.raises(Invalid, match="nothing in tiny:2026030101 tells its architecture"):
        house.reserve()


def test_an_image_without_a_kernel_does_for_a_flashed_board_and_not_for_one_that_boots_by_pxe(house: House) -> None:
    house.image(kernels=())
    house.farm.inventory.put_board(house.admin, a_board(2, boot=Boot.FLASHED, nfs_path="/NFSRoot1"))
    with pytest.raises(
        Invalid, match="tiny:2026030101 has no kernel, and tk1-1 gets its kernel from the image"
    ) as error:
        house.reserve()
    assert _code(error) is Code.KERNEL_MISSING and error.value.hint
    house.reserve(board="tk1-2")
    wish = house.wish("tk1-2").wish
    assert isinstance(wish, Deployed) and wish.kernel is None


def test_an_image_whose_kernel_cannot_boot_over_nfs_is_refused_with_the_reason(house: House) -> None:
    no = Kernel("6.1", "boot/vmlinuz-6.1", nfs=NfsBoot.NO, why="it has no initramfs")
    house.image(kernels=(no,))
    with pytest.raises(Invalid, match=r"6\.1 in tiny:\d+ cannot boot over NFS: it has no initramfs") as error:
        house.reserve()
    assert _code(error) is Code.IMAGE_MISFIT and error.value.hint
    older = Kernel("5.10", "boot/vmlinuz-5.10", nfs=NfsBoot.FARM)
    house.image(kernels=(no, older))
    house.reserve()
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.kernel == older


def test_a_uefi_board_gets_its_kernel_from_the_image(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2, boot=Boot.GRUB))
    house.reserve(board="tk1-2")
    wish = house.wish("tk1-2").wish
    assert isinstance(wish, Deployed) and wish.kernel is not None


def test_a_flashed_kernel_without_its_modules_in_the_image_is_refused_with_both_named(house: House) -> None:
    house.image()
    flashed = a_board(2, boot=Boot.FLASHED, nfs_path="/NFSRoot1", kernel="3.10.40-gdacac96")
    house.farm.inventory.put_board(house.admin, flashed)
    with pytest.raises(Invalid, match=r"tk1-2 .*3\.10\.40-gdacac96.* tiny:2026030101 .*6\.1\.0-50-armmp") as error:
        house.reserve(board="tk1-2")
    assert _code(error) is Code.IMAGE_MISFIT and "3.10.40-gdacac96" in error.value.hint


def test_an_image_that_is_not_ready_and_one_that_failed_are_refused_with_their_state(house: House) -> None:
    opened = house.farm.catalog.open(house.admin, "big", shared=True).image
    with pytest.raises(Conflict, match="big:2026030101 is not ready yet") as error:
        house.reserve(image="big")
    assert _code(error) is Code.IMAGE_NOT_READY
    house.farm.catalog.content_arrived(house.admin, opened.id, "b" * 64, 1)
    house.tell(ImageReport(uuid4(), opened.id, code=Code.ARCHIVE_REFUSED, reason="../etc is refused"))
    with pytest.raises(Conflict, match=r"big:2026030101 could not be made: \.\./etc is refused"):
        house.reserve(image="big")


def test_a_store_without_room_for_a_root_is_told_with_the_figures(house: House) -> None:
    house.image()
    with house.records.write() as tx:
        state = tx.site("lab")
        assert state is not None
        tx.save(replace(state, store_bytes=10**10, free_bytes=10**9))
    with pytest.raises(Conflict, match=r"the store of site lab has 1\.0 GB free, and this needs 4\.3 GB") as error:
        house.reserve()
    assert _code(error) is Code.STORE_FULL


# --- giving back


def test_a_board_that_was_given_back_is_free_again_when_it_was_seen_parked(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number)
    assert house.farm.inventory.board(house.bob, "tk1-1").state is BoardState.CLEANING
    house.reach()
    assert house.farm.inventory.board(house.bob, "tk1-1").state is BoardState.FREE


def test_whoever_reserves_a_board_that_is_being_cleaned_gets_it_when_it_was_seen_parked(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.opened().reservation.number)
    waits = house.reserve(house.bob)
    assert waits.reservation.is_running and waits.deployment is None
    assert isinstance(house.wish().wish, Parked)
    assert house.farm.inventory.board(house.bob, "tk1-1").state is BoardState.CLEANING
    house.reach()
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.user == "bob"


def test_whoever_waits_for_a_board_that_does_not_become_clean_gets_an_equal_one(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.reserve(house.ada, board="tk1-2", at=START + 3 * HOUR)
    house.farm.booking.release(house.ada, house.opened().reservation.number)
    number = house.reserve(house.bob, board_type="tk1", for_=4 * HOUR).reservation.number
    assert house.farm.booking.reservation(house.bob, number).reservation.boards == ("tk1-1",)
    house.farm.booking.release(house.ada, 1)
    house.fail(Blame.BOARD)
    moved = house.farm.booking.reservation(house.bob, number)
    assert moved.reservation.is_running and moved.reservation.boards == ("tk1-2",) and moved.deployment is not None


def test_whoever_waits_for_the_only_board_and_it_does_not_become_clean_is_told_so(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.opened().reservation.number)
    number = house.reserve(house.bob).reservation.number
    house.fail(Blame.BOARD)
    ended = house.farm.booking.reservation(house.bob, number).reservation
    assert (ended.state, ended.ended_because) == (ReservationState.ENDED, "tk1-1 is out of order")


def test_a_root_that_nobody_decided_about_is_kept_aside_for_seven_days(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number)
    [root] = house.farm.roots.roots(house.ada)
    assert root.root.state is RootState.ASIDE
    assert root.root.expires_at == house.now + ASIDE_FOR
    house.settle()
    house.now += ASIDE_FOR
    house.farm.upkeep.carry_out()
    assert house.wishes.discard[0].root == root.root.id
    house.settle()
    assert house.farm.roots.roots(house.ada) == []


def test_a_fresh_root_of_a_board_that_never_opened_is_discarded_unless_asked_otherwise(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.reserve().reservation.number)
    assert [one.root.state for one in house.farm.roots.roots(house.ada)] == [RootState.GOING]
    house.settle()
    house.farm.booking.release(house.ada, house.reserve().reservation.number, Fate.ASIDE, "wanted")
    assert [(one.root.name, one.root.state) for one in house.farm.roots.roots(house.ada)] == [
        ("wanted", RootState.ASIDE)
    ]
    with pytest.raises(Conflict, match="nothing to keep") as error:
        house.settle()
        house.farm.booking.release(house.ada, house.reserve().reservation.number, Fate.KEEP, "mine")
    assert _code(error) is Code.BOARD_NOT_OPEN


def test_keeping_makes_an_image_with_its_parent_and_the_root_goes_only_when_it_is_ready(house: House) -> None:
    parent = house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.KEEP, "mine")
    [root] = house.farm.roots.roots(house.ada)
    assert root.root.state is RootState.CAPTURED
    assert house.wishes.discard == ()
    kept = house.farm.catalog.image(house.ada, "mine")
    assert (kept.image.state, kept.parent, kept.owner) == (ImageState.BUILDING, parent.ref, "ada")
    assert not kept.image.shared
    house.settle()
    assert house.farm.catalog.image(house.ada, "mine").image.state is ImageState.READY
    assert house.farm.roots.roots(house.ada) == []
    house.reserve(image="mine")


def test_a_root_whose_image_could_not_be_made_is_aside_again(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.KEEP, "mine")
    house.reach()
    house.tell(ImageReport(uuid4(), house.wishes.images[0].image, code=Code.STORE_FULL, reason="no room"))
    [root] = house.farm.roots.roots(house.ada)
    assert root.root.state is RootState.ASIDE
    assert root.root.expires_at == house.now + ASIDE_FOR
    assert house.wishes.discard == ()


def test_a_root_kept_aside_boots_again_as_it_was(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    house.reach()
    [root] = house.farm.roots.roots(house.ada)
    view = house.reserve(root="mine")
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.root == root.root.id
    assert house.farm.roots.root(house.ada, "mine").board == "tk1-1"
    house.farm.booking.release(house.ada, view.reservation.number)
    aside = house.farm.roots.root(house.ada, "mine").root
    assert aside.state is RootState.ASIDE, "it holds what its user wrote before, so it is not discarded"


def test_a_root_boots_on_another_board_only_when_it_was_taken_from_the_first(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2))
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    with pytest.raises(Conflict, match="root mine is still being taken from tk1-1") as error:
        house.reserve(board="tk1-2", root="mine")
    assert _code(error) is Code.THING_IN_USE
    house.reach()
    house.reserve(board="tk1-2", root="mine")
    with pytest.raises(Conflict, match="a deployment runs on root mine"):
        house.reserve(board="tk1-1", root="mine")


def test_the_root_of_one_user_boots_for_nobody_else(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    house.reach()
    root = house.farm.roots.root(house.ada, "mine").root
    with pytest.raises(NotFound):
        house.reserve(house.bob, root="mine")
    with pytest.raises(NotFound):
        house.reserve(house.bob, root=str(root.id))
    with pytest.raises(NotAllowed, match="root mine is another user's"):
        house.reserve(house.admin, root=str(root.id))


def test_the_names_of_roots_are_unique_per_owner_and_given_by_image_and_deployment(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2))
    first, second = house.opened(), house.opened(board="tk1-2")
    names = {one.root.name for one in house.farm.roots.roots(house.ada)}
    assert len(names) == 2 and all(name.startswith("tiny-") for name in names)
    house.farm.booking.release(house.ada, first.reservation.number, Fate.ASIDE, "mine")
    with pytest.raises(Conflict, match="there is a root mine already") as error:
        house.farm.booking.release(house.ada, second.reservation.number, Fate.ASIDE, "mine")
    assert _code(error) is Code.NAME_TAKEN
    assert house.farm.booking.reservation(house.ada, second.reservation.number).reservation.is_running


@pytest.mark.parametrize(
    ("fate", "name", "code"),
    [
        (Fate.KEEP, "", Code.REQUEST_INVALID),
        (Fate.KEEP, "../up", Code.NAME_INVALID),
        (Fate.ASIDE, "Up!", Code.NAME_INVALID),
        (Fate.KEEP, "tiny", Code.NAME_TAKEN),
    ],
)
def test_a_release_with_a_bad_name_changes_nothing(house: House, fate: Fate, name: str, code: Code) -> None:
    house.image()
    number = house.opened().reservation.number
    before = house.wishes
    with pytest.raises(FarmError) as error:
        house.farm.booking.release(house.ada, number, fate, name)
    assert _code(error) is code
    assert house.wishes == before
    assert house.farm.booking.reservation(house.ada, number).reservation.is_running


def test_a_reservation_is_released_once_by_its_user_or_an_admin(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    with pytest.raises(NotAllowed):
        house.farm.booking.release(house.bob, number)
    ended = house.farm.booking.release(house.admin, number)
    assert ended.reservation.ended_because == "root released it"
    with pytest.raises(Conflict, match="has ended: root released it") as error:
        house.farm.booking.release(house.ada, number)
    assert _code(error) is Code.RESERVATION_OVER
    with pytest.raises(NotFound):
        house.farm.booking.release(house.ada, 999)


def test_a_long_reservation_is_told_however_many_have_ended_since(house: House) -> None:
    house.image()
    house.farm.inventory.put_board(house.admin, a_board(2))
    long = house.opened(for_=timedelta(days=30)).reservation.number
    for _again in range(3):
        house.farm.booking.release(house.ada, house.opened(board="tk1-2").reservation.number)
        house.settle()
    booking = house.farm.booking
    assert [one.reservation.number for one in booking.reservations(house.ada, ended=False, limit=2)] == [long]
    newest = booking.reservations(house.ada, limit=2)
    rest = booking.reservations(house.ada, limit=2, before=newest[-1].reservation.number)
    assert [one.reservation.number for one in newest + rest] == [4, 3, 2, long]


# --- time


@pytest.mark.parametrize(
    ("for_", "told"),
    [(timedelta(seconds=59.999), "59.999 s"), (-HOUR, "-3600 s"), (timedelta(seconds=-1e9), "-1000000000 s")],
)
def test_a_span_that_cannot_be_is_told_as_it_was_asked_for(house: House, for_: timedelta, told: str) -> None:
    house.image()
    with pytest.raises(Invalid, match=f"a board cannot be reserved for {told}$"):
        house.reserve(for_=for_)


def test_a_holder_whose_time_is_over_switches_nothing_any_more(house: House) -> None:
    house.image()
    house.opened()
    house.now += HOUR
    with pytest.raises(NotAllowed, match="you do not hold tk1-1"):
        house.farm.orders.order_power(house.ada, "tk1-1", Act.OFF)


def test_a_clock_that_was_set_back_ends_no_reservation_before_it_began(house: House) -> None:
    house.image()
    made = house.opened().reservation
    house.now -= timedelta(hours=5)
    ended = house.farm.booking.release(house.ada, made.number).reservation
    assert ended.window.start == ended.window.end == made.window.start


def test_a_root_that_was_given_a_name_is_kept_though_nobody_wrote_to_it(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.reserve().reservation.number, name="precious")
    assert [(one.root.name, one.root.state) for one in house.farm.roots.roots(house.ada)] == [
        ("precious", RootState.ASIDE)
    ]


def test_a_reservation_whose_time_is_over_ends_and_its_root_is_kept_aside(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.now += HOUR
    assert house.farm.upkeep.carry_out() == house.now + ASIDE_FOR
    view = house.farm.booking.reservation(house.ada, number)
    assert view.reservation.ended_because == "its time was over"
    assert [one.root.state for one in house.farm.roots.roots(house.ada)] == [RootState.ASIDE]
    assert isinstance(house.wish().wish, Parked)


def test_nothing_is_due_in_a_farm_where_nobody_has_anything(house: House) -> None:
    assert house.farm.upkeep.carry_out() is None


def test_an_upload_that_never_came_is_given_up_after_a_day(house: House) -> None:
    house.farm.catalog.open(house.ada, "mine")
    due = house.farm.upkeep.carry_out()
    assert due is not None
    house.now = due
    assert house.farm.upkeep.carry_out() is None
    assert house.farm.catalog.images(house.ada) == []


# --- failures


def test_a_board_at_fault_is_set_aside_with_the_reason_and_only_then(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    house.fail(Blame.BOARD, reason="tk1-1 never asked for an address")
    board = house.farm.inventory.board(house.ada, "tk1-1")
    assert (board.state, board.board.set_aside) == (BoardState.SET_ASIDE, "tk1-1 never asked for an address")
    view = house.farm.booking.reservation(house.ada, number)
    assert view.reservation.ended_because == "its deployment failed"
    assert view.deployment is not None
    failed = view.deployment.deployment
    assert failed.reason == "tk1-1 never asked for an address"
    assert (failed.state, failed.code, failed.hint) == (DeploymentState.FAILED, Code.BOARD_SILENT, "look at it")
    assert [one.root.state for one in house.farm.roots.roots(house.ada)] == [RootState.GOING]
    house.settle()
    with pytest.raises(Conflict, match="tk1-1 is set aside: tk1-1 never asked") as error:
        house.reserve()
    assert _code(error) is Code.BOARD_SET_ASIDE
    assert house.farm.inventory.fit(house.admin, "tk1-1").state is BoardState.FREE
    house.reserve()


def test_an_image_at_fault_ends_the_reservation_and_leaves_the_board_fit(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    house.fail(Blame.IMAGE, reason="tiny:2026030101 has no /sbin/init")
    view = house.farm.booking.reservation(house.ada, number)
    assert view.deployment is not None
    assert view.deployment.deployment.state is DeploymentState.FAILED
    assert view.deployment.deployment.reason == "tiny:2026030101 has no /sbin/init"
    house.settle()
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.FREE


def test_a_site_in_trouble_blames_nobody_and_the_deployment_goes_on(house: House) -> None:
    house.image()
    number = house.reserve().reservation.number
    before = house.wish()
    house.fail(Blame.SITE)
    assert house.wish() == before
    assert house.farm.booking.reservation(house.ada, number).reservation.is_running


def test_the_reused_root_of_a_failed_deployment_is_aside_again(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    house.reach()
    house.reserve(root="mine")
    house.fail(Blame.IMAGE)
    assert house.farm.roots.root(house.ada, "mine").root.state is RootState.ASIDE


def test_an_open_board_is_its_users_whatever_is_told_of_it(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    before = house.wish()
    for blame in Blame:
        house.fail(blame)
    assert house.wish() == before
    assert house.farm.booking.reservation(house.ada, number).reservation.is_running


def test_a_board_that_cannot_be_parked_is_offered_to_nobody(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number)
    house.fail(Blame.BOARD, reason="its outlet does not answer")
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.SET_ASIDE
    before = house.standing().generation
    house.farm.inventory.fit(house.admin, "tk1-1")
    assert house.standing().generation > before, "the agent tries anew, at once"
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.CLEANING
    house.reach()
    assert house.reserve(house.bob).deployment is not None


def test_a_board_that_does_not_come_to_rest_is_told_whoever_is_to_blame(house: House) -> None:
    house.image()
    house.farm.booking.release(house.ada, house.opened().reservation.number)
    house.fail(Blame.IMAGE, reason="it boots something else")
    assert house.farm.inventory.board(house.ada, "tk1-1").state is BoardState.SET_ASIDE
    told = [one.detail for one in house.farm.history.after(house.admin, board="tk1-1")]
    assert "it boots something else" in told


def test_a_root_that_was_run_is_told_to_be_there_when_it_boots_again(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    assert not house.wish().wish.is_kept  # type: ignore[union-attr]  # it is deployed
    house.farm.booking.release(house.ada, number, Fate.ASIDE, "mine")
    house.settle()
    house.reserve(root="mine", image=None)
    assert house.wish().wish.is_kept  # type: ignore[union-attr]  # it is deployed


def test_an_admin_names_other_peoples_roots_as_they_are_listed(house: House) -> None:
    house.image()
    for user in (house.ada, house.bob):
        house.farm.booking.release(user, house.opened(user).reservation.number, Fate.ASIDE, "mine")
        house.settle()
        if user is house.ada:
            assert house.farm.roots.root(house.admin, "mine").root.owner == house.ada.id
    with pytest.raises(Invalid, match="several users have a root mine") as error:
        house.farm.roots.root(house.admin, "mine")
    assert error.value.hint.count("-") > 4, "their ids"
    assert house.farm.roots.root(house.bob, "mine").root.owner == house.bob.id


# --- what others see


def test_everyone_sees_who_has_a_board_and_only_its_user_sees_what_runs_on_it(house: House) -> None:
    house.image()
    view = house.opened()
    assert view.deployment is not None
    [seen] = house.farm.booking.reservations(house.bob, everyone=True)
    assert (seen.user, seen.deployment) == ("ada", None)
    assert house.farm.booking.reservations(house.bob) == []
    with pytest.raises(NotFound):
        house.farm.booking.deployment(house.bob, view.deployment.deployment.id)
    assert house.farm.booking.deployment(house.admin, view.deployment.deployment.id).image == "tiny:2026030101"


# --- power


def test_the_holder_orders_power_once_and_is_told_how_it_went(house: House) -> None:
    house.image()
    house.opened()
    before = house.wishes
    order = house.farm.orders.order_power(house.ada, "tk1-1", Act.CYCLE)
    assert house.wish().order is not None and house.wishes.version > before.version
    assert house.wish().generation == before.boards[0].generation, "an order restarts nothing by itself"
    house.tell(OrderReport(uuid4(), "tk1-1", order.id))
    assert house.farm.orders.order(house.ada, "tk1-1", order.id).state is OrderState.DONE
    assert house.wish().order is None
    later = house.farm.orders.order_power(house.ada, "tk1-1", Act.OFF)
    house.tell(OrderReport(uuid4(), "tk1-1", later.id, reason="the outlet does not answer"))
    told = house.farm.orders.order(house.ada, "tk1-1", later.id)
    assert (told.state, told.reason) == (OrderState.FAILED, "the outlet does not answer")


def test_an_order_that_will_not_be_carried_out_says_why_and_is_forgotten_in_the_end(house: House) -> None:
    house.image()
    booking = house.farm.booking
    orders = house.farm.orders
    given = orders.order_power(house.admin, "tk1-1", Act.ON).id
    number = house.opened().reservation.number
    told = orders.order(house.admin, "tk1-1", given)
    assert (told.state, told.reason) == (OrderState.FAILED, "tk1-1 was given to a user first")
    booking.release(house.ada, number)
    house.reach()
    leaving = orders.order_power(house.admin, "tk1-1", Act.ON).id
    house.farm.inventory.remove_board(house.admin, "tk1-1")
    told = orders.order(house.admin, "tk1-1", leaving)
    assert (told.state, told.reason) == (OrderState.FAILED, "tk1-1 leaves the farm")
    house.now += timedelta(days=8)
    house.farm.upkeep.carry_out()
    with pytest.raises(NotFound):
        orders.order(house.admin, "tk1-1", given)


def test_an_order_that_waits_is_replaced_by_a_later_one_and_ends_with_the_reservation(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    first = house.farm.orders.order_power(house.ada, "tk1-1", Act.OFF)
    second = house.farm.orders.order_power(house.ada, "tk1-1", Act.ON)
    assert house.farm.orders.order(house.ada, "tk1-1", first.id).reason == "a later order took its place"
    house.farm.booking.release(house.ada, number)
    assert house.wish().order is None
    assert house.farm.orders.order(house.ada, "tk1-1", second.id).state is OrderState.FAILED


def test_an_order_that_no_agent_carries_out_is_void_after_a_while(house: House) -> None:
    house.image()
    house.opened()
    orders = house.farm.orders
    order = orders.order_power(house.ada, "tk1-1", Act.RESET).id
    due = house.farm.upkeep.carry_out()
    assert due == house.now + timedelta(minutes=5)
    assert house.wish().order is not None
    house.now = due
    house.farm.upkeep.carry_out()
    assert house.wish().order is None, "an agent that comes back later resets nothing"
    assert orders.order(house.ada, "tk1-1", order).state is OrderState.FAILED
    assert house.farm.upkeep.carry_out() != due


def test_power_is_not_for_others_nor_while_a_board_is_prepared_nor_without_a_driver(house: House) -> None:
    house.image()
    with pytest.raises(NotAllowed, match="you do not hold tk1-1"):
        house.farm.orders.order_power(house.ada, "tk1-1", Act.ON)
    house.reserve()
    with pytest.raises(Conflict) as error:
        house.farm.orders.order_power(house.ada, "tk1-1", Act.ON)
    assert _code(error) is Code.BOARD_NOT_OPEN
    house.reach()
    with pytest.raises(NotAllowed):
        house.farm.orders.order_power(house.bob, "tk1-1", Act.ON)
    order = house.farm.orders.order_power(house.admin, "tk1-1", Act.ON)
    with pytest.raises(NotFound):
        house.farm.orders.order(house.bob, "tk1-1", order.id)
    house.farm.inventory.put_board(house.admin, a_board(2, power=()))
    with pytest.raises(Invalid) as unable:
        house.farm.orders.order_power(house.admin, "tk1-2", Act.ON)
    assert _code(unable) is Code.POWER_UNABLE


def test_a_new_power_driver_while_the_board_is_open_restarts_nothing(house: House) -> None:
    house.image()
    house.opened()
    before = house.wish()
    house.farm.inventory.put_board(house.admin, a_board(1, power=(DriverSpec("other"),)))
    after = house.wish()
    assert after.wish == before.wish and after.generation > before.generation


# --- sharing


def test_whoever_a_reservation_is_shared_with_is_let_in_at_the_gate_and_on_the_board(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    with pytest.raises(NotFound):
        house.farm.doors.route("lab", KEY_B, "tk1-1")
    before = house.wish()
    house.farm.booking.share(house.ada, number, add=["bob"])
    after = house.wish()
    assert house.farm.doors.route("lab", KEY_B, "tk1-1") == house.farm.doors.route("lab", KEY_A, "tk1-1")
    assert isinstance(after.wish, Deployed) and after.wish.keys == (KEY_A, KEY_B)
    assert isinstance(before.wish, Deployed) and after.wish.deployment == before.wish.deployment, "nothing restarts"
    with pytest.raises(NotAllowed):
        house.farm.booking.release(house.bob, number)
    house.farm.booking.share(house.ada, number, remove=["bob"])
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.keys == (KEY_A,)
    with pytest.raises(NotFound):
        house.farm.doors.route("lab", KEY_B, "tk1-1")


def test_sharing_what_has_not_begun_lets_nobody_in_to_whoever_has_the_board_before(house: House) -> None:
    house.image()
    house.opened(house.ada)
    number = house.reserve(house.bob, at=START + HOUR).reservation.number
    before = house.wish()
    house.farm.booking.share(house.bob, number, add=["root"])
    assert house.wish() == before
