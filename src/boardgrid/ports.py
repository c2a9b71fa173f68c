"""What the farm needs from the world, on one page. Adapters and drivers answer it; ``boardgrid.testing`` fakes it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar, runtime_checkable
from uuid import UUID

from boardgrid.model.audit import AuditEntry
from boardgrid.model.board import Board, BoardType, Site
from boardgrid.model.boot_test import BootTest
from boardgrid.model.deployment import Deployment, Event
from boardgrid.model.difference import Difference
from boardgrid.model.errand import About, Errand, ErrandState, Progress
from boardgrid.model.federation import ExternalIdentity, PendingLogin, Person
from boardgrid.model.feed import Feed
from boardgrid.model.headroom import Allowance
from boardgrid.model.image import AS_USUAL, BlobSource, Image, ImageState, Kernel, Making, Manifest, Source, UrlSource
from boardgrid.model.imports import Imports
from boardgrid.model.kit import BootKit, KitFile
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.next_step import Tree
from boardgrid.model.notice import Contact, Posting, Webhook
from boardgrid.model.planning import Standing
from boardgrid.model.project import JoinLink, Project, UserGroup
from boardgrid.model.question import Question
from boardgrid.model.recipe import Recipe
from boardgrid.model.report import Power, Report, Voice
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.rules import Rules
from boardgrid.model.user import Audience, Invitation, Password, Token, User
from boardgrid.model.volume import Volume, VolumeState
from boardgrid.model.wish import Lease, PowerOrder, SiteWishes

# --- the machine


class Clock(Protocol):
    def now_s(self) -> float:
        """Seconds since the machine started, its sleep included (CLOCK_BOOTTIME). Never goes back."""

    async def sleep(self, seconds: float) -> None: ...


class Shell(Protocol):
    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        """
        Run a program and return what it printed on standard output.

        The program has ended when this returns, also where the call is cancelled or too late; and so has all that it
        started, but for what took a process group of its own.

        Raises:
            Fault: it could not start, ended with a non-zero status, took over *timeout_s*, or printed too much.
        """


class Passwords(Protocol):
    """Slow on purpose, and hungry for memory: a few at a time, in threads of their own."""

    def hashed(self, password: str) -> str: ...

    def is_right(self, password: str, hashed: str | None) -> bool:
        """Takes as long where there is nothing to compare with (None), and is False then."""


class Directory(Protocol):
    """A directory of people that the farm does not keep itself. Calls block, so they belong in a thread."""

    def check(self, name: str, password: str) -> Person | None:
        """
        Who has this name and this password there; None: nobody, whichever is wrong, after as many questions.

        Raises:
            Fault: DIRECTORY_FAILED, it did not answer.
        """


class IdentityProvider(Protocol):
    """A server that people show who they are, in their browser (OpenID Connect). Calls block, as above."""

    def login_url(self, state: str, nonce: str, verifier: str) -> str:
        """
        Where somebody logs in. It sends them back to the farm with a code, and with *state*.

        Args:
            verifier: a secret of the farm's that makes the code good for nobody else (RFC 7636).

        Raises:
            Fault: PROVIDER_FAILED, it did not answer.
        """

    def person(self, code: str, nonce: str, verifier: str) -> Person:
        """
        Who came back with *code*.

        Raises:
            NotAllowed: LOGIN_REFUSED, the code, or what the provider signed for it, is not of this login.
            Fault: PROVIDER_FAILED.
        """


# --- the post: how people and their programs are told


@dataclass(frozen=True, slots=True)
class Mail:
    """Plain text to one person."""

    id: str  # the same whenever it is sent again
    to: str
    subject: str
    text: str


class Post(Protocol):
    async def send(self, mail: Mail) -> None:
        """
        Hand a mail to the mail server, which has it when this returns.

        Raises:
            Invalid: EMAIL_INVALID, the server will never take it for this address.
            Fault: MAIL_FAILED, it did not answer, or not now.
        """


class Hooks(Protocol):
    async def call(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """
        POST *body* to *url*, whose name is looked up once: what may not be reached is refused before it is reached.

        Raises:
            Fault: WEBHOOK_FAILED, it may not be reached, or did not answer with success.
        """


# --- the store: images and roots on the disk of the site


@dataclass(frozen=True, slots=True)
class BootFiles:
    """A kernel as files on the server, outside of any tree."""

    kernel: Path
    initrd: Path | None = None
    dtbs: Path | None = None  # a folder


class Kitchen(Protocol):
    async def prepare(self, recipe: Recipe, arch: str, archive: Path, allowance: Allowance) -> None:
        """
        Write the system of a recipe as a tar archive, as far as that can be done without running anything of it: one
        that ``is_finished_on_a_board`` is unpacked, and its first program is :data:`~boardgrid.model.recipe.FINISH`.

        The same recipe and the same packages make the same tree.

        Raises:
            Invalid: RECIPE_INVALID, there is no such package for this architecture; IMAGE_TOO_LARGE, its files would
                take more than the site's limit.
            Fault: packages could not be had; STORE_FULL, the disk has no room for it.
        """


Tell = Callable[[Progress], None]  # how far something is; as often as once a second, and from the caller's own loop


def untold(_progress: Progress) -> None:
    """Nobody wants to know."""


class Images(Protocol):
    """Trees that are never written to: one EROFS file a version. Every call may be made twice."""

    async def has_room(self) -> bool:
        """Whether there is more room than what is left to roots; else making an image has to wait."""

    async def build(
        self,
        image: UUID,
        source: Source,
        making: Making = AS_USUAL,
        tell: Tell = untold,
        *,
        drivers: Collection[str] = (),
    ) -> Manifest:
        """
        Make an image, whole or not at all; one that is there already is told from its manifest.

        Args:
            drivers: kernel modules by which the site's boards reach their network, beside those that the farm knows.

        Raises:
            Invalid: the archive is refused; the sentence names the member.
            NotFound: the path or root that it is made from is not there.
            Fault: no room, or the content did not arrive.
        """

    async def boot_files(self, image: UUID, kernel: Kernel) -> BootFiles:
        """
        The files of one of its kernels, as they were copied out of the tree when it was made.

        Raises:
            NotFound: there is no such image, or no such kernel in it.
        """

    async def changes(self, image: UUID, since: UUID) -> Difference:
        """
        What differs between two images, from *since* to *image*.

        Raises:
            NotFound: one of them is not in this store.
            Fault: they could not be looked at.
        """

    async def remove(self, image: UUID) -> None:
        """
        Raises:
            Conflict: a root is mounted above it, or would be lost without it.
        """

    async def verify(self, image: UUID, errand: UUID, tell: Tell = untold) -> None:
        """
        Read all of its file, at leisure.

        Raises:
            NotFound: there is no such image.
            Fault: IMAGE_DAMAGED, it is not what was written when it was made.
        """

    async def export(self, image: UUID, errand: UUID, about: About, tell: Tell = untold) -> None:
        """
        Pack it and bring it to the controller.

        Raises:
            NotFound: there is no such image; ERRAND_UNKNOWN, nobody wants it any more.
            Fault: STORE_FULL; UPLOAD_BROKEN or CONTROLLER_SILENT, it did not arrive.
        """


@dataclass(frozen=True, slots=True)
class Persona:
    """What makes a root one deployment's own."""

    deployment: UUID
    hostname: str  # fully qualified
    keys: tuple[str, ...]  # OpenSSH public lines that may log in as root
    facts: Mapping[str, str]  # written to /etc/boardgrid/deployment as KEY=value lines
    server: IPv4Address | None = None  # the farm's, on the board's network: whom it asks for the time
    volumes: Mapping[str, str] = field(default_factory=dict)  # what it mounts over NFS ("10.0.0.1:/v/...") by where


