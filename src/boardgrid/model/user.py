"""Users: who may come in, with which key, as what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from boardgrid.model.project import Place


class Role(StrEnum):
    ADMIN = "admin"  # may do everything, to everything
    OPERATOR = "operator"  # a user who also looks after the shelf: boards, their power, and whoever holds them
    USER = "user"  # may reserve boards and import images; sees what is theirs and what is shared
    GUEST = "guest"  # looks on; reserves and imports nothing


@dataclass(frozen=True, slots=True)
class User:
    """A person. What is theirs hangs on *id*: a name may be given again to someone else, files may not."""

    id: UUID
    name: str
    role: Role
    ssh_keys: tuple[str, ...] = ()  # OpenSSH public lines, "<kind> <base64>", without a comment
    removed: bool = False
    suspended: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def is_active(self) -> bool:
        """Whether they may come in at all."""
        return not (self.removed or self.suspended)


class Scope(StrEnum):
    """How much of what its user may do a token is good for; each holds those above it."""

    READ = "read"  # look at all that its user may see
    USE = "use"  # and reserve, use and give back boards, images, roots and volumes, as a user does
    ALL = "all"  # whatever its user may

    def holds(self, other: "Scope") -> bool:
        return _WIDTH[self] >= _WIDTH[other]


_WIDTH: Mapping[Scope, int] = {scope: width for width, scope in enumerate(Scope)}


@dataclass(frozen=True, slots=True)
class Asker(User):
    """A user as they came in: with which token, and from where."""

    scope: Scope = Scope.ALL
    origin: str = ""  # the address that the connection came from; "unix": a socket of the controller's own machine
    token: str = ""  # its id


def scope_of(user: User) -> Scope:
    """How much of what they may do counts now; of somebody who did not come in by a token, all."""
    return user.scope if isinstance(user, Asker) else Scope.ALL


class Audience(StrEnum):
    """Which door a token opens."""

    PERSON = "person"  # the REST API, as its user
    AGENT = "agent"  # the agent door of one site
    GATEWAY = "gateway"  # the gateway door of one site


@dataclass(frozen=True, slots=True)
class Token:
    """What is stored of a token ``bg_<id>_<secret>``: never the secret, only its SHA-256."""

    id: str  # 16 lower-case hex digits
    digest: str  # hex SHA-256 of the whole token
    audience: Audience
    user: UUID | None = None  # whose, for a person's
    site: str | None = None  # which, for an agent's or a gateway's
    scope: Scope = Scope.ALL
    label: str = ""  # what it is for, in its owner's words
    origin: str = ""  # from where it was asked for
    is_login: bool = False  # made by a password; ends with that password
    created_at: datetime | None = None  # None: before the farm wrote that down
    expires_at: datetime | None = None  # None: never
    last_used_at: datetime | None = None  # to the minute

    def is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class Secret:
    """A string that does not show itself: logs and tracebacks print ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it is handed out, once."""

    token: Token
    clear: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    """What is stored of a user's password."""

    user: UUID
    hash: str = field(repr=False)  # as argon2 writes it, with its salt and costs
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """
    What is stored of a code ``bgi_<id>_<secret>``, which is good once: for an account that is still to be made, or to
    give one that is there (*user*) a new password.
    """

    id: str  # 16 lower-case hex digits
    digest: str = field(repr=False)  # hex SHA-256 of the whole code
    made_by: UUID
    created_at: datetime
    expires_at: datetime
    role: Role = Role.USER
    name: str = ""  # empty: who accepts it chooses one
    user: UUID | None = None
    places: tuple[Place, ...] = ()  # in projects, for the account that is made; one a project

    def is_over(self, now: datetime) -> bool:
        return self.expires_at <= now

    def place_in(self, project: UUID) -> Place | None:
        return next((one for one in self.places if one.project == project), None)

    def without_place(self, project: UUID) -> "Invitation":
        return replace(self, places=tuple(one for one in self.places if one.project != project))

    def with_place(self, place: Place) -> "Invitation":
        return replace(self, places=(*self.without_place(place.project).places, place))


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """A code as it is handed out, once."""

    invitation: Invitation
    clear: Secret = field(repr=False)
