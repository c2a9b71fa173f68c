"""What the API answers. Fields are only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

from boardgrid.model.board import BoardType, Boot, DhcpMode, DriverSpec
from boardgrid.model.deployment import DeploymentState, Event, Outcome, Phase
from boardgrid.model.errors import Code
from boardgrid.model.image import ImageState, Manifest
from boardgrid.model.inventory import Change
from boardgrid.model.report import Power, Voice
from boardgrid.model.reservation import ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.user import NewToken, Role, User
from boardgrid.services.views import (
    BoardState,
    BoardView,
    DeploymentView,
    GatewayView,
    ImageView,
    OrderState,
    OrderView,
    ReservationView,
    RootView,
    SiteView,
)

# --- people


class UserOut(BaseModel):
    name: str
    role: Role
    ssh_keys: tuple[str, ...]

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(name=user.name, role=user.role, ssh_keys=user.ssh_keys)


class NewUserOut(BaseModel):
    user: UserOut
    token: str = Field(description="Shown this once: only its hash is kept.")

    @classmethod
    def of(cls, user: User, token: NewToken) -> Self:
        return cls(user=UserOut.of(user), token=token.clear.reveal())


# --- what stands on the shelf


class GatewayOut(BaseModel):
    host: str
    port: int
    host_key: str = Field(description="OpenSSH public line: `ssh-ed25519 AAAA...`")

    @classmethod
    def of(cls, view: GatewayView) -> Self:
        return cls(host=view.host, port=view.port, host_key=view.host_key)


class SiteOut(BaseModel):
    name: str
    domain: str
    interface: str
    server: IPv4Interface | None
    dhcp: DhcpMode
    agent_seen_s: float | None = Field(description="How long ago its agent was heard of.")
    store_bytes: int
    free_bytes: int = Field(description="Neither used nor promised to a root.")
    trouble: str = Field(description="Why deployments pause; empty: they do not.")
    gateway: GatewayOut | None

    @classmethod
    def of(cls, view: SiteView) -> Self:
        site = view.site
        return cls(
            name=site.name,
            domain=site.domain,
            interface=site.interface,
            server=site.server,
            dhcp=site.dhcp,
            agent_seen_s=view.agent_seen_s,
            store_bytes=view.store_bytes,
            free_bytes=view.free_bytes,
            trouble=view.trouble,
            gateway=GatewayOut.of(view.gateway) if view.gateway else None,
        )


class BoardTypeOut(BaseModel):
    name: str
    arch: str
    console: str
    cmdline: str
    fdt: str
    boot_s: float

    @classmethod
    def of(cls, kind: BoardType) -> Self:
        return cls(**asdict(kind))


class HolderOut(BaseModel):
    number: int = Field(description="Of the reservation.")
    user: str
    until: datetime


class HealthOut(BaseModel):
    power: Power
    voice: Voice = Field(description="What answers on the board's SSH port.")
    ago_s: float


class BoardOut(BaseModel):
    name: str
    type: str
    site: str
    mac: str
    address: IPv4Address
    boot: Boot
    nfs_path: PurePosixPath | None
    kernel: str
    power: list[dict[str, Any]] = Field(description="A ladder, politest first; drivers' options are shown to admins.")
    state: BoardState
    set_aside: str = Field(description="Why it is not offered to anyone; empty: it is fit.")
    reservation: HolderOut | None
    health: HealthOut | None

    @classmethod
    def of(cls, view: BoardView) -> Self:
        board, held, health = view.board, view.held, view.health
        return cls(
            name=board.name,
            type=board.type,
            site=board.site,
            mac=board.mac,
            address=board.address,
            boot=board.boot,
            nfs_path=board.nfs_path,
            kernel=board.kernel,
            power=[_driver(spec) for spec in board.power],
            state=view.state,
            set_aside=board.set_aside,
            reservation=HolderOut(number=held.number, user=held.user, until=held.until) if held else None,
            health=HealthOut(power=health.power, voice=health.voice, ago_s=health.ago_s) if health else None,
        )


class OrderedOut(BaseModel):
    order: UUID

    @classmethod
    def of(cls, view: OrderView) -> Self:
        return cls(order=view.id)


class OrderOut(BaseModel):
    state: OrderState
    reason: str

    @classmethod
    def of(cls, view: OrderView) -> Self:
        return cls(state=view.state, reason=view.reason)


def _driver(spec: DriverSpec) -> dict[str, Any]:
    return {"driver": spec.driver, **spec.options}


def _declared(value: object) -> Any:
    """A value of a declaration as the inventory would have it."""
    match value:
        case DriverSpec():
            return _driver(value)
        case IPv4Address() | PurePosixPath():
            return str(value)
        case Mapping():
            return {str(key): _declared(one) for key, one in value.items()}
        case str():
            return str(value)
        case Sequence():
            return [_declared(one) for one in value]
        case _:
            return value


class ChangeOut(BaseModel):
    act: Literal["add", "change"]
    kind: Literal["board type", "board"]
    name: str
    fields: dict[str, tuple[Annotated[Any, PlainSerializer(_declared)], Annotated[Any, PlainSerializer(_declared)]]] = (
        Field(description="By field: what it was and what it will be.")
    )

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(act=change.act, kind=change.kind, name=change.name, fields=dict(change.fields))


class ChangesOut(BaseModel):
    changes: list[ChangeOut]


# --- what boots


class ImageOut(BaseModel):
    id: UUID
    name: str
    version: int
    ref: str
    owner: str
    site: str
    state: ImageState
    shared: bool
    created_at: datetime
    manifest: Manifest | None
    parent: str | None = Field(description="The image whose changed root this was.")
    reason: str = Field(description="Why it failed.")

    @classmethod
    def of(cls, view: ImageView) -> Self:
        image = view.image
        return cls(
            id=image.id,
            name=image.name,
            version=image.version,
            ref=image.ref,
            owner=view.owner,
            site=image.site,
            state=image.state,
            shared=image.shared,
            created_at=image.created_at,
            manifest=image.manifest,
            parent=view.parent,
            reason=image.reason,
        )


class RootOut(BaseModel):
    id: UUID
    name: str
    owner: str
    image: str
    state: RootState
    size_bytes: int = Field(description="How much its user may write.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Of one kept aside: it is discarded then.")
    board: str | None = Field(description="Where a deployment runs on it.")

    @classmethod
    def of(cls, view: RootView) -> Self:
        root = view.root
        return cls(
            id=root.id,
            name=root.name,
            owner=view.owner,
            image=view.image,
            state=root.state,
            size_bytes=root.size_bytes,
            created_at=root.created_at,
            expires_at=root.expires_at,
            board=view.board,
        )


# --- who has what


class DeploymentOut(BaseModel):
    id: UUID
    board: str
    image: str
    root: str
    state: DeploymentState
    created_at: datetime
    opened_at: datetime | None
    ended_at: datetime | None
    host_key: str = Field(description="The key that the board was seen to have, once it is open.")
    reason: str = Field(description="Why it failed.")
    code: Code | None
    hint: str

    @classmethod
    def of(cls, view: DeploymentView) -> Self:
        one = view.deployment
        return cls(
            id=one.id,
            board=one.board,
            image=view.image,
            root=view.root,
            state=one.state,
            created_at=one.created_at,
            opened_at=one.opened_at,
            ended_at=one.ended_at,
            host_key=one.host_key,
            reason=one.reason,
            code=one.code,
            hint=one.hint,
        )


class ReservationOut(BaseModel):
    number: int
    user: str
    board: str
    start: datetime
    end: datetime
    state: ReservationState
    ended_because: str
    deployment: DeploymentOut | None = Field(description="Told to its user and to admins.")

    @classmethod
    def of(cls, view: ReservationView) -> Self:
        one = view.reservation
        return cls(
            number=one.number,
            user=view.user,
            board=one.board,
            start=one.window.start,
            end=one.window.end,
            state=one.state,
            ended_because=one.ended_because,
            deployment=DeploymentOut.of(view.deployment) if view.deployment else None,
        )


class EventOut(BaseModel):
    number: int
    at: datetime
    board: str
    generation: int
    step: str
    phase: Phase
    deployment: UUID | None
    outcome: Outcome | None
    took_s: float | None
    detail: str
    console: tuple[str, ...]

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(**asdict(event))


class HealthzOut(BaseModel):
    status: Literal["ok"] = "ok"
