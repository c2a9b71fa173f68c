"""Federated logins: people whom a directory or an identity provider knows, and the accounts they come into here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from boardgrid.model.user import Role


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has shown elsewhere who they are."""

    source: str  # where: "ldap", or the issuer of the provider
    external_id: str  # what tells them there for good: names change, and are given again
    name: str  # what they are called there at present
    groups: frozenset[str] = frozenset()  # those of the farm's config that they are in

    @property
    def key(self) -> str:
        return f"{self.source} {self.external_id}"

    @property
    def name_here(self) -> str:
        """What their account would be called: ``ada`` for Ada@example.org."""
        return self.name.partition("@")[0].lower()


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Whose account a person from elsewhere comes into: told by their *key*, never by a name that two may have."""

    key: str
    user: UUID
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Whom of the people from elsewhere the farm takes in, and as what."""

    create: bool = False  # who has no account here gets one at their first login
    role: Role | None = Role.USER  # of who is in none of the groups; None: they stay out
    groups: Mapping[Role, frozenset[str]] = field(default_factory=dict)  # empty: roles are given here

    def role_of(self, person: Person) -> Role | None:
        """The highest that one of their groups gives them; None: they stay out."""
        return next((role for role in Role if person.groups & self.groups.get(role, frozenset())), self.role)


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """
    A login at the provider that is under way. It is told by its state, ``bgs_...``, until the provider sends its user
    back; from then on, for a moment, by the code ``bgl_...`` that whoever began it turns into a token.
    """

    id: str  # 16 lower-case hex digits
    digest: str = field(repr=False)  # hex SHA-256 of the state or the code; of the state, it is the nonce as well
    origin: str  # from where it was begun
    challenge: str  # base64url SHA-256 of what whoever began it keeps to themselves (as in RFC 7636)
    return_to: str  # where on their own machine they listen; empty: the code is shown to be typed
    label: str
    verifier: str = field(repr=False)  # the farm's own, between it and the provider (RFC 7636)
    expires_at: datetime
    user: UUID | None = None  # who came back

    def is_over(self, now: datetime) -> bool:
        return self.expires_at <= now
