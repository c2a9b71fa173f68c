"""The schema of the records: known from its revision, brought up to date in one piece, after a copy was made."""

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, create_engine

from boardgrid.adapters.records.migrate import bring_to_head
from boardgrid.adapters.records.revisions import MIGRATIONS, Revisions
from boardgrid.adapters.records.schema import metadata
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.model.board import Board, BoardType
from boardgrid.model.errors import Code, Conflict, Fault
from boardgrid.model.image import Visibility
from boardgrid.model.planning import Standing
from boardgrid.model.project import Part
from boardgrid.model.reservation import Group, Reservation, ReservationState
from boardgrid.model.rules import Rules
from boardgrid.model.user import Audience, Role, Token, User
from boardgrid.model.uuid7 import uuid7
from boardgrid.model.window import Window
from boardgrid.services.timetable import Plan
from tests.databases import lay

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
ADA = User(uuid7(AT), "ada", Role.USER)


def _open(path: Path, *, upgrade: bool = True) -> SqlRecords:
    return SqlRecords.open(SqliteFile(path), upgrade=upgrade, now=lambda: AT)


def _made(path: Path) -> None:
    with closing(_open(path)) as records, records.write() as tx:
        tx.save(ADA)


def _there(path: Path) -> None:
    lay(path)
    _made(path)


def _told(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def _parts(path: Path) -> dict[str, list[str]]:
    """What each table and index is made of; how and in which order its parts were written down does not matter."""
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type <> 'trigger' AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    )
    return {
        str(name): _split(str(sql).replace('"', "")) for name, sql in _told(path, query) if name != "alembic_version"
    }


def _split(sql: str) -> list[str]:
    """A column that was added later stands behind the constraints, on the line of the last of them."""
    head, _bracket, rest = " ".join(sql.split()).partition("(")
    return [head.strip(), *sorted(part.strip(" )") for part in re.split(r",(?![^()]*\))", rest))]


@pytest.mark.slow
def test_a_migrated_database_has_the_schema_of_a_fresh_one(tmp_path: Path) -> None:
    _made(tmp_path / "migrated.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    metadata.create_all(engine)
    engine.dispose()
    assert _parts(tmp_path / "migrated.db") == _parts(tmp_path / "fresh.db")


def test_no_table_was_changed_without_a_migration(tmp_path: Path) -> None:
    with closing(_open(tmp_path / "farm.db")) as records, records.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_is_made_only_where_that_was_asked_for_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "controller" / "farm.db"
    with pytest.raises(Conflict, match="there is no database at") as error:
        _open(path, upgrade=False)
    assert error.value.code is Code.SCHEMA_FOREIGN and not path.exists()
    _made(path)
    assert path.stat().st_mode & 0o077 == 0
    _open(path, upgrade=False).close()


def test_each_commit_is_synced_and_readers_do_not_wait(tmp_path: Path) -> None:
    with closing(_open(tmp_path / "farm.db")) as records, records.engine.connect() as connection:
        told = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10000}


# --- another release's


