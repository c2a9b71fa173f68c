"""Records on a PostgreSQL server: what the contract of records, which runs on it too, does not ask."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from boardgrid.adapters.changes.postgresql import PostgresChanges
from boardgrid.adapters.records import guards
from boardgrid.adapters.records.guards import GUARDS
from boardgrid.adapters.records.migrate import bring_to_head
from boardgrid.adapters.records.postgresql import PostgresDatabase
from boardgrid.adapters.records.revisions import Revisions
from boardgrid.adapters.records.schema import metadata
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.model.errors import Code, Conflict, Fault, Invalid
from boardgrid.model.user import Role, Secret, User
from boardgrid.model.uuid7 import uuid7
from boardgrid.postgresql import Postgres
from tests import postgres
from tests.adapters.records.conftest import copies_of
from tests.adapters.records.test_backup import _rows
from tests.adapters.records.test_faults import USE_CASES, Ended, _ended_at, _raise
from tests.adapters.records.test_schema import later
from tests.services.house import House

__all__ = ["later"]

pytestmark = pytest.mark.slow

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def _user(name: str) -> User:
    return User(uuid7(AT), name, Role.USER)


@pytest.fixture
def at() -> Postgres:
    return postgres.server().make("on_postgresql")


class Opened(ExitStack):
    """Controllers of one farm, each with a pool of its own."""

    def __init__(self, at: Postgres, copies: Path) -> None:
        super().__init__()
        self.at, self.copies = at, copies

    def database(self, busy_s: float = 10.0) -> PostgresDatabase:
        database = PostgresDatabase(self.at, self.copies, busy_s=busy_s)
        self.callback(database.engine.dispose)
        return database

    def records(self, *, upgrade: bool = True, busy_s: float = 10.0) -> SqlRecords:
        return SqlRecords.open(self.database(busy_s), upgrade=upgrade, now=lambda: AT)


@pytest.fixture
def farm(at: Postgres, tmp_path: Path) -> Iterator[Opened]:
    with Opened(at, tmp_path) as opened:
        yield opened


# --- the schema


def _parts(connection: Connection) -> set[tuple[object, ...]]:
    """Each column, constraint, index and trigger, as the server tells it."""
    queries = (
        """SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
            WHERE table_schema = 'public'""",
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace""",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    )
    found = {tuple(row) for query in queries for row in connection.execute(text(query))}
    return {row for row in found if not any("alembic_version" in str(part) for part in row)}


def test_a_migrated_database_has_the_schema_of_a_fresh_one(farm: Opened, tmp_path: Path) -> None:
    farm.records()
    with Opened(postgres.server().make("fresh"), tmp_path) as fresh:
        made = fresh.database()
        with made.writing() as connection:
            metadata.create_all(connection)
            guards.make(connection, GUARDS)
        with made.reading() as connection, farm.database().reading() as migrated:
            assert _parts(migrated) == _parts(connection)
    with farm.database().looking() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_empty_database_is_filled_only_where_that_was_asked_for(farm: Opened) -> None:
    with pytest.raises(Conflict, match=r"on_postgresql on .* has the schema -") as error:
        farm.records(upgrade=False)
    assert error.value.code is Code.SCHEMA_FOREIGN
    farm.records()
    farm.records(upgrade=False)


def test_an_older_database_is_backed_up_and_then_brought_up_to_date(farm: Opened, later: Path, tmp_path: Path) -> None:
    with farm.records().write() as tx:
        tx.save(_user("ada"))
    with pytest.raises(Conflict, match="this release needs 9999"):
        bring_to_head(farm.database(), Revisions(later), upgrade=False, now=lambda: AT)
    bring_to_head(farm.database(), Revisions(later), upgrade=True, now=lambda: AT)
    with farm.database().reading() as connection:
        assert connection.execute(text("SELECT name, note FROM users")).all() == [("ada", None)]
    [copy] = copies_of(tmp_path)
    assert copy.stat().st_mode & 0o077 == 0
    copied = SqlRecords.open(SqliteFile(copy), upgrade=False, now=lambda: AT)
    with closing(copied), copied.read() as snapshot:
        assert [one.name for one in snapshot.users()] == ["ada"]
    with pytest.raises(Conflict, match="its schema 9999 is unknown here"):
        farm.records()


def test_an_upgrade_that_fails_half_way_leaves_the_schema_as_it_was(farm: Opened, later: Path) -> None:
    farm.records()
    with farm.database().looking() as connection:
        before = _parts(connection)
    with (later / "versions" / "9999_later.py").open("a") as file:
        file.write("    op.drop_table('health')\n    raise OSError\n")
    with pytest.raises(OSError):
        bring_to_head(farm.database(), Revisions(later), upgrade=True, now=lambda: AT)
    with farm.database().looking() as connection:
        assert _parts(connection) == before
    farm.records(upgrade=False)


def test_two_machines_that_upgrade_at_once_do_it_once(farm: Opened) -> None:
    def upgrade() -> None:
        try:
            farm.records()
        except Exception as error:
            failed.append(error)

    failed: list[Exception] = []
    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failed == []
    farm.records(upgrade=False)


@pytest.mark.parametrize("upgrade", [True, False])
def test_somebody_elses_database_is_refused_and_left_as_it_is(farm: Opened, upgrade: bool) -> None:
    with farm.database().writing() as connection:
        connection.execute(text("CREATE TABLE photos (name TEXT)"))
    with pytest.raises(Conflict, match="is no database of a farm"):
        farm.records(upgrade=upgrade)
    with farm.database().looking() as connection:
        assert {row[0] for row in _parts(connection)} == {"photos"}


