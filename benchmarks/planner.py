"""
`planner`: a farm of 1,000 boards with 10,000 reservations ahead, each booked through the real services and records.

How long it takes to place one more, to find a way round a board that breaks, and to hand a board that is given back to
the next in the queue: from the call of the one to the event that tells the other.

Compared with a plan that is read and made anew, which is what the first call after a start costs.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from random import Random
from uuid import uuid4

import structlog

from benchmarks.report import Row, report
from boardgrid.adapters.changes.in_process import InProcessChanges
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.model.board import BoardType, Site
from boardgrid.model.calendar import Demand, among
from boardgrid.model.image import Image, ImageState, Kernel, Manifest
from boardgrid.model.inventory import BoardDeclared
from boardgrid.model.reservation import Group, Kind, Reservation, ReservationState
from boardgrid.model.user import Role, User
from boardgrid.model.window import Window
from boardgrid.ports import EVENTS
from boardgrid.services.farm import Farm
from boardgrid.services.timetable import Plan
from boardgrid.services.unfolding import evict
from boardgrid.testing import FakePasswords

BOARDS, AHEAD, TIMES = 1000, 10_000, 50
HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANY = (Group(type="tk1"),)


def furnished(folder: Path) -> tuple[Farm, SqlRecords, User]:
    records = SqlRecords.open(SqliteFile(folder / "farm.db"), upgrade=True, now=lambda: NOW)
    farm = Farm.of(records, InProcessChanges(), lambda: NOW, passwords=FakePasswords())
    farm.accounts.create_admin("root")
    with records.read() as snapshot:
        [admin] = snapshot.users()
    farm.inventory.put_site(Site("lab", server=IPv4Interface("10.20.0.1/16")))
    first = IPv4Address("10.20.1.0")
    boards = [
        BoardDeclared(f"tk1-{n}", f"52:54:00:00:{n // 256:02x}:{n % 256:02x}", first + n) for n in range(1, BOARDS + 1)
    ]
    farm.inventory.apply(admin, [BoardType("tk1", "armhf")], boards, dry_run=False)
    user = farm.accounts.add(admin, "ada", Role.USER)[0]
    manifest = Manifest("", "", 1, 1, 1, "armhf", (Kernel("6.1", "boot/vmlinuz"),))
    image = Image(uuid4(), "tiny", 1, user.id, "lab", ImageState.READY, NOW, manifest=manifest)
    # A day's worth of reservations on each board, begun or ahead, most of them in the queue: no board is free now.
    random = Random(1)  # noqa: S311 - the same farm each time
    with records.write() as tx:
        tx.save(image)
        number = 0
        for board in boards:
            start = NOW
            for place in range(AHEAD // BOARDS):
                number += 1
                end = start + timedelta(minutes=random.randint(60, 300))
                state = ReservationState.WAITING if place else ReservationState.RUNNING
                kind = Kind.QUEUED if place % 3 else Kind.FIXED
                tx.add(
                    Reservation(
                        number,
                        user.id,
                        ANY,
                        (board.name,),
                        Window(start, end),
                        state,
                        NOW,
                        image.id,
                        kind,
                        None,
                        1 << 30,
                    )
                )
                start = end
    return farm, records, admin


def timed_ms(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return (time.perf_counter() - began_s) * 1000


def place_one(farm: Farm, records: SqlRecords) -> tuple[float, float]:
    """Milliseconds: the planner alone, and with all that is recorded."""
    with records.read() as snapshot:
        calendar = farm.booking.desk.timetable.draft(snapshot).calendar
        user = snapshot.user_named("ada")
    assert user is not None  # noqa: S101 - made above
    demand = (Demand(1, among(*(f"tk1-{n}" for n in range(1, BOARDS + 1)))),)
    alone = [timed_ms(lambda: calendar.earliest(demand, 2 * HOUR, NOW, HOUR)) for _ in range(TIMES)]
    whole = [
        timed_ms(lambda: farm.booking.reserve(user, groups=ANY, image="tiny", for_=2 * HOUR, kind=Kind.QUEUED))
        for _ in range(TIMES)
    ]
    return statistics.median(alone), statistics.median(whole)


def break_one(farm: Farm, records: SqlRecords) -> float:
    took = []
    for number in range(100, 100 + TIMES // 5):

        def set_aside(board: str = f"tk1-{number}") -> None:
            with farm.booking.desk.begin() as work:
                standing = work.tx.board(board)
                assert standing is not None  # noqa: S101 - declared above
                work.save(standing.set_aside("it smokes"))
                evict(work, board)

        took.append(timed_ms(set_aside))
    return statistics.median(took)


async def hand_over(farm: Farm, records: SqlRecords, admin: User) -> float:
    """From the release of one to the event that the next has begun, as somebody hears who waits for it."""
    took = []
    for number in range(501, 501 + TIMES):
        with records.read() as snapshot:
            last, running = snapshot.last_event(), snapshot.holder_of(f"tk1-{number}")
        assert running is not None  # noqa: S101 - nobody gave it back yet
        mark = farm.changes.mark(EVENTS)
        began_s = time.perf_counter()
        waiting = asyncio.create_task(farm.changes.wait(EVENTS, mark, 10))
        await asyncio.to_thread(farm.booking.release, admin, running.number)
        await waiting
        told = farm.history.after(admin, last)
        took.append((time.perf_counter() - began_s) * 1000)
        with records.read() as snapshot:
            holder = snapshot.holder_of(f"tk1-{number}")
        if holder is None or not any("runs on" in event.detail for event in told):
            raise RuntimeError(f"nobody got tk1-{number}")
    return statistics.median(took)


def read_anew(records: SqlRecords) -> float:
    with records.read() as snapshot:
        return timed_ms(lambda: Plan.of(snapshot))


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory(prefix="boardgrid-planner-") as folder:
        farm, records, admin = furnished(Path(folder))
        with closing(records):
            anew = read_anew(records)
            farm.booking.reservations(admin, ended=False)
            alone, whole = place_one(farm, records)
            broken = break_one(farm, records)
            handed = asyncio.run(hand_over(farm, records, admin))
    report(
        "planner",
        [
            Row("to place one more, in memory", alone, "ms", anew),
            Row("to place one more, and record it", whole, "ms", anew),
            Row("to replan when a board breaks", broken, "ms", anew),
            Row("from a release to the next in the queue", handed, "ms", anew),
        ],
        compared_with="reading and planning all of it anew",
    )


if __name__ == "__main__":
    main()
