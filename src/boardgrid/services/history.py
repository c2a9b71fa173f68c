"""History: what happened to boards, images and roots; and whose host keys are theirs."""

from dataclasses import dataclass

from boardgrid.model.deployment import Event
from boardgrid.model.user import User
from boardgrid.services.desk import Desk


@dataclass(frozen=True, slots=True)
class History:
    """A live stream asks again with the last number it saw, whenever the topic EVENTS tells."""

    desk: Desk

    def after(
        self,
        asker: User,
        number: int = 0,
        *,
        board: str | None = None,
        reservation: int | None = None,
        limit: int = 500,
    ) -> list[Event]:
        """
        Events above *number*, oldest first, as far as *asker* may see them: console lines are for its user and admins.

        Raises:
            NotFound: BOARD_UNKNOWN, RESERVATION_UNKNOWN.
        """
        raise NotImplementedError

    def last_number(self) -> int:
        """The number of the newest event; 0: there is none."""
        raise NotImplementedError

    def known_hosts(self, asker: User) -> str:
        """Lines for OpenSSH's known_hosts: the open boards that *asker* holds, by name and host name."""
        raise NotImplementedError