@dataclass(frozen=True, slots=True)
class Room:
    total_bytes: int
    free_bytes: int  # neither used nor promised to a root


class Roots(Protocol):
    """Writable copies, each a file system of its own. Every call may be made twice."""

    async def all(self) -> Mapping[UUID, Tree]: ...

    async def seen(self, root: UUID) -> Tree | None:
        """One of them; None where it is not there. Costs the same however many there are."""

    def path(self, root: UUID) -> Path:
        """Where its tree is mounted. For exports alone: nothing else may follow a name below it."""

    async def clone(self, root: UUID, image: UUID, size_bytes: int) -> None:
        """
        Make a root from an image, or mount it again. The cost does not depend on the image's size.

        Raises:
            NotFound: the image is not in this store.
            Fault: STORE_FULL with the figures where the promised room is not there.
        """

    async def personalise(self, root: UUID, persona: Persona) -> str:
        """
        Make it one deployment's own, with fresh host keys, and return the public one ("ssh-ed25519 AAAA...").

        Raises:
            NotFound: there is no such root.
            Fault: its tree does not let it be done (blames the image).
        """

    async def changes(self, root: UUID, *, without_farms: bool = False) -> Difference:
        """
        What differs from the image that it was made from. A board may write to it meanwhile.

        Args:
            without_farms: leave out what :meth:`personalise` wrote, as long as it is as that left it.

        Raises:
            NotFound: there is no such root.
            Conflict: THING_IN_USE, it was put away meanwhile.
            Fault: it could not be looked at.
        """

    async def unmount(self, root: UUID) -> None:
        """Nothing of it is served or used by this machine any more; its files stay."""

    async def remove(self, root: UUID) -> None:
        """For ever."""

    async def room(self) -> Room: ...


