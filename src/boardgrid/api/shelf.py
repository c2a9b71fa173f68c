"""What stands on the shelf: sites, board types, boards and their power, and the inventory that declares them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from boardgrid.api.asking import Asker, TheFarm
from boardgrid.api.bodies import AsideIn, BoardIn, BoardTypeIn, DescriptionIn, InventoryIn, PowerIn
from boardgrid.api.shelf_answers import BoardOut, BoardTypeOut, ChangeOut, ChangesOut, OrderedOut, OrderOut, SiteOut

router = APIRouter(tags=["shelf"])


@router.get("/sites")
def list_sites(farm: TheFarm, asker: Asker) -> list[SiteOut]:
    """Sites, how their agents are, and where their SSH doors are."""
    return [SiteOut.of(view) for view in farm.inventory.sites(asker)]


@router.get("/board-types")
def list_board_types(farm: TheFarm, asker: Asker) -> list[BoardTypeOut]:
    """What boards of one kind share."""
    return [BoardTypeOut.of(kind) for kind in farm.inventory.types(asker)]


@router.get("/board-types/{name}")
def show_board_type(name: str, farm: TheFarm, asker: Asker) -> BoardTypeOut:
    """One board type."""
    return BoardTypeOut.of(farm.inventory.type_named(asker, name))


@router.put("/board-types/{name}")
def put_board_type(name: str, body: BoardTypeIn, farm: TheFarm, asker: Asker, only_new: bool = False) -> BoardTypeOut:
    """Add a board type, or change it to just this; with `only_new` one that is there is left alone. Admins may."""
    return BoardTypeOut.of(farm.inventory.put_type(asker, body.declared(name), only_new=only_new))


@router.delete("/board-types/{name}", status_code=204)
def remove_board_type(name: str, farm: TheFarm, asker: Asker) -> None:
    """Remove a board type that no board has. Admins may."""
    farm.inventory.remove_type(asker, name)


@router.get("/boards")
def list_boards(
    farm: TheFarm,
    asker: Asker,
    *,
    where: Annotated[str | None, Query(description="An expression that they fit: `ram_mb >= 2048`.")] = None,
    type_: Annotated[str | None, Query(alias="type", description="Of this type.")] = None,
    site: Annotated[str | None, Query(description="At this site.")] = None,
    tag: Annotated[tuple[str, ...], Query(description="With this tag; of several, with all.")] = (),
) -> list[BoardOut]:
    """Boards, all or those that are asked for: who has them, and how they are."""
    found = farm.inventory.boards(asker, where=where, type_=type_, site=site, tags=tag)
    return [BoardOut.of(view) for view in found]


@router.get("/boards/{name}")
def show_board(name: str, farm: TheFarm, asker: Asker) -> BoardOut:
    """One board."""
    return BoardOut.of(farm.inventory.board(asker, name))


@router.put("/boards/{name}")
def put_board(name: str, body: BoardIn, farm: TheFarm, asker: Asker, only_new: bool = False) -> BoardOut:
    """
    Add a board, or change it to just this; its type is in its name.

    With `only_new` one that is there is left alone. Admins may.
    """
    return BoardOut.of(farm.inventory.put_board(asker, body.declared(name), only_new=only_new))


@router.delete("/boards/{name}", status_code=202)
def remove_board(name: str, farm: TheFarm, asker: Asker) -> Response:
    """Have a board leave the farm: its record goes when its agent has parked it. Admins may."""
    farm.inventory.remove_board(asker, name)
    return Response(status_code=202)


@router.post("/boards/{name}/describe")
def describe_board(name: str, body: DescriptionIn, farm: TheFarm, asker: Asker) -> BoardOut:
    """Change some of what a board is chosen by; whoever has it keeps it. Admins may."""
    return BoardOut.of(farm.inventory.describe(asker, name, body.properties, body.tags))


@router.post("/boards/{name}/aside")
def set_aside(name: str, body: AsideIn, farm: TheFarm, asker: Asker) -> BoardOut:
    """Offer a board to nobody from now on; who has it keeps it, the others get another. Operators may."""
    return BoardOut.of(farm.inventory.aside(asker, name, body.reason))


@router.post("/boards/{name}/fit")
def return_to_service(name: str, farm: TheFarm, asker: Asker) -> BoardOut:
    """Return a board that was set aside to service. Operators may."""
    return BoardOut.of(farm.inventory.fit(asker, name))


@router.post("/boards/{name}/power", status_code=202)
def order_power(name: str, body: PowerIn, farm: TheFarm, asker: Asker) -> OrderedOut:
    """Have the power of a board switched, once. It is its holder's, and the admins'."""
    return OrderedOut.of(farm.orders.order_power(asker, name, body.act))


@router.get("/boards/{name}/power/{order}")
def show_power_order(name: str, order: UUID, farm: TheFarm, asker: Asker) -> OrderOut:
    """What became of a power order."""
    return OrderOut.of(farm.orders.order(asker, name, order))


@router.put("/inventory")
def apply_inventory(body: InventoryIn, farm: TheFarm, asker: Asker, dry_run: bool = False) -> ChangesOut:
    """
    Bring board types and boards to what is declared, all or nothing, and tell what differed. Nothing is removed.

    With `dry_run` it is only told. Admins may.
    """
    types = [kind.declared(name) for name, kind in body.board_types.items()]
    boards = [board.declared(name) for name, board in body.boards.items()]
    changes = farm.inventory.apply(asker, types, boards, dry_run=dry_run)
    return ChangesOut(changes=[ChangeOut.of(change) for change in changes])
