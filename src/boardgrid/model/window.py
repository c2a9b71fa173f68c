"""Windows: spans of time."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, half open: ``start`` is inside, ``end`` is not. Both carry UTC."""

    start: datetime
    end: datetime

    @property
    def lasting(self) -> timedelta:
        return self.end - self.start

    def overlaps(self, other: "Window") -> bool:
        return self.start < other.end and other.start < self.end

    def from_(self, start: datetime) -> "Window":
        """As long as this one, from another time on."""
        return Window(start, start + self.lasting)
