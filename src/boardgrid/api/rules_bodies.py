"""What strangers send of rules and maintenance."""

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from boardgrid.api.bodies import Body, Line
from boardgrid.model.reservation import Group
from boardgrid.model.rules import Limits
from boardgrid.services.views import AccessView, RulesView

# What is too much or too little is the rules' to say; these are what a number can be at all.
Count = Annotated[int, Field(ge=-(2**53), le=2**53)]
Seconds = Annotated[float, Field(ge=-1e9, le=1e9)]


class LimitsIn(Body):
    """What is null or left out is not limited here; a user, a group or a project then has what everyone has."""

    boards: Count | None = Field(None, description="At once.")
    board_hours: Annotated[float, Field(ge=-1e9, le=1e9)] | None = Field(
        None, description="In any seven days, those to come counted too."
    )
    waiting: Count | None = Field(None, description="Reservations that have not begun.")
    longest_s: Seconds | None = Field(None, description="Of one reservation, its extensions included.")
    longest_of_s: dict[Line, Seconds] = Field({}, description="The same, by board type.", max_length=100)
    ahead_s: Seconds | None = Field(None, description="Until a reservation begins.")
    awaited_images: Count | None = Field(None, description="Images without content.")
    image_bytes: Count | None = Field(None, description="Of all images that one keeps, as they are stored.")
    volume_bytes: Count | None = Field(None, description="Of all volumes that one has, as large as they may grow.")

    def told(self) -> Limits:
        return Limits(
            boards=self.boards,
            board_hours=self.board_hours,
            waiting=self.waiting,
            longest=_span(self.longest_s),
            longest_of={name: timedelta(seconds=longest) for name, longest in self.longest_of_s.items()},
            ahead=_span(self.ahead_s),
            awaited=self.awaited_images,
            image_bytes=self.image_bytes,
            volume_bytes=self.volume_bytes,
        )


class AccessIn(Body):
    where: Line = Field(description="An expression; boards that it fits ...")
    groups: tuple[Line, ...] = Field(description="... are for the members of these groups alone.", max_length=100)


class RulesIn(Body):
    everyone: LimitsIn
    groups: dict[Line, LimitsIn] = Field({}, max_length=1000)
    projects: dict[Line, LimitsIn] = Field({}, max_length=1000)
    users: dict[Line, LimitsIn] = Field({}, max_length=1000)
    access: tuple[AccessIn, ...] = Field((), max_length=100)
    needs_project: bool = Field(False, description="Each reservation counts on a project.")
    version: Count = Field(description="Of the rules that these were made from.")

    def told(self) -> RulesView:
        return RulesView(
            self.everyone.told(),
            {name: limits.told() for name, limits in self.groups.items()},
            {name: limits.told() for name, limits in self.projects.items()},
            {name: limits.told() for name, limits in self.users.items()},
            tuple(AccessView(one.where, one.groups) for one in self.access),
            self.needs_project,
            self.version,
        )


class MaintenanceIn(Body):
    boards: tuple[Line, ...] = Field((), max_length=1000, description="These; or else `type`, `where` or both.")
    type: Line | None = Field(None, description="Boards of this type.")
    where: Line | None = Field(None, description="Boards that this expression fits.")
    start: AwareDatetime | None = Field(None, description="Left out: now.")
    end: AwareDatetime
    reason: Line = Field(description="For everybody.")
    force: bool = Field(False, description="End what runs when it begins, and cancel what no other board does for.")

    def groups(self) -> tuple[Group, ...]:
        named = tuple(Group(board=name) for name in self.boards)
        fitting = Group(type=self.type or "", where=self.where or "")
        return (*named, fitting) if self.type or self.where else named


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
