"""Notices and what waits to be sent, feeds, and who uses which board."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for column in ("warned_of", "idle_until"):
        op.add_column("reservations", sa.Column(column, sa.BigInteger(), nullable=True))
    for column in ("watched_since", "watched_at"):
        op.add_column("sites", sa.Column(column, sa.BigInteger(), nullable=True))
    op.create_table(
        "contacts",
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("occasions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_contacts_user"),
        sa.PrimaryKeyConstraint("user", name="pk_contacts"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("occasions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_webhooks_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_owner", "webhooks", ["owner"], unique=False)
    op.create_table(
        "postings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=True),
        sa.Column("webhook", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_postings"),
    )
    for column in ("due_at", "user", "webhook"):
        op.create_index(f"ix_postings_{column}", "postings", [column], unique=False)
    op.create_table(
        "feeds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_feeds_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
    )
    op.create_index("ix_feeds_owner", "feeds", ["owner"], unique=False)
    op.create_table(
        "activity",
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("active_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("board", name="pk_activity"),
    )
