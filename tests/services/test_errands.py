"""Errands: images that are verified or exported."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from boardgrid.model.errand import About, ErrandKind, ErrandState
from boardgrid.model.errors import Code, Conflict, NotAllowed, NotFound
from boardgrid.model.image import Image, Visibility
from boardgrid.model.report import ErrandReport, ProgressReport
from boardgrid.model.user import Role
from boardgrid.services.booking import Fate
from boardgrid.services.catalog import Described
from boardgrid.services.errands import KEPT_FOR
from tests.services.house import House


def _told(house: House, errand: UUID) -> tuple[ErrandState, str]:
    found = house.farm.errands.errand(house.admin, errand).errand
    return found.state, found.reason


def test_an_image_that_is_sound_says_when_it_was_verified(house: House) -> None:
    image = house.image()
    version = house.wishes.version
    errand = house.farm.errands.verify(house.admin, "tiny").errand
    assert [(one.errand, one.kind, one.image) for one in house.wishes.errands] == [
        (errand.id, ErrandKind.VERIFY, image.id)
    ]
    assert house.wishes.version > version and not house.wishes.images
    assert house.farm.errands.verify(house.admin, "tiny").errand.id == errand.id, "it is not asked for twice"
    house.tell(ErrandReport(uuid4(), errand.id))
    assert _told(house, errand.id) == (ErrandState.DONE, "") and not house.wishes.errands
    assert house.farm.catalog.image(house.ada, "tiny").image.verified_at == house.now


def test_a_damaged_image_boots_nothing_until_it_is_found_sound_again(house: House) -> None:
    house.image()
    errand = house.farm.errands.verify(house.admin, "tiny").errand
    house.tell(ErrandReport(uuid4(), errand.id, Code.IMAGE_DAMAGED, "its file has changed"))
    assert _told(house, errand.id) == (ErrandState.DONE, "its file has changed")
    with pytest.raises(Conflict, match="tiny:2026030101 is damaged in the store: its file has changed") as error:
        house.reserve()
    assert error.value.code is Code.IMAGE_DAMAGED
    with pytest.raises(Conflict):
        house.farm.errands.export(house.ada, "tiny")
    again = house.farm.errands.verify(house.admin, "tiny").errand
    house.tell(ErrandReport(uuid4(), again.id))
    house.reserve()


def test_an_image_that_is_gone_from_the_store_is_damaged_and_an_older_one_is_meant(house: House) -> None:
    house.image()
    house.image()
    errand = house.farm.errands.verify(house.admin, "tiny").errand
    house.tell(ErrandReport(uuid4(), errand.id, Code.IMAGE_UNKNOWN, "it is not in this store"))
    assert house.farm.catalog.image(house.ada, "tiny:2026030102").image.damage == "it is not in this store"
    assert house.farm.catalog.image(house.ada, "tiny").image.version == 2026030101


def test_an_image_that_could_not_be_looked_at_is_not_called_damaged(house: House) -> None:
    house.image()
    errand = house.farm.errands.verify(house.admin, "tiny").errand
    house.tell(ErrandReport(uuid4(), errand.id, Code.PROGRAM_FAILED, "no memory"))
    assert _told(house, errand.id) == (ErrandState.FAILED, "no memory")
    house.reserve()


def test_an_image_is_verified_by_its_owner_and_exported_by_who_may_use_it(house: House) -> None:
    house.image()
    with pytest.raises(NotAllowed):
        house.farm.errands.verify(house.ada, "tiny")
    guest = house.farm.accounts.add(house.admin, "gast", Role.GUEST, ())[0]
    with pytest.raises(NotAllowed):
        house.farm.errands.export(guest, "tiny")
    errand = house.farm.errands.export(house.ada, "tiny").errand
    for ask in (house.farm.errands.errand, house.farm.errands.forget):
        with pytest.raises(NotFound) as error:
            ask(house.bob, errand.id)
        assert error.value.code is Code.ERRAND_UNKNOWN


def test_an_export_tells_the_agent_of_the_image_and_lies_ready_for_a_day(house: House) -> None:
    house.image()
    number = house.opened().reservation.number
    house.farm.booking.release(house.ada, number, name="better", fate=Fate.KEEP)
    house.settle()
    errand = house.farm.errands.export(house.ada, "better").errand
    [wish] = house.wishes.errands
    assert wish.about is not None and (wish.about.name, wish.about.lineage) == ("better", ("tiny:2026030101",))
    assert house.farm.errands.wished("lab", errand.id) == errand
    house.farm.errands.packed("lab", errand.id, 77)
    house.farm.errands.packed("lab", errand.id, 77)
    assert house.farm.errands.errand(house.ada, errand.id).errand == replace(
        errand, state=ErrandState.DONE, size_bytes=77, ended_at=house.now
    )
    assert not house.wishes.errands and house.farm.catalog.spooled() == {str(errand.id)}
    house.pass_to(house.now + KEPT_FOR)
    assert house.farm.catalog.spooled() == frozenset()
    with pytest.raises(NotFound):
        house.farm.errands.errand(house.ada, errand.id)


def test_an_export_is_cancelled_and_what_is_packed_for_it_refused(house: House) -> None:
    house.image()
    errand = house.farm.errands.export(house.ada, "tiny").errand
    house.farm.errands.forget(house.ada, errand.id)
    assert not house.wishes.errands
    for ask in (
        lambda: house.farm.errands.wished("lab", errand.id),
        lambda: house.farm.errands.packed("lab", errand.id, 1),
    ):
        with pytest.raises(NotFound):
            ask()
    assert house.tell(ErrandReport(uuid4(), errand.id)).dropped


def test_of_one_user_a_few_exports_lie_ready_at_once(house: House) -> None:
    house.image()
    for _export in range(4):
        house.farm.errands.export(house.ada, "tiny")
    with pytest.raises(Conflict) as error:
        house.farm.errands.export(house.ada, "tiny")
    assert error.value.code is Code.REQUESTS_TOO_MANY
    house.farm.errands.export(house.bob, "tiny")


def test_an_image_that_goes_takes_its_errands_along(house: House) -> None:
    house.image()
    errand = house.farm.errands.export(house.ada, "tiny").errand
    house.farm.wastebasket.remove(house.admin, "tiny")
    assert len(house.wishes.errands) == 1, "it may be restored"
    house.farm.wastebasket.empty(house.admin)
    assert not house.wishes.errands
    assert _told(house, errand.id) == (ErrandState.FAILED, "tiny:2026030101 was removed")


def test_how_far_it_is_is_told_with_its_rate_until_it_is_over(house: House) -> None:
    image = house.farm.catalog.open(house.admin, "tiny", path="/srv/tiny.tar").image
    house.tell(ProgressReport(uuid4(), image.id, "pressing", 0, 1000))
    house.now += timedelta(seconds=10)
    house.tell(ProgressReport(uuid4(), image.id, "pressing", 200, 1000))
    view = house.farm.catalog.image(house.admin, "tiny").progress
    assert view is not None and view.progress.phase == "pressing"
    assert (view.progress.done_bytes, view.rate, view.left_s) == (200, 20.0, 40.0)
    house.tell(ProgressReport(uuid4(), image.id, "comparing"))
    view = house.farm.catalog.image(house.admin, "tiny").progress
    assert view is not None and (view.rate, view.left_s) == (0.0, None)
    noted = [one.detail for one in house.farm.history.after(house.admin) if one.step == "image"]
    assert noted[-2:] == ["tiny:2026030101: pressing", "tiny:2026030101: comparing"]
    house.settle()
    assert house.farm.catalog.image(house.admin, "tiny").progress is None
    assert house.tell(ProgressReport(uuid4(), image.id, "late")).dropped


def test_what_is_wrong_with_a_file_is_wrong_with_every_image_that_has_it(house: House) -> None:
    sound = house.image("other", checksum="sha256:" + "3" * 64)
    house.image("twin", house.ada)
    house.image()
    errand = house.farm.errands.verify(house.admin, "tiny").errand
    house.tell(ErrandReport(uuid4(), errand.id, Code.IMAGE_DAMAGED, "its file has changed"))
    assert house.farm.catalog.image(house.ada, "twin").image.damage == "its file has changed"
    assert house.farm.catalog.image(house.ada, sound.ref).image.damage == ""
    assert any("twin:2026030101 is damaged" in one.detail for one in house.farm.history.after(house.ada))


@pytest.fixture
def descendant(house: House) -> Image:
    """A public image of ada's, made of one that is hers alone, which was made of a public one."""
    house.image()
    for parent, name in (("tiny", "secret"), ("secret", "open")):
        number = house.opened(image=parent).reservation.number
        house.farm.booking.release(house.ada, number, Fate.KEEP, name)
        house.settle()
    return house.farm.curating.describe(house.ada, "open", Described(visibility=Visibility.PUBLIC)).image


