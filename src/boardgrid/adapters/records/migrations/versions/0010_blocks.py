"""Blocks that a project holds, and their seats."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    with op.batch_alter_table("reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("block", sa.Text(), nullable=True))
        table.add_column(sa.Column("within", number, nullable=True))
        table.add_column(sa.Column("gives_way_at", sa.BigInteger(), nullable=True))
        table.create_foreign_key("fk_reservations_within", "reservations", ["within"], ["number"])
    op.create_index("ix_reservations_within", "reservations", ["within"], unique=False)
