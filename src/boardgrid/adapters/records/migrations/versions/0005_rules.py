"""Groups and projects of users, rules, maintenance; and on which project a reservation counts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "user_groups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_groups"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    for named in ("user_groups", "projects"):
        op.create_index(
            f"uq_{named}_name",
            named,
            ["name"],
            unique=True,
            sqlite_where=sa.text("removed = 0"),
            postgresql_where=sa.text("NOT removed"),
        )
    op.create_table(
        "rules",
        sa.Column("of", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("of", name="pk_rules"),
    )
    op.create_table(
        "maintenances",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_maintenances"),
    )
    with op.batch_alter_table("reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("project", sa.Uuid(), nullable=True))
        table.create_foreign_key("fk_reservations_project", "projects", ["project"], ["id"])
    op.create_index("ix_reservations_project", "reservations", ["project"], unique=False)
