"""Checkpoints: who may have one made, of what, and what becomes of the root."""

from datetime import timedelta
from uuid import uuid4

import pytest

from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import CheckpointSource, Image, ImageState
from boardgrid.model.report import ImageReport
from boardgrid.model.reservation import Group
from boardgrid.model.root import Root, RootState
from boardgrid.services.booking import Fate
from tests.services.house import House, a_board, a_manifest


@pytest.fixture
def root(house: House) -> Root:
    """What ada's board writes to, by reservation 1."""
    house.image("tiny")
    house.opened()
    return _of_ada(house)


def _of_ada(house: House) -> Root:
    return house.farm.roots.roots(house.ada)[0].root


def test_an_image_is_made_of_a_root_that_stays_its_users(house: House, root: Root) -> None:
    before = house.wish()
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    assert (made.source, made.state, made.parent) == (CheckpointSource(root.id), ImageState.BUILDING, root.image)
    [wish] = house.wishes.images
    assert wish.source == CheckpointSource(root.id)
    assert house.wish() == before, "nothing is asked of the board"
    house.tell(ImageReport(uuid4(), made.id, a_manifest()))
    assert house.farm.catalog.image(house.ada, "mine").image.state is ImageState.READY
    assert _of_ada(house).state is RootState.LIVE


