"""The network driver of a board type."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("board_types", sa.Column("network", sa.Text(), nullable=False, server_default=""))
