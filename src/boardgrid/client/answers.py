"""
What the farm answers, as values.

Fields that this release does not know are passed over, and states are plain words: a farm that is newer than its
client may have more of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: str
    ssh_keys: tuple[str, ...] = ()
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Me:
    """A user, and the token that was asked with."""

    name: str
    role: str
    ssh_keys: tuple[str, ...] = ()
    scope: str = ""
    token: str = ""  # its id


@dataclass(frozen=True, slots=True)
class NewUser:
    user: User
    token: str  # shown this once


@dataclass(frozen=True, slots=True)
class LoginWays:
    """How one may log in besides by name and password."""

    sso: bool = False


@dataclass(frozen=True, slots=True)
class SsoBegun:
    url: str  # where a browser is to go


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """As whom a user comes in by a directory or an identity provider."""

    key: str  # "ldap 1b4e28ba-..."
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Key:
    """A public SSH key, and its fingerprint as ssh-keygen shows it."""

    fingerprint: str
    ssh_key: str


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    scope: str
    label: str = ""
    is_login: bool = False
    origin: str = ""  # from where it was asked for
    created_at: datetime | None = None
    expires_at: datetime | None = None  # None: never
    last_used_at: datetime | None = None
    token: str | None = None  # itself, when it was just made; shown this once


@dataclass(frozen=True, slots=True)
class Contact:
    """Of what a user is told, and where."""

    email: str
    zone: str = ""
    occasions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Webhook:
    id: str
    url: str
    created_at: datetime
    occasions: tuple[str, ...] = ()
    is_farms: bool = False
    secret: str | None = None  # when it was just made; shown this once


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar that programs fetch."""

    id: str
    created_at: datetime
    board: str = ""  # empty: of one's own reservations
    path: str | None = None  # when it was just made; shown this once


@dataclass(frozen=True, slots=True)
class Invitation:
    id: str
    role: str
    created_at: datetime
    expires_at: datetime
    name: str = ""  # empty: who accepts it chooses one
    is_reset: bool = False
    code: str | None = None  # when it was just made; shown this once


@dataclass(frozen=True, slots=True)
class Audited:
    """One thing that somebody changed; *before* and *after* hold the fields that differ."""

    number: int
    at: datetime
    act: str
    thing: str
    who: str = ""
    token: str = ""
    origin: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UserGroup:
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    name: str
    members: Mapping[str, str] | None = None  # member or manager, by user
    description: str = ""
    image: str = ""  # what its reservations boot where they name none
    teams: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class RosterLine:
    name: str
    part: str
    team: str = ""
    is_expected: bool = False  # comes in by accepting an invitation


@dataclass(frozen=True, slots=True)
class Invited:
    name: str
    part: str
    code: str  # shown this once
    expires_at: datetime
    team: str = ""
    email: str = ""  # as the file has it; the farm does not know it


@dataclass(frozen=True, slots=True)
class RosterChange:
    project: Project
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()  # managers whom it does not name
    invited: tuple[Invited, ...] = ()
    kept: tuple[str, ...] = ()  # invited before: those codes are good still


@dataclass(frozen=True, slots=True)
class Link:
    """By which people come into a project."""

    id: str
    made_by: str
    created_at: datetime
    expires_at: datetime
    most: int
    used: int = 0
    team: str = ""
    new_accounts: bool = False
    is_good: bool = True
    code: str | None = None  # when it was just made; shown this once


