"""Rules, what of them I have used, and maintenance."""

from fastapi import APIRouter

from boardgrid.api.asking import Asker, Number, TheFarm
from boardgrid.api.rules_answers import MaintenanceOut, RulesOut, UsageOut
from boardgrid.api.rules_bodies import MaintenanceIn, RulesIn

router = APIRouter(tags=["rules"])


@router.get("/rules")
def show_rules(farm: TheFarm, asker: Asker) -> RulesOut:
    """How much of the farm one may have, and who may have which boards."""
    return RulesOut.of(farm.ruling.rules(asker))


@router.put("/rules")
def put_rules(body: RulesIn, farm: TheFarm, asker: Asker) -> RulesOut:
    """Have just these rules for what is asked from now on; what was promised is kept. Admins may."""
    return RulesOut.of(farm.ruling.put(asker, body.told()))


@router.get("/me/usage")
def show_usage(farm: TheFarm, asker: Asker) -> list[UsageOut]:
    """What binds me and how much of it is used: by myself first, then of each project that I am in."""
    return [UsageOut.of(view) for view in farm.ruling.usage(asker)]


@router.get("/maintenance")
def list_maintenance(farm: TheFarm, asker: Asker) -> list[MaintenanceOut]:
    """Which boards are kept free now or will be, and why; in the order of time."""
    return [MaintenanceOut.of(view) for view in farm.maintaining.maintenances(asker)]


@router.post("/maintenance", status_code=201)
def add_maintenance(body: MaintenanceIn, farm: TheFarm, asker: Asker) -> MaintenanceOut:
    """Keep boards free over a window; who has not begun gets others, or a later turn in the queue. Operators may."""
    view = farm.maintaining.add(
        asker, body.groups(), start=body.start, end=body.end, reason=body.reason, force=body.force
    )
    return MaintenanceOut.of(view)


@router.delete("/maintenance/{number}", status_code=204)
def remove_maintenance(number: Number, farm: TheFarm, asker: Asker) -> None:
    """Call it off, or end it early. Operators may."""
    farm.maintaining.remove(asker, number)
