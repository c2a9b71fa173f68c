"""The records when a process is killed, the disk is full, or another process has the database."""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from sqlalchemy import event

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.model.board import BoardType
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.model.project import Part
from boardgrid.model.reservation import Group, Kind
from boardgrid.model.user import Role, User
from boardgrid.model.uuid7 import uuid7
from boardgrid.services.booking import Fate
from tests.databases import lay, watched
from tests.services.house import HOUR, START, House, a_board

Work = Callable[[House], object]


def _open(path: Path, busy_s: float = 10.0) -> SqlRecords:
    lay(path)
    return SqlRecords.open(SqliteFile(path, busy_s=busy_s), upgrade=True, now=lambda: START)


def _everything(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


def _user(name: str) -> User:
    return User(uuid7(START), name, Role.USER)


# --- killed


def _expire(house: House) -> None:
    house.now += HOUR
    house.farm.upkeep.carry_out()


def _apply(house: House) -> None:
    boards = (a_board(4), a_board(5, kernel="6.1"), a_board(2, power=()))
    house.farm.inventory.apply(house.admin, (), boards, dry_run=False)


USE_CASES: dict[str, Work] = {
    "reserve": lambda house: house.reserve(board="tk1-2"),
    "release and keep": lambda house: house.farm.booking.release(house.ada, 1, Fate.KEEP, "mine"),
    "expire": _expire,
    "open": lambda house: house.reach("tk1-3"),
    "fail": lambda house: house.fail(Blame.BOARD, "tk1-3"),
    "apply": _apply,
    "remove a user": lambda house: house.farm.accounts.remove(house.admin, "bob"),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm where ada's first board is open and another of hers is under way."""
    made = tmp_path_factory.mktemp("template") / "farm.db"
    with closing(_open(made)) as records:
        house = House.furnished(records, boards=3)
        house.image()
        house.opened()
        house.reserve(board="tk1-3", for_=timedelta(days=3))
    return made


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    return Path(copyfile(template, tmp_path / "farm.db"))


@contextmanager
def _ended_at(records: SqlRecords, statement: int, end: Callable[[], None]) -> Iterator[None]:
    """*end* is called instead of the n-th statement or commit."""
    left = [statement]

    def count(*_args: Any) -> None:
        left[0] -= 1
        if not left[0]:
            end()

    event.listen(records.engine, "commit", count)
    try:
        with watched(records, count):
            yield
    finally:
        event.remove(records.engine, "commit", count)


class Ended(BaseException):
    pass


def _raise() -> None:
    raise Ended


@pytest.mark.parametrize("name", sorted(USE_CASES))
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 7], ids=["all", "some"])
def test_a_use_case_that_ends_before_any_of_its_statements_has_done_nothing(path: Path, name: str, every: int) -> None:
    with closing(_open(path)) as records:
        before = _everything(path)
        for statement in range(1, 1000, every):
            house = House(records)
            told = house.changes.mark("events")
            with _ended_at(records, statement, _raise):
                try:
                    USE_CASES[name](house)
                except Ended:
                    assert _everything(path) == before
                    assert house.changes.mark("events") == told, "nobody is told of what was not recorded"
                    continue
            assert statement > 5
            break
        assert _everything(path) != before


# --- killed while booking


def _later(hours: float, work: Work) -> Work:
    def do(house: House) -> object:
        house.now = START + hours * HOUR
        return work(house)

    return do


def _due(house: House) -> object:
    return house.farm.upkeep.carry_out()


def _wanted(**what: Any) -> Work:
    groups = what.pop("groups", (Group(what.pop("count", 1), type="tk1"),))
    return lambda house: house.reserve(house.bob, groups=groups, **what)


RPI4 = Group(2, type="rpi4")
LESSONS = (START + 30 * HOUR, START + 54 * HOUR)


def _person(house: House, name: str) -> User:
    return house.farm.accounts.user(house.admin, name)


