"""
The tables. What must never be stands here too: one running reservation a board, one live deployment a board and a root.

A change here needs a migration beside it, in ``migrations/versions``; a test compares the two.
"""

from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from boardgrid.adapters.records.columns import Moment, Told, Worded
from boardgrid.model.board import Act, Boot, DhcpMode, DriverSpec
from boardgrid.model.deployment import DeploymentState, Outcome, Phase
from boardgrid.model.errors import Code
from boardgrid.model.image import ImageState, Manifest, Source
from boardgrid.model.report import Power, Voice
from boardgrid.model.reservation import ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.user import Audience, Role
from boardgrid.model.wish import Wish

metadata = MetaData(
    # A migration can only change what has a name.
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Of reservations and events. SQLite counts up only what it calls an integer, whose width it does not limit.
Number = BigInteger().with_variant(Integer, "sqlite")

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Worded(Role), nullable=False),
    Column("removed", Boolean, nullable=False),
)
Index(
    "uq_users_name",
    users.c.name,
    unique=True,
    sqlite_where=text("removed = 0"),
    postgresql_where=text("NOT removed"),
)

user_keys = Table(
    "user_keys",
    metadata,
    Column("key", Text, primary_key=True),  # a key tells one user
    Column("user", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
)

sites = Table(
    "sites",
    metadata,
    Column("name", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("interface", Text, nullable=False),
    Column("server", Worded(IPv4Interface)),
    Column("dhcp", Worded(DhcpMode), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("instance", Uuid),
    Column("seen_at", Moment),
    Column("store_bytes", BigInteger, nullable=False),
    Column("free_bytes", BigInteger, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("gateway_host", Text, nullable=False),
    Column("gateway_port", Integer, nullable=False),
    Column("gateway_key", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("audience", Worded(Audience), nullable=False),
    Column("user", Uuid, ForeignKey("users.id"), index=True),
    Column("site", Text, ForeignKey("sites.name")),
)

board_types = Table(
    "board_types",
    metadata,
    Column("name", Text, primary_key=True),
    Column("arch", Text, nullable=False),
    Column("console", Text, nullable=False),
    Column("cmdline", Text, nullable=False),
    Column("fdt", Text, nullable=False),
    Column("boot_s", Float, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner", Uuid, ForeignKey("users.id"), nullable=False),
    Column("site", Text, ForeignKey("sites.name"), nullable=False),
    Column("state", Worded(ImageState), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("source", Told(Source)),
    Column("manifest", Told(Manifest)),
    Column("parent", Uuid, ForeignKey("images.id")),
    Column("shared", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("name", "version"),
    Index("ix_images_site_state", "site", "state"),
)

roots = Table(
    "roots",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner", Uuid, ForeignKey("users.id"), nullable=False),
    Column("site", Text, ForeignKey("sites.name"), nullable=False),
    Column("image", Uuid, ForeignKey("images.id"), nullable=False, index=True),
    Column("state", Worded(RootState), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Index("ix_roots_site_state", "site", "state"),
)
Index(
    "uq_roots_owner_name",
    roots.c.owner,
    roots.c.name,
    unique=True,
    sqlite_where=text("state <> 'gone'"),
    postgresql_where=text("state <> 'gone'"),
)

# Boards come and go; what happened on them stays. So nothing below refers to a row of "boards".
reservations = Table(
    "reservations",
    metadata,
    Column("number", Number, primary_key=True),
    Column("user", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("board", Text, nullable=False),
    Column("start", Moment, nullable=False),
    Column("end", Moment, nullable=False),
    Column("state", Worded(ReservationState), nullable=False),
    Column("ended_because", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index(
    "uq_reservations_running",
    reservations.c.board,
    unique=True,
    sqlite_where=text("state = 'running'"),
    postgresql_where=text("state = 'running'"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reservation", Number, ForeignKey("reservations.number"), nullable=False, index=True),
    Column("board", Text, nullable=False),
    Column("image", Uuid, ForeignKey("images.id"), nullable=False),
    Column("root", Uuid, ForeignKey("roots.id"), nullable=False, index=True),
    Column("state", Worded(DeploymentState), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("opened_at", Moment),
    Column("ended_at", Moment),
    Column("host_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", Worded(Code)),
    Column("hint", Text, nullable=False),
)
for _column in (deployments.c.board, deployments.c.root):
    Index(
        f"uq_deployments_live_{_column.name}",
        _column,
        unique=True,
        sqlite_where=text("state IN ('preparing', 'open')"),
        postgresql_where=text("state IN ('preparing', 'open')"),
    )

boards = Table(
    "boards",
    metadata,
    Column("name", Text, primary_key=True),
    Column("type", Text, ForeignKey("board_types.name"), nullable=False, index=True),
    Column("site", Text, ForeignKey("sites.name"), nullable=False),
    Column("mac", Text, nullable=False, unique=True),
    Column("address", Worded(IPv4Address), nullable=False),
    Column("boot", Worded(Boot), nullable=False),
    Column("nfs_path", Worded(PurePosixPath)),
    Column("kernel", Text, nullable=False),
    Column("power", Told(tuple[DriverSpec, ...]), nullable=False),
    Column("set_aside", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("wish", Told(Wish), nullable=False),
    Column("is_reached", Boolean, nullable=False),
    Column("tenant", Uuid, ForeignKey("deployments.id")),
    Column("order", Uuid),
    Column("order_act", Worded(Act)),
    UniqueConstraint("site", "address"),
    UniqueConstraint("site", "nfs_path"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("board", Text, nullable=False),
    Column("act", Worded(Act), nullable=False),
    Column("asked_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("is_done", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
)

health = Table(
    "health",
    metadata,
    Column("board", Text, primary_key=True),
    Column("power", Worded(Power), nullable=False),
    Column("voice", Worded(Voice), nullable=False),
    Column("at", Moment, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Number, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("board", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("phase", Worded(Phase), nullable=False),
    Column("deployment", Uuid),
    Column("outcome", Worded(Outcome)),
    Column("took_s", Float),
    Column("detail", Text, nullable=False),
    Column("console", Told(tuple[str, ...]), nullable=False),
    Column("reservation", Number),
    Column("owner", Uuid),
    Index("ix_events_board_number", "board", "number"),
    Index("ix_events_reservation_number", "reservation", "number"),
    sqlite_autoincrement=True,  # a number is never given twice: clients resume after it
)

reports = Table(
    "reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
)
