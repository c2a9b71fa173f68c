"""The farm's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "board_types",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("console", sa.Text(), nullable=False),
        sa.Column("cmdline", sa.Text(), nullable=False),
        sa.Column("fdt", sa.Text(), nullable=False),
        sa.Column("boot_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_board_types"),
    )
    op.create_table(
        "events",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("took_s", sa.Float(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("console", sa.Text(), nullable=False),
        sa.Column("reservation", _NUMBER, nullable=True),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_board_number", "events", ["board", "number"], unique=False)
    op.create_index("ix_events_reservation_number", "events", ["reservation", "number"], unique=False)
    op.create_table(
        "health",
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("power", sa.Text(), nullable=False),
        sa.Column("voice", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("board", name="pk_health"),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
    )
    op.create_index("ix_reports_at", "reports", ["at"], unique=False)
    op.create_table(
        "sites",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("interface", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=True),
        sa.Column("dhcp", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.Uuid(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("store_bytes", sa.BigInteger(), nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("gateway_host", sa.Text(), nullable=False),
        sa.Column("gateway_port", sa.Integer(), nullable=False),
        sa.Column("gateway_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sites"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index(
        "uq_users_name",
        "users",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed = 0"),
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.Column("parent", sa.Uuid(), nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_images_owner"),
        sa.ForeignKeyConstraint(["parent"], ["images.id"], name="fk_images_parent"),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_images_site"),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("name", "version", name="uq_images_name_version"),
    )
    op.create_index("ix_images_site_state", "images", ["site", "state"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name="fk_orders_asked_by"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )
    op.create_table(
        "reservations",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended_because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_reservations_user"),
        sa.PrimaryKeyConstraint("number", name="pk_reservations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reservations_user", "reservations", ["user"], unique=False)
    op.create_index(
        "uq_reservations_running",
        "reservations",
        ["board"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=True),
        sa.Column("site", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_tokens_site"),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_tokens_user"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_user", "tokens", ["user"], unique=False)
    op.create_table(
        "user_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_user_keys_user"),
        sa.PrimaryKeyConstraint("key", name="pk_user_keys"),
    )
    op.create_index("ix_user_keys_user", "user_keys", ["user"], unique=False)
    op.create_table(
        "roots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("image", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_roots_image"),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_roots_owner"),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_roots_site"),
        sa.PrimaryKeyConstraint("id", name="pk_roots"),
    )
    op.create_index("ix_roots_image", "roots", ["image"], unique=False)
    op.create_index("ix_roots_site_state", "roots", ["site", "state"], unique=False)
    op.create_index(
        "uq_roots_owner_name",
        "roots",
        ["owner", "name"],
        unique=True,
        sqlite_where=sa.text("state <> 'gone'"),
        postgresql_where=sa.text("state <> 'gone'"),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reservation", _NUMBER, nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("image", sa.Uuid(), nullable=False),
        sa.Column("root", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("host_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_deployments_image"),
        sa.ForeignKeyConstraint(["reservation"], ["reservations.number"], name="fk_deployments_reservation"),
        sa.ForeignKeyConstraint(["root"], ["roots.id"], name="fk_deployments_root"),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
    )
    op.create_index("ix_deployments_reservation", "deployments", ["reservation"], unique=False)
    op.create_index("ix_deployments_root", "deployments", ["root"], unique=False)
    op.create_index(
        "uq_deployments_live_board",
        "deployments",
        ["board"],
        unique=True,
        sqlite_where=sa.text("state IN ('preparing', 'open')"),
        postgresql_where=sa.text("state IN ('preparing', 'open')"),
    )
    op.create_index(
        "uq_deployments_live_root",
        "deployments",
        ["root"],
        unique=True,
        sqlite_where=sa.text("state IN ('preparing', 'open')"),
        postgresql_where=sa.text("state IN ('preparing', 'open')"),
    )
    op.create_table(
        "boards",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("nfs_path", sa.Text(), nullable=True),
        sa.Column("kernel", sa.Text(), nullable=False),
        sa.Column("power", sa.Text(), nullable=False),
        sa.Column("set_aside", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("is_reached", sa.Boolean(), nullable=False),
        sa.Column("tenant", sa.Uuid(), nullable=True),
        sa.Column("order", sa.Uuid(), nullable=True),
        sa.Column("order_act", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["sites.name"], name="fk_boards_site"),
        sa.ForeignKeyConstraint(["tenant"], ["deployments.id"], name="fk_boards_tenant"),
        sa.ForeignKeyConstraint(["type"], ["board_types.name"], name="fk_boards_type"),
        sa.PrimaryKeyConstraint("name", name="pk_boards"),
        sa.UniqueConstraint("mac", name="uq_boards_mac"),
        sa.UniqueConstraint("site", "address", name="uq_boards_site_address"),
        sa.UniqueConstraint("site", "nfs_path", name="uq_boards_site_nfs_path"),
    )
    op.create_index("ix_boards_type", "boards", ["type"], unique=False)
