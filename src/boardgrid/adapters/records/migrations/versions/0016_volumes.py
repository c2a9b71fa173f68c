"""Volumes: file systems of users and projects."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "volumes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=True),
        sa.Column("project", sa.Uuid(), nullable=True),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("made_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_volumes_user"),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_volumes_project"),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_volumes_site"),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
    )
    for column in ("user", "project"):
        op.create_index(f"ix_volumes_{column}", "volumes", [column], unique=False)
    op.create_index("ix_volumes_site_state", "volumes", ["site", "state"], unique=False)
    there = sa.text("state <> 'gone'")
    op.create_index("uq_volumes_name", "volumes", ["name"], unique=True, sqlite_where=there, postgresql_where=there)
