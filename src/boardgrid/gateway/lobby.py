"""The lobby: everybody who is connected to this gateway at the moment."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from boardgrid.gateway.limits import Limits
from boardgrid.gateway.session import Session


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
    guests: set[Guest] = field(default_factory=set)
    changes: int = 0  # rises whenever the controller told who holds what

    def has_room_for_stranger(self, address: str) -> bool:
        strangers = [guest.address for guest in self.guests if guest.user is None]
        return len(strangers) < self.limits.strangers and strangers.count(address) < self.limits.strangers_per_address

    def has_room_for_user(self, user: str) -> bool:
        return sum(guest.user == user for guest in self.guests) < self.limits.connections_per_user

    def has_room_for_session(self, user: str, address: str) -> bool:
        of_user = sum(len(guest.sessions) + guest.opening for guest in self.guests if guest.user == user)
        of_address = sum(len(guest.sessions) + guest.opening for guest in self.guests if guest.address == address)
        return of_user < self.limits.sessions_per_user and of_address < self.limits.sessions_per_address

    def sessions(self) -> Iterator[Session]:
        for guest in self.guests:
            yield from guest.sessions

    def cut(self, session: Session, reason: str) -> None:
        """End a session now; a connection that has no other one ends with it, so that its user reads the reason."""
        guest = next((one for one in self.guests if session in one.sessions), None)
        if guest is not None and guest.sessions == {session} and not guest.opening:
            guest.leave(reason)  # before its channel closes: a client that sees that is gone, and reads nothing more
        session.cut()