class Volumes(Protocol):
    """File systems of people, each in a file of its own in the same store. Every call may be made twice."""

    async def all(self) -> Mapping[UUID, bool]:
        """Which are there, and whether each is mounted."""

    def path(self, volume: UUID) -> Path:
        """Where it is mounted. For exports alone: nothing else may follow a name below it."""

    async def make(self, volume: UUID, size_bytes: int) -> None:
        """
        See that there is an empty one of this size; one that is there keeps its files, and grows where it is smaller.

        Raises:
            Fault: STORE_FULL with the figures where the promised room is not there.
        """

    async def grow(self, volume: UUID, size_bytes: int) -> None:
        """
        The same for one that is there, while boards use it, too.

        Raises:
            NotFound: VOLUME_UNKNOWN, there is no such volume on this disk; it is not made anew.
            Fault: STORE_FULL; ROOT_BUSY, a backup reads it, so that it must be asked again; PROGRAM_FAILED, the kernel
                lets nobody make larger what is mounted.
        """

    async def mount(self, volume: UUID) -> None:
        """
        Raises:
            NotFound: VOLUME_UNKNOWN.
            Fault: STORE_DAMAGED.
        """

    async def unmount(self, volume: UUID) -> None:
        """Nothing of it is served or used by this machine any more; its files stay."""

    async def remove(self, volume: UUID) -> None:
        """For ever."""


@dataclass(frozen=True, slots=True)
class KitFiles:
    """What a kit brings, as files on the server; None: it does not bring that."""

    kernel: Path | None = None
    initrd: Path | None = None
    dtbs: Path | None = None  # a folder; a device tree that its user brought is called :data:`KIT_FDT` in it


KIT_FDT = "kit.dtb"


class Kits(Protocol):
    """What users bring to boot their roots with. Every call may be made twice."""

    async def all(self) -> Collection[UUID]:
        """Those whose files are here."""

    async def fetch(self, kit: BootKit) -> None:
        """
        Bring its files here, whole or not at all.

        Raises:
            Fault: UPLOAD_BROKEN, they did not arrive; STORE_FULL.
        """

    async def check(self, kit: BootKit, root: UUID) -> None:
        """
        See whether a root has what a kit takes out of it. Its board may have it mounted, and write to it.

        Raises:
            NotFound: there is no such root; KERNEL_MISSING, it has no such kernel.
            Fault: the root does not let it be seen (blames the image).
        """

    async def fit(self, kit: BootKit, root: UUID, *, drivers: Collection[str] = ()) -> None:
        """
        Put its modules into a root, in the place of those of the same release; take out of the root what boots it,
        where it is to boot with what it has itself. No board may have the root mounted.

        A kernel that comes with modules and without an initrd has one made of them, where it does not mount NFS roots
        by itself and they are enough for it.

        Args:
            drivers: modules of network interfaces that an initrd holds beside those that the farm knows.

        Raises:
            NotFound: there is no such root; KERNEL_MISSING, it has no such kernel.
            Invalid: its modules cannot be unpacked.
            Fault: the root has no room, or does not let it be done (blames the image).
        """

    async def files(self, kit: BootKit) -> KitFiles:
        """
        Raises:
            NotFound: they are not here.
        """

    async def remove(self, kit: UUID) -> None: ...


# --- the network: what is offered to boards, and what is seen of them


@dataclass(frozen=True, slots=True)
class Export:
    board: IPv4Address
    seen_as: PurePosixPath  # what the board mounts
    tree: Path

    def excludes(self, wanted: "Export", *, shared: bool) -> bool:
        """Whether *wanted* cannot be offered beside it: a path leads to one tree, and a root is one board's."""
        if self == wanted:
            return False
        is_same_tree = self.tree == wanted.tree and (self.board == wanted.board or not shared)
        return self.seen_as == wanted.seen_as or is_same_tree


