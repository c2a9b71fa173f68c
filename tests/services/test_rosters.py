"""Rosters: a whole class comes into a project at once, or nobody does."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from boardgrid.model.errors import Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.project import Part
from boardgrid.model.report import VolumeReport
from boardgrid.model.user import Role, User
from boardgrid.services.invitations import INVITATIONS_MOST
from boardgrid.services.rosters import RosterChange, RosterRow
from tests.services.house import House

GOOD = "correct horse battery"
Row = tuple[str, ...]  # name, part, team


@pytest.fixture
def grace(house: House) -> User:
    """A manager of the project "course", who is no admin."""
    grace = house.user("grace")
    house.farm.projects.add(house.admin, "course", members={"grace": Part.MANAGER})
    return grace


def bring_in(house: House, who: User, *rows: Row, replace_others: bool = False) -> RosterChange:
    asked = [RosterRow(at, *row[:2], *row[2:] or (None,)) for at, row in enumerate(rows, 2)]
    return house.farm.rosters.bring_in(who, "course", asked, replace_others=replace_others)


def shown(house: House, who: User | None = None) -> list[tuple[str, str, str, bool]]:
    lines = house.farm.rosters.roster(who or house.admin, "course")
    return [(one.name, str(one.part), one.team, one.is_expected) for one in lines]


def accept(house: House, change: RosterChange, name: str) -> User:
    made = next(one.made for one in change.invited if one.line.name == name)
    return house.farm.invitations.accept(made.clear.reveal(), password=GOOD, origin="192.0.2.1")[0]


def refused(act: Callable[[], object]) -> tuple[Code, str]:
    with pytest.raises(FarmError) as error:
        act()
    return error.value.code, error.value.detail


def test_a_manager_brings_in_a_class_in_teams(house: House, grace: User) -> None:
    change = bring_in(house, grace, ("ada", "", "red"), ("bob", "manager", ""))
    assert (change.added, change.changed, change.invited) == (("ada", "bob"), (), ())
    assert change.project.teams == {"red": ("ada",)}
    assert shown(house, house.ada) == [
        ("ada", "member", "red", False), ("bob", "manager", "", False), ("grace", "manager", "", False),
    ]  # fmt: skip


def test_who_is_left_out_of_a_whole_class_has_its_volume_no_more(house: House, grace: User) -> None:
    house.image()
    bring_in(house, grace, ("ada", "", ""), ("bob", "", ""))
    made = house.farm.volumes.create(house.admin, "data", 10**9, project="course").volume
    house.tell(VolumeReport(uuid4(), made.id, made.size_bytes))
    house.opened(project="course")
    assert house.farm.volumes.volume(house.admin, "data").boards == ("tk1-1",)
    bring_in(house, grace, ("bob", "", ""), replace_others=True)
    assert house.farm.volumes.volume(house.admin, "data").boards == ()


def test_what_is_left_out_stays_as_it_is(house: House, grace: User) -> None:
    bring_in(house, grace, ("ada", "manager", "red"), ("bob", "member", "red"))
    change = bring_in(house, grace, ("ada", ""), ("bob", "", "blue"))
    assert (change.added, change.changed, change.removed) == ((), ("bob",), ())
    assert change.project.teams == {"blue": ("bob",), "red": ("ada",)}
    assert change.project.members["ada"] is Part.MANAGER
    assert bring_in(house, grace, ("ada", "", "")).project.teams == {"blue": ("bob",)}


def test_a_roster_that_replaces_takes_out_who_is_not_in_it_but_no_manager(house: House, grace: User) -> None:
    bring_in(house, grace, ("ada", "member", "red"))
    change = bring_in(house, grace, ("bob", ""), replace_others=True)
    assert (change.added, change.removed, change.stayed) == (("bob",), ("ada",), ("grace",))
    assert change.project.members == {"bob": Part.MEMBER, "grace": Part.MANAGER} and change.project.teams == {}


def test_all_that_is_wrong_is_told_by_its_line_and_nothing_is_done(house: House, grace: User) -> None:
    rows = (("ada", ""), ("Bob!", ""), ("", ""), ("bob", "boss"), ("ada", "", "Red Team"))
    code, detail = refused(lambda: bring_in(house, grace, *rows))
    assert code is Code.ROSTER_INVALID
    assert detail == (
        "nothing was done, for 5 things are wrong: line 3: 'Bob!' is no name for a user; line 4: there is no name; "
        "line 5: the part 'boss' is neither member nor manager; line 6: 'Red Team' is no name for a team; "
        "line 6: 'ada' stands in line 2 already"
    )
    assert shown(house) == [("grace", "manager", "", False)]


def test_of_very_many_mistakes_some_are_told_and_the_others_counted(house: House, grace: User) -> None:
    detail = refused(lambda: bring_in(house, grace, *[("X", "")] * 500))[1]
    assert "for 999 things are wrong" in detail and detail.endswith("and 949 more")


def test_a_roster_is_bounded(house: House, grace: User) -> None:
    code, detail = refused(lambda: bring_in(house, grace, *[("ada", "")] * 1001))
    assert (code, detail) == (Code.ROSTER_INVALID, "a roster has 1000 rows at most, and this one has 1001")


def test_only_managers_and_admins_bring_people_in(house: House, grace: User) -> None:
    bring_in(house, grace, ("ada", ""))
    assert refused(lambda: bring_in(house, house.ada, ("bob", "")))[0] is Code.ACT_FORBIDDEN
    assert refused(lambda: bring_in(house, house.bob, ("bob", "")))[0] is Code.PROJECT_UNKNOWN
    with pytest.raises(NotFound):
        house.farm.rosters.roster(house.bob, "course")


# --- who has no account yet


def test_a_manager_is_told_who_has_no_account_and_what_would_do(house: House, grace: User) -> None:
    with pytest.raises(NotFound) as error:
        bring_in(house, grace, ("ada", ""), ("eve", ""), ("linus", ""))
    assert error.value.code is Code.USER_UNKNOWN
    assert str(error.value) == "nothing was done, for these have no account: eve (line 3), linus (line 4)"
    assert "boardgrid project link course --new-accounts" in error.value.hint
    assert shown(house) == [("grace", "manager", "", False)]


def test_an_admin_invites_who_has_no_account_and_they_are_in_project_and_team(house: House, grace: User) -> None:
    change = bring_in(house, house.admin, ("ada", ""), ("eve", "", "red"), ("linus", "manager", ""))
    assert change.added == ("ada",)
    assert [one.line.name for one in change.invited] == ["eve", "linus"]
    assert shown(house)[2:] == [("eve", "member", "red", True), ("linus", "manager", "", True)]
    assert accept(house, change, "eve").role is Role.USER
    accept(house, change, "linus")
    assert shown(house) == [
        ("ada", "member", "", False), ("eve", "member", "red", False), ("grace", "manager", "", False),
        ("linus", "manager", "", False),
    ]  # fmt: skip


def test_the_same_roster_again_invites_nobody_twice(house: House, grace: User) -> None:
    first = bring_in(house, house.admin, ("eve", "", "red"), ("linus", ""))
    again = bring_in(house, house.admin, ("eve", "", "blue"), ("linus", ""))
    assert (again.invited, again.kept) == ((), ("eve", "linus"))
    assert len(house.farm.invitations.open(house.admin)) == 2
    accept(house, first, "eve")
    assert shown(house)[0] == ("eve", "member", "blue", False)


def test_an_invitation_that_was_open_before_is_kept_as_what_it_is(house: House, grace: User) -> None:
    made = house.farm.invitations.invite(house.admin, Role.GUEST, "eve")
    assert bring_in(house, house.admin, ("eve", "")).kept == ("eve",)
    user = house.farm.invitations.accept(made.clear.reveal(), password=GOOD, origin="x")[0]
    assert user.role is Role.GUEST and shown(house)[0] == ("eve", "member", "", False)


def test_who_is_expected_in_two_projects_comes_into_both(house: House, grace: User) -> None:
    house.farm.projects.add(house.admin, "robots")
    change = bring_in(house, house.admin, ("eve", ""))
    assert house.farm.rosters.bring_in(house.admin, "robots", [RosterRow(1, "eve", team="red")]).kept == ("eve",)
    eve = accept(house, change, "eve")
    assert [one.name for one in house.farm.projects.projects(eve)] == ["course", "robots"]


def test_an_invitation_that_is_too_old_or_whose_maker_is_no_admin_gives_way_to_another(
    house: House, grace: User
) -> None:
    hopper = house.farm.accounts.add(house.admin, "hopper", Role.ADMIN)[0]
    bring_in(house, hopper, ("eve", ""))
    house.farm.accounts.give_role(house.admin, "hopper", Role.USER)
    assert shown(house) == [("grace", "manager", "", False)]
    assert [one.line.name for one in bring_in(house, house.admin, ("eve", "")).invited] == ["eve"]
    house.now += timedelta(days=4)
    assert [one.line.name for one in bring_in(house, house.admin, ("eve", "")).invited] == ["eve"]


def test_a_manager_changes_the_teams_of_those_whom_an_admin_invited_and_of_no_others(house: House, grace: User) -> None:
    change = bring_in(house, house.admin, ("eve", "", "red"))
    house.farm.invitations.invite(house.admin, name="linus")
    assert bring_in(house, grace, ("eve", "", "blue")).kept == ("eve",)
    assert refused(lambda: bring_in(house, grace, ("eve", ""), ("linus", "")))[0] is Code.USER_UNKNOWN
    accept(house, change, "eve")
    assert shown(house)[0] == ("eve", "member", "blue", False)


def test_a_roster_that_replaces_expects_nobody_else(house: House, grace: User) -> None:
    change = bring_in(house, house.admin, ("eve", "", "red"), ("linus", ""))
    bring_in(house, grace, ("linus", ""), replace_others=True)
    eve = accept(house, change, "eve")
    assert house.farm.projects.projects(eve) == []
    assert shown(house) == [("grace", "manager", "", False), ("linus", "member", "", True)]


def test_a_project_that_was_removed_meanwhile_does_not_hinder_who_accepts(house: House, grace: User) -> None:
    change = bring_in(house, house.admin, ("eve", ""))
    house.farm.projects.remove(house.admin, "course")
    assert house.farm.projects.projects(accept(house, change, "eve")) == []


def test_more_invitations_than_may_be_open_are_refused_as_a_whole(house: House, grace: User) -> None:
    house.farm.invitations.invite(house.admin)
    rows = [(f"s{number}", "") for number in range(INVITATIONS_MOST)]
    with pytest.raises(Conflict) as error:
        bring_in(house, house.admin, *rows)
    assert error.value.code is Code.REQUESTS_TOO_MANY
    assert len(house.farm.invitations.open(house.admin)) == 1


@pytest.mark.slow
def test_a_whole_year_is_brought_in_within_seconds(house: House, grace: User) -> None:
    rows = [(f"s{number}", "", f"team-{number // 3}") for number in range(999)]
    began = time.monotonic()
    bring_in(house, house.admin, *rows)
    assert len(shown(house)) == 1000 and time.monotonic() - began < 20


def test_who_was_removed_from_the_farm_is_in_no_team_and_no_roster(house: House, grace: User) -> None:
    bring_in(house, grace, ("ada", "", "red"), ("bob", "", "blue"))
    house.farm.accounts.remove(house.admin, "ada")
    assert house.farm.projects.project(grace, "course").teams == {"blue": ("bob",)}
    assert [line[0] for line in shown(house)] == ["bob", "grace"]


def test_the_audit_log_tells_of_a_roster_and_of_no_code(house: House, grace: User) -> None:
    change = bring_in(house, house.admin, ("ada", "", "red"), ("eve", ""))
    told = house.farm.audit.after(house.admin)
    assert {one.thing.partition(":")[0] for one in told if one.act == "project.roster"} == {"project", "invitation"}
    secret = change.invited[0].made.clear.reveal()
    assert all(secret not in repr(one) and "digest" not in repr(one) for one in told)


def test_members_are_put_into_teams_one_by_one_too(house: House, grace: User) -> None:
    changed = house.farm.projects.change(grace, "course", {"ada": Part.MEMBER, "bob": Part.MEMBER}, team="red")
    assert changed.teams == {"red": ("ada", "bob")}
    assert house.farm.projects.change(grace, "course", remove=["ada"]).teams == {"red": ("bob",)}
    with pytest.raises(Invalid):
        house.farm.projects.change(grace, "course", {"ada": Part.MEMBER}, team="Red!")


def test_a_suspended_manager_brings_in_nobody(house: House, grace: User) -> None:
    house.farm.accounts.suspend(house.admin, "grace")
    with pytest.raises(NotAllowed):
        bring_in(house, replace(grace), ("ada", ""))
