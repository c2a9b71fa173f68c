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


@dataclass(frozen=True, slots=True)
class Reservation:
    number: int
    user: str
    board: str
    start: datetime
    end: datetime
    state: str
    ended_because: str = ""
    deployment: Deployment | None = None


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
