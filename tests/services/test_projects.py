"""Groups and projects of people: who makes them, who is in them, and what counts on them."""

import pytest

from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.project import Part
from boardgrid.model.reservation import Group
from boardgrid.services.booking import Fate
from tests.services.house import HOUR, House


def test_a_group_is_seen_by_who_is_in_it_and_by_admins(house: House) -> None:
    house.farm.projects.add_group(house.admin, "vision", ["ada"])
    assert [one.members for one in house.farm.projects.groups(house.ada)] == [("ada",)]
    assert house.farm.projects.groups(house.bob) == []
    with pytest.raises(NotFound) as error:
        house.farm.projects.group(house.bob, "vision")
    assert error.value.code is Code.GROUP_UNKNOWN
    changed = house.farm.projects.change_group(house.admin, "vision", add=["bob"], remove=["ada"])
    assert changed == house.farm.projects.group(house.bob, "vision") and changed.members == ("bob",)


def test_only_admins_make_and_change_groups_and_make_projects(house: House) -> None:
    house.farm.projects.add_group(house.admin, "vision", ["ada"])
    with pytest.raises(NotAllowed):
        house.farm.projects.add_group(house.ada, "mine")
    with pytest.raises(NotAllowed):
        house.farm.projects.change_group(house.ada, "vision", add=["bob"])
    with pytest.raises(NotAllowed):
        house.farm.projects.add(house.ada, "mine")


def test_a_name_that_was_given_up_is_given_again_and_brings_nobody_with_it(house: House) -> None:
    projects = house.farm.projects
    projects.add_group(house.admin, "vision", ["ada"])
    projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    with pytest.raises(Conflict) as error:
        projects.add_group(house.admin, "vision")
    assert error.value.code is Code.NAME_TAKEN
    with pytest.raises(Conflict):
        projects.add(house.admin, "robots")
    projects.remove_group(house.admin, "vision")
    projects.remove(house.admin, "robots")
    assert projects.add_group(house.admin, "vision").members == ()
    assert projects.add(house.admin, "robots").members == {}


@pytest.mark.parametrize("name", ["", "Vision", "two words", "../x", "a" * 40])
def test_what_is_no_name_is_refused(house: House, name: str) -> None:
    with pytest.raises(Invalid):
        house.farm.projects.add_group(house.admin, name)
    with pytest.raises(Invalid):
        house.farm.projects.add(house.admin, name)


def test_a_manager_says_who_else_is_in_a_project_and_a_member_does_not(house: House) -> None:
    projects = house.farm.projects
    projects.add(house.admin, "robots", members={"ada": Part.MANAGER})
    projects.change(house.ada, "robots", add={"bob": Part.MEMBER})
    assert projects.project(house.bob, "robots").members == {"ada": Part.MANAGER, "bob": Part.MEMBER}
    with pytest.raises(NotAllowed, match="you are no manager of project robots"):
        projects.change(house.bob, "robots", remove=["ada"])
    with pytest.raises(NotFound, match="there is no user eve"):
        projects.change(house.ada, "robots", add={"eve": Part.MEMBER})
    projects.change(house.ada, "robots", remove=["bob"])
    with pytest.raises(NotFound):
        projects.project(house.bob, "robots")


def test_a_closed_account_is_in_nothing_any_more(house: House) -> None:
    house.user("eve")
    house.farm.projects.add(house.admin, "robots", members={"eve": Part.MEMBER})
    house.farm.accounts.remove(house.admin, "eve")
    house.user("eve")
    assert house.farm.projects.project(house.admin, "robots").members == {}


# --- what counts on a project


def test_a_reservation_counts_on_a_project_and_boots_its_image(house: House) -> None:
    image = house.image("tiny")
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER}, image="tiny")
    view = house.farm.booking.reserve(house.ada, groups=[Group(board="tk1-1")], for_=HOUR, project="robots")
    assert (view.project, view.image, view.reservation.image) == ("robots", "tiny:2026030101", image.id)
    assert house.farm.booking.reservation(house.bob, view.reservation.number).project is None


def test_nobody_reserves_for_a_project_that_they_are_not_in(house: House) -> None:
    house.image()
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    for who in (house.bob, house.admin):
        with pytest.raises(NotFound, match="you are in no project robots") as error:
            house.reserve(who, project="robots")
        assert error.value.code is Code.PROJECT_UNKNOWN


def test_a_project_with_live_reservations_stays_and_one_without_is_remembered(house: House) -> None:
    house.image()
    house.farm.projects.add(house.admin, "robots", members={"ada": Part.MEMBER})
    number = house.reserve(project="robots").reservation.number
    with pytest.raises(Conflict, match=f"count on project robots: {number}") as error:
        house.farm.projects.remove(house.admin, "robots")
    assert error.value.code is Code.THING_IN_USE
    house.farm.booking.release(house.ada, number, Fate.DISCARD)
    house.farm.projects.remove(house.admin, "robots")
    assert house.farm.booking.reservation(house.ada, number).project == "robots"
    assert house.farm.projects.projects(house.ada) == []