FIRST = """
INSERT INTO sites VALUES ('lab','','',NULL,'own',0,0,NULL,NULL,0,0,'','',0,'');
INSERT INTO board_types VALUES ('tk1','armhf','','','',300);
INSERT INTO boards VALUES ('tk1-1','tk1','lab','52:54:00:00:00:01','10.20.0.11','pxelinux',NULL,'','[]','',
 3,'{"kind": "parked"}',0,NULL,NULL,NULL);
INSERT INTO users VALUES ('{ada}','ada','user',0);
INSERT INTO user_keys VALUES ('ssh-ed25519 AAAA','{ada}',0);
INSERT INTO tokens VALUES ('abc','d1','person','{ada}',NULL), ('def','d2','agent',NULL,'lab');
INSERT INTO images VALUES ('{image}','tiny',1,'{ada}','lab','building',{at},NULL,NULL,NULL,1,'');
INSERT INTO roots VALUES ('{old}','old','{ada}','lab','{image}','aside',4096,{at},{later}),
 ('{new}','new','{ada}','lab','{image}','live',4096,{at},NULL);
INSERT INTO reservations VALUES (1,'{ada}','tk1-1',{at},{soon},'ended','root released it'),
 (2,'{ada}','tk1-1',{soon},{later},'running',''), (3,'{ada}','tk1-7',{at},{soon},'ended','');
INSERT INTO deployments VALUES
 ('{one}',1,'tk1-1','{image}','{old}','ended',{at},{at},{soon},'','',NULL,''),
 ('{two}',2,'tk1-1','{image}','{new}','open',{soon},{soon},NULL,'','',NULL,''),
 ('{three}',3,'tk1-7','{image}','{old}','failed',{at},NULL,{soon},'','it is silent','board.silent','');
"""


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.slow
def test_what_lay_in_the_first_schema_is_there_and_whoever_has_a_board_keeps_it(tmp_path: Path) -> None:
    folder, path = tmp_path / "migrations", tmp_path / "farm.db"
    _copied(folder, "0001*.py")
    ids = {name: uuid7(AT) for name in ("image", "old", "new", "one", "two", "three")}
    soon, later = AT + timedelta(hours=1), AT + timedelta(hours=2)
    engine = create_engine(URL.create("sqlite", database=str(path)))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    with closing(sqlite3.connect(path)) as raw:
        times = {"at": _micros(AT), "soon": _micros(soon), "later": _micros(later)}
        sql = FIRST.replace('{"kind": "parked"}', '{{"kind": "parked"}}')
        raw.executescript(sql.format(ada=ADA.id.hex, **{name: one.hex for name, one in ids.items()}, **times))
    with closing(_open(path)) as records, records.write() as tx:
        assert tx.board_types() == [BoardType("tk1", "armhf")]
        board = Board("tk1-1", "tk1", "lab", "52:54:00:00:00:01", IPv4Address("10.20.0.11"))
        assert tx.boards() == [Standing(board, generation=3)], "and it has no properties yet"
        assert tx.users() == [replace(ADA, ssh_keys=("ssh-ed25519 AAAA",))]
        assert [token and token.digest for token in (tx.token("abc"), tx.token("def"))] == ["d1", "d2"]
        assert {one.reservation: one.state for one in tx.deployments()} == {1: "ended", 2: "open", 3: "failed"}
        held = tx.reservation(2)
        assert held == Reservation(
            2,
            ADA.id,
            (Group(board="tk1-1"),),
            ("tk1-1",),
            Window(soon, later),
            ReservationState.RUNNING,
            created_at=soon,
            image=ids["image"],
        )
        assert tx.holder_of("tk1-1") == held
        ended = [tx.reservation(number) for number in (1, 3)]
        assert [(one.state, one.boards, one.ended_because) for one in ended if one] == [
            ("ended", ("tk1-1",), "root released it"),
            ("ended", ("tk1-7",), ""),
        ]
        assert tx.next_reservation() == 4
        plan = Plan.of(tx)
        assert plan.calendar.line("tk1-1").jobs == (2,) and plan.next_due() == later
        tx.save(replace(held, number=4, state=ReservationState.WAITING, window=Window(later, later + (later - AT))))
    with (
        closing(_open(path)) as records,
        pytest.raises(Conflict, match="two reservations cannot have one board"),
        records.write() as tx,
    ):
        tx.save(replace(held, number=5, state=ReservationState.WAITING))


@pytest.mark.slow
def test_reservations_of_the_schema_before_rules_are_there_and_count_on_no_project(tmp_path: Path) -> None:
    folder, path = tmp_path / "migrations", tmp_path / "farm.db"
    _copied(folder, "000[1-3]*.py")
    engine = create_engine(URL.create("sqlite", database=str(path)))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        user, image = ADA.id.hex, uuid7(AT).hex
        connection.exec_driver_sql("INSERT INTO sites VALUES ('lab','','',NULL,'own',0,0,NULL,NULL,0,0,'','',0,'')")
        connection.exec_driver_sql("INSERT INTO users VALUES (?,'ada','user',0)", (user,))
        connection.exec_driver_sql(
            "INSERT INTO images VALUES (?,'tiny',1,?,'lab','ready',0,NULL,NULL,NULL,1,'')", (image, user)
        )
        connection.exec_driver_sql(
            'INSERT INTO reservations (number, user, groups, boards, start, "end", state, created_at, image, kind,'
            " size_bytes, members, ended_because, revision)"
            """ VALUES (7,?,'[{"board":"tk1-1"}]','["tk1-1"]',0,60000000,'running',0,?,'fixed',0,'[]','',1)""",
            (user, image),
        )
        connection.exec_driver_sql("INSERT INTO slots VALUES ('tk1-1',0,60000000,7)")
    engine.dispose()
    with closing(_open(path)) as records, records.write() as tx:
        [found] = tx.reservations()
        assert (found.number, found.boards, found.project) == (7, ("tk1-1",), None)
        assert tx.next_reservation() == 8
        assert tx.rules() == Rules() and tx.projects() == [] and tx.user_groups() == []


