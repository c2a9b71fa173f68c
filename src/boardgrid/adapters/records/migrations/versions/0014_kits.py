"""What roots boot with, the files of it, and deployments that wait for an image to be made of their root."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_LIVE = "state IN ('preparing', 'saving', 'open')"


def upgrade() -> None:
    op.add_column("deployments", sa.Column("kit", sa.Text(), nullable=True))
    for column in ("board", "root"):
        index = f"uq_deployments_live_{column}"
        op.drop_index(index, "deployments")
        live = sa.text(_LIVE)
        op.create_index(index, "deployments", [column], unique=True, sqlite_where=live, postgresql_where=live)
    op.create_table(
        "kit_files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_kit_files_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_kit_files"),
    )
    op.create_index("ix_kit_files_owner", "kit_files", ["owner"], unique=False)
