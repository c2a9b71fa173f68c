"""Reservations of several boards, ahead of time; and that no two of them have a board at once."""

import json

import sqlalchemy as sa
from alembic import op

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "slots",
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("reservation", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["reservation"], ["reservations.number"], name="fk_slots_reservation"),
        sa.PrimaryKeyConstraint("board", "start", name="pk_slots"),
    )
    op.create_index("ix_slots_reservation", "slots", ["reservation"], unique=False)
    op.create_table(
        "members",
        sa.Column("reservation", _NUMBER, nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["reservation"], ["reservations.number"], name="fk_members_reservation"),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_members_user"),
        sa.PrimaryKeyConstraint("reservation", "user", name="pk_members"),
    )
    op.create_index("ix_members_user", "members", ["user"], unique=False)
    revisions = op.create_table(
        "revisions",
        sa.Column("of", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("of", name="pk_revisions"),
    )
    op.bulk_insert(revisions, [{"of": "reservations", "number": 1}, {"of": "shelf", "number": 1}])
    _widen_reservations()


def _widen_reservations() -> None:
    op.drop_index("uq_reservations_running", "reservations")
    with op.batch_alter_table("reservations") as table:
        table.add_column(sa.Column("groups", sa.Text(), nullable=True))
        table.add_column(sa.Column("boards", sa.Text(), nullable=True))
        table.add_column(sa.Column("created_at", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("image", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("kind", sa.Text(), nullable=True))
        table.add_column(sa.Column("root", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("size_bytes", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("members", sa.Text(), nullable=True))
        table.add_column(sa.Column("revision", sa.BigInteger(), nullable=True))
    old = sa.table(
        "reservations",
        *(sa.column(name) for name in ("number", "board", "start", "end", "state", "groups", "boards", "created_at")),
        sa.column("image", sa.Uuid()),
        *(sa.column(name) for name in ("kind", "size_bytes", "members", "revision")),
    )
    deployments = sa.table("deployments", sa.column("reservation"), sa.column("image", sa.Uuid()))
    slots = sa.table("slots", *(sa.column(name) for name in ("board", "start", "end", "reservation")))
    bind = op.get_bind()
    # Each had one board and at least one deployment; there were few, for the release was young.
    for number, board, start, end, state in bind.execute(sa.select(*list(old.c)[:5])).all():
        image = sa.select(sa.func.min(deployments.c.image)).where(deployments.c.reservation == number).scalar_subquery()
        bind.execute(
            sa.update(old)
            .where(old.c.number == number)
            .values(
                groups=json.dumps([{"board": board, "count": 1, "type": "", "where": ""}]),
                boards=json.dumps([board]),
                created_at=start,
                image=image,
                kind="fixed",
                size_bytes=0,
                members="[]",
                revision=1,
            )
        )
        if state == "running":
            bind.execute(sa.insert(slots).values(board=board, start=0, end=end, reservation=number))
    with op.batch_alter_table("reservations", table_kwargs={"sqlite_autoincrement": True}) as table:
        for column in ("groups", "boards", "kind", "members"):
            table.alter_column(column, existing_type=sa.Text(), nullable=False)
        for column in ("created_at", "size_bytes", "revision"):
            table.alter_column(column, existing_type=sa.BigInteger(), nullable=False)
        table.alter_column("image", existing_type=sa.Uuid(), nullable=False)
        table.create_foreign_key("fk_reservations_image", "images", ["image"], ["id"])
        table.create_foreign_key("fk_reservations_root", "roots", ["root"], ["id"])
        table.drop_column("board")
    op.create_index("ix_reservations_state", "reservations", ["state"], unique=False)
    op.create_index("ix_reservations_revision", "reservations", ["revision"], unique=False)