@pytest.mark.slow
def test_projects_and_invitations_of_the_schema_before_rosters_have_no_teams_and_no_places(tmp_path: Path) -> None:
    folder, path = tmp_path / "migrations", tmp_path / "farm.db"
    _copied(folder, "000[1-8]*.py")
    path.touch()
    _upgrade(path, folder)
    with closing(sqlite3.connect(path)) as connection, connection:
        user, project = ADA.id.hex, uuid7(AT).hex
        connection.execute("INSERT INTO users (id, name, role, removed) VALUES (?,'ada','admin',0)", (user,))
        connection.execute(
            "INSERT INTO projects (id, name, members, description, image, removed) VALUES (?,'robots',?,'','',0)",
            (project, f'{{"{ADA.id}":"manager"}}'),
        )
        connection.execute(
            "INSERT INTO invitations (id, digest, made_by, created_at, expires_at, role, name)"
            " VALUES ('0123456789abcdef','d',?,0,1,'user','bob')",
            (user,),
        )
    with closing(_open(path)) as records, records.read() as snapshot:
        [robots], [invitation] = snapshot.projects(), snapshot.invitations()
        assert robots.members == {ADA.id: Part.MANAGER} and robots.teams == {}
        assert invitation.name == "bob" and invitation.places == ()
        assert snapshot.join_links(robots.id) == []


