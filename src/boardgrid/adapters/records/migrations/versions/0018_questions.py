"""Questions that a site's agent answers."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "questions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("asker", sa.Uuid(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["asker"], ["users.id"], name="fk_questions_asker"),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_questions_site"),
        sa.PrimaryKeyConstraint("id", name="pk_questions"),
    )
    for column in ("asker", "site"):
        op.create_index(f"ix_questions_{column}", "questions", [column], unique=False)
