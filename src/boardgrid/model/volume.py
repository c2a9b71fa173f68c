"""Volumes: file systems of people, not of boards: what is written there outlives each root and is on the next board."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Conflict, Invalid

ASIDE_FOR = timedelta(days=7)  # how long the files of one that was removed are kept
SMALLEST, LARGEST = 64 * 10**6, 16 * 10**12  # bytes
PROJECTS_PATH = "/data"

# None lies within another, and none hides what a system boots with.
_PATH = re.compile(r"/data|/(?:home|mnt|srv)/[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class VolumeState(StrEnum):
    MAKING = "making"  # the agent makes it, or makes it larger
    READY = "ready"
    FAILED = "failed"  # could not be made; the reason says why
    ASIDE = "aside"  # removed; its files are kept for some days, and can be had back
    GOING = "going"  # given up: the agent removes it
    GONE = "gone"  # removed; the row stays, for the log names it


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system on the disk of a site: a user's, or a project's whose members have it then."""

    id: UUID
    name: str  # unique among those that are not gone
    user: UUID | None  # whose it is; None: it is a project's
    project: UUID | None
    site: str
    path: str  # where boards mount it
    state: VolumeState
    size_bytes: int  # how much may be written; also what the store promises
    created_at: datetime
    made_bytes: int = 0  # how large the agent told it is; 0: it is not there yet
    expires_at: datetime | None = None  # of one that is aside
    reason: str = ""  # why it could not be made, or not be made larger

    @property
    def is_usable(self) -> bool:
        return self.made_bytes > 0 and self.state in {VolumeState.MAKING, VolumeState.READY}


def home_of(user: str) -> str:
    return f"/home/{user}"


def checked_path(path: str) -> str:
    """
    Raises:
        Invalid: PATH_FORBIDDEN.
    """
    if not _PATH.fullmatch(path):
        raise Invalid(
            Code.PATH_FORBIDDEN,
            _("no volume is mounted at {path!r}"),
            hint=_("take /data, or a folder in /home, /mnt or /srv: /home/ada"),
            path=path[:100],
        )
    return path


def checked_size(size_bytes: int) -> int:
    """
    Raises:
        Invalid: REQUEST_INVALID.
    """
    if not SMALLEST <= size_bytes <= LARGEST:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("a volume cannot take {size}"),
            hint=_("it takes between {smallest} and {largest}"),
            size=bytes_text(size_bytes),
            smallest=bytes_text(SMALLEST),
            largest=bytes_text(LARGEST),
        )
    return size_bytes


def check_quota(most: int | None, used_bytes: int, more_bytes: int, project: str = "") -> None:
    """
    Raises:
        Conflict: QUOTA_EXCEEDED.
    """
    if most is None or used_bytes + more_bytes <= most:
        return
    raise Conflict(
        Code.QUOTA_EXCEEDED,
        _("volumes of project {project} may take {most}, {used} is taken, and this needs {needs} more")
        if project
        else _("your volumes may take {most}, {used} is taken, and this needs {needs} more"),
        hint=_("one that was removed counts until it is gone; ask for less, or ask an admin of the farm for more"),
        project=project,
        most=bytes_text(most),
        used=bytes_text(used_bytes),
        needs=bytes_text(more_bytes),
    )


def side_by_side(volumes: Iterable[Volume]) -> tuple[list[Volume], list[Volume]]:
    """Those that one board can have at once, and those whose place an earlier one has."""
    placed: dict[str, Volume] = {}
    hidden = [one for one in volumes if placed.setdefault(one.path, one) is not one]
    return [*placed.values()], hidden
