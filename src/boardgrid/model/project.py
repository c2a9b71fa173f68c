"""Groups of users, whom rules speak of; projects, on which reservations count; and how people come into them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UserGroup:
    """Rules hang on *id*: when a group was removed, its name may be given again."""

    id: UUID
    name: str
    members: frozenset[UUID] = frozenset()
    removed: bool = False


class Part(StrEnum):
    """What somebody is in a project."""

    MEMBER = "member"  # their reservations may count on it
    MANAGER = "manager"  # and they say who else is in it


@dataclass(frozen=True, slots=True)
class Project:
    """What people work on together. What counts on it hangs on *id*."""

    id: UUID
    name: str
    members: Mapping[UUID, Part] = field(default_factory=dict)
    description: str = ""
    image: str = ""  # a ref: what its reservations boot where none was named
    removed: bool = False
    teams: Mapping[str, frozenset[UUID]] = field(default_factory=dict)  # of members, each in one at most; none is empty

    def is_managed_by(self, user: UUID) -> bool:
        return self.members.get(user) is Part.MANAGER

    def team_of(self, user: UUID) -> str:
        """Empty: they are in none."""
        return next((name for name, members in self.teams.items() if user in members), "")

    def mates_of(self, user: UUID) -> frozenset[UUID]:
        """The others in their team."""
        return self.teams.get(self.team_of(user), frozenset()) - {user}

    def with_member(self, user: UUID, part: Part, team: str | None = None) -> "Project":
        """
        Args:
            team: which they are in from now on; empty: none; None: the one that they are in already.
        """
        teams = self.teams
        if team is not None:
            others = self._teams_without({user})
            teams = {**others, team: others.get(team, frozenset()) | {user}} if team else others
        return replace(self, members={**self.members, user: part}, teams=teams)

    def without(self, users: Collection[UUID]) -> "Project":
        members = {one: part for one, part in self.members.items() if one not in users}
        return replace(self, members=members, teams=self._teams_without(users))

    def _teams_without(self, users: Collection[UUID]) -> Mapping[str, frozenset[UUID]]:
        return {name: left for name, members in self.teams.items() if (left := members.difference(users))}


@dataclass(frozen=True, slots=True)
class Place:
    """What somebody will be in a project who has no account yet."""

    project: UUID
    part: Part = Part.MEMBER
    team: str = ""


@dataclass(frozen=True, slots=True)
class JoinLink:
    """What is stored of a code ``bgj_<id>_<secret>``, by which people come into a project as its members."""

    id: str  # 16 lower-case hex digits
    digest: str = field(repr=False)  # hex SHA-256 of the whole code
    project: UUID
    made_by: UUID
    created_at: datetime
    expires_at: datetime
    most: int  # how many may come in by it
    used: int = 0
    team: str = ""  # which they are in then
    new_accounts: bool = False  # strangers make an account by it; else it is for those who have one

    def is_over(self, now: datetime) -> bool:
        return self.expires_at <= now or self.used >= self.most
