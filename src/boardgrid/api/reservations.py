"""Reservations, their deployments, and the host keys of boards that one holds."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from boardgrid.api.answers import DeploymentOut, ImageOut, ReservationOut
from boardgrid.api.asking import Asker, Number, TheFarm, TheSpool
from boardgrid.api.bodies import (
    BootIn,
    CheckpointIn,
    ExtensionIn,
    HeartbeatIn,
    ReleaseIn,
    ReservationIn,
    SaveIn,
    SharingIn,
)

router = APIRouter(tags=["reservations"])


@router.get("/reservations")
def list_reservations(
    farm: TheFarm,
    asker: Asker,
    everyone: Annotated[bool, Query(alias="all", description="Those of everyone.")] = False,
    running: Annotated[bool, Query(description="Only those that run or wait, all of them at once.")] = False,
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
    """Reserve boards, now, at a date or as soon as may be; they boot an image, or a root that was kept aside."""
    view = farm.booking.reserve(
        asker,
        groups=body.all_groups(),
        image=body.image,
        root=body.root,
        for_=timedelta(seconds=body.for_s),
        at=body.at,
        kind=body.kind,
        project=body.project,
    )
    return ReservationOut.of(view)


@router.post("/reservations/{number}/extend")
def extend(number: Number, body: ExtensionIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Give a reservation that runs more time, while nobody follows on its boards."""
    return ReservationOut.of(farm.booking.extend(asker, number, timedelta(seconds=body.by_s)))


@router.post("/reservations/{number}/share")
def share(number: Number, body: SharingIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Let others in to its boards, or no longer."""
    return ReservationOut.of(farm.booking.share(asker, number, body.add, body.remove))


@router.post("/reservations/{number}/heartbeat")
def heartbeat(number: Number, body: HeartbeatIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Say that the job of a reservation lives: from the first time on it ends when that is not said again in time."""
    return ReservationOut.of(farm.booking.heartbeat(asker, number, timedelta(seconds=body.ttl_s)))


@router.post("/reservations/{number}/release", status_code=202)
def release(number: Number, body: ReleaseIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Give boards back; their roots become an image, are kept aside for some days, or are discarded."""
    return ReservationOut.of(farm.booking.release(asker, number, body.fate, body.name or "", body.board))


@router.post("/reservations/{number}/save", status_code=202)
def save(number: Number, body: SaveIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Stop a board and make an image of its root; then it boots the same root again, or is given back."""
    return ReservationOut.of(farm.restarting.save(asker, number, body.image, body.board, body.after))


@router.post("/reservations/{number}/boot", status_code=202)
def boot(number: Number, body: BootIn, farm: TheFarm, spool: TheSpool, asker: Asker) -> ReservationOut:
    """Restart a board into the same root, with another kernel or, where none is named, with its image's own."""
    return ReservationOut.of(
        farm.restarting.boot(asker, number, body.asked(), body.board, head=spool.head, is_once=body.once)
    )


@router.post("/reservations/{number}/checkpoint", status_code=202)
def checkpoint(number: Number, body: CheckpointIn, farm: TheFarm, asker: Asker) -> ImageOut:
    """
    Make a new version of an image of what a board runs, while it goes on.

    It is crash consistent: as the root were after a power cut. The board waits while what was changed is copied, ten
    seconds at most.
    """
    return ImageOut.of(farm.checkpoints.checkpoint(asker, number, body.image, body.board))


@router.get("/queue")
def queue(farm: TheFarm, asker: Asker) -> list[ReservationOut]:
    """Who waits for their turn, the next first; then who waits for what nobody needs."""
    return [ReservationOut.of(view) for view in farm.booking.queue(asker)]


@router.get("/deployments/{deployment}")
def show_deployment(deployment: UUID, farm: TheFarm, asker: Asker) -> DeploymentOut:
    """One deployment of one's own."""
    return DeploymentOut.of(farm.booking.deployment(asker, deployment))


@router.get("/known-hosts", response_class=PlainTextResponse)
def known_hosts(farm: TheFarm, asker: Asker) -> str:
    """Lines for OpenSSH's known_hosts: the open boards that the asker holds, by name and host name."""
    return farm.history.known_hosts(asker)
