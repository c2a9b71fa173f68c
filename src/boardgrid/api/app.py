"""The controller's HTTP face: every route, and what all of them have in common."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI

from boardgrid.api import (
    account,
    agents,
    audit,
    blocks,
    diffs,
    events,
    gateways,
    health,
    images,
    kit_files,
    notices,
    people,
    problem,
    recipes,
    reservations,
    rosters,
    rules,
    shelf,
    sso,
    volumes,
)
from boardgrid.api.envelope import Envelope
from boardgrid.api.problem import Problem
from boardgrid.api.spool import Spool
from boardgrid.api.streams import Streams
from boardgrid.model.errors import FarmError
from boardgrid.ports import EVENTS
from boardgrid.services.farm import Farm

log = structlog.get_logger(__name__)

_SWEEP_AT_MOST_EVERY_S = 30.0
_SWEEP_AT_LEAST_EVERY_S = 3600.0

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    kind: {"description": text, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
    for kind, text in (("4XX", "It was refused."), ("5XX", "The farm, or what it works with, failed."))
}


def create(farm: Farm, spool: Spool, streams: Streams | None = None) -> FastAPI:
    """Args: spool: where uploads lie; its folder is made, and swept while the application runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(app.state.spool.prepare)
        sweeping = asyncio.create_task(_keep_swept(app.state.farm, app.state.spool))
        yield
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)

    app = FastAPI(
        title="BoardGrid",
        version=version("boardgrid"),
        summary="A mini Grid'5000 for embedded boards",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=_PROBLEMS,
    )
    app.state.farm, app.state.spool, app.state.streams = farm, spool, streams or Streams()
    v1 = APIRouter(prefix="/api/v1")
    # One route after the other is tried, so those that are asked for most come first.
    often = (reservations, account, sso, people, rosters, notices, audit, shelf, recipes, images)
    for part in (*often, volumes, diffs, kit_files, blocks, rules, events, health):
        v1.include_router(part.router)
    for router in (health.router, agents.router, v1, gateways.router):
        app.include_router(router)
    problem.install(app)
    app.add_middleware(Envelope)
    return app


async def _keep_swept(farm: Farm, spool: Spool) -> None:
    while True:
        mark = farm.changes.mark(EVENTS)
        try:
            await asyncio.to_thread(spool.sweep, lambda: farm.catalog.spooled() | farm.restarting.blobs())
        except (FarmError, OSError) as error:
            log.warning("spool.unswept", why=str(error))
        except Exception:
            log.exception("spool.bug")
        await asyncio.sleep(_SWEEP_AT_MOST_EVERY_S)
        await farm.changes.wait(EVENTS, mark, _SWEEP_AT_LEAST_EVERY_S)
