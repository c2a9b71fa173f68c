"""Reservations: who has which boards, and when."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from boardgrid.model.window import Window


class ReservationState(StrEnum):
    WAITING = "waiting"  # accepted; its window has not opened
    RUNNING = "running"  # the user holds the boards
    ENDED = "ended"  # given back, its time ran out, or its deployments failed
    CANCELLED = "cancelled"  # withdrawn, or could not be kept, before it began


class Kind(StrEnum):
    """How a reservation comes to its start."""

    FIXED = "fixed"  # at a date, which is kept; now is one
    QUEUED = "queued"  # as soon as its turn comes: what is predicted only becomes earlier
    BEST_EFFORT = "best_effort"  # on boards that nobody needs; it gives way to all others
    BLOCK = "block"  # held for a project, whose members take boards out of it
    SEAT = "seat"  # one board of a block, when it is its user's turn


class Purpose(StrEnum):
    """What a reservation is for."""

    USE = "use"  # its user's to work on
    BUILD = "build"  # the farm finishes an image of theirs on it
    TEST = "test"  # the farm sees whether an image of theirs boots on it


@dataclass(frozen=True, slots=True)
class Group:
    """So many boards of one kind: this one by its name, or any of a type, of those that an expression fits, or both."""

    count: int = 1
    board: str = ""
    type: str = ""
    where: str = ""

    def __str__(self) -> str:
        words = self.board or " ".join(word for word in (self.type, self.where and f"({self.where})") if word) or "any"
        return words if self.count == 1 else f"{self.count} {words}"


@dataclass(frozen=True, slots=True)
class Block:
    """What is said of a block beside its boards and its window, which opens earlier, for boards to boot."""

    begins_at: datetime  # the lesson
    series: int  # the number of the first of those that were made with it
    turn: timedelta | None = None  # so long a seat is its user's when others wait; None: to the end


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    *boards* are those of its groups, one after the other; until it runs they may change to others that do as well. Once
    it runs, one that is given back before the others is there no more. A block that runs has those of its boards that
    are nobody's seat.
    """

    number: int
    user: UUID
    groups: tuple[Group, ...]
    boards: tuple[str, ...]
    window: Window  # of one that waits: when it will begin; for best effort no more than a guess
    state: ReservationState
    created_at: datetime
    image: UUID
    kind: Kind = Kind.FIXED
    root: UUID | None = None  # kept aside, and booted again
    size_bytes: int = 0  # how much may be written on each board
    members: tuple[UUID, ...] = ()  # with whom its user shares it
    ended_because: str = ""  # a sentence for everybody, when it ended otherwise than by release
    project: UUID | None = None  # on which it counts
    alive_until: datetime | None = None  # a job's that says that it lives: it ends then, unless heard again
    warned_of: datetime | None = None  # the end that its user was warned of; an extension has another
    idle_until: datetime | None = None  # when it is released, unless somebody uses it before; None: it is not idle
    block: Block | None = None  # of a block
    within: int | None = None  # of a seat: the block
    gives_way_at: datetime | None = None  # of a seat: when its turn is over, for somebody waits for theirs
    purpose: Purpose = Purpose.USE
    subject: UUID | None = None  # the image that it is built or tested for

    @property
    def until(self) -> datetime:
        """When it ends, as things are."""
        return min(self.window.end, self.gives_way_at) if self.gives_way_at else self.window.end

    def warn_at(self, soon: timedelta) -> datetime | None:
        """When its user is to be warned: *soon* before its end, and of a short one at half its time. None: not now."""
        # Who sits in a block is warned by it, and its boards alone need no warning.
        if not self.is_running or self.is_block or self.warned_of == self.until:
            return None
        return self.until - min(soon, (self.until - self.window.start) / 2)

    @property
    def is_block(self) -> bool:
        return self.kind is Kind.BLOCK

    @property
    def is_seat(self) -> bool:
        return self.kind is Kind.SEAT

    @property
    def is_running(self) -> bool:
        return self.state is ReservationState.RUNNING

    @property
    def is_waiting(self) -> bool:
        return self.state is ReservationState.WAITING

    @property
    def is_live(self) -> bool:
        return self.is_running or self.is_waiting

    def holds(self, at: datetime) -> bool:
        """One that nobody has ended yet is over all the same when its time is."""
        return self.is_running and at < self.until

    def begun(self) -> "Reservation":
        return replace(self, state=ReservationState.RUNNING)

    def ended(self, at: datetime, because: str = "") -> "Reservation":
        """Over, or withdrawn where it had not begun."""
        state = ReservationState.ENDED if self.is_running else ReservationState.CANCELLED
        # A clock that was set back ends none before it began.
        window = Window(self.window.start, max(self.window.start, min(self.window.end, at)))
        return replace(self, state=state, window=window, ended_because=because)

    def without(self, board: str) -> "Reservation":
        """One board less, and its group asks for one less: else whoever plans anew would get it back. A block may."""
        if self.is_block:
            return replace(self, boards=tuple(one for one in self.boards if one != board))
        place, groups = self.boards.index(board), list(self.groups)
        for number, group in enumerate(groups):
            if place < group.count:
                groups[number : number + 1] = [replace(group, count=group.count - 1)] if group.count > 1 else []
                break
            place -= group.count
        return replace(self, groups=tuple(groups), boards=tuple(one for one in self.boards if one != board))


LIVE = frozenset({ReservationState.WAITING, ReservationState.RUNNING})
