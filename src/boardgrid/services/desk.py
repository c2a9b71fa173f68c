"""The desk at which every use case is worked: the records, the time, and who is told when something changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from boardgrid.ports import Changes, Records


@dataclass(frozen=True, slots=True)
class Desk:
    records: Records
    changes: Changes
    now: Callable[[], datetime]  # carries UTC
