"""What people are shown: a thing, and the names of what it hangs on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from boardgrid.model.board import Board, Site
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import Deployment
from boardgrid.model.errand import Errand, Progress
from boardgrid.model.facts import Facts
from boardgrid.model.image import Image
from boardgrid.model.project import JoinLink, Part
from boardgrid.model.report import Power, Voice
from boardgrid.model.reservation import Block, Group, Reservation, ReservationState
from boardgrid.model.root import Root
from boardgrid.model.rules import Limits
from boardgrid.model.volume import Volume
from boardgrid.model.window import Window


@dataclass(frozen=True, slots=True)
class GatewayView:
    host: str
    port: int
    host_key: str  # "ssh-ed25519 AAAA..."


@dataclass(frozen=True, slots=True)
class SiteView:
    site: Site
    agent_seen_s: float | None  # how long ago its agent was heard; None: never
    store_bytes: int
    free_bytes: int
    trouble: str
    gateway: GatewayView | None


class BoardState(StrEnum):
    FREE = "free"  # may be reserved
    HELD = "held"  # a project's for a lesson, and nobody's seat
    PREPARING = "preparing"  # held; its deployment is under way
    OPEN = "open"  # held; it is its user's
    CLEANING = "cleaning"  # given back; not offered until it is parked
    CLOSED = "closed"  # kept free for maintenance
    SET_ASIDE = "set_aside"  # not offered until an admin says it is fit
    GOING = "going"  # leaves the farm


@dataclass(frozen=True, slots=True)
class HeldView:
    number: int
    user: str
    until: datetime


@dataclass(frozen=True, slots=True)
class HealthView:
    power: Power
    voice: Voice
    ago_s: float


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """Which boards are kept free when, and why."""

    number: int
    groups: tuple[Group, ...]  # as it was asked for
    boards: tuple[str, ...]  # those that it means at present
    window: Window
    reason: str


@dataclass(frozen=True, slots=True)
class BoardView:
    """Options of power drivers may be passwords of outlets: for all but admins they are left out of *board*."""

    board: Board
    facts: Facts
    state: BoardState
    held: HeldView | None
    health: HealthView | None
    maintenance: MaintenanceView | None = None  # the next, or the one that is under way


@dataclass(frozen=True, slots=True)
class ProgressView:
    progress: Progress
    rate: float  # bytes in a second, since its phase began
    left_s: float | None  # until its phase ends; None: nobody knows


@dataclass(frozen=True, slots=True)
class ImageView:
    image: Image
    owner: str
    parent: str | None  # ref
    project: str  # whose members see it; empty: no project's
    progress: ProgressView | None  # of one that is being made
    boot_tests: tuple[BootTest, ...] = ()  # the newest first


@dataclass(frozen=True, slots=True)
class ErrandView:
    errand: Errand
    image: str  # ref
    progress: ProgressView | None


@dataclass(frozen=True, slots=True)
class RootView:
    root: Root
    owner: str
    image: str  # ref
    board: str | None  # where it is live


@dataclass(frozen=True, slots=True)
class VolumeView:
    volume: Volume
    user: str  # empty: it is a project's
    project: str
    boards: tuple[str, ...]  # that have it


@dataclass(frozen=True, slots=True)
class DeploymentView:
    deployment: Deployment
    image: str  # ref
    root: str  # name


@dataclass(frozen=True, slots=True)
class ReservationView:
    """Everyone sees who has a board until when; what it boots is told to its user and to admins alone."""

    reservation: Reservation
    user: str
    members: tuple[str, ...]
    image: str | None  # ref
    deployments: tuple[DeploymentView, ...]  # oldest first, and those that run last
    project: str | None = None  # told as the image is
    subject: str | None = None  # ref; of a build or a test: the image that it is for, told likewise

    @property
    def deployment(self) -> DeploymentView | None:
        """The newest that runs; where none does, the newest."""
        return self.deployments[-1] if self.deployments else None


@dataclass(frozen=True, slots=True)
class SeatView:
    """Who sits in a block, or waits for a board of it."""

    number: int
    user: str
    members: tuple[str, ...]  # who come in with them
    team: str
    board: str  # empty: they wait
    state: ReservationState
    since: datetime  # when it began; of one that waits: when they asked
    gives_way_at: datetime | None


@dataclass(frozen=True, slots=True)
class BlockView:
    reservation: Reservation
    block: Block
    project: str
    user: str  # who made it
    boards: tuple[str, ...]  # those of its seats too
    image: str  # ref
    seats: tuple[SeatView, ...]  # those that run by their boards, then those that wait, the next first


class OrderState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OrderView:
    id: UUID
    state: OrderState
    reason: str  # why it failed


# --- people and rules, by names in the place of ids


@dataclass(frozen=True, slots=True)
class UserGroupView:
    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectView:
    name: str
    members: Mapping[str, Part]
    description: str
    image: str
    teams: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RosterLine:
    """Who is in a project; or who comes into it once they accept an invitation."""

    name: str
    part: Part
    team: str
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class JoinLinkView:
    link: JoinLink
    made_by: str
    is_good: bool


@dataclass(frozen=True, slots=True)
class AccessView:
    where: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RulesView:
    everyone: Limits
    groups: Mapping[str, Limits]
    projects: Mapping[str, Limits]
    users: Mapping[str, Limits]
    access: tuple[AccessView, ...]
    needs_project: bool
    version: int


@dataclass(frozen=True, slots=True)
class UsageView:
    """The limits that bind somebody, and what counts on them now."""

    project: str  # empty: their own
    limits: Limits
    boards: int
    board_hours: float
    waiting: int
    awaited: int = 0
    image_bytes: int = 0
    volume_bytes: int = 0