class Exports(Protocol):
    """Which tree is offered to which board over NFS, and as what path. Every call may be made twice."""

    async def add(self, tree: Path, board: IPv4Address, seen_as: PurePosixPath, *, shared: bool = False) -> None:
        """
        Offer *tree* to *board* alone; it outlives a restart of the server.

        Args:
            shared: it may be offered to other boards too, each by a path of its own: a volume. A root never is.

        Raises:
            Invalid: a path that cannot be told to an NFS server.
            Conflict: *seen_as* or *tree* is offered otherwise already; one root is one board's.
            Fault: the server refused or did not answer, or nothing is mounted at *tree*.
        """

    async def remove(self, seen_as: PurePosixPath) -> None:
        """
        Fence: when this returns, no handle into the tree works any more for the board that it was offered to. Of a
        tree that others are still offered, what that board had begun may come to its end a moment later.

        Raises:
            Fault: the server did not answer, so nothing is sure.
        """

    async def all(self) -> set[Export]:
        """What the server exports now, asked of the server itself."""


@dataclass(frozen=True, slots=True)
class BootEntry:
    """What a board gets when it asks what to boot."""

    deployment: UUID
    files: BootFiles
    cmdline: str
    fdt: str = ""


@dataclass(frozen=True, slots=True)
class BootSeen:
    """What the network has ready for a board."""

    is_current: bool  # under the MAC and the address that the board is declared with, and as its type would have it
    deployment: UUID | None  # whose entry is in place; None: the holding entry, or a flashed board's none at all


class Netboot(Protocol):
    """The boards' DHCP and TFTP files. Each is written beside and renamed. Every call may be made twice."""

    async def offer(self, board: Board, entry: BootEntry) -> None:
        """For a board that asks what to boot: a flashed one never does."""

    async def hold(self, board: Board, type_: BoardType) -> None:
        """
        The board's next boot ends in the farm's own holding kernel, without any root.

        Raises:
            Fault: there is no holding kernel for this board type's architecture.
        """

    async def forget(self, board: Board) -> None: ...

    async def seen(self, board: Board, type_: BoardType) -> BootSeen | None:
        """None where there is nothing of this board."""


class Sign(StrEnum):
    DHCP = "dhcp"
    TFTP = "tftp"
    NFS = "nfs"  # a new connection to the NFS server


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something a board was seen to do."""

    board: IPv4Address
    sign: Sign
    what: str  # the file it fetched, "holding/vmlinuz"; the address it was given; the port it came from, "port 900"
    at_s: float  # by the Clock


class Sightings(Protocol):
    """What boards ask of the network."""

    def watch(self) -> AsyncIterator[Sighting]:
        """What is seen from now on, and first the last sighting of each sign and board that is still known."""

    async def nfs_peers(self) -> set[tuple[IPv4Address, int]]:
        """
        Address and port of each established connection to the NFS server.

        Raises:
            Fault: what boards do is not seen at present, so that none can be said to be silent.
        """


class HostKeys(Protocol):
    async def of(self, board: IPv4Address, timeout_s: float = 5) -> str:
        """
        The ed25519 host key that answers on the board's SSH port ("ssh-ed25519 AAAA..."), seen in a real key exchange.

        Raises:
            Fault: SSH_SILENT, nothing answered in time.
        """


class Admission(Protocol):
    async def admit(self, board: IPv4Address, host_key: str, keys: Collection[str], timeout_s: float = 10) -> None:
        """
        Have just these keys log in as root on a board that runs, beside those that its user put there by hand. May be
        called twice.

        Args:
            host_key: what the board has to prove to have.

        Raises:
            Fault: SSH_SILENT, it did not answer in time, or not as it should.
        """


# --- drivers: what can be done to a board. A driver is any object that answers one or more of these.


@runtime_checkable
class SwitchesOn(Protocol):
    async def on(self) -> None: ...


@runtime_checkable
class SwitchesOff(Protocol):
    async def off(self) -> None: ...


@runtime_checkable
class TellsPower(Protocol):
    async def is_on(self) -> bool: ...


@runtime_checkable
class Resets(Protocol):
    async def reset(self) -> None:
        """Restart a board that is on."""


@runtime_checkable
class Quiesces(Protocol):
    async def quiesce(self) -> None:
        """
        Have the board write down what it has in memory, and stay able to reset it when its root is gone.

        Called just before the fence; whoever cannot just raises Fault.
        """


@runtime_checkable
class WritesDown(Protocol):
    async def write_down(self) -> None:
        """
        Have the board write down what it has in memory, and go on.

        Not what :class:`Quiesces` does: a board that was asked that way restarts when the asker is gone.
        """


@runtime_checkable
class HasConsole(Protocol):
    async def console_tail(self, lines: int) -> tuple[str, ...]:
        """The last lines that the board printed since it was switched on or reset; empty where nothing is known."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a driver may use. Raises of its calls are Fault with ``blame=BOARD`` and name the outlet or the board."""

    board: Board
    site: Site
    shell: Shell
    clock: Clock
    ssh_key: Path | None = None  # the agent's private key; its public half is in every root
    lab: Path | None = None  # Unix socket of the holder of virtual boards


