"""The agent door: what a site should be, what its agent tells of it, and the uploads it makes images of."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.responses import FileResponse

from boardgrid.api.asking import AgentSite, Epoch, TheFarm, TheSpool, WaitS, declared_bytes
from boardgrid.messages import _
from boardgrid.model.errand import ErrandState
from boardgrid.model.errors import Code, Fault, NotFound
from boardgrid.model.report import Report
from boardgrid.model.wish import SiteWishes
from boardgrid.ports import wishes_of

router = APIRouter(prefix="/api/agent/v1", tags=["agent door"])

_WISHES = TypeAdapter(SiteWishes)
Version = Annotated[int, Query(ge=-1, le=2**53, description="Which version the agent has; -1: none.")]


_PACKED = {
    "requestBody": {
        "required": True,
        "description": "A tar archive.",
        "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class FromMachine(BaseModel):
    """Sent by another release's agent or gateway, perhaps: what is new in it is passed over."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class LeaseIn(FromMachine):
    instance: UUID
    protocol: int = Field(ge=0, le=10**6)


class LeaseOut(BaseModel):
    epoch: int
    ttl_s: float


class ReportsIn(FromMachine):
    epoch: int = Field(ge=0, le=2**53)
    reports: list[Annotated[Report, Field(discriminator="kind")]] = Field(max_length=10_000)


class TakenOut(BaseModel):
    taken: tuple[UUID, ...]
    dropped: tuple[UUID, ...]


@router.post("/lease")
def take_lease(body: LeaseIn, farm: TheFarm, site: AgentSite) -> LeaseOut:
    """The right to act on the site, for `ttl_s` after it was asked for."""
    lease = farm.fleet.lease(site, body.instance, body.protocol)
    return LeaseOut(epoch=lease.epoch, ttl_s=lease.ttl_s)


@router.get("/wishes", response_model=SiteWishes)
async def wait_for_wishes(
    farm: TheFarm, site: AgentSite, epoch: Epoch, after: Version = -1, wait_s: WaitS = 0
) -> Response:
    """All wishes of the site, as soon as their version is above `after`. Renews the lease."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while True:
        mark = farm.changes.mark(wishes_of(site))
        wishes = await run_in_threadpool(farm.fleet.wishes, site, epoch)
        left_s = until_s - loop.time()
        if wishes.version > after or left_s <= 0:
            return Response(await run_in_threadpool(_WISHES.dump_json, wishes), media_type="application/json")
        await farm.changes.wait(wishes_of(site), mark, left_s)


@router.post("/reports")
def take_reports(body: ReportsIn, farm: TheFarm, site: AgentSite) -> TakenOut:
    """Take a batch in. What is sent twice counts once; what is of a passed generation is answered as dropped."""
    told = farm.fleet.report(site, body.epoch, body.reports)
    return TakenOut(taken=told.taken, dropped=told.dropped)


@router.put("/errands/{errand}/content", status_code=204, openapi_extra=_PACKED)
async def take_export(errand: UUID, request: Request, farm: TheFarm, spool: TheSpool, site: AgentSite) -> None:
    """Bring what was packed, whole. What is brought twice counts once."""
    wished = await run_in_threadpool(farm.errands.wished, site, errand)
    if wished.state is ErrandState.WAITING:
        size_bytes = await spool.keep(errand, request.stream(), declared_bytes(request))
        try:
            await run_in_threadpool(farm.errands.packed, site, errand, size_bytes)
        except NotFound:
            await run_in_threadpool(spool.throw_away, errand)
            raise


@router.get("/blobs/{sha256}", response_class=FileResponse, responses={200: {"content": {"application/x-tar": {}}}})
def fetch_blob(sha256: str, farm: TheFarm, spool: TheSpool, site: AgentSite) -> FileResponse:
    """An upload that an image of this site is to be made of."""
    blob = farm.fleet.blob(site, sha256)
    path = spool.path(blob.sha256)
    if not path.is_file():
        raise Fault(
            Code.UPLOAD_BROKEN,
            _("the upload {sha256} has gone from the controller's disk"),
            hint=_("upload the image again"),
            sha256=blob.sha256,
        )
    return FileResponse(path, media_type="application/x-tar")