@dataclass(frozen=True, slots=True)
class Entered:
    project: Project
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """None: not limited here."""

    boards: int | None = None
    board_hours: float | None = None
    waiting: int | None = None
    longest_s: float | None = None
    longest_of_s: Mapping[str, float] | None = None  # by board type
    ahead_s: float | None = None
    awaited_images: int | None = None
    image_bytes: int | None = None
    volume_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Boards that an expression fits are for the members of these groups alone."""

    where: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    everyone: Limits
    version: int  # to be sent with the next
    groups: Mapping[str, Limits] | None = None
    projects: Mapping[str, Limits] | None = None
    users: Mapping[str, Limits] | None = None
    access: tuple[Access, ...] = ()
    needs_project: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """The limits that bind the asker, or a project of theirs, and what is used of them."""

    project: str
    limits: Limits
    boards: int = 0
    board_hours: float = 0.0
    waiting: int = 0
    awaited_images: int = 0
    image_bytes: int = 0
    volume_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """When a board is kept free for maintenance."""

    number: int
    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Maintenance:
    number: int
    boards: tuple[str, ...]
    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    host: str
    port: int
    host_key: str  # "ssh-ed25519 AAAA..."


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    domain: str = ""
    interface: str = ""
    server: str | None = None
    dhcp: str = ""
    agent_seen_s: float | None = None  # how long ago its agent was heard of
    store_bytes: int | None = None
    free_bytes: int | None = None
    trouble: str = ""  # why deployments pause; empty: they do not
    gateway: Gateway | None = None


@dataclass(frozen=True, slots=True)
class BoardType:
    name: str
    arch: str
    console: str = ""
    cmdline: str = ""
    fdt: str = ""
    boot_s: float = 0.0
    properties: Mapping[str, Any] | None = None
    network: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a board, and until when."""

    number: int
    user: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Health:
    power: str
    voice: str
    ago_s: float


@dataclass(frozen=True, slots=True)
class Board:
    name: str
    type: str
    site: str
    mac: str
    address: str
    boot: str
    state: str
    nfs_path: str | None = None
    kernel: str = ""
    power: tuple[Mapping[str, Any], ...] = ()
    properties: Mapping[str, Any] | None = None  # its own
    tags: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None  # what an expression sees of it beside its tags
    set_aside: str = ""
    reservation: Holder | None = None
    health: Health | None = None
    maintenance: Closed | None = None  # the next, or the one that is under way


@dataclass(frozen=True, slots=True)
class Measure:
    """How far something is that takes long."""

    phase: str
    done_bytes: int = 0
    total_bytes: int = 0
    rate: float = 0.0
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    summary: str = ""
    system: str = ""
    architectures: tuple[str, ...] = ()
    is_finished_on_a_board: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class BootTest:
    """Whether the farm itself saw an image come up on a board."""

    board_type: str
    board: str
    at: datetime
    is_passed: bool
    took_s: float | None = None  # from the restart to SSH
    reason: str = ""
    console: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    id: UUID
    name: str
    version: int
    ref: str
    state: str
    created_at: datetime
    owner: str = ""
    site: str = ""
    shared: bool = False
    manifest: Mapping[str, Any] | None = None
    parent: str | None = None
    reason: str = ""
    hint: str = ""
    visibility: str = ""
    project: str = ""
    aliases: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    progress: Measure | None = None
    removed_at: datetime | None = None
    verified_at: datetime | None = None
    damage: str = ""
    boot_tests: tuple[BootTest, ...] = ()  # the newest first


@dataclass(frozen=True, slots=True)
class Errand:
    id: UUID
    kind: str
    image: str
    state: str
    asked_at: datetime
    ended_at: datetime | None = None
    reason: str = ""
    size_bytes: int = 0
    progress: Measure | None = None


