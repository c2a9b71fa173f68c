"""What the API answers about groups and projects, rules and what is used, and maintenance."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from boardgrid.api.answers import GroupOut
from boardgrid.model.project import Part
from boardgrid.model.rules import Limits
from boardgrid.services.views import MaintenanceView, ProjectView, RulesView, UsageView, UserGroupView


class UserGroupOut(BaseModel):
    name: str
    members: tuple[str, ...]

    @classmethod
    def of(cls, view: UserGroupView) -> Self:
        return cls(name=view.name, members=view.members)


class ProjectOut(BaseModel):
    name: str
    members: dict[str, Part]
    description: str
    image: str = Field(description="What its reservations boot where they name none; empty: they must.")

    @classmethod
    def of(cls, view: ProjectView) -> Self:
        return cls(name=view.name, members=dict(view.members), description=view.description, image=view.image)


class LimitsOut(BaseModel):
    """What is null is not limited here."""

    boards: int | None
    board_hours: float | None
    waiting: int | None
    longest_s: float | None
    longest_of_s: dict[str, float]
    ahead_s: float | None
    awaited_images: int | None
    image_bytes: int | None

    @classmethod
    def of(cls, limits: Limits) -> Self:
        return cls(
            boards=limits.boards,
            board_hours=limits.board_hours,
            waiting=limits.waiting,
            longest_s=limits.longest.total_seconds() if limits.longest is not None else None,
            longest_of_s={name: longest.total_seconds() for name, longest in limits.longest_of.items()},
            ahead_s=limits.ahead.total_seconds() if limits.ahead is not None else None,
            awaited_images=limits.awaited,
            image_bytes=limits.image_bytes,
        )


class AccessOut(BaseModel):
    where: str
    groups: tuple[str, ...]


class RulesOut(BaseModel):
    everyone: LimitsOut
    groups: dict[str, LimitsOut]
    projects: dict[str, LimitsOut]
    users: dict[str, LimitsOut]
    access: tuple[AccessOut, ...]
    needs_project: bool
    version: int = Field(description="Rises with each change; to be sent with the next.")

    @classmethod
    def of(cls, view: RulesView) -> Self:
        return cls(
            everyone=LimitsOut.of(view.everyone),
            groups={name: LimitsOut.of(limits) for name, limits in view.groups.items()},
            projects={name: LimitsOut.of(limits) for name, limits in view.projects.items()},
            users={name: LimitsOut.of(limits) for name, limits in view.users.items()},
            access=tuple(AccessOut(where=one.where, groups=one.groups) for one in view.access),
            needs_project=view.needs_project,
            version=view.version,
        )


class UsageOut(BaseModel):
    project: str = Field(description="Empty: what the asker may have by themselves.")
    limits: LimitsOut
    boards: int = Field(description="Held now. What runs on boards that nobody needs does not count.")
    board_hours: float = Field(description="The most in any seven days that now lies in.")
    waiting: int
    awaited_images: int
    image_bytes: int

    @classmethod
    def of(cls, view: UsageView) -> Self:
        return cls(
            project=view.project,
            limits=LimitsOut.of(view.limits),
            boards=view.boards,
            board_hours=view.board_hours,
            waiting=view.waiting,
            awaited_images=view.awaited,
            image_bytes=view.image_bytes,
        )


class MaintenanceOut(BaseModel):
    number: int
    groups: tuple[GroupOut, ...] = Field(description="As it was asked for; their counts mean nothing.")
    boards: tuple[str, ...] = Field(description="Those that it means at present.")
    start: datetime
    end: datetime
    reason: str

    @classmethod
    def of(cls, view: MaintenanceView) -> Self:
        return cls(
            number=view.number,
            groups=tuple(GroupOut.of(group) for group in view.groups),
            boards=view.boards,
            start=view.window.start,
            end=view.window.end,
            reason=view.reason,
        )
