"""Images: who sees them, aliases, labels, board types, wastebasket, damage; errands, and how far long work is."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("images", sa.Column("visibility", sa.Text(), nullable=False, server_default="private"))
    op.execute("UPDATE images SET visibility = 'public' WHERE shared")
    op.execute("ALTER TABLE images DROP COLUMN shared")
    op.add_column("images", sa.Column("project", sa.Uuid(), nullable=True))
    op.add_column("images", sa.Column("aliases", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("images", sa.Column("labels", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("images", sa.Column("types", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("images", sa.Column("removed_at", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("verified_at", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("damage", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "errands",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("image", sa.Uuid(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_errands_image"),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_errands_site"),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_errands_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_errands"),
    )
    op.create_index("ix_errands_site_state", "errands", ["site", "state"], unique=False)
    op.create_table(
        "doings",
        sa.Column("thing", sa.Uuid(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("done_bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("thing", name="pk_doings"),
    )
