"""What to do next for a board: a pure function of what is wished and what is seen."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from boardgrid.model.wish import Deployed, Gone, Parked, Wish


class Step(StrEnum):
    CLONE = "clone"  # make the root from its image
    FETCH = "fetch"  # bring the kernel that its user wants, before the board is touched
    MOUNT = "mount"  # a root that is there, again
    PERSONALISE = "personalise"  # host name, keys, the deployment's mark
    ATTACH = "attach"  # offer the volumes of the board's people to it
    EXPORT = "export"  # offer the root to the board, and its boot files
    HOLD = "hold"  # make the board known to the network, with the holding entry in the place of boot files
    FENCE = "fence"  # every other export to this board goes
    STOP = "stop"  # power off, and see it
    RESTART = "restart"  # one rung of the ladder
    BOOT = "boot"  # see it come up with the right root
    FORGET = "forget"  # the boot files of a board that leaves
    GIVE_UP = "give up"  # the ladder has ended


class Life(StrEnum):
    """What the board does, as far as can be seen."""

    UNKNOWN = "unknown"
    OFF = "off"  # or was seen to wait in the holding entry, after a restart for that
    BOOTING = "booting"  # it was restarted since its boot files or its export changed, and its time is not over
    RUNNING = "running"  # the wished deployment: its own host key was seen
    STRAYED = "strayed"  # restarted in vain, or something else answers


@dataclass(frozen=True, slots=True)
class Tree:
    """A root on the disk of its site."""

    is_mounted: bool
    personal: UUID | None = None  # the deployment it was made personal for
    host_key: str = ""  # the OpenSSH public line it was given


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at one board showed."""

    tree: Tree | None = None  # the wished root, where it is on disk
    exported: frozenset[UUID] = field(default_factory=frozenset)  # roots offered to this board now
    entry: UUID | None = None  # the name of the boot files that the board would get; None: the holding entry or none
    has_kits: bool = True  # what its user brought to boot with is here
    has_entries: bool = True  # False: a flashed board, whose bootloader asks for no boot files
    is_introduced: bool = True  # the network knows it by the MAC and the address that it is declared with
    has_files: bool = True  # anything of this board lies among the boot files, be it outdated
    can_stop: bool = False  # a driver can switch it off and tell so
    can_cut: bool = False  # a driver can restart it whatever runs on it
    can_restart: bool = False  # rungs are left on the ladder
    life: Life = Life.UNKNOWN
    detached: frozenset[UUID] = field(default_factory=frozenset)  # wished volumes that could be offered, and are not


def has_yet(wish: Wish, seen: Seen) -> UUID | None:
    """The deployment that a board has yet, for nothing was done for the one that is wished."""
    if not isinstance(wish, Deployed) or seen.tree is None or wish.root not in seen.exported:
        return None
    return seen.tree.personal if seen.tree.personal != wish.deployment else None


def next_step(wish: Wish, seen: Seen) -> Step | None:
    """The first thing that is not yet as wished; None when all is."""
    match wish:
        case Deployed():
            return _to_deployed(wish, seen)
        case Parked():
            return _taken_back(seen) or _to_parked(seen)
        case Gone():
            # What does not stop leaves as it is, be it dead: nothing is offered to it any more.
            return _taken_back(seen) or (Step.FORGET if seen.has_files else None)


def _to_deployed(wish: Deployed, seen: Seen) -> Step | None:
    if seen.exported - {wish.root, *(one.volume for one in wish.volumes)}:
        return Step.FENCE  # before anything that may fail, or last: what was somebody's is not offered a moment longer
    if not seen.is_introduced:
        return Step.HOLD  # also beside a deployment's files: whatever asks by another name is handed that
    if seen.tree is None and wish.must_exist:
        return Step.GIVE_UP  # an empty root in its place would look as if its user had never written anything
    if seen.tree is None or not seen.tree.is_mounted:
        return Step.CLONE if seen.tree is None else Step.MOUNT
    is_personal = seen.tree.personal == wish.deployment
    is_offered = wish.root in seen.exported and (not seen.has_entries or seen.entry == wish.entry)
    if not seen.has_kits and not (is_personal and is_offered):
        return Step.FETCH
    if not is_personal:
        # Never write on this side into what a board has mounted: it would be served stale attributes.
        return Step.FENCE if wish.root in seen.exported else Step.PERSONALISE
    if not is_offered:
        # All roots of a flashed board share one path, so whatever runs on it could mount the new one there.
        must_stop = not seen.has_entries and seen.can_stop and seen.life is not Life.OFF and not wish.opened
        if must_stop:
            return Step.STOP
    if seen.detached:
        return Step.ATTACH  # before its root, which a board may boot at once
    if not is_offered:
        return Step.EXPORT
    if wish.opened or seen.life is Life.RUNNING:
        return None
    if seen.life is Life.BOOTING:
        return Step.BOOT
    return Step.RESTART if seen.can_restart else Step.GIVE_UP


def _taken_back(seen: Seen) -> Step | None:
    """Its former user's no more. Nothing that may fail comes before: it would leave them what was theirs."""
    if seen.exported:
        return Step.FENCE
    return Step.STOP if seen.can_stop and seen.life is not Life.OFF else None


def _to_parked(seen: Seen) -> Step | None:
    """
    Off, or seen to wait in the holding entry after a restart for that: what is fetched without one proves nothing, for
    anybody on a board can fetch that.
    """
    if not seen.is_introduced or (seen.has_entries and seen.entry is not None):
        return Step.HOLD
    if seen.life is Life.OFF:
        return None
    if not seen.has_entries and (seen.life is Life.BOOTING or not seen.can_cut):
        return None  # a flashed board has nothing to wait in; without an outlet it is left alone, with nothing to mount
    if seen.life is Life.BOOTING:
        return Step.BOOT
    return Step.RESTART if seen.can_restart else Step.GIVE_UP
