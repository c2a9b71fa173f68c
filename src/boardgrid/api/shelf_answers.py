"""What the API answers about the shelf: sites, boards, their power, and the inventory's changes."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

from boardgrid.model.board import BoardType, Boot, DhcpMode, DriverSpec, Property
from boardgrid.model.inventory import Change
from boardgrid.model.report import Power, Voice
from boardgrid.services.views import BoardState, BoardView, GatewayView, OrderState, OrderView, SiteView


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
    properties: dict[str, Property] = Field(description="Of all boards of this type.")
    network: str = Field(description="The kernel module of its network interface; empty: one that the farm knows.")

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
    ago_s: float = Field(description="How long it has been so.")


class ClosedOut(BaseModel):
    number: int = Field(description="Of the maintenance.")
    start: datetime
    end: datetime
    reason: str


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
    properties: dict[str, Property] = Field(description="Its own; they win over its type's.")
    tags: list[str]
    facts: dict[str, Property] = Field(
        description="What `where` sees of it beside its tags: its properties, its type's, and what each board has."
    )
    set_aside: str = Field(description="Why it is not offered to anyone; empty: it is fit.")
    reservation: HolderOut | None
    health: HealthOut | None
    maintenance: ClosedOut | None = Field(description="When it is kept free next, or is now.")

    @classmethod
    def of(cls, view: BoardView) -> Self:
        board, held, health, closed = view.board, view.held, view.health, view.maintenance
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
            properties=dict(board.properties),
            tags=sorted(board.tags),
            facts=dict(view.facts.properties),
            set_aside=board.set_aside,
            reservation=HolderOut(number=held.number, user=held.user, until=held.until) if held else None,
            health=HealthOut(power=health.power, voice=health.voice, ago_s=health.ago_s) if health else None,
            maintenance=ClosedOut(
                number=closed.number, start=closed.window.start, end=closed.window.end, reason=closed.reason
            )
            if closed
            else None,
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
        case Set():
            return sorted(value)
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
