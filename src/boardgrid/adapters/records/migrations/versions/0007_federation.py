"""People from directories and identity providers, and logins there that are under way."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "external_identities",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_external_identities_user"),
        sa.PrimaryKeyConstraint("key", name="pk_external_identities"),
    )
    op.create_index("ix_external_identities_user", "external_identities", ["user"], unique=False)
    op.create_table(
        "pending_logins",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.Column("return_to", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_pending_logins_user"),
        sa.PrimaryKeyConstraint("id", name="pk_pending_logins"),
    )
