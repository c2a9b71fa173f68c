"""Boot tests: the farm itself sees whether an image comes up."""

from datetime import timedelta
from uuid import uuid4

import pytest

from boardgrid.model.board import BoardType
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.errors import Blame, Code, Conflict, Invalid, NotAllowed
from boardgrid.model.image import ImageState
from boardgrid.model.report import StepReport
from boardgrid.model.reservation import Purpose, ReservationState
from boardgrid.model.wish import Deployed, Parked
from tests.services.house import House


def _step(house: House, step: str, phase: Phase, *console: str) -> None:
    wish = house.wish()
    assert isinstance(wish.wish, Deployed)
    house.tell(
        StepReport(uuid4(), "tk1-1", wish.generation, step, phase, wish.wish.deployment, Outcome.OK, console=console)
    )


def test_an_image_that_came_up_has_a_badge_with_board_date_seconds_and_console(house: House) -> None:
    image = house.image(owner=house.ada)
    [test] = house.farm.trying.test(house.ada, "tiny")
    assert (test.reservation.purpose, test.subject) == (Purpose.TEST, image.ref)
    _step(house, "restart", Phase.BEGAN)
    house.now += timedelta(seconds=8)
    _step(house, "boot", Phase.ENDED, "Linux version 6.1", "login:")
    house.reach()
    [badge] = house.farm.catalog.image(house.ada, "tiny").boot_tests
    assert (badge.board_type, badge.board, badge.is_passed) == ("tk1", "tk1-1", True)
    assert (badge.at, badge.took_s) == (house.now, 8.0)
    assert badge.console == ("Linux version 6.1", "login:")
    assert house.found(test.reservation.number).state is ReservationState.ENDED
    assert isinstance(house.wish().wish, Parked), "the board is given back at once"
    house.settle()
    assert house.farm.roots.roots(house.ada) == [], "and nothing is left of it"
    house.check_plan()


@pytest.mark.parametrize("blame", [Blame.IMAGE, Blame.BOARD])
def test_one_that_did_not_come_up_is_told_why(house: House, blame: Blame) -> None:
    house.image(owner=house.ada)
    house.farm.trying.test(house.ada, "tiny")
    _step(house, "boot", Phase.ENDED, "Kernel panic")
    house.fail(blame, reason="tk1-1 mounted its root but did not answer SSH")
    [badge] = house.farm.catalog.image(house.ada, "tiny").boot_tests
    assert not badge.is_passed and badge.reason == "tk1-1 mounted its root but did not answer SSH"
    assert badge.console == ("Kernel panic",) and badge.took_s is None
    house.settle()
    assert house.farm.roots.roots(house.ada) == []


def test_the_newest_test_comes_first(house: House) -> None:
    house.image(owner=house.ada)
    for fails in (True, False):
        house.farm.trying.test(house.ada, "tiny")
        house.now += timedelta(minutes=1)
        if fails:
            house.fail(Blame.IMAGE)
        else:
            house.reach()
        house.settle()
    assert [one.is_passed for one in house.farm.catalog.image(house.ada, "tiny").boot_tests] == [True, False]


def test_each_type_that_an_image_fits_gets_its_own(house: House) -> None:
    house.farm.inventory.put_type(house.admin, BoardType("rpi4", "arm64"))
    house.image(owner=house.ada)
    assert [one.reservation.boards for one in house.farm.trying.test(house.ada, "tiny")] == [("tk1-1",)]
    house.image("big", owner=house.ada, arch="amd64")
    with pytest.raises(Invalid, match="made for amd64"):
        house.farm.trying.test(house.ada, "big")


def test_a_test_waits_its_turn_like_anybody(house: House) -> None:
    house.image()
    mine = house.opened(house.bob)
    house.image("mine", owner=house.ada)
    [test] = house.farm.trying.test(house.ada, "mine", ["tk1"])
    assert test.reservation.state is ReservationState.WAITING
    house.release(mine.reservation.number)
    house.settle()
    house.settle()
    [badge] = house.farm.catalog.image(house.ada, "mine").boot_tests
    assert badge.is_passed


def test_a_test_that_is_withdrawn_says_nothing_of_the_image(house: House) -> None:
    house.image(owner=house.ada)
    [test] = house.farm.trying.test(house.ada, "tiny")
    house.release(test.reservation.number)
    house.settle()
    assert house.farm.catalog.image(house.ada, "tiny").boot_tests == ()
    assert house.farm.roots.roots(house.ada) == []


def test_whose_image_it_is_may_have_it_tested_and_admins_may(house: House) -> None:
    house.image()  # the admin's, shared
    with pytest.raises(NotAllowed):
        house.farm.trying.test(house.ada, "tiny")
    assert house.farm.trying.test(house.admin, "tiny")


def test_what_is_not_ready_is_not_tried(house: House) -> None:
    made = house.farm.catalog.open(house.ada, "late").image
    assert made.state is ImageState.AWAITED
    with pytest.raises(Conflict) as raised:
        house.farm.trying.test(house.ada, "late")
    assert raised.value.code is Code.IMAGE_NOT_READY
