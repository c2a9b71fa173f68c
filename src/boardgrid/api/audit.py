"""The audit log."""

from typing import Annotated

from fastapi import APIRouter, Query

from boardgrid.api.answers import AuditOut
from boardgrid.api.asking import After, Asker, TheFarm

router = APIRouter(tags=["audit"])


@router.get("/audit")
def list_audit(
    *,
    farm: TheFarm,
    asker: Asker,
    after: After = 0,
    who: Annotated[str | None, Query(max_length=100, description="Only what the user of this name did.")] = None,
    thing: Annotated[
        str | None, Query(max_length=200, description="Only what happened to it: `user:ada`, `board:tk1-1`.")
    ] = None,
    tail: Annotated[int | None, Query(ge=1, le=500, description="Only the newest so many.")] = None,
) -> list[AuditOut]:
    """Who changed what, from where, and what it was before: oldest first, some hundreds at once. Admins may."""
    found = farm.audit.after(asker, after, who=who, thing=thing, limit=tail or 500, newest=tail is not None)
    return [AuditOut.of(entry) for entry in found]
