"""Reports: what an agent tells of its site. Each has an id, so that one sent twice counts once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

from boardgrid.model.board import Site
from boardgrid.model.deployment import Outcome, Phase
from boardgrid.model.difference import Difference
from boardgrid.model.errors import Blame, Code
from boardgrid.model.image import Manifest
from boardgrid.model.imports import Imports


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step of a board began, ended, or saw something on its way."""

    id: UUID
    board: str
    generation: int
    step: str
    phase: Phase
    deployment: UUID | None = None
    outcome: Outcome | None = None
    took_s: float | None = None
    ago_s: float = 0.0  # how long before this report was sent; clocks are never compared
    detail: str = ""
    console: tuple[str, ...] = ()
    kind: Literal["step"] = "step"


class Reached(StrEnum):
    """What a wish came to."""

    OPEN = "open"
    PARKED = "parked"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BoardReport:
    """The wish of this generation is reached, or given up."""

    id: UUID
    board: str
    generation: int
    reached: Reached
    deployment: UUID | None = None
    host_key: str = ""  # of an open board: its OpenSSH public line, "ssh-ed25519 AAAA..."
    code: Code | None = None  # of what failed
    reason: str = ""
    hint: str = ""
    blame: Blame | None = None
    still: UUID | None = None  # of what failed before anything was done to the board: the deployment that it still has
    kind: Literal["board"] = "board"


class Power(StrEnum):
    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class Voice(StrEnum):
    """What answers on the board's SSH port."""

    OURS = "ours"  # this deployment's host key
    OTHER = "other"  # another key: its user made one, or another system runs
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What an open board looks like. It is shown, and tells whether somebody uses it."""

    id: UUID
    board: str
    generation: int
    power: Power
    voice: Voice
    console_s: float | None = None  # how long ago its console said something; None: nobody hears it
    kind: Literal["health"] = "health"


@dataclass(frozen=True, slots=True)
class RootReport:
    """A root that was to be discarded is gone."""

    id: UUID
    root: UUID
    kind: Literal["root"] = "root"


@dataclass(frozen=True, slots=True)
class ImageReport:
    """An image was made (with a manifest), failed (with a reason), or is gone (with neither)."""

    id: UUID
    image: UUID
    manifest: Manifest | None = None
    code: Code | None = None
    reason: str = ""
    hint: str = ""
    kind: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class VolumeReport:
    """A volume has this size now, could not be given it (with a reason), or is gone (without a size)."""

    id: UUID
    volume: UUID
    size_bytes: int | None = None
    code: Code | None = None
    reason: str = ""
    kind: Literal["volume"] = "volume"


@dataclass(frozen=True, slots=True)
class ErrandReport:
    """An errand was done, or failed with a code. Of an export the controller knows before, by what came of it."""

    id: UUID
    errand: UUID
    code: Code | None = None
    reason: str = ""
    kind: Literal["errand"] = "errand"


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far an image or an errand is. Where one is lost, the next one tells."""

    id: UUID
    thing: UUID
    phase: str
    done_bytes: int = 0
    total_bytes: int = 0
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class OrderReport:
    """A power order was carried out, or failed with a reason."""

    id: UUID
    board: str
    order: UUID
    reason: str = ""
    kind: Literal["order"] = "order"


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """A question is answered, or cannot be."""

    id: UUID
    question: UUID
    answer: Difference | None = None
    code: Code | None = None
    reason: str = ""
    hint: str = ""
    kind: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class SiteReport:
    """The site's network facts and the room of its store."""

    id: UUID
    site: Site
    store_bytes: int
    free_bytes: int  # neither used nor promised
    trouble: str = ""  # why deployments pause; empty: they do not
    imports: Imports | None = None  # None: an agent that is older does not tell
    kind: Literal["site"] = "site"


Report = (
    StepReport | BoardReport | HealthReport | RootReport | ImageReport | VolumeReport | ErrandReport | ProgressReport
    | OrderReport | AnswerReport | SiteReport
)  # fmt: skip
