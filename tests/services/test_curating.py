"""What owners say of their images, and whom that lets in."""

import pytest

from boardgrid.model.board import BoardType
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import Visibility
from boardgrid.model.project import Part
from boardgrid.model.reservation import Group
from boardgrid.services.catalog import Described, Wanted
from boardgrid.services.inventory import Inventory
from tests.services.house import House, a_board


def _describe(house: House, ref: str, **said: object) -> None:
    house.farm.curating.describe(house.ada, ref, Described(**said))  # type: ignore[arg-type] # a test's words


def _seen(house: House, **wanted: object) -> list[str]:
    return [one.image.name for one in house.farm.catalog.images(house.bob, Wanted(**wanted))]  # type: ignore[arg-type] # as above


def test_versions_are_dates_and_rise(house: House) -> None:
    assert [house.image().version, house.image().version] == [2026030101, 2026030102]
    house.now = house.now.replace(day=2)
    assert house.image().version == 2026030201
    house.now = house.now.replace(day=1)
    assert house.image().version == 2026030202, "also where the clock was set back"


def test_an_alias_means_one_version_until_it_is_given_to_another(house: House) -> None:
    house.image()
    house.image()
    house.farm.curating.call(house.admin, "tiny:2026030101", "stable")
    assert house.farm.catalog.image(house.ada, "tiny:stable").image.version == 2026030101
    made = house.reserve(image="tiny:stable")
    house.farm.curating.call(house.admin, "tiny:2026030102", "stable")
    assert house.farm.catalog.image(house.ada, "tiny:stable").image.version == 2026030102
    assert house.farm.catalog.image(house.ada, "tiny:2026030101").image.aliases == ()
    assert house.farm.booking.reservation(house.ada, made.reservation.number).image == "tiny:2026030101"
    house.farm.curating.uncall(house.admin, "tiny", "stable")
    for ask in (lambda: house.farm.catalog.image(house.ada, "tiny:stable"), lambda: _uncall(house)):
        with pytest.raises(NotFound):
            ask()


def _uncall(house: House) -> None:
    house.farm.curating.uncall(house.admin, "tiny", "stable")


@pytest.mark.parametrize("alias", ["1", "2026030101", "", "Stable", "a:b", "a" * 40])
def test_an_alias_is_never_taken_for_a_version(house: House, alias: str) -> None:
    house.image()
    with pytest.raises(Invalid) as error:
        house.farm.curating.call(house.admin, "tiny", alias)
    assert error.value.code is Code.NAME_INVALID


def test_an_alias_is_given_by_the_owner_to_what_is_ready(house: House) -> None:
    house.image()
    with pytest.raises(NotAllowed):
        house.farm.curating.call(house.ada, "tiny", "stable")
    house.farm.catalog.open(house.ada, "mine")
    with pytest.raises(Conflict) as error:
        house.farm.curating.call(house.ada, "mine", "stable")
    assert error.value.code is Code.IMAGE_NOT_READY


def test_who_sees_an_image_is_its_owner_s_to_say(house: House) -> None:
    house.image("mine", house.ada)
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER, "bob": Part.MEMBER})
    assert _seen(house) == []
    _describe(house, "mine", visibility=Visibility.PROJECT, project="robots")
    assert _seen(house) == ["mine"]
    assert house.farm.catalog.image(house.bob, "mine").project == "robots"
    with pytest.raises(NotAllowed, match="mine is another user's"):
        house.farm.wastebasket.remove(house.bob, "mine")
    house.reserve(house.bob, image="mine")
    house.farm.projects.change(house.admin, "robots", remove=["bob"])
    assert _seen(house) == []
    _describe(house, "mine", visibility=Visibility.PUBLIC)
    assert _seen(house) == ["mine"]
    _describe(house, "mine", visibility=Visibility.PRIVATE)
    assert _seen(house) == []


def test_an_image_is_opened_to_a_project_of_one_s_own_by_its_name(house: House) -> None:
    house.image("mine", house.ada)
    house.farm.projects.add(house.admin, "others", members={})
    with pytest.raises(NotFound) as missing:
        _describe(house, "mine", visibility=Visibility.PROJECT, project="others")
    assert missing.value.code is Code.PROJECT_UNKNOWN
    for said in ({"visibility": Visibility.PROJECT}, {"visibility": Visibility.PUBLIC, "project": "others"}):
        with pytest.raises(Invalid):
            _describe(house, "mine", **said)


def test_labels_are_set_taken_away_and_looked_for(house: House) -> None:
    house.farm.catalog.open(house.ada, "mine", shared=True, described=Described(labels={"purpose": "ci", "by": "Ada"}))
    house.farm.catalog.open(house.ada, "other", shared=True)
    assert _seen(house, labels=frozenset({("purpose", "ci")})) == ["mine"]
    assert _seen(house, labels=frozenset({("purpose", "ci"), ("purpose", "demo")})) == [], "it has all of them or none"
    _describe(house, "mine", labels={"purpose": None, "branch": "next"})
    assert house.farm.catalog.image(house.ada, "mine").image.labels == {"branch": "next", "by": "Ada"}
    assert _seen(house, labels=frozenset({("purpose", "ci")})) == []
    assert _seen(house, text="BRANCH=N") == _seen(house, name="mine") == ["mine"]
    assert _seen(house, owner="root") == []
    for labels in ({"Purpose": "x"}, {"purpose": ""}, {"purpose": "a\nb"}, {f"l{n}": "x" for n in range(60)}):
        with pytest.raises(Invalid):
            _describe(house, "mine", labels=labels)


def test_an_image_boots_on_the_types_that_it_is_for(house: House) -> None:
    inventory: Inventory = house.farm.inventory
    inventory.put_type(house.admin, BoardType("rpi2", "armhf"))
    inventory.put_board(house.admin, a_board(2, name="rpi2-1"))
    image = house.image("mine", house.ada)
    house.farm.booking.release(house.ada, house.reserve(image="mine").reservation.number)
    _describe(house, "mine", types=("rpi2",))
    with pytest.raises(Invalid, match=f"{image.ref} is for boards of type rpi2, and tk1-1 is none") as error:
        house.reserve(image="mine")
    assert error.value.code is Code.IMAGE_MISFIT
    assert house.reserve(image="mine", groups=(Group(1, where='arch == "armhf"'),)).reservation.boards == ("rpi2-1",)
    with pytest.raises(NotFound):
        _describe(house, "mine", types=("rpi9",))
    _describe(house, "mine", visibility=Visibility.PUBLIC)
    assert _seen(house, type="rpi2") == ["mine"] and _seen(house, type="tk1") == []


def test_what_was_promised_before_an_image_became_unfit_stays_promised(house: House) -> None:
    house.image("mine", house.ada)
    made = house.reserve(image="mine", at=house.now.replace(hour=20))
    _describe(house, "mine", types=())
    house.farm.inventory.put_type(house.admin, BoardType("rpi2", "armhf"))
    _describe(house, "mine", types=("rpi2",))
    house.check_plan()
    assert house.found(made.reservation.number).boards == ("tk1-1",)
    house.pass_to(house.now.replace(hour=20))
    assert house.found(made.reservation.number).is_running
