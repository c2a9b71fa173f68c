"""Inventory: sites, board types and boards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boardgrid.model.board import BoardType, DriverSpec, Site
from boardgrid.model.inventory import BoardDeclared, Change
from boardgrid.model.user import User
from boardgrid.services.desk import Desk
from boardgrid.services.views import BoardView, SiteView


def _any_driver(_spec: DriverSpec) -> None:
    """Where the drivers are not installed, only the shape of a declaration is checked; the agent finds the rest."""


@dataclass(frozen=True, slots=True)
class Inventory:
    desk: Desk
    check_driver: Callable[[DriverSpec], None] = _any_driver  # raises Invalid DRIVER_INVALID

    def put_site(self, site: Site) -> None:
        """Make a site, or change its facts. For the controller's own machine: nobody asks, so nobody is checked."""
        raise NotImplementedError

    def sites(self, asker: User) -> list[SiteView]:
        raise NotImplementedError

    def put_type(self, asker: User, declared: BoardType) -> BoardType:
        """
        Make a board type, or change it. Boards take a change up with their next deployment.

        Raises:
            NotAllowed: only admins may.
            Invalid: a name or a field that cannot be.
            Conflict: THING_IN_USE, its architecture would change under a reservation.
        """
        raise NotImplementedError

    def types(self, asker: User) -> list[BoardType]:
        raise NotImplementedError

    def type_named(self, asker: User, name: str) -> BoardType:
        """
        Raises:
            NotFound: TYPE_UNKNOWN.
        """
        raise NotImplementedError

    def remove_type(self, asker: User, name: str) -> None:
        """
        Raises:
            NotAllowed: only admins may.
            NotFound: TYPE_UNKNOWN.
            Conflict: THING_IN_USE, the sentence names the boards.
        """
        raise NotImplementedError

    def put_board(self, asker: User, declared: BoardDeclared) -> BoardView:
        """
        Make a board, or change it. What its boot hangs on (MAC, address, boot, path) changes only while nobody has it.

        Raises:
            NotAllowed: only admins may.
            NotFound: TYPE_UNKNOWN, SITE_UNKNOWN.
            Invalid: a name, address, path or driver that cannot be.
            Conflict: NAME_TAKEN, another board has the MAC, address or path; THING_IN_USE, someone holds it.
        """
        raise NotImplementedError

    def boards(self, asker: User) -> list[BoardView]:
        raise NotImplementedError

    def board(self, asker: User, name: str) -> BoardView:
        """
        Raises:
            NotFound: BOARD_UNKNOWN.
        """
        raise NotImplementedError

    def remove_board(self, asker: User, name: str) -> None:
        """
        Have a board leave the farm: it is offered no more, and its record goes when the agent has parked it.

        Raises:
            NotAllowed: only admins may.
            NotFound: BOARD_UNKNOWN.
            Conflict: THING_IN_USE, the sentence says who holds it until when.
        """
        raise NotImplementedError

    def fit(self, asker: User, name: str) -> BoardView:
        """
        Return a board that was set aside to service; one that was not is left as it is.

        Raises:
            NotAllowed: only admins may.
            NotFound: BOARD_UNKNOWN.
        """
        raise NotImplementedError

    def apply(
        self, asker: User, types: Sequence[BoardType], boards: Sequence[BoardDeclared], *, dry_run: bool
    ) -> tuple[Change, ...]:
        """
        Bring the records to what is declared, all or nothing, and tell what differed. Nothing is ever removed.

        Raises:
            NotAllowed: only admins may.
            NotFound, Invalid, Conflict: as for one type or board; the sentence names it.
        """
        raise NotImplementedError