class Drivers(Protocol):
    def of(self, board: Board) -> Sequence[object]:
        """
        The board's drivers, politest first; made once per board and declaration, so that they may keep a connection.

        Raises:
            Invalid: an unknown driver, or options that it does not have.
        """


# --- the controller, as the agent sees it

PROTOCOL = 1  # what agent and gateway speak with the controller; it answers this number and the one before


class Controller(Protocol):
    """
    The agent door.

    Every call raises Fault CONTROLLER_SILENT when there is no answer, Conflict EPOCH_STALE when another agent has the
    lease, and Conflict PROTOCOL_UNSPOKEN when the two are too many releases apart.
    """

    async def lease(self, instance: UUID) -> Lease: ...

    async def wishes(self, epoch: int, after: int, wait_s: float) -> SiteWishes:
        """All wishes, as soon as their version is above *after*, or when *wait_s* have passed. Renews the lease."""

    async def report(self, epoch: int, reports: Sequence[Report]) -> None:
        """
        Raises:
            Invalid: one of them can never be taken; none was.
        """


class Blobs(Protocol):
    async def fetch(self, blob: BlobSource, to: Path) -> None:
        """
        Bring an uploaded archive to a file on this machine, its digest checked.

        Raises:
            Fault: it did not arrive whole.
        """

    async def send(self, errand: UUID, file: Path, tell: Tell = untold) -> None:
        """
        Bring what was packed to the controller.

        Raises:
            NotFound: ERRAND_UNKNOWN, nobody wants it any more.
            Fault: UPLOAD_BROKEN or CONTROLLER_SILENT, it did not arrive; STORE_FULL, there is no room for it.
        """


class Downloads(Protocol):
    async def fetch(self, source: UrlSource, to: Path, at_most: int) -> None:
        """
        Bring what lies at an address to a file on this machine, of *at_most* so many bytes.

        Raises:
            Invalid: PATH_FORBIDDEN, the site does not import from there; IMAGE_TOO_LARGE; ARCHIVE_REFUSED, its SHA-256
                is another one.
            NotFound: PATH_UNKNOWN, nothing is there.
            Fault: DOWNLOAD_FAILED, it did not arrive whole; STORE_FULL.
        """


# --- the controller, as the gateway sees it


@dataclass(frozen=True, slots=True)
class Route:
    """Where the SSH port of a board is that somebody holds."""

    address: IPv4Address
    port: int = 22


@dataclass(frozen=True, slots=True)
class Holdings:
    """Which keys open which board of the site at this moment, as (key, board name)."""

    version: int
    pairs: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Use:
    """Who is on a board through this gateway."""

    board: str
    sessions: int  # that are open
    quiet_s: float = 0.0  # since the last one ended, where none is open


class Doorkeeper(Protocol):
    """
    The gateway door. Whoever gets no clear answer lets nobody in.

    People are told by their keys, as "ssh-ed25519 AAAA...": a name may be another's tomorrow, and a key nobody's.

    Every call raises Fault CONTROLLER_SILENT when there is no answer, and Conflict PROTOCOL_UNSPOKEN when the two are
    too many releases apart.
    """

    async def hello(self, host: str, port: int, host_key: str) -> None:
        """Tell where people reach this gateway, and the key ("ssh-ed25519 AAAA...") it shows. May be called twice."""

    async def user_of(self, key: str) -> str | None:
        """The name of the user who has this public key; None: nobody."""

    async def route(self, key: str, board: str) -> Route | None:
        """The way to a board, by its short name or host name, if who has *key* holds it at this moment; else None."""

    async def holdings(self, after: int, wait_s: float) -> Holdings:
        """
        Which keys open what, as soon as its version differs from *after*, or when *wait_s* have passed.

        The version differs too when a key became somebody's or nobody's.
        """

    async def activity(self, uses: Sequence[Use]) -> None:
        """
        Tell who is on which board: all that are open, and what ended since this was last told. May be called twice.

        To be told when it differs, and every five minutes at least: boards of a gateway that tells nothing are in use.
        """