def test_one_that_fails_costs_nothing_but_itself(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.tell(ImageReport(uuid4(), made.id, None, Code.PROGRAM_TIMEOUT, "too much"))
    assert house.farm.catalog.image(house.ada, "mine:2026030101").image.reason == "too much"
    assert _of_ada(house).state is RootState.LIVE
    assert house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image.version == 2026030102


def test_a_second_one_of_the_same_root_waits_for_the_first(house: House, root: Root) -> None:
    house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    with pytest.raises(Conflict, match="mine:2026030101 is being made") as raised:
        house.farm.checkpoints.checkpoint(house.ada, 1, "other")
    assert raised.value.code is Code.THING_IN_USE


def test_it_is_said_to_be_crash_consistent(house: House, root: Root) -> None:
    after = house.farm.history.last_number()
    house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    assert any("crash consistent" in one.detail for one in house.farm.history.after(house.ada, after))


def test_another_users_root_is_left_alone(house: House, root: Root) -> None:
    with pytest.raises(NotAllowed):
        house.farm.checkpoints.checkpoint(house.bob, 1, "stolen")
    with pytest.raises(NotFound):
        house.farm.checkpoints.checkpoint(house.bob, 99, "stolen")
    made = house.farm.checkpoints.checkpoint(house.admin, 1, "rescued").image
    assert made.owner == house.ada.id


def test_a_board_that_is_not_open_has_nothing_to_keep(house: House) -> None:
    house.image("tiny")
    house.reserve()
    with pytest.raises(Conflict) as raised:
        house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    assert raised.value.code is Code.BOARD_NOT_OPEN


def test_a_reservation_that_is_over_has_none_either(house: House, root: Root) -> None:
    house.farm.booking.release(house.ada, 1, Fate.ASIDE)
    for board in (None, "tk1-1"):
        with pytest.raises((Conflict, Invalid)):
            house.farm.checkpoints.checkpoint(house.ada, 1, "mine", board)


def test_of_several_boards_one_is_named(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(2))
    house.image("tiny")
    made = house.reserve(groups=(Group(2, type="tk1"),))
    for board in made.reservation.boards:
        house.reach(board)
    with pytest.raises(Invalid):
        house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    with pytest.raises(NotFound):
        house.farm.checkpoints.checkpoint(house.ada, 1, "mine", "tk1-9")
    house.farm.checkpoints.checkpoint(house.ada, 1, "mine", "tk1-2")
    assert house.farm.checkpoints.checkpoint(house.ada, 1, "mine", "tk1-1").image.version == 2026030102


def test_a_root_that_is_given_back_meanwhile_is_treated_as_its_user_said(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.farm.booking.release(house.ada, 1, Fate.ASIDE)
    house.pass_to(house.now + timedelta(minutes=1))
    house.tell(ImageReport(uuid4(), made.id, a_manifest()))
    assert _of_ada(house).state is RootState.ASIDE


def test_a_root_that_is_discarded_goes_only_when_its_checkpoint_is_made(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.farm.booking.release(house.ada, 1, Fate.DISCARD)
    assert not house.wishes.discard
    assert _of_ada(house).state is RootState.CAPTURED
    house.tell(ImageReport(uuid4(), made.id, a_manifest()))
    assert [one.root for one in house.wishes.discard] == [root.id]
    assert _newest(house).state is ImageState.READY


def test_a_root_that_was_to_go_is_kept_aside_where_nothing_came_of_its_checkpoint(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.farm.booking.release(house.ada, 1, Fate.DISCARD)
    house.tell(ImageReport(uuid4(), made.id, None, Code.PROGRAM_TIMEOUT, "too much"))
    assert _of_ada(house).state is RootState.ASIDE and not house.wishes.discard
    house.farm.roots.discard(house.ada, root.name)
    assert [one.root for one in house.wishes.discard] == [root.id]


def test_who_removes_the_image_that_is_being_made_decides_on_the_root_anew(house: House, root: Root) -> None:
    house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    house.farm.booking.release(house.ada, 1, Fate.DISCARD)
    house.farm.wastebasket.remove(house.ada, "mine")
    assert _of_ada(house).state is RootState.ASIDE and not house.wishes.discard


@pytest.mark.parametrize("order", ["kept mine", "mine kept"])
def test_a_root_of_which_two_images_are_made_goes_when_both_have_it(house: House, root: Root, order: str) -> None:
    house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    house.farm.booking.release(house.ada, 1, Fate.KEEP, "kept")
    for name in order.split():
        assert not house.wishes.discard
        house.tell(ImageReport(uuid4(), _newest(house, name).id, a_manifest()))
    assert [one.root for one in house.wishes.discard] == [root.id]


@pytest.mark.parametrize("order", ["kept mine", "mine kept"])
def test_what_became_of_a_checkpoint_does_not_make_up_for_an_image_of_all(house: House, root: Root, order: str) -> None:
    house.farm.checkpoints.checkpoint(house.ada, 1, "mine")
    house.farm.booking.release(house.ada, 1, Fate.KEEP, "kept")
    for name in order.split():
        image = _newest(house, name).id
        failed = ImageReport(uuid4(), image, None, Code.STORE_FULL, "the disk is full")
        house.tell(failed if name == "kept" else ImageReport(uuid4(), image, a_manifest()))
    assert _of_ada(house).state is RootState.ASIDE and not house.wishes.discard


def test_a_checkpoint_that_ends_while_its_root_is_saved_leaves_it_to_its_board(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.now += timedelta(seconds=1)
    house.farm.restarting.save(house.ada, 1, "saved")
    house.tell(ImageReport(uuid4(), made.id, a_manifest()))
    assert _of_ada(house).state is RootState.CAPTURED and not house.wishes.discard
    house.tell(ImageReport(uuid4(), _newest(house, "saved").id, a_manifest()))
    assert _of_ada(house).state is RootState.LIVE


def test_a_root_that_is_given_up_later_waits_for_its_checkpoint_too(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.farm.booking.release(house.ada, 1, Fate.ASIDE)
    assert house.farm.roots.discard(house.ada, root.name).root.state is RootState.CAPTURED
    assert not house.wishes.discard
    house.tell(ImageReport(uuid4(), made.id, a_manifest()))
    assert [one.root for one in house.wishes.discard] == [root.id]


def test_a_root_whose_time_is_over_waits_for_its_checkpoint_too(house: House, root: Root) -> None:
    made = house.farm.checkpoints.checkpoint(house.ada, 1, "mine").image
    house.farm.booking.release(house.ada, 1, Fate.ASIDE)
    expires_at = _of_ada(house).expires_at
    assert expires_at is not None
    house.pass_to(expires_at)
    assert not house.wishes.discard
    house.tell(ImageReport(uuid4(), made.id, a_manifest()))
    assert [one.root for one in house.wishes.discard] == [root.id]


def _newest(house: House, name: str = "mine") -> Image:
    return house.farm.catalog.image(house.ada, name).image