@dataclass(frozen=True, slots=True)
class Come:
    """How much of an upload has come."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Adaptation:
    name: str
    moments: tuple[str, ...]
    what: str
    may_be_left_out: bool = True


@dataclass(frozen=True, slots=True)
class Root:
    id: UUID
    name: str
    owner: str
    image: str
    state: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None = None
    board: str | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    id: UUID
    name: str
    user: str  # empty: a project's
    project: str
    site: str
    path: str
    state: str
    size_bytes: int
    made_bytes: int
    created_at: datetime
    expires_at: datetime | None = None
    reason: str = ""
    boards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    id: UUID
    board: str
    image: str
    root: str
    state: str
    created_at: datetime
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    host_key: str = ""
    reason: str = ""
    code: str | None = None
    hint: str = ""
    kit: Mapping[str, Any] | None = None  # what it booted with that its user brought; None: its image's own kernel


@dataclass(frozen=True, slots=True)
class KitFile:
    """A file that was sent to boot with."""

    sha256: str
    size_bytes: int
    used_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """So many boards of one kind. What it is written as at the command line is how the farm writes it, too."""

    count: int = 1
    board: str = ""
    type: str = ""
    where: str = ""

    def __str__(self) -> str:
        words = self.board or " ".join(word for word in (self.type, self.where and f"({self.where})") if word)
        return words if self.count == 1 else f"{self.count} {words}"


@dataclass(frozen=True, slots=True)
class Reservation:
    number: int
    user: str
    board: str  # the first of its boards
    start: datetime  # of one that waits in the queue: at the latest
    end: datetime
    state: str
    ended_because: str = ""
    deployment: Deployment | None = None  # the newest that runs; where none does, the newest
    boards: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    kind: str = "fixed"
    members: tuple[str, ...] = ()
    image: str = ""  # told to its user and to admins
    deployments: tuple[Deployment, ...] = ()  # oldest first, and those that run last
    created_at: datetime | None = None
    project: str | None = None
    alive_until: datetime | None = None  # it ends then, unless its job is heard again
    block: int | None = None  # of a seat: the block that it is in
    gives_way_at: datetime | None = None  # of a seat: when its turn is over, for somebody waits
    purpose: str = "use"  # "build", "test": the farm works on it
    subject: str | None = None  # for this image

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    @property
    def is_waiting(self) -> bool:
        return self.state == "waiting"

    @property
    def until(self) -> datetime:
        """When it ends, as things are."""
        return min(self.end, self.gives_way_at) if self.gives_way_at else self.end

    @property
    def is_promised(self) -> bool:
        """Whether it waits for a time that is known."""
        return self.is_waiting and self.kind in {"fixed", "queued", "block"}

    @property
    def asked(self) -> str:
        """What was asked for, in the words of the command line."""
        return ", ".join(str(group) for group in self.groups)

    def deployment_on(self, board: str) -> Deployment | None:
        """What runs on one of its boards; where nothing does, the newest."""
        return next((one for one in reversed(self.deployments) if one.board == board), None)


@dataclass(frozen=True, slots=True)
class BlockSeat:
    """Who sits in a block, or waits for a board of it."""

    number: int  # of its reservation
    user: str
    state: str
    since: datetime
    board: str = ""  # empty: they wait
    team: str = ""
    members: tuple[str, ...] = ()
    gives_way_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Boards that a project holds for a lesson."""

    number: int
    project: str
    user: str
    group: Group
    opens_at: datetime
    begins_at: datetime
    ends_at: datetime
    state: str
    image: str
    boards: tuple[str, ...] = ()
    turn_s: float | None = None
    series: int = 0
    ended_because: str = ""
    seats: tuple[BlockSeat, ...] = ()

    @property
    def is_running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a board's history. ``number`` is what to resume after."""

    number: int
    at: datetime
    board: str
    step: str
    phase: str
    generation: int = 0
    deployment: UUID | None = None
    outcome: str | None = None
    took_s: float | None = None
    detail: str = ""
    console: tuple[str, ...] = ()
    reservation: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What became of a power order: ``waiting``, ``done`` or ``failed``."""

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an inventory adds or changes; *fields* hold what was and what will be."""

    act: str
    kind: str
    name: str
    fields: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Count:
    entries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PathChange:
    """A file that was ``added``, ``changed`` or ``removed``; *what* tells in which ways it changed."""

    path: str
    change: str
    size_bytes: int
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageChange:
    """Its versions; empty: not installed."""

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Difference:
    """From one tree to another: all that differs is counted, and the largest are told by name."""

    added: Count
    changed: Count
    removed: Count
    paths: tuple[PathChange, ...] = ()
    packages: tuple[PackageChange, ...] = ()
    packages_changed: int = 0
    packages_by: str = ""
    left_out: int = 0  # what is as the farm wrote it
    times_only: int = 0  # what is the same but for its time


@dataclass(frozen=True, slots=True)
class Diff:
    """What somebody asked to be told: ``asked``, ``answered`` or ``failed``."""

    id: UUID
    state: str
    difference: Difference | None = None
    code: str | None = None
    reason: str = ""
    hint: str = ""