# --- records: what the farm remembers


@dataclass(frozen=True, slots=True)
class SiteState:
    """A site, and what its agent and its gateway told of it."""

    site: Site
    version: int = 0  # of its wishes, and of whose key is whose; rises whenever any of them differs
    epoch: int = 0  # of its lease; 0: no agent ever came
    instance: UUID | None = None  # which agent has the lease
    seen_at: datetime | None = None  # when its agent last renewed it
    store_bytes: int = 0  # 0: not told yet
    free_bytes: int = 0
    trouble: str = ""
    imports: Imports | None = None  # None: not told
    gateway_host: str = ""
    gateway_port: int = 0
    gateway_key: str = ""
    watched_since: datetime | None = None  # from when on its gateway has told, without a gap, who uses which board
    watched_at: datetime | None = None  # when it last did


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """A power order, and what became of it."""

    order: PowerOrder
    board: str
    asked_by: UUID
    asked_at: datetime
    is_done: bool = False
    reason: str = ""  # why it failed


@dataclass(frozen=True, slots=True)
class Health:
    """What an open board last looked like."""

    board: str
    power: Power
    voice: Voice
    at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """Who comes to a board through the gateway."""

    board: str
    sessions: int  # that are open
    active_at: datetime  # when somebody last did something on it


