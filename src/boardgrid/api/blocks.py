"""Blocks that projects hold, and seats in them."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from boardgrid.api.answers import BlockOut, ReservationOut
from boardgrid.api.asking import Asker, Number, TheFarm
from boardgrid.api.bodies import BlockIn, SeatIn

router = APIRouter(tags=["blocks"])


@router.get("/blocks")
def list_blocks(
    farm: TheFarm, asker: Asker, project: Annotated[str, Query(description="Of this project alone.")] = ""
) -> list[BlockOut]:
    """Those that run or are to come, in the order of time, of one's projects; operators and admins see all."""
    return [BlockOut.of(view) for view in farm.blocks.blocks(asker, project)]


@router.post("/blocks", status_code=201)
def add_blocks(body: BlockIn, farm: TheFarm, asker: Asker) -> list[BlockOut]:
    """Hold boards for a project, once or again and again; all of it or nothing. Its managers and admins may."""
    views = farm.blocks.add(
        asker,
        body.project,
        body.group(),
        starts=body.starts,
        for_=timedelta(seconds=body.for_s),
        ready=timedelta(seconds=body.ready_s),
        turn=None if body.turn_s is None else timedelta(seconds=body.turn_s),
        image=body.image,
    )
    return [BlockOut.of(view) for view in views]


@router.get("/blocks/{number}")
def show_block(number: Number, farm: TheFarm, asker: Asker) -> BlockOut:
    """One block of a project that one is in, with who sits there and who waits."""
    return BlockOut.of(farm.blocks.block(asker, number))


@router.delete("/blocks/{number}", status_code=204)
def remove_block(
    number: Number,
    farm: TheFarm,
    asker: Asker,
    later: Annotated[bool, Query(description="With it those of its series that come after it.")] = False,
) -> None:
    """Give it back, or call it off; roots of who sits there are kept. Its managers, operators and admins may."""
    farm.blocks.remove(asker, number, later=later)


@router.post("/blocks/{number}/seats", status_code=201)
def take_seat(number: Number, body: SeatIn, farm: TheFarm, asker: Asker) -> ReservationOut:
    """Ask for a board of a block, for oneself and one's team: when it begins, and then in turn."""
    return ReservationOut.of(farm.blocks.take_seat(asker, number, body.root))
