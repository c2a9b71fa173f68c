"""Properties of board types and boards, and tags of boards."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # With a default, for SQLite adds no other column that is NOT NULL; making the table anew would break what refers
    # to it.
    op.add_column("board_types", sa.Column("properties", sa.Text(), server_default="{}", nullable=False))
    op.add_column("boards", sa.Column("properties", sa.Text(), server_default="{}", nullable=False))
    op.add_column("boards", sa.Column("tags", sa.Text(), server_default="[]", nullable=False))
