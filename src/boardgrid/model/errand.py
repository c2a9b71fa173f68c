"""Errands: what an agent does once with an image that is there; and how far it is with whatever takes long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ErrandKind(StrEnum):
    VERIFY = "verify"  # hold the image's file against its checksum
    EXPORT = "export"  # pack it to be taken away


class ErrandState(StrEnum):
    WAITING = "waiting"  # the agent is at it, or will be
    DONE = "done"
    FAILED = "failed"  # the reason says why


@dataclass(frozen=True, slots=True)
class Errand:
    """What is packed lies with the controller until the errand is forgotten: by who asked, or when its time is over."""

    id: UUID
    kind: ErrandKind
    image: UUID
    site: str
    owner: UUID  # who asked
    asked_at: datetime
    state: ErrandState = ErrandState.WAITING
    reason: str = ""
    size_bytes: int = 0  # of what was packed
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What the catalogue knows of an image: it goes along when the image is taken to another farm."""

    name: str
    version: int
    labels: Mapping[str, str]
    types: tuple[str, ...]
    lineage: tuple[str, ...]  # refs, its parent first

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is that takes long. Phases follow each other; bytes are those of one phase."""

    phase: str
    done_bytes: int = 0
    total_bytes: int = 0  # 0: nobody knows

    def left_s(self, rate: float) -> float | None:
        """
        How long this phase will take yet; None: nobody knows.

        Args:
            rate: bytes in a second, so far.
        """
        if not self.total_bytes or rate <= 0:
            return None
        return max(self.total_bytes - self.done_bytes, 0) / rate
