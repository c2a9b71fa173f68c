"""Users: who may come in, with which key, as what."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    ADMIN = "admin"  # may do everything, to everything
    USER = "user"  # may reserve boards and import images; sees what is theirs and what is shared


@dataclass(frozen=True, slots=True)
class User:
    """A person. What is theirs hangs on *id*: a name may be given again to someone else, files may not."""

    id: UUID
    name: str
    role: Role
    ssh_keys: tuple[str, ...] = ()  # OpenSSH public lines, "<kind> <base64>", without a comment
    removed: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


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
