"""No two reservations have one board at once, whatever a service does: the database itself refuses."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.reservation import Kind, Reservation, ReservationState
from boardgrid.model.window import Window
from tests.services.house import HOUR, START, House

RUNNING = ReservationState.RUNNING
REFUSED = "two reservations cannot have one board at once"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where reservation 1 has tk1-1 from the second hour to the third."""
    made = tmp_path_factory.mktemp("template") / "farm.db"
    with closing(SqlRecords.open(SqliteFile(made), upgrade=True, now=lambda: START)) as records:
        house = House.furnished(records, boards=2)
        house.image()
        house.reserve(at=START + HOUR)
    return made


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    return Path(copyfile(template, tmp_path / "farm.db"))


@pytest.fixture
def records(path: Path) -> Iterator[SqlRecords]:
    with closing(SqlRecords.open(SqliteFile(path), upgrade=False, now=lambda: START)) as records:
        yield records


@pytest.fixture
def mine(records: SqlRecords) -> Reservation:
    return House(records).found(1)


def hours(start: float, end: float) -> Window:
    return Window(START + start * HOUR, START + end * HOUR)


def another(mine: Reservation, window: Window, **changes: object) -> Reservation:
    return replace(mine, number=mine.number + 1, window=window, **changes)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize("window", [hours(1, 2), hours(0, 1.001), hours(1.999, 3), hours(0, 3), hours(1.2, 1.4)])
def test_a_window_that_overlaps_on_one_board_is_refused(records: SqlRecords, mine: Reservation, window: Window) -> None:
    with (
        pytest.raises(Conflict, match=REFUSED) as error,
        records.write() as tx,
    ):
        tx.save(another(mine, window, boards=("tk1-2", "tk1-1")))
    assert error.value.code is Code.THING_IN_USE
    with records.read() as snapshot:
        assert snapshot.reservation(mine.number + 1) is None


@pytest.mark.parametrize("window", [hours(0, 1), hours(2, 3)])
def test_windows_that_touch_are_taken_and_so_is_the_same_one_on_another_board(
    records: SqlRecords, mine: Reservation, window: Window
) -> None:
    with records.write() as tx:
        tx.save(another(mine, window))
        tx.save(replace(another(mine, mine.window, boards=("tk1-2",)), number=9))


def test_what_is_changed_into_an_overlap_is_refused(records: SqlRecords, mine: Reservation) -> None:
    with records.write() as tx:
        tx.save(another(mine, hours(2, 3)))
    for changed in (another(mine, hours(1.5, 3)), replace(mine, window=hours(1, 2.5))):
        with pytest.raises(Conflict, match=REFUSED), records.write() as tx:
            tx.save(changed)


def test_one_that_runs_has_its_board_from_ever_and_one_that_is_over_has_none(
    records: SqlRecords, mine: Reservation
) -> None:
    early = another(mine, hours(-9, -8))
    for begun in (replace(mine, state=RUNNING), replace(mine, state=RUNNING, kind=Kind.BEST_EFFORT)):
        with records.write() as tx:
            tx.save(begun)
        with pytest.raises(Conflict, match=REFUSED), records.write() as tx:
            tx.save(early)
    with records.write() as tx:
        tx.save(mine.ended(START))
        tx.save(another(mine, mine.window))


def test_a_slot_that_is_written_past_the_farm_is_refused_too(
    records: SqlRecords, mine: Reservation, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        [(start, end)] = connection.execute('SELECT start, "end" FROM slots').fetchall()
        insert = "INSERT INTO slots VALUES (?, ?, ?, ?)"
        with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
            connection.execute(insert, ("tk1-1", start + 1, end + 1, mine.number))
        connection.execute(insert, ("tk1-1", end, end + 5, mine.number))
        connection.execute(insert, ("tk1-2", start, end, mine.number))
        for change, at in (
            ("UPDATE slots SET start = start - 1 WHERE board = 'tk1-1' AND start = ?", end),
            ('UPDATE slots SET "end" = "end" + 1 WHERE board = \'tk1-1\' AND start = ?', start),
            ("UPDATE slots SET board = 'tk1-1', start = start + 1 WHERE board = 'tk1-2' AND start = ?", start),
        ):
            with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
                connection.execute(change, (at,))
        shorter = 'UPDATE slots SET start = start - 1, "end" = "end" - 1 WHERE board = \'tk1-1\' AND start = ?'
        connection.execute(shorter, (start,))


@pytest.mark.parametrize("lost", ["guard_slots_insert", "guard_slots_update"])
def test_a_database_that_has_lost_its_guard_is_not_opened(path: Path, lost: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP TRIGGER {lost}")
    for upgrade in (True, False):
        with pytest.raises(Conflict, match=lost) as error:
            SqlRecords.open(SqliteFile(path), upgrade=upgrade, now=lambda: START)
        assert error.value.code is Code.SCHEMA_DAMAGED


def test_a_clock_that_is_far_off_makes_no_window_that_the_guard_does_not_see(
    records: SqlRecords, mine: Reservation
) -> None:
    old = timedelta(days=365 * 80)
    with records.write() as tx:
        tx.save(replace(mine, window=Window(START - old, START + old)))
    with pytest.raises(Conflict, match=REFUSED), records.write() as tx:
        tx.save(another(mine, hours(5, 6)))