@dataclass(frozen=True, slots=True)
class Doing:
    """How far an agent is with an image or an errand, or an upload has come."""

    thing: UUID
    phase: str
    done_bytes: int
    total_bytes: int  # 0: nobody knows
    since: datetime  # when its phase began
    at: datetime  # when this was told


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is recorded: *owner* is whom it concerns, None: the farm."""

    event: Event
    owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class Revisions:
    """Which change of the records was the last, of those that planning hangs on. Each rises by one a transaction."""

    reservations: int
    shelf: int


Thing = (
    User | Password | Token | Invitation | ExternalIdentity | PendingLogin | UserGroup | Project | Rules | Maintenance
    | SiteState | BoardType | Standing | Image | Root | Volume | Reservation | Deployment | OrderRecord | Health
    | Activity | Contact | Webhook | Feed | Posting | JoinLink | Errand | Doing | BootTest | Question | KitFile
)  # fmt: skip
Removable = (
    Password | Token | Invitation | ExternalIdentity | PendingLogin | BoardType | Standing | Webhook | Feed | Posting
    | JoinLink | Errand | Doing | Question | KitFile
)  # fmt: skip
T = TypeVar("T", bound=Thing)


class Snapshot(Protocol):
    """
    The records as they are at one moment. Lists come in the order of names, versions or numbers.

    What is asked for by its key and is not there is None.
    """

    def user(self, user_id: UUID) -> User | None: ...

    def user_named(self, name: str) -> User | None:
        """Of those that are not removed."""

    def user_with_key(self, key: str) -> User | None: ...

    def users(self) -> list[User]:
        """Removed ones too: others' things still name them."""

    def token(self, token_id: str) -> Token | None: ...

    def tokens(self, user: UUID) -> list[Token]:
        """A person's, oldest first."""

    def password(self, user: UUID) -> Password | None: ...

    def invitation(self, invitation_id: str) -> Invitation | None: ...

    def invitations(self) -> list[Invitation]:
        """Oldest first."""

    def external_identity(self, key: str) -> ExternalIdentity | None: ...

    def external_identities(self, user: UUID) -> list[ExternalIdentity]:
        """By their key."""

    def pending_login(self, login_id: str) -> PendingLogin | None: ...

    def pending_logins(self) -> list[PendingLogin]:
        """Those that end first come first."""

    def user_groups(self) -> list[UserGroup]:
        """Those that are not removed."""

    def project(self, project_id: UUID) -> Project | None: ...

    def projects(self) -> list[Project]:
        """Those that are not removed."""

    def join_link(self, link_id: str) -> JoinLink | None: ...

    def join_links(self, project: UUID) -> list[JoinLink]:
        """Into a project, oldest first."""

    def rules(self) -> Rules: ...

    def maintenances(self) -> list[Maintenance]:
        """Those that are not over, in the order of time."""

    def maintenance(self, number: int) -> Maintenance | None: ...

    def contact(self, user: UUID) -> Contact | None: ...

    def webhook(self, webhook_id: str) -> Webhook | None: ...

    def webhooks(self, owner: UUID | None) -> list[Webhook]:
        """A user's, or the farm's: oldest first."""

    def feed(self, feed_id: str) -> Feed | None: ...

    def feeds(self, owner: UUID) -> list[Feed]:
        """Oldest first."""

    def posting(self, posting_id: UUID) -> Posting | None: ...

    def postings(
        self, *, due_by: datetime | None = None, user: UUID | None = None, webhook: str | None = None
    ) -> list[Posting]:
        """By when they are due: all, those that are by then, or those to one address."""

    def site(self, name: str) -> SiteState | None: ...

    def sites(self) -> list[SiteState]: ...

    def board_type(self, name: str) -> BoardType | None: ...

    def board_types(self) -> list[BoardType]: ...

    def board(self, name: str) -> Standing | None: ...

    def boards(self, *, site: str | None = None, board_type: str | None = None) -> list[Standing]: ...

    def image(self, image_id: UUID) -> Image | None: ...

    def images(
        self, *, name: str | None = None, site: str | None = None, states: Collection[ImageState] | None = None
    ) -> list[Image]: ...

    def errand(self, errand_id: UUID) -> Errand | None: ...

    def errands(
        self,
        *,
        owner: UUID | None = None,
        image: UUID | None = None,
        site: str | None = None,
        states: Collection[ErrandState] | None = None,
    ) -> list[Errand]:
        """Oldest first."""

    def doing(self, thing: UUID) -> Doing | None: ...

    def boot_test(self, test_id: UUID) -> BootTest | None: ...

    def boot_tests(self, image: UUID) -> list[BootTest]:
        """Of one image, the newest first."""

    def root(self, root_id: UUID) -> Root | None: ...

    def roots(
        self,
        *,
        name: str | None = None,
        owner: UUID | None = None,
        site: str | None = None,
        image: UUID | None = None,
        states: Collection[RootState] | None = None,
    ) -> list[Root]: ...

    def volume(self, volume_id: UUID) -> Volume | None: ...

    def volumes(
        self,
        *,
        name: str | None = None,
        user: UUID | None = None,
        project: UUID | None = None,
        site: str | None = None,
        states: Collection[VolumeState] | None = None,
    ) -> list[Volume]: ...

    def question(self, question_id: UUID) -> Question | None: ...

    def questions(self, *, site: str | None = None, asker: UUID | None = None) -> list[Question]:
        """Oldest first."""

    def reservation(self, number: int) -> Reservation | None: ...

    def reservation_revisions(self, numbers: Collection[int]) -> Mapping[int, int]:
        """Which revision last changed each; rises with each change."""

    def holder_of(self, board: str) -> Reservation | None:
        """The reservation that runs on it."""

    def reservations(
        self,
        *,
        user: UUID | None = None,
        project: UUID | None = None,
        within: int | None = None,
        states: Collection[ReservationState] | None = None,
        ending_after: datetime | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Reservation]:
        """
        Newest first.

        Args:
            user: theirs, and those that are shared with them.
            project: those that count on it.
            within: the seats of this block.
            since: only those that a later revision than this one changed.
            before: leaves out that number and those above it.
        """

    def revisions(self) -> Revisions: ...

    def deployment(self, deployment_id: UUID) -> Deployment | None: ...

    def deployments(
        self, *, reservations: Collection[int] | None = None, root: UUID | None = None, live: bool | None = None
    ) -> list[Deployment]:
        """Oldest first."""

    def kit_file(self, file_id: str) -> KitFile | None: ...

    def kit_files(self, owner: UUID | None = None) -> list[KitFile]:
        """Somebody's, or everybody's: what was used longest ago comes first."""

    def order(self, order_id: UUID) -> OrderRecord | None: ...

    def waiting_orders(self) -> list[OrderRecord]: ...

    def health(self) -> Mapping[str, Health]:
        """By board."""

    def activity(self) -> Mapping[str, Activity]:
        """By board; of one that nobody ever came to by the gateway nothing is known."""

    def events(
        self,
        after: int,
        *,
        limit: int,
        board: str | None = None,
        reservation: int | None = None,
        seen_by: UUID | None = None,
        newest: bool = False,
    ) -> list[Entry]:
        """
        Oldest first; of more than *limit* the oldest, or the *newest*.

        *seen_by* leaves out what belongs to no board and is another user's.
        """

    def last_event(self) -> int:
        """0: there is none."""

    def audit(
        self, after: int, *, limit: int, who: str | None = None, thing: str | None = None, newest: bool = False
    ) -> list[AuditEntry]:
        """Oldest first; of more than *limit* the oldest, or the *newest*."""