def _hold_lessons(house: House) -> None:
    """One goes on, with ada and bob on its boards and eve behind them; another follows."""
    house.farm.inventory.put_type(house.admin, BoardType("rpi4", "armhf", console="ttyS0"))
    for number in (1, 2):
        board = a_board(20 + number, name=f"rpi4-{number}")
        house.farm.inventory.put_board(house.admin, board)
    members = dict.fromkeys(("ada", "bob", house.user("eve").name, house.user("grace").name), Part.MEMBER)
    house.farm.projects.add(house.admin, "robots", members=members, image="tiny")
    lessons = (START, START + 2 * HOUR)
    house.farm.blocks.add(house.admin, "robots", RPI4, starts=lessons, for_=HOUR, turn=HOUR / 2)
    house.farm.blocks.take_seat(_person(house, "eve"), 12)


BOOKING: dict[str, Work] = {
    "reserve now, and somebody yields": _wanted(for_=HOUR / 2),
    "reserve at a date, and somebody changes": _wanted(groups=(Group(board="tk1-2"),), at=START + 2 * HOUR),
    "reserve several": _wanted(groups=(Group(board="tk1-1"), Group(2, where="number > 1")), at=START + 20 * HOUR),
    "queue": _wanted(count=4, kind=Kind.QUEUED),
    "wait for what is idle": _wanted(count=2, kind=Kind.BEST_EFFORT),
    "extend, and somebody changes": _later(0.5, lambda house: house.farm.booking.extend(house.ada, 2, HOUR)),
    "share": lambda house: house.farm.booking.share(house.ada, 1, ["bob"]),
    "release one of several": lambda house: house.farm.booking.release(house.ada, 2, board="tk1-2"),
    "release to the queue": lambda house: house.farm.booking.release(house.ada, 2),
    "withdraw": lambda house: house.farm.booking.release(house.bob, 7),
    "end and begin": _later(2, _due),
    "come back after a week": _later(200, _due),
    "a board breaks": lambda house: house.fail(Blame.BOARD, "tk1-2"),
    "a board is mended": lambda house: house.farm.inventory.fit(house.admin, "tk1-5"),
    "a board leaves": lambda house: house.farm.inventory.remove_board(house.admin, "tk1-7"),
    "a board joins": lambda house: house.farm.inventory.put_board(house.admin, a_board(8)),
    "a board has become clean": lambda house: house.reach("tk1-6"),
    "hold blocks": lambda house: house.farm.blocks.add(house.admin, "robots", RPI4, starts=LESSONS, for_=HOUR),
    "take a seat": lambda house: house.farm.blocks.take_seat(_person(house, "grace"), 12),
    "a seat is given back": lambda house: house.farm.booking.release(house.ada, 13),
    "a turn is over": _later(0.6, _due),
    "a lesson ends, and the next begins": _later(2, _due),
    "call lessons off": lambda house: house.farm.blocks.remove(house.admin, 12, later=True),
    "a board of a lesson breaks": lambda house: house.fail(Blame.BOARD, "rpi4-1"),
}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm where nothing is free: everything that is booked is in somebody's way."""
    made = tmp_path_factory.mktemp("crowded") / "farm.db"
    with closing(_open(made)) as records:
        house = House.furnished(records, boards=7)
        house.image()
        house.opened(board="tk1-1", for_=4 * HOUR)  # 1
        named = (Group(board="tk1-2"), Group(board="tk1-3"))
        house.reserve(groups=named, for_=2 * HOUR)  # 2
        house.fail(Blame.BOARD, house.reserve(board="tk1-5").reservation.boards[0])  # 3
        house.release(house.opened(house.bob, board="tk1-6").reservation.number)  # 4
        house.reserve(house.bob, board="tk1-4", kind=Kind.BEST_EFFORT, for_=9 * HOUR)  # 5
        house.reserve(board="tk1-6", for_=HOUR)  # 6, and it is still being cleaned
        house.reserve(house.bob, board_type="tk1", at=START + 2 * HOUR, for_=3 * HOUR)  # 7
        house.reserve(board="tk1-7", at=START + HOUR / 10, for_=9 * HOUR)  # 8
        house.reserve(board_type="tk1", count=2, kind=Kind.QUEUED)  # 9
        house.reserve(house.bob, board="tk1-1", at=START + 5 * HOUR)  # 10
        house.reserve(house.bob, board_type="tk1", kind=Kind.BEST_EFFORT)  # 11
        _hold_lessons(house)  # 12, with the seats 13, 14 and 16; and 15
    return made


