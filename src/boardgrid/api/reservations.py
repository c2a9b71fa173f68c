"""Reservations, their deployments, and the host keys of boards that one holds."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from boardgrid.api.answers import DeploymentOut, ReservationOut
from boardgrid.api.asking import Asker, Number, TheFarm
from boardgrid.api.bodies import ReleaseIn, ReservationIn

router = APIRouter(tags=["reservations"])


@router.get("/reservations")
def list_reservations(
    farm: TheFarm,
    asker: Asker,
    everyone: Annotated[bool, Query(alias="all", description="Those of everyone.")] = False,
    running: Annotated[bool, Query(description="Only those that run, all of them at once.")] = False,
    before: Annotated[int | None, Query(ge=0, le=2**53, description="Only those with a smaller number.")] = None,
) -> list[ReservationOut]:
    """Newest first, some hundreds at once; what is older comes when asked for `before` the last of them."""
    found = farm.booking.reservations(asker, everyone=everyone, ended=not running, before=before)
    return [ReservationOut.of(view) for view in found]


@router.get("/reservations/{number}")
def show_reservation(number: Number, farm: TheFarm, asker: Asker) -> ReservationOut:
    """One reservation."""
    return ReservationOut.of(farm.booking.reservation(asker, number))


@router.post("/reservations", status_code=201)
def reserve(body: ReservationIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Reserve a board, or any one of a type, now; it boots an image, or a root that was kept aside."""
    view = farm.booking.reserve(
        asker,
        board=body.board,
        board_type=body.type,
        image=body.image,
        root=body.root,
        for_=timedelta(seconds=body.for_s),
    )
    return ReservationOut.of(view)


@router.post("/reservations/{number}/release", status_code=202)
def release(number: Number, body: ReleaseIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Give a board back; its root becomes an image, is kept aside for some days, or is discarded."""
    return ReservationOut.of(farm.booking.release(asker, number, body.fate, body.name or ""))


@router.get("/deployments/{deployment}")
def show_deployment(deployment: UUID, farm: TheFarm, asker: Asker) -> DeploymentOut:
    """One deployment of one's own."""
    return DeploymentOut.of(farm.booking.deployment(asker, deployment))


@router.get("/known-hosts", response_class=PlainTextResponse)
def known_hosts(farm: TheFarm, asker: Asker) -> str:
    """Lines for OpenSSH's known_hosts: the open boards that the asker holds, by name and host name."""
    return farm.history.known_hosts(asker)
