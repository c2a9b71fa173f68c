"""
The tables. What must never be stands here too: two reservations of a board at once, two live deployments of a board or
a root.

A change here needs a migration beside it, in ``migrations/versions``; a test compares the two.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from uuid import UUID

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
    false,
    text,
)

from boardgrid.adapters.records.columns import Moment, Told, Worded
from boardgrid.model.audit import Facts
from boardgrid.model.board import Act, Boot, DhcpMode, DriverSpec, Property
from boardgrid.model.deployment import DeploymentState, Outcome, Phase
from boardgrid.model.difference import Difference
from boardgrid.model.errand import ErrandKind, ErrandState
from boardgrid.model.errors import Code
from boardgrid.model.image import ImageState, Making, Manifest, Source, Visibility
from boardgrid.model.imports import Imports
from boardgrid.model.kit import BootKit
from boardgrid.model.notice import Notice, Occasion
from boardgrid.model.project import Part, Place
from boardgrid.model.question import Asked
from boardgrid.model.report import Power, Voice
from boardgrid.model.reservation import Block, Group, Kind, Purpose, ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.rules import Rules
from boardgrid.model.user import Audience, Role, Scope
from boardgrid.model.volume import VolumeState
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
    Column("suspended", Boolean, nullable=False, server_default=false()),
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

user_groups = Table(
    "user_groups",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("members", Told(frozenset[UUID]), nullable=False),
    Column("removed", Boolean, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("members", Told(Mapping[UUID, Part]), nullable=False),
    Column("description", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("teams", Told(Mapping[str, frozenset[UUID]]), nullable=False, server_default="{}"),
)
for _named in (user_groups, projects):
    Index(
        f"uq_{_named.name}_name",
        _named.c.name,
        unique=True,
        sqlite_where=text("removed = 0"),
        postgresql_where=text("NOT removed"),
    )

# One row, once a rule was changed: they are read as one value.
rules = Table(
    "rules",
    metadata,
    Column("of", Text, primary_key=True),
    Column("rules", Told(Rules), nullable=False),
)

maintenances = Table(
    "maintenances",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("groups", Told(tuple[Group, ...]), nullable=False),
    Column("start", Moment, nullable=False),
    Column("end", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("over", Boolean, nullable=False),
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
    Column("watched_since", Moment),
    Column("watched_at", Moment),
    Column("imports", Told(Imports)),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("audience", Worded(Audience), nullable=False),
    Column("user", Uuid, ForeignKey("users.id"), index=True),
    Column("site", Text, ForeignKey("sites.name")),
    Column("scope", Worded(Scope), nullable=False, server_default=Scope.ALL),
    Column("label", Text, nullable=False, server_default=""),
    Column("origin", Text, nullable=False, server_default=""),
    Column("is_login", Boolean, nullable=False, server_default=false()),
    Column("created_at", Moment),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
)

passwords = Table(
    "passwords",
    metadata,
    Column("user", Uuid, ForeignKey("users.id"), primary_key=True),
    Column("hash", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("made_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("role", Worded(Role), nullable=False),
    Column("name", Text, nullable=False),
    Column("user", Uuid, ForeignKey("users.id")),
    Column("places", Told(tuple[Place, ...]), nullable=False, server_default="[]"),
)

join_links = Table(
    "join_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("project", Uuid, ForeignKey("projects.id"), nullable=False, index=True),
    Column("made_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("most", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("team", Text, nullable=False),
    Column("new_accounts", Boolean, nullable=False),
)

external_identities = Table(
    "external_identities",
    metadata,
    Column("key", Text, primary_key=True),
    Column("user", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("linked_at", Moment, nullable=False),
)

pending_logins = Table(
    "pending_logins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("challenge", Text, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("user", Uuid, ForeignKey("users.id")),
)

contacts = Table(
    "contacts",
    metadata,
    Column("user", Uuid, ForeignKey("users.id"), primary_key=True),
    Column("email", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("occasions", Told(frozenset[Occasion]), nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Uuid, ForeignKey("users.id"), index=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("occasions", Told(frozenset[Occasion]), nullable=False),
)

# What was told of, and not taken yet. What it goes to is looked up when it goes: that may have changed, or be gone.
postings = Table(
    "postings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("notice", Told(Notice), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False, index=True),
    Column("user", Uuid, index=True),
    Column("webhook", Text, index=True),
    Column("tries", Integer, nullable=False),
)

feeds = Table(
    "feeds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("owner", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("board", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

# Names of users and things as they were then: nothing here changes when they do, so it refers to no other table.
audit = Table(
    "audit",
    metadata,
    Column("number", Number, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", Uuid),
    Column("name", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("thing", Text, nullable=False),
    Column("before", Told(Facts), nullable=False),
    Column("after", Told(Facts), nullable=False),
    Index("ix_audit_name_number", "name", "number"),
    Index("ix_audit_thing_number", "thing", "number"),
    sqlite_autoincrement=True,  # a number is never given twice
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
    Column("properties", Told(Mapping[str, Property]), nullable=False, server_default="{}"),
    Column("network", Text, nullable=False, server_default=""),
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
    Column("reason", Text, nullable=False),
    Column("hint", Text, nullable=False, server_default=""),
    Column("making", Told(Making), nullable=False, server_default="{}"),
    Column("visibility", Worded(Visibility), nullable=False, server_default="private"),
    Column("project", Uuid),
    Column("aliases", Told(tuple[str, ...]), nullable=False, server_default="[]"),
    Column("labels", Told(Mapping[str, str]), nullable=False, server_default="{}"),
    Column("types", Told(tuple[str, ...]), nullable=False, server_default="[]"),
    Column("removed_at", Moment),
    Column("verified_at", Moment),
    Column("damage", Text, nullable=False, server_default=""),
    UniqueConstraint("name", "version"),
    Index("ix_images_site_state", "site", "state"),
)

errands = Table(
    "errands",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Worded(ErrandKind), nullable=False),
    Column("image", Uuid, ForeignKey("images.id"), nullable=False),
    Column("site", Text, ForeignKey("sites.name"), nullable=False),
    Column("owner", Uuid, ForeignKey("users.id"), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("state", Worded(ErrandState), nullable=False),
    Column("reason", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("ended_at", Moment),
    Index("ix_errands_site_state", "site", "state"),
)

# Of images and errands; of none that is over.
doings = Table(
    "doings",
    metadata,
    Column("thing", Uuid, primary_key=True),
    Column("phase", Text, nullable=False),
    Column("done_bytes", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("since", Moment, nullable=False),
    Column("at", Moment, nullable=False),
)

boot_tests = Table(
    "boot_tests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("image", Uuid, ForeignKey("images.id"), nullable=False, index=True),
    Column("board_type", Text, nullable=False),
    Column("board", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("is_passed", Boolean, nullable=False),
    Column("took_s", Float),
    Column("reason", Text, nullable=False),
    Column("console", Told(tuple[str, ...]), nullable=False),
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

volumes = Table(
    "volumes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("user", Uuid, ForeignKey("users.id"), index=True),
    Column("project", Uuid, ForeignKey("projects.id"), index=True),
    Column("site", Text, ForeignKey("sites.name"), nullable=False),
    Column("path", Text, nullable=False),
    Column("state", Worded(VolumeState), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("made_bytes", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("reason", Text, nullable=False),
    Index("ix_volumes_site_state", "site", "state"),
)
Index(
    "uq_volumes_name",
    volumes.c.name,
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
    Column("groups", Told(tuple[Group, ...]), nullable=False),
    Column("boards", Told(tuple[str, ...]), nullable=False),
    Column("start", Moment, nullable=False),
    Column("end", Moment, nullable=False),
    Column("state", Worded(ReservationState), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("image", Uuid, ForeignKey("images.id"), nullable=False),
    Column("kind", Worded(Kind), nullable=False),
    Column("root", Uuid, ForeignKey("roots.id")),
    Column("size_bytes", BigInteger, nullable=False),
    Column("members", Told(tuple[UUID, ...]), nullable=False),
    Column("ended_because", Text, nullable=False),
    Column("project", Uuid, ForeignKey("projects.id"), index=True),
    Column("alive_until", Moment),
    Column("warned_of", Moment),
    Column("idle_until", Moment),
    Column("block", Told(Block)),
    Column("within", Number, ForeignKey("reservations.number"), index=True),
    Column("gives_way_at", Moment),
    Column("purpose", Worded(Purpose), nullable=False, server_default=Purpose.USE),
    Column("subject", Uuid, ForeignKey("images.id"), index=True),
    Column("revision", BigInteger, nullable=False, index=True),  # which change of the calendar it last took part in
    sqlite_autoincrement=True,
)

# What follows is told from the reservations above whenever one is saved.
members = Table(
    "members",
    metadata,
    Column("reservation", Number, ForeignKey("reservations.number"), primary_key=True),
    Column("user", Uuid, ForeignKey("users.id"), primary_key=True, index=True),
)

# Those that live, and have a board: one that runs has it from ever, for nobody may have it before its end. That no two
# have one at once is not looked for but impossible: see guards.py.
slots = Table(
    "slots",
    metadata,
    Column("board", Text, primary_key=True),
    Column("start", Moment, primary_key=True),
    Column("end", Moment, nullable=False),
    Column("reservation", Number, ForeignKey("reservations.number"), nullable=False, index=True),
)

# How often what is planned upon has changed: whoever keeps a copy of it in memory sees by this what is new.
revisions = Table(
    "revisions",
    metadata,
    Column("of", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
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
    Column("kit", Told(BootKit)),
)
for _column in (deployments.c.board, deployments.c.root):
    Index(
        f"uq_deployments_live_{_column.name}",
        _column,
        unique=True,
        sqlite_where=text("state IN ('preparing', 'saving', 'open')"),
        postgresql_where=text("state IN ('preparing', 'saving', 'open')"),
    )

kit_files = Table(
    "kit_files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("used_at", Moment, nullable=False),
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
    Column("properties", Told(Mapping[str, Property]), nullable=False, server_default="{}"),
    Column("tags", Told(frozenset[str]), nullable=False, server_default="[]"),
    UniqueConstraint("site", "address"),
    UniqueConstraint("site", "nfs_path"),
)

# Asked, answered, and forgotten within minutes.
questions = Table(
    "questions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("site", Text, ForeignKey("sites.name"), nullable=False, index=True),
    Column("asker", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("asked", Told(Asked), nullable=False),
    Column("at", Moment, nullable=False),
    Column("answer", Told(Difference)),
    Column("code", Worded(Code)),
    Column("reason", Text, nullable=False),
    Column("hint", Text, nullable=False),
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

activity = Table(
    "activity",
    metadata,
    Column("board", Text, primary_key=True),
    Column("sessions", Integer, nullable=False),
    Column("active_at", Moment, nullable=False),
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
