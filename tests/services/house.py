"""A whole controller in a test: real services on a real database, a clock that is set by hand, and an agent by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID, uuid4

from boardgrid.adapters.changes.in_process import InProcessChanges
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.model.board import BoardType, DriverSpec, Site
from boardgrid.model.errors import Blame, Code
from boardgrid.model.federation import Enrolment
from boardgrid.model.image import Image, Kernel, Manifest, RootSource
from boardgrid.model.inventory import BoardDeclared
from boardgrid.model.planning import Standing
from boardgrid.model.report import BoardReport, ImageReport, Reached, Report, RootReport
from boardgrid.model.reservation import Group, Reservation
from boardgrid.model.user import Role, User
from boardgrid.model.wish import BoardWish, Deployed, Gone, SiteWishes
from boardgrid.ports import Directory, IdentityProvider, Records
from boardgrid.services.farm import Farm
from boardgrid.services.fleet import Taken
from boardgrid.services.timetable import Plan
from boardgrid.services.views import ReservationView
from boardgrid.testing import FakePasswords
from tests.databases import records_of

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

KEY_A = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
KEY_B = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJi"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGho"

KERNEL = Kernel("6.1.0-50-armmp", "boot/vmlinuz-6.1.0-50-armmp", dtbs="usr/lib/linux-image-6.1.0-50-armmp")


def a_manifest(**changes: Any) -> Manifest:
    facts: dict[str, Any] = {
        "digest": "sha256:" + "1" * 64,
        "checksum": "sha256:" + "2" * 64,
        "size_bytes": 6_000_000,
        "stored_bytes": 3_000_000,
        "files": 400,
        "arch": "armhf",
        "kernels": (KERNEL,),
        "modules": (KERNEL.release,),
        "system": "tiny",
    }
    return Manifest(**facts | changes)


def a_board(number: int = 1, **changes: Any) -> BoardDeclared:
    facts: dict[str, Any] = {
        "name": f"tk1-{number}",
        "mac": f"52:54:00:00:00:{number:02x}",
        "address": IPv4Address("10.20.0.10") + number,
        "power": (DriverSpec("fake", {"secret": "outlet"}),),
    }
    declared = BoardDeclared(**facts | changes)
    return replace(declared, nfs_path=PurePosixPath(declared.nfs_path)) if declared.nfs_path else declared


@contextmanager
def records_with(boards: int | None = None, engine: str = "sqlite") -> Iterator[SqlRecords]:
    """Records of a furnished farm with so many boards; None: of one with nothing at all."""
    if boards is None:
        yield records_of(engine)
    else:
        yield records_of(engine, f"{boards} boards", lambda records: House.furnished(records, boards=boards))


@dataclass
class House:
    """A farm as it is found in the records; and what an agent of its site would do."""

    records: Records
    now: datetime = START
    changes: InProcessChanges = field(default_factory=InProcessChanges)
    directory: tuple[Directory, Enrolment] | None = None
    provider: tuple[IdentityProvider, Enrolment] | None = None
    epoch: int = 0
    instance: UUID = field(default_factory=uuid4)
    admin: User = field(init=False)
    ada: User = field(init=False)
    bob: User = field(init=False)

    def __post_init__(self) -> None:
        self.farm = Farm.of(
            self.records,
            self.changes,
            lambda: self.now,
            passwords=FakePasswords(),
            directory=self.directory,
            provider=self.provider,
        )
        with self.records.read() as records:
            people = {one.name: one for one in records.users()}
            site = records.site("lab")
        self.epoch = site.epoch if site else 0
        for name, attribute in (("root", "admin"), ("ada", "ada"), ("bob", "bob")):
            if name in people:
                setattr(self, attribute, people[name])

    @classmethod
    def bare(cls, records: Records) -> "House":
        house = cls(records)
        token = house.farm.accounts.create_admin("root")
        house.admin = house.farm.tokens.asker(token.clear.reveal())
        return house

    @classmethod
    def furnished(cls, records: Records, *, boards: int = 1) -> "House":
        house = cls.bare(records)
        house.farm.inventory.put_site(Site("lab", server=IPv4Interface("10.20.0.1/24")))
        house.farm.inventory.put_type(house.admin, BoardType("tk1", "armhf", console="ttyS0"))
        house.ada = house.user("ada", KEY_A)
        house.bob = house.user("bob", KEY_B)
        for number in range(1, boards + 1):
            house.farm.inventory.put_board(house.admin, a_board(number))
        return house

    def user(self, name: str, *keys: str) -> User:
        return self.farm.accounts.add(self.admin, name, Role.USER, keys)[0]

    def image(self, name: str = "tiny", owner: User | None = None, **manifest: Any) -> Image:
        """An image that is ready, made by the agent from an upload."""
        owner = owner or self.admin
        made = self.farm.catalog.open(owner, name, shared=owner == self.admin).image
        self.farm.catalog.content_arrived(owner, made.id, "a" * 64, 1000)
        assert self.tell(ImageReport(uuid4(), made.id, a_manifest(**manifest))).dropped == ()
        return self.farm.catalog.image(owner, made.ref).image

    def reserve(self, who: User | None = None, for_: timedelta = HOUR, **what: Any) -> ReservationView:
        if "groups" not in what:
            kind = {"type": what.pop("board_type")} if "board_type" in what else {"board": what.pop("board", "tk1-1")}
            what["groups"] = (Group(what.pop("count", 1), **kind),)
        if not what.keys() & {"image", "root"}:
            what["image"] = "tiny"
        return self.farm.booking.reserve(who or self.ada, for_=for_, **what)

    def opened(self, who: User | None = None, **what: Any) -> ReservationView:
        """A reservation whose board is open."""
        made = self.reserve(who, **what)
        assert self.reach(made.reservation.boards[0]).dropped == ()
        return self.farm.booking.reservation(who or self.ada, made.reservation.number)

    def found(self, number: int) -> Reservation:
        """As it is recorded."""
        with self.records.read() as records:
            found = records.reservation(number)
        assert found is not None
        return found

    def release(self, number: int, **how: Any) -> Reservation:
        return self.farm.booking.release(self.admin, number, **how).reservation

    def check_plan(self) -> None:
        """What is kept of the plan in memory is what is recorded."""
        with self.records.read() as records:
            kept, fresh = self.farm.booking.desk.timetable.draft(records), Plan.of(records)
        assert _planned(kept) == _planned(fresh)
        assert kept.next_due() == fresh.next_due()

    def pass_to(self, now: datetime) -> None:
        """It becomes that late, or early, and the farm's own loop looks at what is due until nothing is."""
        self.now = now
        for _look in range(100):
            due = self.farm.upkeep.carry_out()
            if due is None or due > now:
                return
        raise AssertionError("what is due stays due")

    def told(self, number: int) -> list[str]:
        """What was noted of a reservation."""
        return [one.detail for one in self.farm.history.after(self.admin, reservation=number)]

    # --- the agent

    def tell(self, *reports: Report) -> Taken:
        if not self.epoch:
            self.epoch = self.farm.fleet.lease("lab", self.instance, 1).epoch
        return self.farm.fleet.report("lab", self.epoch, reports)

    @property
    def wishes(self) -> SiteWishes:
        if not self.epoch:
            self.epoch = self.farm.fleet.lease("lab", self.instance, 1).epoch
        return self.farm.fleet.wishes("lab", self.epoch)

    def wish(self, board: str = "tk1-1") -> BoardWish:
        return next(one for one in self.wishes.boards if one.board.name == board)

    def reach(self, board: str = "tk1-1") -> Taken:
        """What the agent tells once the board's present wish is so."""
        return self.tell(reached(self.wish(board)))

    def fail(
        self, blame: Blame, board: str = "tk1-1", reason: str = "it does not boot", *, still: UUID | None = None
    ) -> Taken:
        wish = self.wish(board)
        deployment = wish.wish.deployment if isinstance(wish.wish, Deployed) else None
        return self.tell(
            BoardReport(
                uuid4(),
                board,
                wish.generation,
                Reached.FAILED,
                deployment,
                code=Code.BOARD_SILENT,
                reason=reason,
                hint="look at it",
                blame=blame,
                still=still,
            )
        )

    def settle(self) -> None:
        """All that an agent would do: boards reach their wishes, images are made or go, roots that were given up go."""
        for _round in range(4):
            wishes = self.wishes
            reports: list[Report] = [reached(one) for one in wishes.boards]
            offered = {one.wish.root for one in wishes.boards if isinstance(one.wish, Deployed)}
            for image in wishes.images:
                if not isinstance(image.source, RootSource) or image.source.root not in offered:
                    reports.append(ImageReport(uuid4(), image.image, a_manifest() if image.source else None))
            reports += [RootReport(uuid4(), one.root) for one in wishes.discard if one.root not in offered]
            self.tell(*reports)

    def standing(self, board: str = "tk1-1") -> Standing:
        with self.records.read() as records:
            found = records.board(board)
        assert found is not None
        return found


def _planned(plan: Plan) -> tuple[object, ...]:
    calendar = plan.calendar
    lines = {board: (line.starts, line.ends, line.jobs) for board, line in calendar.lines.items() if line.jobs}
    return lines, calendar.jobs, calendar.guests, calendar.shut, plan.owners


def reached(wish: BoardWish) -> BoardReport:
    match wish.wish:
        case Deployed(deployment=deployment):
            return BoardReport(uuid4(), wish.board.name, wish.generation, Reached.OPEN, deployment, host_key=HOST_KEY)
        case Gone():
            return BoardReport(uuid4(), wish.board.name, wish.generation, Reached.GONE)
        case _:
            return BoardReport(uuid4(), wish.board.name, wish.generation, Reached.PARKED)
