"""The gateway door: whose key this is, where a held board is, and who holds what."""

import asyncio
from ipaddress import IPv4Address
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from boardgrid.api.agents import FromMachine
from boardgrid.api.asking import GatewaySite, TheFarm, WaitS
from boardgrid.ports import Use, wishes_of

router = APIRouter(prefix="/api/gateway/v1", tags=["gateway door"])


class HelloIn(FromMachine):
    host: str = Field(max_length=1000)
    port: int
    host_key: str = Field(max_length=16384)


class KeyIn(FromMachine):
    key: str = Field(max_length=16384)


class KeyOut(BaseModel):
    user: str


class RouteIn(KeyIn):
    board: str = Field(max_length=1000)


class RouteOut(BaseModel):
    address: IPv4Address
    port: int


class HeldOut(BaseModel):
    key: str
    board: str


class UseIn(FromMachine):
    board: str = Field(max_length=1000)
    sessions: int = Field(ge=0, le=1 << 31)
    quiet_s: float = Field(0.0, ge=0, allow_inf_nan=False)


class ActivityIn(FromMachine):
    uses: tuple[UseIn, ...] = Field(max_length=10000)


class HoldingsOut(BaseModel):
    version: int
    live: list[HeldOut]


@router.post("/hello", status_code=204)
def hello(body: HelloIn, farm: TheFarm, site: GatewaySite) -> None:
    """Where people reach this gateway, and the key that it shows."""
    farm.doors.hello(site, body.host, body.port, body.host_key)


@router.post("/key")
def whose_key(body: KeyIn, farm: TheFarm, _site: GatewaySite) -> KeyOut:
    """The user who has this public key."""
    return KeyOut(user=farm.doors.user_of_key(body.key))


@router.post("/route")
def find_route(body: RouteIn, farm: TheFarm, site: GatewaySite) -> RouteOut:
    """The way to a board, by its name or host name, while the user who has this key holds it and it is open."""
    route = farm.doors.route(site, body.key, body.board)
    return RouteOut(address=route.address, port=route.port)


@router.post("/activity", status_code=204)
def tell_activity(body: ActivityIn, farm: TheFarm, site: GatewaySite) -> None:
    """Who is on which board through this gateway: all that are open, and what ended since this was last told."""
    farm.doors.activity(site, [Use(one.board, one.sessions, one.quiet_s) for one in body.uses])


@router.get("/changes")
async def wait_for_changes(
    farm: TheFarm,
    site: GatewaySite,
    after: Annotated[int, Query(ge=-1, le=2**53, description="The version that is known already.")] = -1,
    wait_s: WaitS = 0,
) -> HoldingsOut:
    """Which keys open which board of the site, as soon as the version differs from `after`."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while True:
        mark = farm.changes.mark(wishes_of(site))
        held = await run_in_threadpool(farm.doors.holdings, site)
        left_s = until_s - loop.time()
        if held.version != after or left_s <= 0:
            live = [HeldOut(key=key, board=board) for key, board in sorted(held.pairs)]
            return HoldingsOut(version=held.version, live=live)
        await farm.changes.wait(wishes_of(site), mark, left_s)
