"""Whether the controller lives, and whether it can work."""

from fastapi import APIRouter

from boardgrid.api.answers import HealthzOut
from boardgrid.api.asking import TheFarm

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def is_alive() -> HealthzOut:
    """This process answers."""
    return HealthzOut()


@router.get("/readyz")
def is_ready(farm: TheFarm) -> HealthzOut:
    """It can read its records too."""
    farm.history.last_number()
    return HealthzOut()
