"""Accounts: who may come in, as what, with which key."""

from collections.abc import Sequence
from dataclasses import dataclass

from boardgrid.model.user import Audience, NewToken, Role, User
from boardgrid.services.desk import Desk


@dataclass(frozen=True, slots=True)
class Accounts:
    desk: Desk

    def user_of(self, token: str) -> User:
        """
        Whose token this is. Every other method takes that user as *asker*.

        Raises:
            NotAllowed: TOKEN_REFUSED; nobody's, or that of a door of machines.
        """
        raise NotImplementedError

    def site_of(self, token: str, audience: Audience) -> str:
        """
        For which site this token opens the agent's or the gateway's door.

        Raises:
            NotAllowed: TOKEN_REFUSED; it does not open that door.
        """
        raise NotImplementedError

    def create_admin(self, name: str, *, again: bool = False) -> NewToken:
        """
        Make an admin and their first token. For the controller's own machine: nobody asks, so nobody is checked.

        With *again*, an admin of that name gets one more token.

        Raises:
            Invalid: NAME_INVALID.
            Conflict: NAME_TAKEN.
        """
        raise NotImplementedError

    def site_token(self, site: str, audience: Audience) -> NewToken:
        """
        A new token for the agent or the gateway of *site*; the one before it ends. For the controller's own machine.

        Raises:
            NotFound: SITE_UNKNOWN.
        """
        raise NotImplementedError

    def add(self, asker: User, name: str, role: Role, ssh_keys: Sequence[str] = ()) -> tuple[User, NewToken]:
        """
        Make a user and their first token.

        Raises:
            NotAllowed: only admins may.
            Invalid: NAME_INVALID, or KEY_INVALID for a key that is none, is weak, or carries options.
            Conflict: NAME_TAKEN, or KEY_TAKEN: a key tells one user, so two cannot have the same.
        """
        raise NotImplementedError

    def users(self, asker: User) -> list[User]:
        """All users by name, as far as *asker* may see them."""
        raise NotImplementedError

    def user(self, asker: User, name: str) -> User:
        """
        Raises:
            NotFound: USER_UNKNOWN.
        """
        raise NotImplementedError

    def remove(self, asker: User, name: str) -> None:
        """
        Close an account: tokens and keys end at once. Roots kept aside stay until their date, images stay.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Conflict: THING_IN_USE, the sentence lists the reservations that run; LAST_ADMIN.
        """
        raise NotImplementedError
