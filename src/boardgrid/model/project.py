"""Groups of users, whom rules speak of; and projects, on which reservations count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

    def is_managed_by(self, user: UUID) -> bool:
        return self.members.get(user) is Part.MANAGER
