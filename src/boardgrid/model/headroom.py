"""Headroom: what uploads and imports leave free on a disk, so that they never keep a board that runs from writing."""

from dataclasses import dataclass

from boardgrid.messages import _, bytes_text, larger_text
from boardgrid.model.errors import Code, Fault


@dataclass(frozen=True, slots=True)
class Headroom:
    """
    A share of the disk, within bounds: a tenth of a large disk would refuse imports while there is room for hundreds.

    Args:
        share: of the whole disk, 0 to 1.
        least_bytes: even of a small disk.
        most_bytes: even of a large one.
    """

    share: float = 0.1
    least_bytes: int = 0
    most_bytes: int = 8 << 30

    def of(self, disk_bytes: int) -> int:
        """How much of a disk of this size stays free, in bytes."""
        return max(self.least_bytes, min(int(disk_bytes * self.share), self.most_bytes))


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much an image that is made may take: by the site's limit for one, and by the disk that it is made on."""

    limit_bytes: int
    free_bytes: int


def no_room(wanted: int, free: int) -> Fault:
    return Fault(
        Code.STORE_FULL,
        _("the store has no room: {wanted} is wanted, {free} may be used for imports"),
        hint=_("remove images or roots that nobody needs, or give the store a larger disk"),
        wanted=larger_text(wanted, free),
        free=bytes_text(free),
    )
