"""Doors: what a site's SSH gateway may ask."""

from dataclasses import dataclass

from boardgrid.ports import Holdings, Route
from boardgrid.services.desk import Desk


@dataclass(frozen=True, slots=True)
class Doors:
    desk: Desk

    def hello(self, site: str, host: str, port: int, host_key: str) -> None:
        """
        Where the gateway listens, for people to be told.

        Raises:
            Invalid: KEY_INVALID, ADDRESS_INVALID.
        """
        raise NotImplementedError

    def user_of_key(self, key: str) -> str:
        """
        The name of the user who has this public key ("ssh-ed25519 AAAA...").

        Raises:
            NotFound: USER_UNKNOWN.
        """
        raise NotImplementedError

    def route(self, site: str, user: str, board: str) -> Route:
        """
        Where *board* (its name or host name) is reached: while *user*'s reservation runs and their deployment is open.

        Raises:
            NotFound: ROUTE_UNKNOWN; never more than that.
        """
        raise NotImplementedError

    def holdings(self, site: str) -> Holdings:
        """
        Who may be let through to which board, as it is now. The door waits on the topic :func:`wishes_of`.

        Raises:
            NotFound: SITE_UNKNOWN.
        """
        raise NotImplementedError
