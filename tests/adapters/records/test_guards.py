"""Rules over several rows hold in the database itself, after every migration, or it is not opened."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from boardgrid.adapters.records.database import Database
from boardgrid.adapters.records.guards import GUARDS, Guard
from boardgrid.adapters.records.migrate import bring_to_head
from boardgrid.adapters.records.revisions import MIGRATIONS, Revisions
from boardgrid.adapters.records.sql import SqlRecords
from boardgrid.model.board import Act
from boardgrid.model.errors import Code, Conflict
from boardgrid.model.user import Role, User
from boardgrid.model.uuid7 import uuid7
from boardgrid.model.wish import PowerOrder
from boardgrid.ports import OrderRecord
from tests.adapters.records.conftest import Make

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
ADA = User(uuid7(AT), "ada", Role.USER)

ONE_WAITS = Guard(
    sqlite=(
        """
        CREATE TRIGGER guard_one_order_waits BEFORE INSERT ON orders
        WHEN EXISTS (SELECT 1 FROM orders WHERE board = NEW.board AND NOT is_done) AND NOT NEW.is_done
        BEGIN SELECT RAISE(ABORT, 'another order waits'); END
        """,
    ),
    postgresql=(
        """
        ALTER TABLE orders ADD CONSTRAINT guard_one_order_waits
        EXCLUDE USING btree (board WITH =) WHERE (NOT is_done)
        """,
    ),
)


def _guarded(database: Database, *, upgrade: bool) -> SqlRecords:
    revisions = Revisions(Path(str(MIGRATIONS)), (ONE_WAITS,))
    database.prepare(make=upgrade)
    bring_to_head(database, revisions, upgrade=upgrade, now=lambda: AT)
    return SqlRecords(database)


def _order() -> OrderRecord:
    return OrderRecord(PowerOrder(uuid7(AT), Act.ON), "tk1-1", ADA.id, AT)


def test_what_a_guard_forbids_is_refused_and_nothing_is_recorded(make: Make) -> None:
    records = _guarded(make("guarded"), upgrade=True)
    with records.write() as tx:
        tx.save(ADA)
        tx.save(_order())
    with pytest.raises(Conflict) as error, records.write() as tx:
        tx.save(_order())
    assert error.value.code is Code.THING_IN_USE
    with records.read() as snapshot:
        assert len(snapshot.waiting_orders()) == 1


def test_a_database_that_has_lost_a_guard_is_refused(make: Make, engine: str) -> None:
    database = make("guarded")
    _guarded(database, upgrade=True)
    _guarded(database, upgrade=False)
    with database.writing() as connection:
        what = "TRIGGER" if engine == "sqlite" else "CONSTRAINT"
        alter = "" if engine == "sqlite" else "ALTER TABLE orders "
        connection.execute(text(f"{alter}DROP {what} guard_one_order_waits"))
    for upgrade in (True, False):
        with pytest.raises(Conflict, match="has lost what keeps its records right: guard_one_order_waits") as error:
            _guarded(database, upgrade=upgrade)
        assert error.value.code is Code.SCHEMA_DAMAGED


@pytest.mark.slow
def test_a_guard_outlives_a_migration_that_writes_its_table_anew(make: Make, tmp_path: Path) -> None:
    database = make("guarded")
    _guarded(database, upgrade=True)
    later = tmp_path / "later"
    (later / "versions").mkdir(parents=True)
    ours = Path(str(MIGRATIONS))
    (later / "env.py").write_text((ours / "env.py").read_text())
    for version in (ours / "versions").glob("*.py"):
        (later / "versions" / version.name).write_text(version.read_text())
    (later / "versions" / "9999_later.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '9999', {Revisions(ours).head!r}\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('orders', recreate='always') as batch:\n"
        "        batch.alter_column('reason', existing_type=sa.Text(), nullable=True)\n"
    )
    revisions = Revisions(later, (ONE_WAITS,))
    bring_to_head(database, revisions, upgrade=True, now=lambda: AT)
    bring_to_head(database, revisions, upgrade=False, now=lambda: AT)
    with database.looking() as connection:
        assert database.guards(connection) == {"guard_one_order_waits"}


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_every_guard_of_the_farm_is_one_with_either_engine(name: str) -> None:
    for guard in GUARDS:
        assert guard.names(name), guard
