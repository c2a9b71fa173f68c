"""Who is in a project, and in which of its teams."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.model.errors import Invalid
from boardgrid.model.name import checked
from boardgrid.model.project import Part, Project

ADA, BOB, EVE = uuid4(), uuid4(), uuid4()
EMPTY = Project(uuid4(), "course")
FULL = EMPTY.with_member(ADA, Part.MEMBER, "red").with_member(BOB, Part.MEMBER, "red").with_member(EVE, Part.MANAGER)


def test_who_is_in_a_team_has_mates_and_who_is_in_none_has_not() -> None:
    assert FULL.team_of(ADA) == "red" and FULL.mates_of(ADA) == {BOB}
    assert (FULL.team_of(EVE), FULL.mates_of(EVE)) == ("", frozenset())
    assert (FULL.team_of(uuid4()), FULL.mates_of(uuid4())) == ("", frozenset())


def test_who_is_put_into_another_team_leaves_the_one_before() -> None:
    moved = FULL.with_member(ADA, Part.MEMBER, "blue")
    assert moved.teams == {"red": {BOB}, "blue": {ADA}}
    assert moved.with_member(BOB, Part.MEMBER, "blue").teams == {"blue": {ADA, BOB}}


def test_a_team_stays_where_none_is_named_and_ends_where_an_empty_one_is() -> None:
    assert FULL.with_member(ADA, Part.MANAGER).teams == FULL.teams
    assert FULL.with_member(ADA, Part.MEMBER, "").teams == {"red": {BOB}}


def test_who_leaves_a_project_leaves_their_team_and_nobody_leaves_no_team() -> None:
    left = FULL.without({ADA, uuid4()})
    assert left.members == {BOB: Part.MEMBER, EVE: Part.MANAGER} and left.teams == {"red": {BOB}}
    assert left.without({BOB}).teams == {}


@pytest.mark.parametrize("name", ["", "Red", "two words", "a" * 32])
def test_what_is_no_name_of_a_team_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is no name for a team"):
        checked("team", name)


_USERS = st.sampled_from([ADA, BOB, EVE])
_STEPS = st.lists(st.tuples(_USERS, st.sampled_from(["red", "blue", "", None, "leave"])), max_size=20)


@given(_STEPS)
def test_whatever_happens_each_is_in_one_team_at_most_and_only_members_are(
    steps: list[tuple[UUID, str | None]],
) -> None:
    project = EMPTY
    for user, team in steps:
        project = project.without({user}) if team == "leave" else project.with_member(user, Part.MEMBER, team)
    in_teams = [user for users in project.teams.values() for user in users]
    assert len(in_teams) == len(set(in_teams)) and set(in_teams) <= set(project.members)
    assert all(project.teams.values())
