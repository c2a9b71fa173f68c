"""What a reservation is for, and boot tests."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    with op.batch_alter_table("reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("purpose", sa.Text(), nullable=False, server_default="use"))
        table.add_column(sa.Column("subject", sa.Uuid(), nullable=True))
        table.create_foreign_key("fk_reservations_subject", "images", ["subject"], ["id"])
    op.create_index("ix_reservations_subject", "reservations", ["subject"], unique=False)
    op.create_table(
        "boot_tests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("image", sa.Uuid(), nullable=False),
        sa.Column("board_type", sa.Text(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("console", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_boot_tests_image"),
        sa.PrimaryKeyConstraint("id", name="pk_boot_tests"),
    )
    op.create_index("ix_boot_tests_image", "boot_tests", ["image"], unique=False)
