"""Roots: the writable copies. A root belongs to its user, outlives its deployment, and is never lost by the farm."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

ASIDE_FOR = timedelta(days=7)  # how long a root is kept that nobody decided about


class RootState(StrEnum):
    LIVE = "live"  # a deployment writes to it
    ASIDE = "aside"  # fenced and kept, with a name and a date
    CAPTURED = "captured"  # fenced; an image is made of it, then it goes
    GOING = "going"  # given up: the agent removes it
    GONE = "gone"  # removed; the row stays for the history


@dataclass(frozen=True, slots=True)
class Root:
    """One writable copy of an image, on the disk of its site."""

    id: UUID
    name: str  # unique among its owner's roots that are not gone
    owner: UUID
    site: str
    image: UUID
    state: RootState
    size_bytes: int  # how much its user may write; also what the store promised
    created_at: datetime
    expires_at: datetime | None = None  # for one kept aside
