"""Passwords, invitations, tokens with scopes and ends, suspension, and the audit log."""

import sqlalchemy as sa
from alembic import op

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("suspended", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Tokens that are there go on as they are: good for all that their users may, and without an end.
    op.add_column("tokens", sa.Column("scope", sa.Text(), nullable=False, server_default="all"))
    op.add_column("tokens", sa.Column("label", sa.Text(), nullable=False, server_default=""))
    op.add_column("tokens", sa.Column("origin", sa.Text(), nullable=False, server_default=""))
    op.add_column("tokens", sa.Column("is_login", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tokens", sa.Column("created_at", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("expires_at", sa.BigInteger(), nullable=True))
    op.add_column("tokens", sa.Column("last_used_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "passwords",
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_passwords_user"),
        sa.PrimaryKeyConstraint("user", name="pk_passwords"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name="fk_invitations_made_by"),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_invitations_user"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
    )
    op.create_table(
        "audit",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_name_number", "audit", ["name", "number"], unique=False)
    op.create_index("ix_audit_thing_number", "audit", ["thing", "number"], unique=False)