class Transaction(Snapshot, Protocol):
    """One writer at a time: what was read still holds when it is saved. All of it is recorded, or nothing."""

    def save(self, thing: Thing) -> None:
        """Record a new thing, or the new value of one that has the same key."""

    def add(self, thing: Thing) -> None:
        """Record a new thing. Costs less than to save it."""

    def recorded(self, thing: T) -> T | None:
        """What is recorded under its key; costs nothing where this transaction has read it."""

    def remove(self, thing: Removable) -> None:
        """Forget it; what is not there is as good as forgotten."""

    def site_tokens_end(self, site: str, audience: Audience) -> None:
        """Remove every token of this site's door."""

    def tokens_used(self, at: Mapping[str, datetime]) -> None:
        """When tokens were last used, by their id; those that are gone are passed over."""

    def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Record them under the next numbers, whatever numbers they carry. They are never changed or removed."""

    def shelf_changed(self) -> None:
        """What is planned upon is other than before: which boards there are, what they are, who may have them."""

    def next_reservation(self) -> int:
        """A number that no reservation had."""

    def next_maintenance(self) -> int:
        """A number that no maintenance had."""

    def newest_version(self, image: str) -> int:
        """The highest that an image of this name had, gone ones included; 0: there was none."""

    def add_event(self, entry: Entry) -> None:
        """Record it under the next number, whatever number it carries."""

    def announce(self, *topics: str) -> None:
        """Once it is recorded, and only then, have other controllers tell those who wait there."""

    def is_new(self, report: UUID, at: datetime) -> bool:
        """Note a report's id; False: it was noted before."""

    def forget_reports(self, before: datetime) -> None:
        """Ids noted before that: no agent sends them any more."""

    def forget_orders(self, before: datetime) -> None:
        """Those that were asked for before that and are done, whatever became of them."""

    def forget_events(self, before: datetime) -> None:
        """What happened before that. Numbers are not given again."""


class Records(Protocol):
    """
    The farm's memory. A use case is one transaction; calls block, so they belong in a thread and not in the event loop.

    Both raise Fault RECORDS_FAILED when the database does not answer or has no room: then nothing was recorded.
    """

    def read(self) -> AbstractContextManager[Snapshot]: ...

    def write(self) -> AbstractContextManager[Transaction]:
        """Recorded when the block ends; nothing is, where it raises."""


# --- changes: who waits for the records to change

EVENTS = "events"  # the topic of everything that is recorded
NOTICES = "notices"  # the topic of what waits to be sent
ANSWERS = "answers"  # the topic of questions that were answered


def wishes_of(site: str) -> str:
    """The topic of a site's wishes, and of its lease."""
    return f"wishes:{site}"


class Changes(Protocol):
    """
    Tells those who wait that something was recorded. No call is lost when the mark is taken before the look:

        mark = changes.mark(topic)
        ...look at the records...
        await changes.wait(topic, mark, timeout_s)
    """

    def tell(self, *topics: str) -> None:
        """
        Wake this controller's own, from any thread, after the records were written. Never waits.

        Those of other controllers are told by :meth:`Transaction.announce`, which is not lost with whoever called it.
        """

    def mark(self, topic: str) -> int:
        """Rises with every change of this topic that is heard of. From any thread."""

    async def wait(self, topic: str, mark: int, timeout_s: float) -> int:
        """Return the topic's mark as soon as it is above *mark*, or when *timeout_s* have passed."""


class Turn(Protocol):
    """Whose turn it is, of the controllers on the same records, to do what one of them does for the whole farm."""

    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """
        Wait for this controller's turn, and do *work* in it; when that ends, the turn is given back.

        Work is cancelled where the turn is lost (the database was restarted), and begun anew in the next one. For a
        moment another's may be under way then: it must be of a kind that two may do.
        """
