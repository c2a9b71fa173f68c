"""What an agent has in its hands: the ports of one site, and how patient it is."""

from dataclasses import dataclass, field
from uuid import UUID

from boardgrid.model.board import Site
from boardgrid.model.imports import Imports
from boardgrid.ports import (
    Admission,
    Clock,
    Controller,
    Drivers,
    Exports,
    HostKeys,
    Images,
    Kits,
    Netboot,
    Roots,
    Sightings,
    Volumes,
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take, in seconds, and how many may happen at once."""

    step_s: float = 60.0  # a step without a limit of its own
    fetch_s: float = 600.0  # what its user brought for a board may take so long on its way
    act_s: float = 45.0  # one rung of the ladder
    off_every_s: float = 0.5  # between two looks whether a board that was switched off is off
    look_s: float = 5.0  # one look at a board's power or SSH port
    quiesce_s: float = 8.0  # a board may write down what it has in memory for so long before it is fenced
    first_sign_share: float = 0.4  # of a board type's boot time: after this long without any sign it is stuck
    ssh_every_s: float = 0.2  # between two looks whether SSH is there, once the root is mounted
    console_every_s: float = 1.0  # between two looks whether a kernel of its user's has panicked
    pause_s: float = 1.0  # before a step is tried again; doubles up to
    pause_most_s: float = 60.0
    defeat_most_s: float = 3600.0  # before a board that was given up is tried again; from pause_most_s, doubling
    window: int = 8  # restarts under way at once
    window_s: float = 5.0  # a place in the window is given back after so long, whatever the board does
    wishes_s: float = 25.0  # how long the controller may keep a request for wishes
    health_s: float = 30.0  # between two looks at an open board
    build_s: float = 3600.0  # an image may take so long to be made
    builds: int = 2  # images made at once
    answers: int = 1  # questions looked into at once


@dataclass(frozen=True, slots=True)
class World:
    """Everything an agent sees and touches."""

    instance: UUID  # of the store, not of the process: an agent that comes back need not wait for its own lease
    public_key: str  # the agent's own SSH key, let in by every root: it asks boards to write down and to restart
    facts: Site
    imports: Imports
    images: Images
    roots: Roots
    volumes: Volumes
    kits: Kits
    exports: Exports
    netboot: Netboot
    sightings: Sightings
    host_keys: HostKeys
    admission: Admission
    drivers: Drivers
    controller: Controller
    clock: Clock
    pace: Pace = field(default_factory=Pace)
