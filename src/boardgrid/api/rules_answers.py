"""What the API answers about groups and projects, rules and what is used, and maintenance."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from boardgrid.api.answers import GroupOut
from boardgrid.model.project import Part
from boardgrid.model.rules import Limits
from boardgrid.services.links import NewLink
from boardgrid.services.rosters import Invited, RosterChange
from boardgrid.services.views import (
    JoinLinkView,
    MaintenanceView,
    ProjectView,
    RosterLine,
    RulesView,
    UsageView,
    UserGroupView,
)


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
    teams: dict[str, tuple[str, ...]] = Field(description="Of members; each is in one at most.")

    @classmethod
    def of(cls, view: ProjectView) -> Self:
        return cls(
            name=view.name,
            members=dict(view.members),
            description=view.description,
            image=view.image,
            teams=dict(view.teams),
        )


class RosterLineOut(BaseModel):
    name: str
    part: Part
    team: str
    is_expected: bool = Field(description="Comes in by accepting an invitation.")

    @classmethod
    def of(cls, line: RosterLine) -> Self:
        return cls(name=line.name, part=line.part, team=line.team, is_expected=line.is_expected)


class InvitedOut(RosterLineOut):
    code: str = Field(description="Shown this once; good once.")
    expires_at: datetime

    @classmethod
    def of_invited(cls, invited: Invited) -> Self:
        return cls(
            **RosterLineOut.of(invited.line).model_dump(),
            code=invited.made.clear.reveal(),
            expires_at=invited.made.invitation.expires_at,
        )


class RosterChangeOut(BaseModel):
    project: ProjectOut
    added: tuple[str, ...]
    changed: tuple[str, ...] = Field(description="They are in another part, or another team.")
    removed: tuple[str, ...]
    stayed: tuple[str, ...] = Field(description="Managers whom a roster that replaces does not name.")
    invited: tuple[InvitedOut, ...]
    kept: tuple[str, ...] = Field(description="They were invited before, and those codes are good still.")

    @classmethod
    def of(cls, change: RosterChange) -> Self:
        return cls(
            project=ProjectOut.of(change.project),
            added=change.added,
            changed=change.changed,
            removed=change.removed,
            stayed=change.stayed,
            invited=tuple(InvitedOut.of_invited(one) for one in change.invited),
            kept=change.kept,
        )


class LinkOut(BaseModel):
    id: str
    made_by: str
    created_at: datetime
    expires_at: datetime
    most: int = Field(description="How many may come in by it.")
    used: int
    team: str
    new_accounts: bool = Field(description="Strangers make an account by it.")
    is_good: bool = Field(description="Not used up or too old, and who made it may still let people in.")

    @classmethod
    def of(cls, view: JoinLinkView) -> Self:
        link = view.link
        return cls(
            id=link.id,
            made_by=view.made_by,
            created_at=link.created_at,
            expires_at=link.expires_at,
            most=link.most,
            used=link.used,
            team=link.team,
            new_accounts=link.new_accounts,
            is_good=view.is_good,
        )


class NewLinkOut(LinkOut):
    code: str = Field(description="Shown this once.")

    @classmethod
    def of_new(cls, new: NewLink) -> Self:
        return cls(**LinkOut.of(new.view).model_dump(), code=new.clear.reveal())


class EnteredOut(BaseModel):
    project: ProjectOut
    is_new: bool = Field(description="False: one was in it already, and nothing was used up.")


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
    volume_bytes: int | None

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
            volume_bytes=limits.volume_bytes,
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
    volume_bytes: int

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
            volume_bytes=view.volume_bytes,
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
