"""All services of a farm, for those who serve them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from boardgrid.model.board import DriverSpec
from boardgrid.model.federation import Enrolment
from boardgrid.model.notice import SOON
from boardgrid.ports import Changes, Directory, IdentityProvider, Passwords, Records
from boardgrid.services.accounts import Accounts
from boardgrid.services.attempts import Attempts
from boardgrid.services.audit import Audit
from boardgrid.services.blocks import Blocks
from boardgrid.services.booking import Booking
from boardgrid.services.building import Building
from boardgrid.services.catalog import Catalog
from boardgrid.services.checkpoints import Checkpoints
from boardgrid.services.curating import Curating
from boardgrid.services.desk import Desk
from boardgrid.services.doors import Doors
from boardgrid.services.errands import Errands
from boardgrid.services.feeds import Feeds
from boardgrid.services.fleet import Fleet
from boardgrid.services.history import History
from boardgrid.services.idling import Idling
from boardgrid.services.inventory import Inventory
from boardgrid.services.invitations import Invitations
from boardgrid.services.links import Links
from boardgrid.services.logins import LOGIN_FOR, Logins
from boardgrid.services.maintaining import Maintaining
from boardgrid.services.notices import Notices
from boardgrid.services.orders import Orders
from boardgrid.services.posting import Postings
from boardgrid.services.projects import Projects
from boardgrid.services.questions import Questions
from boardgrid.services.restarting import Restarting
from boardgrid.services.roots import Roots
from boardgrid.services.rosters import Rosters
from boardgrid.services.ruling import Ruling
from boardgrid.services.sso import SingleSignOn
from boardgrid.services.timetable import Timetable
from boardgrid.services.tokens import Tokens, Uses
from boardgrid.services.trying import Trying
from boardgrid.services.upkeep import Upkeep
from boardgrid.services.volumes import Volumes
from boardgrid.services.wastebasket import KEPT_FOR, Wastebasket


@dataclass(frozen=True, slots=True)
class Farm:
    accounts: Accounts
    tokens: Tokens
    logins: Logins
    sso: SingleSignOn
    invitations: Invitations
    audit: Audit
    inventory: Inventory
    catalog: Catalog
    curating: Curating
    wastebasket: Wastebasket
    errands: Errands
    building: Building
    trying: Trying
    roots: Roots
    volumes: Volumes
    questions: Questions
    checkpoints: Checkpoints
    booking: Booking
    restarting: Restarting
    blocks: Blocks
    orders: Orders
    upkeep: Upkeep
    fleet: Fleet
    doors: Doors
    history: History
    projects: Projects
    rosters: Rosters
    links: Links
    ruling: Ruling
    maintaining: Maintaining
    notices: Notices
    postings: Postings
    feeds: Feeds
    changes: Changes

    @classmethod
    def of(
        cls,
        records: Records,
        changes: Changes,
        now: Callable[[], datetime],
        *,
        passwords: Passwords,
        directory: tuple[Directory, Enrolment] | None = None,
        provider: tuple[IdentityProvider, Enrolment] | None = None,
        login_for: timedelta = LOGIN_FOR,
        root_bytes: int = 4 << 30,
        soon: timedelta = SOON,
        idling: Idling | None = None,
        waste_kept_for: timedelta = KEPT_FOR,
        sends_mail: bool = False,
        webhook_hosts: Collection[str] = (),
        check_driver: Callable[[DriverSpec], None] | None = None,
    ) -> "Farm":
        desk = Desk(records, changes, now, Timetable(soon))
        wastebasket, errands = Wastebasket(desk, waste_kept_for), Errands(desk)
        logins = Logins(desk, passwords, Attempts(), login_for, *(directory or ()))
        return cls(
            Accounts(desk, passwords),
            Tokens(desk, Uses()),
            logins,
            SingleSignOn(desk, logins, *(provider or ())),
            Invitations(desk, passwords, logins),
            Audit(desk),
            Inventory(desk) if check_driver is None else Inventory(desk, check_driver),
            Catalog(desk),
            Curating(desk),
            wastebasket,
            errands,
            Building(desk),
            Trying(desk),
            Roots(desk),
            Volumes(desk),
            Questions(desk),
            Checkpoints(desk),
            Booking(desk, root_bytes),
            Restarting(desk),
            Blocks(desk, root_bytes),
            Orders(desk),
            Upkeep(desk, wastebasket, errands, idling or Idling()),
            Fleet(desk),
            Doors(desk),
            History(desk),
            Projects(desk),
            Rosters(desk),
            Links(desk),
            Ruling(desk),
            Maintaining(desk),
            Notices(desk, frozenset(webhook_hosts)),
            Postings(desk, sends_mail, frozenset(webhook_hosts)),
            Feeds(desk),
            changes,
        )
