"""The lobby: everybody who is connected to this gateway at the moment."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from boardgrid.gateway.limits import Limits
from boardgrid.gateway.session import Session
from boardgrid.messages import _

log = structlog.get_logger(__name__)


class Guest(Protocol):
    """A connection, as the lobby counts it."""

    address: str
    key: str  # with which they came in
    user: str | None  # whose that key was then; None until it is proven
    sessions: set[Session]
    opening: int  # sessions that are being connected

    def leave(self, reason: str) -> None:
        """Close the connection and with it all its sessions, and tell its user why."""


@dataclass(slots=True)
class Lobby:
    limits: Limits = field(default_factory=Limits)
    guests: dict[Guest, None] = field(default_factory=dict)  # in the order in which they came
    changes: int = 0  # rises whenever the controller told who holds what
    left: dict[str, float] = field(default_factory=dict)  # when somebody last left a board, by the loop's time

    def enter(self, guest: Guest) -> None:
        """
        Let a stranger in. Where there are too many, another one has to go: refused, the newcomer could be kept out by
        whoever fills the lobby, while a login is done before so many others have come.
        """
        strangers = [one for one in self.guests if one.user is None]
        here = [one for one in strangers if one.address == guest.address]
        if len(here) >= self.limits.strangers_per_address:
            self._send_away(here[0])
        elif len(strangers) >= self.limits.strangers:
            [(busiest, _count)] = Counter(one.address for one in strangers).most_common(1)
            self._send_away(next(one for one in strangers if one.address == busiest))
        self.guests[guest] = None

    def _send_away(self, stranger: Guest) -> None:
        self.forget(stranger)
        log.info("visit.refused", address=stranger.address)
        stranger.leave(_("too many are at this door: try again"))

    def forget(self, guest: Guest) -> None:
        """It is gone, or as good as that."""
        self.guests.pop(guest, None)

    def has_room_for_user(self, user: str) -> bool:
        return sum(guest.user == user for guest in self.guests) < self.limits.connections_per_user

    def has_room_for_session(self, user: str) -> bool:
        open_ = sum(len(guest.sessions) + guest.opening for guest in self.guests if guest.user == user)
        return open_ < self.limits.sessions_per_user

    def sessions(self) -> Iterator[Session]:
        for guest in self.guests:
            yield from guest.sessions

    def cut(self, session: Session, reason: str) -> None:
        """End a session now; a connection that has no other one ends with it, so that its user reads the reason."""
        guest = next((one for one in self.guests if session in one.sessions), None)
        if guest is not None and guest.sessions == {session} and not guest.opening:
            guest.leave(reason)  # before its channel closes: a client that sees that is gone, and reads nothing more
        session.cut()
