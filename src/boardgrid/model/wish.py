"""Wishes: what each board, root and image of a site should be. The agent is told all of them, every time."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from boardgrid.model.board import Act, Board, BoardType
from boardgrid.model.errand import About, ErrandKind
from boardgrid.model.image import AS_USUAL, Kernel, Making, Source
from boardgrid.model.kit import BootKit
from boardgrid.model.question import Asked


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """A volume, and where a board mounts it beside its root."""

    volume: UUID
    path: str


@dataclass(frozen=True, slots=True)
class Deployed:
    """The board runs this root; once *opened* it is its user's, and nothing is healed unasked."""

    deployment: UUID
    root: UUID
    image: UUID
    size_bytes: int  # room for what its user writes
    hostname: str
    keys: tuple[str, ...]  # the user's public keys
    kernel: Kernel | None  # None where the board brings its own
    opened: bool = False
    user: str = ""  # what follows is for people who look at the board
    image_ref: str = ""
    reservation: int = 0
    init: str = ""  # the first program; empty: the image's own
    boot_s: float = 0.0  # it may take so long, where that is longer than is usual for its type
    is_trial: bool = False  # the farm itself boots it to see whether it comes up: what the console said is told then
    is_kept: bool = False  # the root was kept aside: it is there, and never made anew
    volumes: tuple[VolumeMount, ...] = ()  # of its user, and of the project that it is reserved for
    is_again: bool = False  # its user had it open on this board before: it is theirs whether it comes up or not
    kit: BootKit | None = None  # what it boots with; None: the image's own kernel
    is_once: bool = False  # the kit is for one boot, and *then* for those that follow
    then: BootKit | None = None
    keeps: tuple[UUID, ...] = ()  # other kits that the board may have to go back to
    kind: Literal["deployed"] = "deployed"

    @property
    def must_exist(self) -> bool:
        """Whether the root has files of its user, so that one made anew is no root of theirs."""
        return self.opened or self.is_kept

    @property
    def boots(self) -> BootKit | None:
        """What the board gets when it asks now."""
        return self.then if self.is_once and self.opened else self.kit

    @property
    def entry(self) -> UUID:
        """The name of the boot files that it gets when it asks now."""
        return uuid5(self.deployment, "then") if self.is_once and self.opened else self.deployment

    @property
    def kits(self) -> tuple[BootKit, ...]:
        return tuple(one for one in (self.kit, self.then) if one)


@dataclass(frozen=True, slots=True)
class Parked:
    """The board is nobody's: no root is offered to it, and it is off or waits in the holding entry."""

    keeps: tuple[UUID, ...] = ()  # kits of a root that is saved, and boots here again after that
    kind: Literal["parked"] = "parked"


@dataclass(frozen=True, slots=True)
class Gone:
    """The board leaves the farm: it is parked, then its boot files go too."""

    kind: Literal["gone"] = "gone"


Wish = Deployed | Parked | Gone


@dataclass(frozen=True, slots=True)
class PowerOrder:
    """
    What the holder of a board wants done to its power, once; twice only where the agent was killed between the act and
    its report.
    """

    id: UUID
    act: Act


@dataclass(frozen=True, slots=True)
class BoardWish:
    board: Board
    type: BoardType
    generation: int  # rises with every change of the wish
    wish: Wish
    order: PowerOrder | None = None
    is_reached: bool = False  # an agent told that it is so: one that comes anew need not prove it again


@dataclass(frozen=True, slots=True)
class RootWish:
    """A root that nobody wants any more. A root that is in no wish is never touched."""

    root: UUID


@dataclass(frozen=True, slots=True)
class ImageWish:
    """An image that should be made from *source*, or (without one) should go."""

    image: UUID
    source: Source | None
    making: Making = AS_USUAL


@dataclass(frozen=True, slots=True)
class VolumeWish:
    """A volume that should be made, or made larger, or (without a size) should go. Any other is left as it is."""

    volume: UUID
    size_bytes: int | None
    is_there: bool = False  # it has files of people: it is never made anew


@dataclass(frozen=True, slots=True)
class ErrandWish:
    """Not among the wishes for images: an agent that knows no errands would take it for an image that is to go."""

    errand: UUID
    kind: ErrandKind
    image: UUID
    about: About | None = None  # of an image that is exported


@dataclass(frozen=True, slots=True)
class QuestionWish:
    """Something that somebody waits to be told."""

    id: UUID
    asked: Asked


@dataclass(frozen=True, slots=True)
class SiteWishes:
    """All wishes of a site: a level, not a change. *version* rises whenever any of it differs."""

    version: int
    boards: tuple[BoardWish, ...] = ()
    discard: tuple[RootWish, ...] = ()
    images: tuple[ImageWish, ...] = ()
    errands: tuple[ErrandWish, ...] = ()
    questions: tuple[QuestionWish, ...] = ()
    volumes: tuple[VolumeWish, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act on a site: one agent has it, for *ttl_s* after it asked."""

    epoch: int
    ttl_s: float