def test_a_database_that_sorts_by_a_language_or_has_another_encoding_is_refused(tmp_path: Path) -> None:
    server = postgres.server()
    server.admin(
        "DROP DATABASE IF EXISTS unfit",
        "CREATE DATABASE unfit TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER farm",
    )
    unfit = Opened(Postgres(Secret(f"postgresql://farm@/unfit?host={server.folder}")), tmp_path)
    with unfit, pytest.raises(Conflict, match="has the encoding LATIN1 and sorts by C") as error:
        unfit.records()
    assert error.value.code is Code.DATABASE_UNFIT and "createdb" in error.value.hint


# --- how it is spoken with


def test_each_commit_is_on_the_disk_and_no_wait_is_without_an_end(farm: Opened) -> None:
    with farm.database().writing() as connection:
        wanted = {
            "synchronous_commit": "on",
            "lock_timeout": "10s",
            "idle_in_transaction_session_timeout": "1min",
            "transaction_isolation": "read committed",
        }
        assert {name: connection.scalar(text(f"SHOW {name}")) for name in wanted} == wanted


def test_a_reader_can_change_nothing(farm: Opened) -> None:
    records = farm.records()
    database = farm.database()
    with pytest.raises(Fault, match="read-only"), database.told(), database.reading() as connection:
        connection.execute(text("DELETE FROM users"))
    with records.write() as tx:
        tx.save(_user("ada"))


def test_a_writer_waits_for_another_controller_and_then_gives_up(farm: Opened) -> None:
    one, other = farm.records(), farm.records(busy_s=0.3)
    with one.write() as tx:
        tx.save(_user("ada"))
        with pytest.raises(Fault, match=r"was busy for 0\.3 s") as error, other.write():
            raise AssertionError("nobody writes beside another")
        assert error.value.code is Code.RECORDS_FAILED
        with other.read() as snapshot:
            assert snapshot.users() == [], "and readers wait for nobody"
    with other.write() as tx:
        tx.save(_user("eve"))


def test_what_a_writer_read_still_holds_when_it_saves_beside_other_controllers(farm: Opened) -> None:
    """Each of four counts by reading how many there are and adding one; no count is lost."""
    controllers = [farm.records() for _ in range(4)]

    def count(records: SqlRecords) -> None:
        for _ in range(25):
            with records.write() as tx:
                tx.save(_user(f"user{len(tx.users())}"))

    threads = [threading.Thread(target=count, args=(records,)) for records in controllers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with controllers[0].read() as snapshot:
        assert {one.name for one in snapshot.users()} == {f"user{number}" for number in range(100)}


def test_more_threads_than_connections_are_kept_all_have_their_turn(farm: Opened) -> None:
    records = farm.records()
    has_begun = threading.Barrier(40)

    def read() -> None:
        with records.read() as snapshot:
            has_begun.wait(timeout=60)
            seen.append(snapshot.users())

    seen: list[list[User]] = []
    threads = [threading.Thread(target=read) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 40


def test_while_a_controller_listens_nobody_is_alone_with_the_records(farm: Opened) -> None:
    database = farm.database()
    with PostgresChanges(farm.at).listening():
        with pytest.raises(Conflict, match=r"has the database .* in use") as error, database.alone():
            raise AssertionError("a controller runs")
        assert error.value.code is Code.STATE_LOCKED
    with database.alone():
        pass


def test_a_server_that_was_restarted_is_a_fault_for_who_was_under_way_and_nothing_for_the_next(
    farm: Opened,
) -> None:
    records = farm.records()
    with pytest.raises(Fault) as error, records.write() as tx:
        tx.save(_user("ada"))
        postgres.server().restart()
        tx.save(_user("bob"))
    assert error.value.code is Code.RECORDS_FAILED and "see whether its server runs" in error.value.hint
    with records.read() as snapshot:
        assert snapshot.users() == []
    with records.write() as tx:
        tx.save(_user("eve"))


@pytest.mark.parametrize("name", ["expire", "reserve"])
def test_a_use_case_that_ends_before_any_of_its_statements_has_done_nothing(farm: Opened, name: str) -> None:
    records = farm.records()
    house = House.furnished(records, boards=3)
    house.image()
    house.opened()
    before = _rows(farm.database())
    for statement in range(1, 1000):
        house = House(records)
        with _ended_at(records, statement, _raise):
            try:
                USE_CASES[name](house)
            except Ended:
                assert _rows(farm.database()) == before
                continue
        assert statement > 5
        break
    assert _rows(farm.database()) != before


def test_a_server_that_is_not_there_is_a_fault_that_names_it_without_the_password(tmp_path: Path) -> None:
    url = Secret(f"postgresql://farm:hush@/farm?host={tmp_path}")
    with Opened(Postgres(url), tmp_path) as nowhere, pytest.raises(Fault) as error:
        nowhere.records()
    assert error.value.code is Code.RECORDS_FAILED and f"farm on {tmp_path}" in str(error.value)
    shown = [str(error.value), error.value.hint, repr(nowhere.at), str(nowhere.at), repr(nowhere.database().engine)]
    cause: BaseException | None = error.value
    while cause is not None:
        shown.append(repr(cause))
        cause = cause.__cause__ or cause.__context__
    assert not any("hush" in each for each in shown)


def test_a_url_that_cannot_be_read_is_refused_without_being_shown() -> None:
    with pytest.raises(Invalid, match="the URL cannot be read") as error:
        Postgres(Secret("postgresql://farm:hush%zz@/farm"))
    assert error.value.code is Code.CONFIG_INVALID
    assert "hush" not in repr(error.value.__cause__) + str(error.value)
