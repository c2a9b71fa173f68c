"""All services of a farm, for those who serve them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from boardgrid.model.board import DriverSpec
from boardgrid.ports import Changes, Records
from boardgrid.services.accounts import Accounts
from boardgrid.services.booking import Booking
from boardgrid.services.catalog import Catalog
from boardgrid.services.desk import Desk
from boardgrid.services.doors import Doors
from boardgrid.services.fleet import Fleet
from boardgrid.services.history import History
from boardgrid.services.inventory import Inventory
from boardgrid.services.maintaining import Maintaining
from boardgrid.services.projects import Projects
from boardgrid.services.roots import Roots
from boardgrid.services.ruling import Ruling


@dataclass(frozen=True, slots=True)
class Farm:
    accounts: Accounts
    inventory: Inventory
    catalog: Catalog
    roots: Roots
    booking: Booking
    fleet: Fleet
    doors: Doors
    history: History
    projects: Projects
    ruling: Ruling
    maintaining: Maintaining
    changes: Changes

    @classmethod
    def of(
        cls,
        records: Records,
        changes: Changes,
        now: Callable[[], datetime],
        *,
        root_bytes: int = 4 << 30,
        check_driver: Callable[[DriverSpec], None] | None = None,
    ) -> "Farm":
        desk = Desk(records, changes, now)
        return cls(
            Accounts(desk),
            Inventory(desk) if check_driver is None else Inventory(desk, check_driver),
            Catalog(desk),
            Roots(desk),
            Booking(desk, root_bytes),
            Fleet(desk),
            Doors(desk),
            History(desk),
            Projects(desk),
            Ruling(desk),
            Maintaining(desk),
            changes,
        )
