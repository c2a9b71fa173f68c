"""Images that are built from recipes: unpacked by the agent, finished on a board, and what may go wrong with both."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from boardgrid.model.board import BoardType, Boot
from boardgrid.model.errors import Blame, Code, Conflict, Invalid, NotAllowed
from boardgrid.model.image import Image, ImageState, RecipeSource, RootSource
from boardgrid.model.recipe import FINISH, Recipe, System
from boardgrid.model.report import ImageReport, VolumeReport
from boardgrid.model.reservation import Purpose, Reservation, ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.user import Role
from boardgrid.model.wish import Deployed, Parked
from boardgrid.services.booking import Fate
from boardgrid.services.giving import FINISH_S
from tests.services.house import START, House, a_board, a_manifest

TINY = Recipe("small", System.TINY)
DEBIAN = Recipe("base", System.DEBIAN, architectures=("armhf",))


def begun(house: House, recipe: Recipe = DEBIAN) -> Image:
    return house.farm.building.build(house.ada, recipe, "armhf").image


def now(house: House, image: Image) -> Image:
    with house.records.read() as records:
        found = records.image(image.id)
    assert found is not None
    return found


def below(house: House, image: Image) -> Image:
    """The unpacked one that it is made of."""
    with house.records.read() as records:
        found = records.image(image.parent) if image.parent else None
    assert found is not None
    return found


def unpack(house: House, image: Image) -> Reservation:
    """The agent is done with the first step."""
    assert house.tell(ImageReport(uuid4(), below(house, image).id, a_manifest())).dropped == ()
    return build_of(house, image)


def build_of(house: House, image: Image) -> Reservation:
    with house.records.read() as records:
        [found] = [one for one in records.reservations() if one.subject == image.id]
    return found


def roots_left(house: House) -> list[RootState]:
    with house.records.read() as records:
        return [one.state for one in records.roots() if one.state is not RootState.GONE]


def test_a_system_that_needs_nothing_run_is_made_by_the_agent_alone(house: House) -> None:
    image = begun(house, TINY)
    assert image.state is ImageState.BUILDING and image.name == "small"
    [wished] = house.wishes.images
    assert wished.image == image.id and wished.source == RecipeSource(TINY, "armhf")
    house.tell(ImageReport(uuid4(), image.id, a_manifest()))
    assert now(house, image).state is ImageState.READY


def test_a_debian_system_is_unpacked_then_finished_on_a_board_then_kept(house: House) -> None:
    image = begun(house)
    assert image.state is ImageState.FINISHING
    [wished] = house.wishes.images
    assert wished.image == image.parent and wished.source == RecipeSource(DEBIAN, "armhf")
    build = unpack(house, image)
    assert (build.purpose, build.user, build.state) == (Purpose.BUILD, house.ada.id, ReservationState.RUNNING)
    assert below(house, image).state is ImageState.UNPACKED
    wish = house.wish()
    assert isinstance(wish.wish, Deployed) and wish.wish.init == FINISH and wish.wish.is_trial
    assert wish.type.boot_s == FINISH_S, "it takes longer than a start"
    house.reach()
    assert isinstance(house.wish().wish, Parked), "given back at once"
    made = now(house, image)
    assert made.state is ImageState.BUILDING and isinstance(made.source, RootSource)
    house.settle()
    house.settle()
    ready = now(house, image)
    assert (ready.state, ready.version) == (ImageState.READY, image.version)
    assert below(house, image).state is ImageState.GONE and roots_left(house) == []
    assert house.farm.catalog.image(house.ada, "base").image == ready
    house.check_plan()


def test_nobody_boots_what_is_only_unpacked(house: House) -> None:
    image = begun(house)
    unpack(house, image)
    with pytest.raises(Conflict) as raised:
        house.reserve(house.ada, image=below(house, image).ref)
    assert raised.value.code is Code.IMAGE_NOT_READY


@pytest.mark.parametrize("recipe", [TINY, DEBIAN], ids=lambda one: str(one.system))
def test_boards_are_given_back_while_an_image_is_built(house: House, recipe: Recipe) -> None:
    mine = house.opened(house.bob, image=house.image().name)
    begun(house, recipe)
    house.release(mine.reservation.number, fate=Fate.DISCARD)
    house.settle()
    assert roots_left(house) == []


def test_a_build_waits_its_turn(house: House) -> None:
    mine = house.opened(house.bob, image=house.image().name)
    image = begun(house)
    build = unpack(house, image)
    assert build.state is ReservationState.WAITING
    house.release(mine.reservation.number)
    house.settle()
    assert build_of(house, image).state in {ReservationState.RUNNING, ReservationState.ENDED}
    house.settle()
    assert now(house, image).state is ImageState.READY


def test_what_cannot_be_unpacked_leaves_nothing_but_its_reason(house: House) -> None:
    image = begun(house)
    house.tell(ImageReport(uuid4(), below(house, image).id, None, Code.RECIPE_INVALID, "no package gdbb"))
    failed = now(house, image)
    assert (failed.state, failed.reason) == (ImageState.FAILED, "no package gdbb")
    assert below(house, image).state is ImageState.GONE


@pytest.mark.parametrize("blame", [Blame.IMAGE, Blame.BOARD])
def test_a_build_that_never_comes_to_its_end_fails_with_its_reason(house: House, blame: Blame) -> None:
    image = begun(house)
    unpack(house, image)
    house.fail(blame, reason="it did not answer SSH within 3600 s")
    failed = now(house, image)
    assert (failed.state, failed.reason) == (ImageState.FAILED, "it did not answer SSH within 3600 s")
    assert house.standing().board.is_fit is (blame is Blame.IMAGE)
    house.settle()
    house.settle()
    assert below(house, image).state is ImageState.GONE and roots_left(house) == []


def test_a_system_that_could_not_be_finished_is_told_why_and_its_root_is_not_kept(house: House) -> None:
    image = begun(house)
    unpack(house, image)
    house.reach()
    house.tell(ImageReport(uuid4(), image.id, None, Code.BUILD_FAILED, "the script user failed"))
    assert now(house, image).reason == "the script user failed"
    house.settle()
    house.settle()
    assert below(house, image).state is ImageState.GONE and roots_left(house) == []


def test_whose_time_is_over_before_it_is_finished_fails(house: House) -> None:
    image = begun(house)
    build = unpack(house, image)
    house.pass_to(build.window.end + timedelta(seconds=1))
    failed = now(house, image)
    assert failed.state is ImageState.FAILED and "time was over" in failed.reason


@pytest.mark.parametrize("is_unpacked", [False, True])
def test_an_image_that_is_removed_while_it_is_built_gives_its_board_back(house: House, is_unpacked: bool) -> None:
    image = begun(house)
    if is_unpacked:
        unpack(house, image)
    house.farm.wastebasket.remove(house.ada, image.ref)
    assert now(house, image).state is ImageState.GONE
    house.settle()
    house.settle()
    assert below(house, image).state is ImageState.GONE and roots_left(house) == []
    assert isinstance(house.wish().wish, Parked) and house.standing().is_clean


def test_an_unpacked_image_that_arrives_when_nobody_wants_it_any_more_goes(house: House) -> None:
    image = begun(house)
    unfinished = below(house, image)
    house.farm.wastebasket.remove(house.ada, image.ref)
    house.tell(ImageReport(uuid4(), unfinished.id, a_manifest()))
    house.settle()
    assert below(house, image).state is ImageState.GONE


def test_another_controller_goes_on_where_one_ended(house: House) -> None:
    image = begun(house)
    unpack(house, image)
    after = House(house.records, START, instance=house.instance)
    after.reach()
    after.settle()
    after.settle()
    assert now(after, image).state is ImageState.READY


def test_a_flashed_board_finishes_nothing(house: House) -> None:
    house.farm.inventory.put_board(house.admin, a_board(1, boot=Boot.FLASHED, nfs_path="/NFSRoot1"))
    image = begun(house)
    house.tell(ImageReport(uuid4(), below(house, image).id, a_manifest()))
    failed = now(house, image)
    assert failed.state is ImageState.FAILED and "flashed" in failed.reason


def test_where_no_board_could_finish_it_nothing_is_begun(house: House) -> None:
    arm64 = replace(DEBIAN, architectures=("arm64",))
    with pytest.raises(Conflict) as raised:
        house.farm.building.build(house.ada, arm64)
    assert raised.value.code is Code.BOARDS_TOO_FEW
    assert house.farm.building.build(house.ada, replace(TINY, architectures=("arm64",))).image.state


def test_a_recipe_for_certain_board_types_is_finished_on_one_of_those(house: House) -> None:
    house.farm.inventory.put_type(house.admin, BoardType("other", "armhf"))
    with pytest.raises(Conflict):
        house.farm.building.build(house.ada, replace(DEBIAN, board_types=("other",)))
    image = house.farm.building.build(house.ada, replace(DEBIAN, board_types=("other", "tk1"))).image
    assert unpack(house, image).boards == ("tk1-1",)


def test_who_asks_says_for_which_of_several_architectures(house: House) -> None:
    several = replace(TINY, architectures=("armhf", "arm64"))
    with pytest.raises(Invalid, match="several architectures"):
        house.farm.building.build(house.ada, several)
    with pytest.raises(Invalid, match="not built for amd64"):
        house.farm.building.build(house.ada, several, "amd64")


def test_guests_build_nothing_and_names_of_others_stay_theirs(house: House) -> None:
    begun(house, TINY)
    with pytest.raises(Conflict) as raised:
        house.farm.building.build(house.bob, TINY, "armhf")
    assert raised.value.code is Code.NAME_TAKEN
    guest = house.farm.accounts.add(house.admin, "gil", Role.GUEST, ())[0]
    with pytest.raises(NotAllowed):
        house.farm.building.build(guest, TINY, "armhf", name="other")


@pytest.mark.parametrize("how", [{"fate": Fate.KEEP, "name": "mine"}, {"fate": Fate.ASIDE}, {"name": "mine"}])
def test_nobody_keeps_what_is_half_done(house: House, how: dict[str, Any]) -> None:
    image = begun(house)
    build = unpack(house, image)
    with pytest.raises(Conflict, match="nothing of yours to keep"):
        house.farm.booking.release(house.ada, build.number, **how)
    house.farm.booking.release(house.ada, build.number)
    assert now(house, image).state is ImageState.FAILED


def test_a_build_takes_no_longer_than_its_user_may_have_a_board(house: House) -> None:
    rules = house.farm.ruling.rules(house.admin)
    house.farm.ruling.put(house.admin, replace(rules, everyone=replace(rules.everyone, longest=timedelta(minutes=20))))
    build = unpack(house, begun(house))
    assert build.window.lasting == timedelta(minutes=20)


def test_volumes_of_its_user_are_no_part_of_an_image(house: House) -> None:
    volume = house.farm.volumes.create(house.ada, "home", 1 << 30).volume
    house.tell(VolumeReport(uuid4(), volume.id, volume.size_bytes))
    unpack(house, begun(house))
    wish = house.wish().wish
    assert isinstance(wish, Deployed) and wish.volumes == ()
