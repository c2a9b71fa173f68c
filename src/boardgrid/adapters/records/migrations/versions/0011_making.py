"""How an image is made of its source."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("images", sa.Column("making", sa.Text(), nullable=False, server_default="{}"))
