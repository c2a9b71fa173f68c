"""What would do where an image failed; and where each site may import from."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    with op.batch_alter_table("images") as table:
        table.add_column(sa.Column("hint", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("sites") as table:
        table.add_column(sa.Column("imports", sa.Text(), nullable=True))
