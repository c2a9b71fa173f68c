"""Feeds: calendars that a calendar program fetches by itself."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Feed:
    """
    An address ``/api/v1/calendar/bgf_<id>_<secret>.ics``. Calendar programs send no token, so whoever knows it reads
    the calendar, and nothing else. Of the secret only the SHA-256 of the whole is stored.
    """

    id: str  # 16 lower-case hex digits
    digest: str
    owner: UUID
    board: str  # whose reservations it shows; empty: the owner's own
    created_at: datetime
