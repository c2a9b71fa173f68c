"""Reservations of jobs that end when nothing is heard of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("reservations", sa.Column("alive_until", sa.BigInteger(), nullable=True))