@pytest.mark.parametrize("name", sorted(BOOKING))
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 23], ids=["all", "some"])
def test_booking_that_ends_before_a_statement_has_done_nothing_and_remembers_nothing(
    crowded: Path, tmp_path: Path, name: str, every: int
) -> None:
    path = Path(copyfile(crowded, tmp_path / "farm.db"))
    with closing(_open(path)) as records:
        house, before = House(records), _everything(path)
        house.check_plan()
        for statement in range(1, 10_000, every):
            house.now = START
            told = house.changes.mark("events")
            with _ended_at(records, statement, _raise):
                try:
                    BOOKING[name](house)
                except Ended:
                    assert _everything(path) == before
                    assert house.changes.mark("events") == told
                    house.check_plan()
                    continue
            break
        assert statement > 5
        assert _everything(path) != before
        house.check_plan()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["release and keep", "reserve"])
def test_a_controller_that_is_killed_before_any_statement_has_done_nothing(path: Path, name: str) -> None:
    before = _everything(path)
    for statement in range(1, 1000):
        if not _killed_at(path, USE_CASES[name], statement):
            break
        assert _everything(path) == before
    assert statement > 5
    assert _everything(path) != before


def _killed_at(path: Path, work: Work, statement: int) -> bool:
    """Whether a process of its own was killed at the n-th statement, before it had done its work."""
    child = os.fork()
    if not child:
        try:
            records = _open(path)
            house = House(records)
            with _ended_at(records, statement, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                work(house)
            os._exit(0)
        finally:
            os._exit(1)  # never back into the process of the tests
    _child, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status == signal.SIGKILL


# --- no room


def test_a_full_disk_is_a_fault_that_names_the_database_and_nothing_is_recorded(path: Path) -> None:
    with closing(_open(path)) as records:
        with records.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        before = _everything(path)
        with pytest.raises(Fault, match="database or disk is full") as error, records.write() as tx:
            for number in range(10_000):
                tx.save(_user(f"user{number}"))
        assert error.value.code is Code.RECORDS_FAILED and "disk is full" in error.value.hint
        assert _everything(path) == before
        with records.read() as snapshot:
            assert len(snapshot.users()) == 3
        with records.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")
        with records.write() as tx:
            tx.save(_user("eve"))


def test_a_damaged_database_is_a_fault_that_names_it(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(Fault) as error, closing(_open(path)) as records, records.read() as snapshot:
        snapshot.users()
    assert error.value.code is Code.RECORDS_FAILED and "farm.db" in str(error.value)


# --- others


def test_a_writer_waits_for_another_process_and_then_gives_up(path: Path) -> None:
    with closing(_open(path, busy_s=0.2)) as records, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Fault, match="database is locked") as error, records.write():
            raise AssertionError("nobody writes beside another")
        assert error.value.code is Code.RECORDS_FAILED
        with records.read() as snapshot:
            assert snapshot.user_named("ada") is not None
        other.execute("ROLLBACK")
        with records.write() as tx:
            tx.save(_user("eve"))


def test_a_writer_waits_for_another_thread_and_then_gives_up(path: Path) -> None:
    with closing(_open(path, busy_s=0.2)) as records:
        has_begun, may_end = threading.Event(), threading.Event()

        def write() -> None:
            with records.write():
                has_begun.set()
                may_end.wait(timeout=60)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert has_begun.wait(timeout=60)
            with pytest.raises(Fault, match=r"was busy for 0\.2 s"), records.write():
                raise AssertionError("nobody writes beside another")
        finally:
            may_end.set()
            thread.join(timeout=60)
        with records.write() as tx:
            tx.save(_user("eve"))


def test_a_write_that_was_given_up_lets_the_next_one_in(path: Path) -> None:
    with closing(_open(path, busy_s=0.2)) as records:
        for _ in range(30):  # more than the pool has connections
            with suppress(ZeroDivisionError), records.write():
                raise ZeroDivisionError
        with records.write() as tx:
            tx.save(_user("eve"))


def test_a_copy_of_the_file_while_nobody_has_it_open_is_a_backup(path: Path, tmp_path: Path) -> None:
    copyfile(path, tmp_path / "copy.db")
    with closing(_open(tmp_path / "copy.db")) as records:
        assert House(records).farm.booking.reservation(House(records).ada, 1).user == "ada"
