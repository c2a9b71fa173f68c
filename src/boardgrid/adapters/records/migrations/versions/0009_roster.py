"""Teams of projects, places in them for who is invited, and links by which people join."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("projects", sa.Column("teams", sa.Text(), server_default="{}", nullable=False))
    op.add_column("invitations", sa.Column("places", sa.Text(), server_default="[]", nullable=False))
    op.create_table(
        "join_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("project", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("new_accounts", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_join_links_project"),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name="fk_join_links_made_by"),
        sa.PrimaryKeyConstraint("id", name="pk_join_links"),
    )
    op.create_index("ix_join_links_project", "join_links", ["project"], unique=False)
