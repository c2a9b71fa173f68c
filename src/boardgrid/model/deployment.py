"""Deployments: one image on one board, on one root; and the events that tell their course."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from boardgrid.model.errors import Code
from boardgrid.model.kit import BootKit


class DeploymentState(StrEnum):
    PREPARING = "preparing"  # the agent works on it
    SAVING = "saving"  # it begins when the image of its root is made, or could not be
    OPEN = "open"  # the board runs its root; it is the user's. With a reason: it did not come up as its user booted it
    ENDED = "ended"  # given back, before or after it was open; or another deployment of its root took its place
    FAILED = "failed"  # could not be opened; the reason says why


LIVE = frozenset((DeploymentState.PREPARING, DeploymentState.SAVING, DeploymentState.OPEN))


@dataclass(frozen=True, slots=True)
class Deployment:
    id: UUID
    reservation: int
    board: str
    image: UUID
    root: UUID
    state: DeploymentState
    created_at: datetime
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    host_key: str = ""  # the OpenSSH public line that the board was seen to have
    reason: str = ""  # why it failed; of one that is open: why nothing answers
    code: Code | None = None
    hint: str = ""
    kit: BootKit | None = None  # None: the image's own kernel

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def is_good(self) -> bool:
        """Whether its kernel brought the root up."""
        return self.opened_at is not None and not self.reason


class Phase(StrEnum):
    BEGAN = "began"
    NOTED = "noted"  # something seen on the way: a DHCP request, an NFS mount
    ENDED = "ended"


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"  # it will be tried again, or the ladder climbed, or given up: the next event tells
    CANCELLED = "cancelled"  # the wish moved on


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a board's history: a step that began or ended, or a change of state."""

    number: int  # rises through the farm; what a client resumes after
    at: datetime
    board: str
    generation: int
    step: str  # "clone" ... "boot", or "board", "reservation", "image", "root" for a change of state
    phase: Phase
    deployment: UUID | None = None
    outcome: Outcome | None = None
    took_s: float | None = None
    detail: str = ""
    console: tuple[str, ...] = ()  # the last lines of the board's console, where one is read
    reservation: int | None = None  # in whose course it happened