@pytest.mark.slow
def test_images_of_the_schema_before_the_catalogue_are_seen_by_whom_they_were(tmp_path: Path) -> None:
    path, folder = tmp_path / "farm.db", tmp_path / "earlier"
    _copied(folder, "00[01]*.py")
    for later in (folder / "versions").glob("001[2-9]*.py"):
        later.unlink()
    path.touch()
    _upgrade(path, folder)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO users (id, name, role, removed) VALUES (?,'ada','admin',0)", (ADA.id.hex,))
        connection.execute(
            "INSERT INTO sites (name, domain, interface, server, dhcp, version, epoch, store_bytes, free_bytes,"
            " trouble, gateway_host, gateway_port, gateway_key)"
            " VALUES ('lab','','','10.0.0.1/24','own',0,0,0,0,'','',0,'')"
        )
        for version, shared in ((1, 0), (2, 1)):
            connection.execute(
                "INSERT INTO images (id, name, version, owner, site, state, created_at, shared, reason)"
                " VALUES (?,'tiny',?,?,'lab','ready',0,?,'')",
                (uuid7(AT).hex, version, ADA.id.hex, shared),
            )
    with closing(_open(path)) as records, records.read() as snapshot:
        seen = [(one.version, one.visibility, one.shared, one.aliases, one.labels) for one in snapshot.images()]
    assert seen == [(1, Visibility.PRIVATE, False, (), {}), (2, Visibility.PUBLIC, True, (), {})]


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a release after this one."""
    folder = tmp_path / "migrations"
    _copied(folder, "*.py")
    _migration(folder, "op.add_column('users', sa.Column('note', sa.Text()))")
    return folder


def _copied(folder: Path, versions: str) -> None:
    (folder / "versions").mkdir(parents=True)
    ours = Path(str(MIGRATIONS))
    (folder / "env.py").write_text((ours / "env.py").read_text())
    for version in (ours / "versions").glob(versions):
        (folder / "versions" / version.name).write_text(version.read_text())


def _migration(folder: Path, *acts: str) -> None:
    head = sorted((Path(str(MIGRATIONS)) / "versions").glob("*.py"))[-1].stem.split("_")[0]
    lines = [
        "import sqlalchemy as sa",
        "from alembic import op",
        "revision = '9999'",
        f"down_revision = {head!r}",
        "def upgrade():",
        *(f"    {act}" for act in acts),
    ]
    (folder / "versions" / "9999_later.py").write_text("\n".join(lines) + "\n")


def _upgrade(path: Path, folder: Path, *, upgrade: bool = True) -> None:
    database = SqliteFile(path)
    try:
        bring_to_head(database, Revisions(folder), upgrade=upgrade, now=lambda: AT)
    finally:
        database.engine.dispose()


def test_an_older_database_is_copied_and_then_brought_up_to_date(tmp_path: Path, later: Path) -> None:
    path = tmp_path / "farm.db"
    _there(path)
    _upgrade(path, later)
    assert _told(path, "SELECT name, note FROM users") == [("ada", None)]
    [copy] = tmp_path.glob("farm.db.*20260301T120005Z")
    assert copy.stat().st_mode & 0o077 == 0
    assert "note" not in str(_parts(copy)["users"])
    assert _told(copy, "SELECT name FROM users") == [("ada",)]
    _open(copy, upgrade=False).close()


@pytest.mark.slow
def test_an_older_database_is_refused_where_nobody_asked_to_change_it(tmp_path: Path, later: Path) -> None:
    path = tmp_path / "farm.db"
    _there(path)
    with pytest.raises(Conflict, match="this release needs 9999") as error:
        _upgrade(path, later, upgrade=False)
    assert error.value.code is Code.SCHEMA_FOREIGN and "boardgrid up" in error.value.hint
    assert "note" not in str(_parts(path)["users"])


@pytest.mark.slow
def test_an_upgrade_that_fails_half_way_leaves_the_schema_as_it_was(tmp_path: Path, later: Path) -> None:
    path = tmp_path / "farm.db"
    _there(path)
    before = _parts(path)
    _migration(
        later, "op.add_column('users', sa.Column('note', sa.Text()))", "op.drop_table('health')", "raise OSError"
    )
    with pytest.raises(OSError):
        _upgrade(path, later)
    assert _parts(path) == before
    _open(path, upgrade=False).close()
    _migration(later, "op.drop_table('health')")
    _upgrade(path, later)
    assert "health" not in _parts(path), "and it can be tried again within the same second"


@pytest.mark.slow
@pytest.mark.parametrize("upgrade", [True, False])
def test_a_database_of_a_later_release_is_refused_and_left_as_it_is(tmp_path: Path, later: Path, upgrade: bool) -> None:
    path = tmp_path / "farm.db"
    _there(path)
    _upgrade(path, later)
    before = _parts(path)
    with pytest.raises(Conflict, match="its schema 9999 is unknown here") as error:
        _open(path, upgrade=upgrade)
    assert error.value.code is Code.SCHEMA_FOREIGN and _parts(path) == before


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("upgrade", [True, False])
def test_somebody_elses_database_is_refused_and_left_as_it_is(tmp_path: Path, upgrade: bool, mode: str) -> None:
    path = tmp_path / "my photos?.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE photos (name TEXT)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(Conflict, match="is no database of a farm"):
        _open(path, upgrade=upgrade)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_what_is_in_a_database_of_the_first_schema_is_there_afterwards(tmp_path: Path, later: Path) -> None:
    path = tmp_path / "farm.db"
    for version in (later / "versions").glob("*.py"):
        if not version.name.startswith("0001"):
            version.unlink()
    path.touch()
    first = SqliteFile(path)
    bring_to_head(first, Revisions(later, ()), upgrade=True, now=lambda: AT)
    first.engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO users VALUES (?, 'ada', 'admin', 0)", (ADA.id.hex,))
        connection.execute("INSERT INTO tokens VALUES ('0123', 'f', 'person', ?, NULL)", (ADA.id.hex,))
        connection.commit()
    with closing(_open(path)) as records, records.read() as snapshot:
        assert snapshot.user_named("ada") == User(ADA.id, "ada", Role.ADMIN)
        assert snapshot.tokens(ADA.id) == [Token("0123", "f", Audience.PERSON, ADA.id)]


@pytest.mark.parametrize("act", ["UPDATE audit SET name = 'eve'", "DELETE FROM audit"])
def test_the_audit_log_is_only_added_to(tmp_path: Path, act: str) -> None:
    path = tmp_path / "farm.db"
    _there(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO audit VALUES (1, 0, NULL, 'ada', '', '', 'user.add', 'user:bob', '{}', '{}')")
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            connection.execute(act)


def test_what_was_recorded_before_the_power_failed_is_there(tmp_path: Path) -> None:
    path, found = tmp_path / "farm.db", tmp_path / "found.db"
    _there(path)
    with closing(_open(path, upgrade=False)) as records:
        with records.write() as tx:
            tx.save(BoardType("tk1", "armhf"))
        # As the disk has it at this moment: the last words are in the log beside the file.
        found.write_bytes(path.read_bytes())
        found.with_name("found.db-wal").write_bytes(path.with_name("farm.db-wal").read_bytes())
    with closing(_open(found, upgrade=False)) as records, records.read() as snapshot:
        assert [one.name for one in snapshot.board_types()] == ["tk1"]


def test_what_is_no_database_at_all_is_a_fault_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(Fault, match=r"farm\.db failed: file is not a database") as error:
        _open(path)
    assert error.value.code is Code.RECORDS_FAILED
    assert path.read_text().startswith("Dear diary")


def test_a_folder_in_the_place_of_the_database_is_a_fault_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="farm"):
        _open(tmp_path)
