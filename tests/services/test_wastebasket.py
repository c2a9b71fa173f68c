"""The wastebasket: what is removed can be restored for some days, and then is gone."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import ImageState
from boardgrid.model.report import ImageReport
from boardgrid.model.root import RootState
from boardgrid.model.rules import Limits
from boardgrid.services.booking import Fate
from boardgrid.services.wastebasket import KEPT_FOR, QUIET_FOR, UPLOAD_WITHIN
from tests.services.house import House, a_manifest


def _aside(house: House, name: str = "mine") -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, Fate.ASIDE, name)


def _state(house: House, ref: str = "tiny") -> ImageState:
    return house.farm.catalog.image(house.admin, ref).image.state


def test_an_image_that_was_removed_boots_nothing_and_is_restored(house: House) -> None:
    house.image()
    house.farm.wastebasket.remove(house.admin, "tiny")
    assert _state(house) is ImageState.REMOVED and not house.wishes.images
    with pytest.raises(Conflict, match="tiny:2026030101 lies in the wastebasket") as error:
        house.reserve(image="tiny")
    assert error.value.code is Code.IMAGE_NOT_READY
    with pytest.raises(NotAllowed):
        house.farm.wastebasket.restore(house.ada, "tiny")
    assert house.farm.wastebasket.restore(house.admin, "tiny").image.removed_at is None
    house.reserve(image="tiny")
    with pytest.raises(Conflict, match="does not lie in the wastebasket"):
        house.farm.wastebasket.restore(house.admin, "tiny")


def test_when_its_time_in_the_wastebasket_is_over_an_image_goes_by_itself(house: House) -> None:
    house.image()
    house.farm.wastebasket.remove(house.admin, "tiny")
    removed_at = house.now
    house.pass_to(removed_at + KEPT_FOR - timedelta(seconds=1))
    assert _state(house) is ImageState.REMOVED
    house.pass_to(removed_at + KEPT_FOR)
    [wish] = house.wishes.images
    assert wish.source is None and _state(house) is ImageState.GOING
    house.settle()
    with pytest.raises(NotFound):
        house.farm.catalog.image(house.admin, "tiny")
    assert house.farm.catalog.open(house.admin, "tiny").image.version == 2026030801


def test_the_newest_version_that_is_not_removed_is_meant(house: House) -> None:
    house.image()
    house.image()
    house.farm.wastebasket.remove(house.admin, "tiny:2026030102")
    assert house.farm.catalog.image(house.ada, "tiny").image.version == 2026030101
    house.farm.wastebasket.remove(house.admin, "tiny")
    with pytest.raises(Invalid, match="several versions of tiny lie in the wastebasket"):
        house.farm.wastebasket.restore(house.admin, "tiny")
    assert house.farm.wastebasket.restore(house.admin, "tiny:2026030101").image.state is ImageState.READY


def test_the_wastebasket_is_emptied_of_ones_own_and_by_an_admin_of_all(house: House) -> None:
    house.image("hers", house.ada)
    house.image()
    failed = house.farm.catalog.open(house.ada, "failed").image
    house.farm.catalog.content_arrived(house.ada, failed.id, "c" * 64, 1)
    house.tell(ImageReport(uuid4(), failed.id, None, Code.ARCHIVE_REFUSED, "../etc"))
    house.farm.catalog.open(house.ada, "never")
    house.pass_to(house.now + QUIET_FOR)
    house.farm.wastebasket.remove(house.ada, "hers")
    house.farm.wastebasket.remove(house.admin, "tiny")
    hers = ["failed", "hers", "never"]
    assert [one.image.name for one in house.farm.wastebasket.waste(house.ada, of_all=True)] == hers
    assert [one.image.name for one in house.farm.wastebasket.waste(house.admin, of_all=True)] == [*hers, "tiny"]
    assert [one.image.name for one in house.farm.wastebasket.empty(house.admin)] == ["tiny"]
    assert [one.image.name for one in house.farm.wastebasket.empty(house.ada)] == hers
    house.settle()
    assert house.farm.catalog.images(house.admin) == [] and house.farm.wastebasket.empty(house.admin, of_all=True) == []


def test_what_lies_in_the_wastebasket_counts_until_it_is_gone(house: House) -> None:
    rules = house.farm.ruling.rules(house.admin)
    house.farm.ruling.put(house.admin, replace(rules, users={"ada": Limits(image_bytes=4_000_000)}))
    house.image("one", house.ada, stored_bytes=3_999_999)
    house.farm.wastebasket.remove(house.ada, "one")
    second = house.farm.catalog.open(house.ada, "two").image
    with pytest.raises(Conflict) as error:
        house.farm.catalog.content_arrived(house.ada, second.id, "d" * 64, 1000)
    assert error.value.code is Code.QUOTA_EXCEEDED
    house.farm.wastebasket.empty(house.ada)
    house.settle()
    third = house.farm.catalog.open(house.ada, "two").image
    house.farm.catalog.content_arrived(house.ada, third.id, "d" * 64, 1000)


def test_removing_an_image_that_is_being_made_stops_that(house: House) -> None:
    image = house.farm.catalog.open(house.admin, "tiny", path="/srv/tiny.tar").image
    house.farm.wastebasket.remove(house.admin, "tiny")
    assert [(one.image, one.source) for one in house.wishes.images] == [(image.id, None)]
    house.tell(ImageReport(uuid4(), image.id, a_manifest()))
    assert _state(house) is ImageState.GOING, "it was made at that very moment, and goes all the same"
    house.settle()
    with pytest.raises(NotFound):
        house.farm.catalog.image(house.admin, "tiny")


def test_the_root_of_a_capture_that_is_stopped_is_aside_again(house: House) -> None:
    _aside(house)
    house.farm.roots.keep(house.ada, "mine", "better")
    house.farm.wastebasket.remove(house.ada, "better")
    assert house.farm.roots.root(house.ada, "mine").root.state is RootState.ASIDE


def test_an_image_that_an_alias_means_stays(house: House) -> None:
    house.image()
    house.farm.curating.call(house.admin, "tiny", "stable")
    with pytest.raises(Conflict, match="tiny:stable means tiny:2026030101") as error:
        house.farm.wastebasket.remove(house.admin, "tiny")
    assert error.value.code is Code.THING_IN_USE


def test_a_name_whose_content_never_comes_is_given_up(house: House) -> None:
    house.farm.catalog.open(house.ada, "never")
    house.pass_to(house.now + UPLOAD_WITHIN)
    assert house.farm.catalog.images(house.ada) == []
    assert any(
        "the content of never:2026030101 never came" in one.detail for one in house.farm.history.after(house.ada)
    )


def test_an_image_below_a_root_stays_and_the_sentence_names_the_roots_one_may_see(house: House) -> None:
    _aside(house)
    with pytest.raises(Conflict, match="these roots are made from tiny:2026030101: mine") as error:
        house.farm.wastebasket.remove(house.admin, "tiny")
    assert error.value.code is Code.THING_IN_USE
    house.farm.roots.discard(house.ada, "mine")
    with pytest.raises(Conflict):
        house.farm.wastebasket.remove(house.admin, "tiny")
    house.settle()
    house.farm.wastebasket.remove(house.admin, "tiny")


def test_roots_of_others_are_counted_and_not_named(house: House) -> None:
    shared = house.farm.catalog.open(house.ada, "mine", shared=True).image
    house.farm.catalog.content_arrived(house.ada, shared.id, "c" * 64, 1)
    house.settle()
    house.reserve(house.bob, image="mine")
    with pytest.raises(Conflict, match="these roots are made from mine:2026030101: 1 of other users"):
        house.farm.wastebasket.remove(house.ada, "mine")


def test_which_of_several_versions_goes_must_be_said(house: House) -> None:
    house.image()
    house.image()
    with pytest.raises(Invalid, match="several versions of tiny") as error:
        house.farm.wastebasket.remove(house.admin, "tiny")
    assert "tiny:2026030101, tiny:2026030102" in error.value.hint
    house.farm.wastebasket.remove(house.admin, "tiny:2026030101")
    assert house.farm.catalog.image(house.ada, "tiny").image.version == 2026030102


def test_an_upload_that_was_removed_before_it_came_is_gone_at_once(house: House) -> None:
    image = house.farm.catalog.open(house.ada, "mine").image
    house.farm.wastebasket.remove(house.ada, "mine")
    assert house.farm.catalog.images(house.ada) == [] and house.wishes.images == ()
    with pytest.raises(Conflict) as error:
        house.farm.catalog.content_arrived(house.ada, image.id, "c" * 64, 1)
    assert error.value.code is Code.UPLOAD_BROKEN


def test_what_is_on_its_way_is_no_waste_until_nothing_more_has_come_for_a_while(house: House) -> None:
    image = house.farm.catalog.open(house.ada, "big").image
    assert house.farm.wastebasket.empty(house.admin, of_all=True) == []
    house.pass_to(house.now + QUIET_FOR)
    house.farm.catalog.coming(house.ada, image.id, 1000, 2000)
    assert house.farm.wastebasket.empty(house.admin, of_all=True) == []
    assert house.farm.catalog.awaited(house.ada, "big").image == image
    house.pass_to(house.now + QUIET_FOR)
    assert [one.image.id for one in house.farm.wastebasket.empty(house.admin, of_all=True)] == [image.id]
    with pytest.raises(Conflict) as error:
        house.farm.catalog.coming(house.ada, image.id, 2000, 2000)
    assert error.value.code is Code.UPLOAD_BROKEN
    with house.records.read() as records:
        assert records.doing(image.id) is None