def test_an_ancestor_that_one_may_not_see_is_named_nowhere(house: House, descendant: Image) -> None:
    assert house.farm.catalog.image(house.ada, descendant.ref).parent == "secret:2026030101"
    assert house.farm.catalog.image(house.bob, descendant.ref).parent is None
    for who, lineage in ((house.bob, ()), (house.ada, ("secret:2026030101", "tiny:2026030101"))):
        errand = house.farm.errands.export(who, descendant.ref).errand
        [about] = [one.about for one in house.wishes.errands if one.errand == errand.id]
        assert about is not None and about.lineage == lineage


def test_what_an_image_was_made_of_on_another_farm_is_told_to_who_may_change_it(house: House) -> None:
    about = About("theirs", 1, {}, (), ("secret:1",))
    image = house.image("open", house.ada, about=about)
    house.farm.curating.describe(house.ada, "open", Described(visibility=Visibility.PUBLIC))
    for who, lineage in ((house.bob, ()), (house.ada, ("secret:1",))):
        manifest = house.farm.catalog.image(who, "open").image.manifest
        assert manifest is not None and manifest.about == replace(about, lineage=lineage)
        errand = house.farm.errands.export(who, image.ref).errand
        [told] = [one.about for one in house.wishes.errands if one.errand == errand.id]
        assert told is not None and told.lineage == ("theirs:1", *lineage)


def test_an_image_that_one_may_not_use_any_more_is_neither_packed_nor_taken_away(house: House) -> None:
    house.image()
    packed, waiting = (house.farm.errands.export(house.ada, "tiny").errand.id for _export in range(2))
    house.farm.errands.packed("lab", packed, 77)
    assert house.farm.errands.to_fetch(house.ada, packed).errand.size_bytes == 77
    house.farm.curating.describe(house.admin, "tiny", Described(visibility=Visibility.PRIVATE))
    assert not house.wishes.errands
    for ask in (
        lambda: house.farm.errands.to_fetch(house.ada, packed),
        lambda: house.farm.errands.wished("lab", waiting),
        lambda: house.farm.errands.packed("lab", waiting, 1),
    ):
        with pytest.raises(NotFound) as error:
            ask()
        assert error.value.code is Code.ERRAND_UNKNOWN
    house.farm.upkeep.carry_out()
    assert house.farm.catalog.spooled() == frozenset(), "what is packed goes, too"
