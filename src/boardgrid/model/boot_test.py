"""Boot tests: whether the farm itself saw an image come up on a board."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class BootTest:
    id: UUID
    image: UUID
    board_type: str
    board: str
    at: datetime
    is_passed: bool  # it answered SSH with the host key that its root was given
    took_s: float | None = None  # from the restart to that
    reason: str = ""  # why it did not pass
    console: tuple[str, ...] = ()  # the last lines, where the board's console is heard
