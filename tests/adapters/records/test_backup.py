"""A backup is the whole farm of one moment, from and to either engine; a restore is all of it, or nothing."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from boardgrid.adapters.records.backup import back_up, restore
from boardgrid.adapters.records.copying import tables_of
from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.revisions import Revisions
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.model.errors import Code, Conflict, Fault
from boardgrid.model.image import Image, ImageState
from boardgrid.model.user import Role, User
from boardgrid.model.uuid7 import uuid7
from tests.adapters.records.conftest import Make
from tests.conftest import ENGINES
from tests.databases import lay
from tests.services.house import HOUR, House

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def _open(database: Database, *, upgrade: bool = True) -> SqlRecords:
    if upgrade and isinstance(database, SqliteFile):
        lay(database.path)
    return SqlRecords.open(database, upgrade=upgrade, now=lambda: AT)


def _lived_in(database: Database) -> House:
    """With something in most tables, and an image that was made of a later one, by its id."""
    house = House.furnished(_open(database), boards=3)
    image = house.image()
    house.opened()
    house.reserve(board="tk1-3", for_=timedelta(days=3))
    with house.records.write() as tx:
        late = Image(uuid7(AT + HOUR * 99), "late", 1, house.admin.id, "lab", ImageState.GONE, AT)
        tx.save(late)
        tx.save(replace(image, parent=late.id))
        tx.forget_events(AT + timedelta(days=999))  # numbers go on all the same
    return house


def _rows(database: Database) -> dict[str, list[Any]]:
    with database.reading() as connection:
        tables = tables_of(connection).sorted_tables
        return {one.name: sorted(map(repr, connection.execute(one.select()))) for one in tables}


def _back_up(database: Database, file: Path) -> None:
    with Revisions.ours() as revisions:
        back_up(database, file, revisions)


def _restore(file: Path, database: Database, *, replace: bool = False) -> Path | None:
    with Revisions.ours() as revisions:
        return restore(SqliteFile(file), database, revisions=revisions, replace=replace, at=AT)


@pytest.mark.slow
@pytest.mark.parametrize("to", ENGINES)
def test_a_restored_farm_is_the_one_that_was_backed_up_on_either_engine(
    make: Make, make_of: Callable[[str, str], Database], to: str, tmp_path: Path
) -> None:
    was, file = make("was"), tmp_path / "backup.db"
    before = _lived_in(was)
    _back_up(was, file)
    becomes = make_of(to, "becomes")
    assert _restore(file, becomes) is None
    assert _rows(becomes) == _rows(was)
    after = House(_open(becomes, upgrade=False))
    assert after.farm.booking.reservation(after.ada, 1) == before.farm.booking.reservation(before.ada, 1)
    assert after.reserve(after.bob, board="tk1-2").reservation.number == 3
    with was.reading() as connection:
        given = was.counters(connection)["events"]
    with after.records.read() as snapshot:
        assert snapshot.events(0, limit=1)[0].event.number == given + 1, "a number is never given twice"


@pytest.mark.slow
def test_a_backup_is_one_file_for_its_owner_alone_and_itself_a_farm(make: Make, tmp_path: Path) -> None:
    was, file = make("was"), tmp_path / "backup.db"
    _lived_in(was)
    _back_up(was, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("backup.db*")) == [file]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with closing(_open(SqliteFile(file), upgrade=False)) as records, records.read() as snapshot:
        assert snapshot.user_named("ada") is not None


@pytest.mark.slow
def test_a_backup_is_of_one_moment_while_the_farm_goes_on(make: Make, tmp_path: Path) -> None:
    """Each transaction adds two users who know of each other; no backup has one without the other."""
    database = make("was")
    with closing(_open(database)) as records, _busy(records):
        for number in range(3):
            file = tmp_path / f"{number}.db"
            _back_up(database, file)
            with closing(_open(SqliteFile(file), upgrade=False)) as copy, copy.read() as snapshot:
                assert len(snapshot.users()) % 2 == 0


@contextmanager
def _busy(records: SqlRecords) -> Iterator[None]:
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            with records.write() as tx:
                for part in ("a", "b"):
                    tx.save(User(uuid7(AT), f"user{number}{part}", Role.USER))
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(timeout=60)


def test_a_backup_never_writes_over_a_file(make: Make, tmp_path: Path) -> None:
    database, file = make("was"), tmp_path / "diary"
    _open(database)
    file.write_text("Dear diary")
    with pytest.raises(Fault, match="diary failed"):
        _back_up(database, file)
    assert file.read_text() == "Dear diary"


def test_a_backup_that_fails_leaves_nothing(make: Make, tmp_path: Path) -> None:
    database, file = make("was"), tmp_path / "backup.db"
    with closing(_open(database)), database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE photos (name TEXT)")
    with pytest.raises(Conflict, match="are not those of its revision"):
        _back_up(database, file)
    assert not file.exists()


@pytest.mark.slow
def test_a_farm_that_is_there_is_put_aside_before_another_takes_its_place(make: Make, tmp_path: Path) -> None:
    was, there, file = make("was"), make("there"), tmp_path / "backup.db"
    _lived_in(was)
    _back_up(was, file)
    with closing(_open(there)) as records, records.write() as tx:
        tx.save(User(uuid7(AT), "eve", Role.USER))
    with pytest.raises(Conflict, match="there is something in") as error:
        _restore(file, there)
    assert error.value.code is Code.RECORDS_PRESENT and "--force" in error.value.hint
    put_aside = _restore(file, there, replace=True)
    assert _rows(there) == _rows(was)
    assert put_aside is not None and "before-restore.20260301T120005Z" in put_aside.name
    with closing(_open(SqliteFile(put_aside), upgrade=False)) as records, records.read() as snapshot:
        assert [one.name for one in snapshot.users()] == ["eve"]


@pytest.mark.slow
def test_nothing_is_restored_while_a_controller_runs(make: Make, tmp_path: Path) -> None:
    database, file = make("was"), tmp_path / "backup.db"
    _open(database)
    _back_up(database, file)
    with database.alone(), pytest.raises(Conflict, match=r"has the database .* in use") as error:
        _restore(file, database, replace=True)
    assert error.value.code is Code.STATE_LOCKED
    assert _restore(file, database, replace=True) is not None


@pytest.mark.slow
def test_a_restore_that_fails_half_way_leaves_the_farm_that_was_there(make: Make, tmp_path: Path) -> None:
    database, file = make("was"), tmp_path / "backup.db"
    _lived_in(database)
    _back_up(database, file)
    before = _rows(database)

    def fail(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("INSERT INTO deployments"):
            raise OSError(28, "No space left on device")

    event.listen(database.engine, "before_cursor_execute", fail)
    with pytest.raises(Fault, match="No space left"):
        _restore(file, database, replace=True)
    event.remove(database.engine, "before_cursor_execute", fail)
    assert _rows(database) == before


@pytest.mark.slow
def test_a_damaged_backup_and_what_is_none_are_refused(make: Make, tmp_path: Path) -> None:
    database, file = make("was"), tmp_path / "backup.db"
    _lived_in(database)
    _back_up(database, file)
    half, diary, photos = tmp_path / "half.db", tmp_path / "diary", tmp_path / "photos.db"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    diary.write_text("Dear diary, " * 1000)
    with closing(sqlite3.connect(photos)) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    into = make("into")
    for each, words in ((half, "malformed|is damaged"), (diary, "not a database"), (photos, "there is no farm in")):
        with pytest.raises((Conflict, Fault), match=words):
            _restore(each, into)
    with into.reading() as connection:
        assert not tables_of(connection).tables, "and nothing is in the place of what was not there"


@pytest.mark.slow
def test_a_backup_of_a_later_release_is_refused(make: Make, tmp_path: Path) -> None:
    database, file = make("was"), tmp_path / "backup.db"
    _open(database)
    _back_up(database, file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(Conflict, match="its schema 9999 is unknown here"):
        _restore(file, make("into"))


@pytest.mark.slow
def test_a_farm_moves_to_postgresql_and_back(tmp_path: Path, make_of: Callable[[str, str], Database]) -> None:
    was, server, again = make_of("sqlite", "was"), make_of("postgresql", "moved"), make_of("sqlite", "again")
    _lived_in(was)
    for number, (source, target) in enumerate(((was, server), (server, again))):
        _back_up(source, tmp_path / f"{number}.db")
        _restore(tmp_path / f"{number}.db", target)
    assert _rows(again) == _rows(was)
