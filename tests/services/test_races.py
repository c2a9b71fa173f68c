"""Two act on one thing at one moment: either comes first, and neither finds the world half changed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from boardgrid.model.errand import ErrandState
from boardgrid.model.errors import Code, FarmError, NotFound
from boardgrid.model.image import Image, ImageState
from boardgrid.model.report import ImageReport
from boardgrid.model.root import RootState
from boardgrid.model.rules import Limits
from boardgrid.services.booking import Fate
from tests.services.house import House, a_manifest

Act = Callable[[House], object]
Outcome = Code | None  # what refused it

ORDERS = ["one first", "the other first", "at once"]


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def both(house: House, order: str, one: Act, other: Act) -> tuple[Outcome, Outcome]:
    """What came of each, by two controllers on one database."""
    outcomes: dict[int, Outcome] = {}
    barrier = threading.Barrier(2)

    def try_it(which: int, act: Act, controller: House) -> None:
        if order not in ORDERS[:2]:
            barrier.wait(timeout=30)
        try:
            act(controller)
            outcomes[which] = None
        except FarmError as error:
            outcomes[which] = error.code

    threads = [
        threading.Thread(target=try_it, args=(0, one, house)),
        threading.Thread(target=try_it, args=(1, other, House(house.records, house.now))),
    ]
    for thread in threads if order != ORDERS[1] else reversed(threads):
        thread.start()
        if order in ORDERS[:2]:
            thread.join(timeout=60)
    for thread in threads:
        thread.join(timeout=60)
    return outcomes[0], outcomes[1]


def state_of(house: House, image: UUID) -> ImageState:
    with house.records.read() as records:
        found = records.image(image)
    assert found is not None
    return found.state


def aside(house: House) -> Image:
    """A root of ada's, kept aside, and the image that it stands on."""
    image = house.image()
    house.farm.booking.release(house.ada, house.opened().reservation.number, Fate.ASIDE, "mine")
    house.reach()
    return image


def test_an_image_is_removed_or_reserved(house: House, order: str) -> None:
    image = house.image()
    removed, reserved = both(
        house, order, lambda it: it.farm.wastebasket.remove(it.admin, "tiny"), lambda it: it.reserve()
    )
    assert (removed, reserved) in {(None, Code.IMAGE_UNKNOWN), (None, Code.IMAGE_NOT_READY), (Code.THING_IN_USE, None)}
    assert state_of(house, image.id) is (ImageState.REMOVED if removed is None else ImageState.READY)


def test_what_lies_in_the_wastebasket_is_restored_or_gone_for_good(house: House, order: str) -> None:
    image = house.image()
    house.farm.wastebasket.remove(house.admin, "tiny")
    _emptied, restored = both(
        house,
        order,
        lambda it: it.farm.wastebasket.empty(it.admin),
        lambda it: it.farm.wastebasket.restore(it.admin, "tiny"),
    )
    assert restored in {None, Code.IMAGE_NOT_READY, Code.IMAGE_UNKNOWN}
    assert state_of(house, image.id) is (ImageState.GOING if restored else ImageState.READY)


def test_an_image_stays_while_another_is_made_of_a_root_that_stands_on_it(house: House, order: str) -> None:
    image = aside(house)
    removed, kept = both(
        house,
        order,
        lambda it: it.farm.wastebasket.remove(it.admin, "tiny"),
        lambda it: it.farm.roots.keep(it.ada, "mine", "better"),
    )
    assert (removed, kept) == (Code.THING_IN_USE, None)
    assert state_of(house, image.id) is ImageState.READY
    house.settle()
    house.farm.wastebasket.remove(house.admin, "tiny")


def test_a_root_is_kept_or_discarded(house: House, order: str) -> None:
    aside(house)
    kept, discarded = both(
        house,
        order,
        lambda it: it.farm.roots.keep(it.ada, "mine", "better"),
        lambda it: it.farm.roots.discard(it.ada, "mine"),
    )
    assert (kept is None) != (discarded is None)
    house.settle()
    assert [one.image.state for one in house.farm.catalog.images(house.ada) if one.image.name == "better"] == (
        [] if kept else [ImageState.READY]
    )
    with house.records.read() as records:
        assert [one.state for one in records.roots()] == [RootState.GONE]


def test_of_two_captures_of_one_root_one_is_made(house: House, order: str) -> None:
    aside(house)
    outcomes = both(
        house,
        order,
        lambda it: it.farm.roots.keep(it.ada, "mine", "one"),
        lambda it: it.farm.roots.keep(it.ada, "mine", "other"),
    )
    assert sorted(outcomes, key=str) == sorted([None, Code.ROOT_NOT_ASIDE], key=str)
    house.settle()
    assert len([one for one in house.farm.catalog.images(house.ada) if one.owner == "ada"]) == 1


@pytest.mark.parametrize("what", ["export", "verify"])
def test_an_image_that_goes_takes_what_is_done_with_it_along(house: House, order: str, what: str) -> None:
    house.image()
    house.farm.wastebasket.remove(house.admin, "tiny")
    begun: list[UUID] = []

    def begin(it: House) -> None:
        it.farm.wastebasket.restore(it.admin, "tiny")
        begun.append(getattr(it.farm.errands, what)(it.admin, "tiny").errand.id)
        it.farm.wastebasket.remove(it.admin, "tiny")

    both(house, order, begin, lambda it: it.farm.wastebasket.empty(it.admin))
    house.farm.wastebasket.empty(house.admin)
    for errand in begun:
        assert house.farm.errands.errand(house.admin, errand).errand.state is ErrandState.FAILED
    assert house.wishes.errands == ()
    house.settle()
    with pytest.raises(NotFound):
        house.farm.catalog.image(house.admin, "tiny")


def test_two_images_whose_size_only_shows_when_they_are_made_do_not_pass_a_quota_together(
    house: House, order: str
) -> None:
    rules = house.farm.ruling.rules(house.admin)
    house.farm.ruling.put(house.admin, replace(rules, users={"ada": Limits(image_bytes=4_000_000)}))
    images = [
        house.farm.catalog.open(house.ada, name, url="https://example.org/a.tar").image for name in ("one", "two")
    ]
    house.tell()
    made = [ImageReport(uuid4(), one.id, a_manifest(stored_bytes=3_000_000)) for one in images]
    outcomes = both(house, order, lambda it: house.tell(made[0]), lambda it: house.tell(made[1]))
    assert outcomes == (None, None)
    states = [house.farm.catalog.image(house.ada, one.ref).image.state for one in images]
    assert sorted(states) == [ImageState.FAILED, ImageState.READY]
    [failed] = [one for one in images if state_of(house, one.id) is ImageState.FAILED]
    assert house.farm.catalog.image(house.ada, failed.ref).image.reason.startswith("images may take 4.0 MB")
