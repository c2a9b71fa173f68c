"""
A fake of every port, and a fake shelf of boards that boots what the fakes offer.

Part of the package, so that a driver or an adapter kept elsewhere is tested as easily as ours. Nothing here waits for
real: inside :func:`patiently` time passes only when nothing is left to do.
"""

import asyncio
import functools
import hashlib
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path, PurePosixPath
from typing import Any, ParamSpec
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from boardgrid.messages import bytes_text
from boardgrid.model.board import Board, BoardType, Boot, DriverSpec, Site
from boardgrid.model.difference import Change, Count, Difference, PathChange
from boardgrid.model.errand import About, Progress
from boardgrid.model.errors import Blame, Code, Conflict, FarmError, Fault, Invalid, NotAllowed, NotFound
from boardgrid.model.federation import Person
from boardgrid.model.headroom import Allowance
from boardgrid.model.image import (
    AS_USUAL,
    BlobSource,
    CheckpointSource,
    Kernel,
    Making,
    Manifest,
    RootSource,
    Source,
    UrlSource,
)
from boardgrid.model.kit import BootKit
from boardgrid.model.next_step import Tree
from boardgrid.model.recipe import Recipe
from boardgrid.model.report import BoardReport, Reached, Report
from boardgrid.model.wish import BoardWish, Lease, SiteWishes
from boardgrid.ports import (
    BootEntry,
    BootFiles,
    BootSeen,
    Export,
    Holdings,
    HostKeys,
    KitFiles,
    Mail,
    Persona,
    Room,
    Route,
    Sighting,
    Sign,
    Tell,
    Use,
    untold,
)

P = ParamSpec("P")

# --- time


class _Impatient(selectors.DefaultSelector):
    """Never waits: what would have been waited is added to the loop's time."""

    loop: "PatientLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        if not ready and timeout is not None:
            self.loop.passed_s += max(timeout, 0)
        return ready


class PatientLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when nothing is left to do: an hour of waiting takes no time."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        selector = _Impatient()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.passed_s


def patiently(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a :class:`PatientLoop`."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=PatientLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class FakeClock:
    """The running loop's own time."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class FakeShell:
    """Answers by the program's name; remembers what was run."""

    answers: Mapping[str, str | FarmError] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        self.ran.append(argv)
        answer = self.answers.get(argv[0], "")
        if isinstance(answer, FarmError):
            raise answer
        return answer


# --- controllers


class FakeTurn:
    """The turn of one controller; those that are made with the same *lock* are on the same records."""

    def __init__(self, lock: asyncio.Lock | None = None) -> None:
        self._lock, self._lost = lock or asyncio.Lock(), asyncio.Event()

    def lose(self) -> None:
        self._lost.set()

    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            async with self._lock:
                self._lost.clear()
                working = asyncio.ensure_future(work())
                losing = asyncio.ensure_future(self._lost.wait())
                try:
                    await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (working, losing):
                        task.cancel()
                    await asyncio.gather(working, losing, return_exceptions=True)
            if not working.cancelled():
                return working.result()


# --- the store


def a_manifest(**changes: Any) -> Manifest:
    """The manifest of a small armhf image that any netbooted board can boot."""
    kernel = Kernel("6.1.0-50-armmp", "boot/vmlinuz-6.1.0-50-armmp", "boot/initrd.img-6.1.0-50-armmp")
    made = Manifest(
        digest="sha256:" + "0" * 64,
        checksum="sha256:" + "1" * 64,
        size_bytes=6_000_000,
        stored_bytes=3_000_000,
        files=120,
        arch="armhf",
        kernels=(kernel,),
        modules=(kernel.release,),
        system="tiny",
    )
    return replace(made, **changes)


def a_difference(was: Mapping[str, str], now: Mapping[str, str]) -> Difference:
    """Between two trees, told by what is in their files."""
    added = [PathChange(path, Change.ADDED, len(now[path])) for path in now.keys() - was.keys()]
    removed = [PathChange(path, Change.REMOVED, len(was[path])) for path in was.keys() - now.keys()]
    changed = [
        PathChange(path, Change.CHANGED, len(now[path]), ("content",))
        for path in was.keys() & now.keys()
        if was[path] != now[path]
    ]

    def count(some: Sequence[PathChange]) -> Count:
        return Count(len(some), sum(one.size_bytes for one in some))

    paths = sorted((*added, *changed, *removed), key=lambda one: (-one.size_bytes, one.path))
    return Difference(count(added), count(changed), count(removed), tuple(paths))


@dataclass
class FakeTree:
    """A root: what was written into it, by its user or by the farm."""

    image: UUID
    size_bytes: int
    files: dict[str, str] = field(default_factory=dict)
    persona: Persona | None = None
    host_key: str = ""
    is_mounted: bool = True

    def seen(self) -> Tree:
        return Tree(self.is_mounted, self.persona.deployment if self.persona else None, self.host_key)


@dataclass
class FakeRoots:
    images: "FakeImages"
    total_bytes: int = 100 << 30
    trees: dict[UUID, FakeTree] = field(default_factory=dict)
    keys_made: int = 0

    async def all(self) -> Mapping[UUID, Tree]:
        return {root: tree.seen() for root, tree in self.trees.items()}

    async def seen(self, root: UUID) -> Tree | None:
        return self.trees[root].seen() if root in self.trees else None

    def path(self, root: UUID) -> Path:
        return Path("/fake/roots") / str(root) / "tree"

    async def clone(self, root: UUID, image: UUID, size_bytes: int) -> None:
        if root in self.trees:
            self.trees[root].is_mounted = True
            return
        if image not in self.images.built:
            raise NotFound(Code.IMAGE_UNKNOWN, "image {image} is not in this store", image=image)
        free = (await self.room()).free_bytes
        if free < size_bytes:
            raise Fault(
                Code.STORE_FULL,
                "a root of {wanted} does not fit, {free} is free",
                wanted=bytes_text(size_bytes),
                free=bytes_text(free),
            )
        self.trees[root] = FakeTree(image, size_bytes)

    async def personalise(self, root: UUID, persona: Persona) -> str:
        if root not in self.trees:
            raise NotFound(Code.ROOT_UNKNOWN, "there is no root {root}", root=root)
        tree = self.trees[root]
        self.keys_made += 1
        tree.persona, tree.host_key = persona, f"ssh-ed25519 AAAAfake{self.keys_made}"
        return tree.host_key

    async def changes(self, root: UUID, *, without_farms: bool = False) -> Difference:
        if root not in self.trees:
            raise NotFound(Code.ROOT_UNKNOWN, "there is no root {root}", root=root)
        tree = self.trees[root]
        return a_difference(self.images.contents.get(tree.image, {}), tree.files)

    async def unmount(self, root: UUID) -> None:
        if root in self.trees:
            self.trees[root].is_mounted = False

    async def remove(self, root: UUID) -> None:
        self.trees.pop(root, None)

    async def room(self) -> Room:
        return Room(self.total_bytes, self.total_bytes - sum(tree.size_bytes for tree in self.trees.values()))


@dataclass
class FakeVolumes:
    """In no store of a fake root's: they have room of their own."""

    total_bytes: int = 100 << 30
    sizes: dict[UUID, int] = field(default_factory=dict)
    mounted: set[UUID] = field(default_factory=set)
    damaged: set[UUID] = field(default_factory=set)  # those that cannot be mounted

    async def all(self) -> Mapping[UUID, bool]:
        return {volume: volume in self.mounted for volume in self.sizes}

    def path(self, volume: UUID) -> Path:
        return Path("/fake/volumes") / str(volume) / "tree"

    async def make(self, volume: UUID, size_bytes: int) -> None:
        has_bytes = self.sizes.get(volume, 0)
        if sum(self.sizes.values()) - has_bytes + size_bytes > self.total_bytes:
            raise Fault(Code.STORE_FULL, "{wanted} does not fit", wanted=bytes_text(size_bytes))
        self.sizes[volume] = max(has_bytes, size_bytes)

    async def grow(self, volume: UUID, size_bytes: int) -> None:
        self._check_there(volume)
        await self.make(volume, size_bytes)

    async def mount(self, volume: UUID) -> None:
        self._check_there(volume)
        if volume in self.damaged:
            raise Fault(Code.STORE_DAMAGED, "volume {volume} cannot be mounted", volume=volume)
        self.mounted.add(volume)

    async def unmount(self, volume: UUID) -> None:
        self.mounted.discard(volume)

    async def remove(self, volume: UUID) -> None:
        self.mounted.discard(volume)
        self.sizes.pop(volume, None)

    def _check_there(self, volume: UUID) -> None:
        if volume not in self.sizes:
            raise NotFound(Code.VOLUME_UNKNOWN, "there is no volume {volume}", volume=volume)


@dataclass
class FakeKitchen:
    """Writes archives that a test puts here, by the name of the recipe."""

    archives: dict[str, bytes] = field(default_factory=dict)
    broken: FarmError | None = None  # set it, and no package can be had

    async def prepare(self, recipe: Recipe, arch: str, archive: Path, allowance: Allowance) -> None:
        if self.broken:
            raise self.broken
        await asyncio.to_thread(archive.write_bytes, self.archives[recipe.name])


@dataclass
class FakeImages:
    built: dict[UUID, Manifest] = field(default_factory=dict)
    refuse: dict[UUID, FarmError] = field(default_factory=dict)  # images that cannot be built, and why
    drivers: dict[UUID, frozenset[str]] = field(default_factory=dict)  # that each was built with
    contents: dict[UUID, dict[str, str]] = field(default_factory=dict)
    is_full: bool = False  # what room there is is left to roots
    phase_s: float = 0.0  # how long each phase of making an image takes
    damaged: set[UUID] = field(default_factory=set)
    exported: dict[UUID, tuple[UUID, About]] = field(default_factory=dict)  # by errand
    roots: FakeRoots = field(init=False)

    def __post_init__(self) -> None:
        self.roots = FakeRoots(self)

    async def has_room(self) -> bool:
        return not self.is_full

    async def build(
        self,
        image: UUID,
        source: Source,
        making: Making = AS_USUAL,
        tell: Tell = untold,
        *,
        drivers: Collection[str] = (),
    ) -> Manifest:
        if image in self.built:
            return self.built[image]
        if image in self.refuse:
            raise self.refuse[image]
        if isinstance(source, RootSource | CheckpointSource):
            if source.root not in self.roots.trees:
                raise NotFound(Code.ROOT_UNKNOWN, "there is no root {root}", root=source.root)
            self.contents[image] = dict(self.roots.trees[source.root].files)
        for phase in ("unpacking", "pressing"):
            tell(Progress(phase, 1, 2))
            await asyncio.sleep(self.phase_s)
        self.built[image], self.drivers[image] = a_manifest(), frozenset(drivers)
        return self.built[image]

    async def boot_files(self, image: UUID, kernel: Kernel) -> BootFiles:
        if image not in self.built or kernel not in self.built[image].kernels:
            raise NotFound(Code.IMAGE_UNKNOWN, "image {image} has no kernel {kernel}", image=image, kernel=kernel)
        folder = Path("/fake/images") / str(image)
        return BootFiles(folder / kernel.image, folder / kernel.initrd if kernel.initrd else None)

    async def changes(self, image: UUID, since: UUID) -> Difference:
        for one in (since, image):
            if one not in self.built:
                raise NotFound(Code.IMAGE_UNKNOWN, "image {image} is not in this store", image=one)
        return a_difference(self.contents.get(since, {}), self.contents.get(image, {}))

    async def remove(self, image: UUID) -> None:
        if any(tree.image == image and tree.is_mounted for tree in self.roots.trees.values()):
            raise Conflict(Code.THING_IN_USE, "image {image} is below a root", image=image)
        self.built.pop(image, None)

    async def verify(self, image: UUID, errand: UUID, tell: Tell = untold) -> None:
        self._check_there(image)
        tell(Progress("verifying", 1, 2))
        await asyncio.sleep(self.phase_s)
        if image in self.damaged:
            raise Fault(Code.IMAGE_DAMAGED, "its file has changed")

    async def export(self, image: UUID, errand: UUID, about: About, tell: Tell = untold) -> None:
        self._check_there(image)
        tell(Progress("packing", 1, 2))
        await asyncio.sleep(self.phase_s)
        self.exported[errand] = (image, about)

    def _check_there(self, image: UUID) -> None:
        if image not in self.built:
            raise NotFound(Code.IMAGE_UNKNOWN, "image {image} is not in this store", image=image)


@dataclass
class FakeKits:
    """A kit that has no kernel in its root is refused, as one whose files were never sent."""

    roots: FakeRoots
    sent: set[str] | None = None  # SHA-256 of what users sent; None: all that is asked for
    fetched: dict[UUID, BootKit] = field(default_factory=dict)
    taken: set[UUID] = field(default_factory=set)  # those whose kernel came out of a root

    async def all(self) -> Collection[UUID]:
        return set(self.fetched)

    async def fetch(self, kit: BootKit) -> None:
        for blob in kit.blobs:
            if self.sent is not None and blob.sha256 not in self.sent:
                raise Fault(Code.UPLOAD_BROKEN, "blob {blob} is not there", blob=blob.sha256)
        self.fetched[kit.id] = kit

    async def check(self, kit: BootKit, root: UUID) -> None:
        if root not in self.roots.trees:
            raise NotFound(Code.ROOT_UNKNOWN, "there is no root {root}", root=root)
        if kit.from_root and "boot/vmlinuz" not in self.roots.trees[root].files:
            raise NotFound(Code.KERNEL_MISSING, "there is no kernel in the root's /boot")

    async def fit(self, kit: BootKit, root: UUID, *, drivers: Collection[str] = ()) -> None:
        if kit.id not in self.taken:
            await self.check(kit, root)
        files = self.roots.trees[root].files
        if kit.modules:
            files[f"lib/modules/{kit.release}"] = kit.modules.sha256
        if kit.from_root:
            self.taken.add(kit.id)

    async def files(self, kit: BootKit) -> KitFiles:
        if kit.id not in self.fetched:
            raise NotFound(Code.FILE_UNKNOWN, "the files of kit {kit} are not here", kit=kit.id)
        folder = Path("/fake/kits") / str(kit.id)
        kernel, initrd = (
            folder / name if part else None for name, part in (("kernel", kit.kernel), ("initrd", kit.initrd))
        )
        return KitFiles(folder / "kernel" if kit.from_root else kernel, initrd, folder / "dtbs" if kit.dtb else None)

    async def remove(self, kit: UUID) -> None:
        self.fetched.pop(kit, None)


# --- the network


@dataclass
class FakeExports:
    exports: set[Export] = field(default_factory=set)
    broken: Fault | None = None  # set it, and the server does not answer

    def _ask(self) -> None:
        if self.broken:
            raise self.broken

    async def add(self, tree: Path, board: IPv4Address, seen_as: PurePosixPath, *, shared: bool = False) -> None:
        self._ask()
        wanted = Export(board, seen_as, tree)
        if any(other.excludes(wanted, shared=shared) for other in self.exports):
            raise Conflict(Code.EXPORT_TAKEN, "{path} is offered already", path=seen_as)
        self.exports.add(wanted)

    async def remove(self, seen_as: PurePosixPath) -> None:
        self._ask()
        self.exports = {export for export in self.exports if export.seen_as != seen_as}

    async def all(self) -> set[Export]:
        self._ask()
        return set(self.exports)


@dataclass
class FakeNetboot:
    offered: dict[str, BootEntry | None] = field(default_factory=dict)
    hosts: dict[str, tuple[str, IPv4Address]] = field(default_factory=dict)  # MAC and address, by board name
    held: dict[str, BoardType] = field(default_factory=dict)  # what the holding entry was written for
    broken: FarmError | None = None  # set it, and nothing can be written

    async def offer(self, board: Board, entry: BootEntry) -> None:
        if self.broken:
            raise self.broken
        self.hosts[board.name] = (board.mac, board.address)
        self.offered[board.name] = entry

    async def hold(self, board: Board, type_: BoardType) -> None:
        if self.broken:
            raise self.broken
        self.held[board.name] = type_
        self.hosts[board.name] = (board.mac, board.address)
        self.offered[board.name] = None

    async def forget(self, board: Board) -> None:
        self.hosts.pop(board.name, None)
        self.offered.pop(board.name, None)

    async def seen(self, board: Board, type_: BoardType) -> BootSeen | None:
        if board.name not in self.hosts:
            return None
        entry = self.offered[board.name]
        is_current = self.hosts[board.name] == (board.mac, board.address)
        if entry is None and board.boot is not Boot.FLASHED:
            is_current = is_current and self.held.get(board.name) == type_
        return BootSeen(is_current, entry.deployment if entry else None)


@dataclass
class FakeSightings:
    last: dict[tuple[IPv4Address, Sign], Sighting] = field(default_factory=dict)
    peers: set[tuple[IPv4Address, int]] = field(default_factory=set)
    watchers: list[asyncio.Queue[Sighting]] = field(default_factory=list)

    def happen(self, board: IPv4Address, sign: Sign, what: str) -> None:
        sighting = Sighting(board, sign, what, FakeClock().now_s())
        self.last[board, sign] = sighting
        for watcher in self.watchers:
            watcher.put_nowait(sighting)

    async def watch(self) -> AsyncIterator[Sighting]:
        queue: asyncio.Queue[Sighting] = asyncio.Queue()
        for sighting in sorted(self.last.values(), key=lambda one: one.at_s):
            queue.put_nowait(sighting)
        self.watchers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.watchers.remove(queue)

    async def nfs_peers(self) -> set[tuple[IPv4Address, int]]:
        return set(self.peers)


@dataclass
class FakeHostKeys:
    keys: dict[IPv4Address, str] = field(default_factory=dict)

    async def of(self, board: IPv4Address, timeout_s: float = 5) -> str:
        key = self.keys.get(board)
        if key is None:
            await asyncio.sleep(min(0.1, timeout_s))
            raise Fault(Code.SSH_SILENT, "{board} does not answer on port 22", blame=Blame.BOARD, board=board)
        return key


@dataclass
class FakeAdmission:
    keys: HostKeys
    admitted: dict[IPv4Address, tuple[str, ...]] = field(default_factory=dict)

    async def admit(self, board: IPv4Address, host_key: str, keys: Collection[str], timeout_s: float = 10) -> None:
        if await self.keys.of(board, timeout_s) != host_key:
            raise Fault(Code.SSH_SILENT, "{board} has another host key", blame=Blame.BOARD, board=board)
        self.admitted[board] = tuple(keys)


# --- boards


@dataclass
class FakeBoard:
    """
    A board on the fake shelf: it boots what the fakes offer it, in *boot_s*, and shows the signs of a real one.

    It answers all driver protocols, so it is its own power driver, too. The flags make it fail as boards do.
    """

    board: Board
    world: "FakeSite"
    boot_s: float = 8.0
    is_dead: bool = False  # gives no sign of life whatever is done
    outlet_hangs: bool = False  # every power call takes for ever
    outlet_is_stuck: bool = False  # takes the order to switch off, and does nothing
    switched: list[str] = field(default_factory=list)  # what was done to its power, in order
    quiesced: int = 0  # how often it was asked to write down what it has in memory, and be ready to restart
    written_down: int = 0  # how often it was asked just that, and to go on
    printed: list[str] = field(default_factory=list)  # on its console, since it came up
    ignores_exports: bool = False  # boots to SSH with a key of its own: another root
    never_mounts: bool = False  # fetches its kernel, then nothing
    parting: str = ""  # what the system that goes down prints at the end
    panics: set[str] = field(default_factory=set)  # paths of kernels that panic, in the place of mounting anything
    last_words: str = "[    4.28] Kernel panic - not syncing: VFS: Unable to mount root fs"  # of those
    powered: bool = False
    runs: UUID | None = None  # the root it has mounted
    restarts: int = 0
    _boot: asyncio.Task[None] | None = None

    async def on(self) -> None:
        await self._outlet()
        self.switched.append("on")
        if not self.powered:
            self.powered = True
            self._start()

    async def off(self) -> None:
        await self._outlet()
        self.switched.append("off")
        if not self.outlet_is_stuck:
            self.powered = False
            self._stop()

    async def is_on(self) -> bool:
        await self._outlet()
        return self.powered

    async def reset(self) -> None:
        await self._outlet()
        if self.powered:
            self._start()

    async def quiesce(self) -> None:
        self.quiesced += 1

    async def write_down(self) -> None:
        await self._outlet()
        self.written_down += 1

    async def console_tail(self, lines: int) -> tuple[str, ...]:
        return (f"{self.board.name} login:", *self.printed)[-lines:]

    def write(self, path: str, text: str) -> None:
        """As its user would: into the root it has mounted, if that is still offered."""
        if self.runs is None or not self.world.offers(self.board.address, self.runs):
            raise OSError("Stale file handle")
        self.world.roots.trees[self.runs].files[path] = text

    async def _outlet(self) -> None:
        if self.outlet_hangs:
            await asyncio.sleep(1e9)
        await asyncio.sleep(0)

    def _stop(self) -> None:
        self.runs = None
        self.world.host_keys.keys.pop(self.board.address, None)
        if self._boot:
            self._boot.cancel()
            self._boot = None

    def _start(self) -> None:
        self._stop()
        self.restarts += 1
        if not self.is_dead:
            self._boot = self.world.background(self._boots())

    async def _boots(self) -> None:
        world, address = self.world, self.board.address
        if self.parting:
            self.printed.append(self.parting)
        await asyncio.sleep(self.boot_s * 0.1)
        if self.board.nfs_path:
            seen_as = self.board.nfs_path
        else:
            world.sightings.happen(address, Sign.DHCP, str(address))
            entry = world.netboot.offered.get(self.board.name)
            world.sightings.happen(address, Sign.TFTP, f"{entry.deployment}/vmlinuz" if entry else "holding/vmlinuz")
            if entry is None:
                return
            if str(entry.files.kernel) in self.panics:
                await asyncio.sleep(self.boot_s * 0.3)
                self.printed.append(self.last_words)
                await asyncio.sleep(1.5)
                self.printed.clear()  # it restarts by itself, and its console begins anew
                return
            word = next(word for word in entry.cmdline.split() if word.startswith("nfsroot="))
            seen_as = PurePosixPath(word.partition(":")[2].partition(",")[0])
        await asyncio.sleep(self.boot_s * 0.6)
        if self.ignores_exports:
            world.sightings.happen(address, Sign.NFS, "port 900")
            world.host_keys.keys[address] = "ssh-ed25519 AAAAsomethingelse"
            return
        while self.never_mounts or (root := world.root_offered(address, seen_as)) is None:
            await asyncio.sleep(1)
        world.sightings.happen(address, Sign.NFS, "port 900")
        self.runs = root
        await asyncio.sleep(self.boot_s * 0.3)
        world.host_keys.keys[address] = world.roots.trees[root].host_key


@dataclass
class FakeDrivers:
    shelf: Mapping[str, FakeBoard]

    def of(self, board: Board) -> Sequence[object]:
        if any(spec.driver != "fake" for spec in board.power):
            raise Invalid(Code.DRIVER_INVALID, "{board} names a driver that is not there", board=board.name)
        return [self.shelf[board.name]] if board.power else []


# --- the controller


@dataclass
class FakeController:
    """
    The agent door: gives the wishes that a test sets, remembers what is reported.

    Like the real one it tells an open deployment from the agent's report: see :meth:`FakeSite.wish`.
    """

    site: SiteWishes = field(default_factory=lambda: SiteWishes(1))
    reports: list[Report] = field(default_factory=list)
    epoch: int = 0
    ttl_s: float = 60.0
    is_silent: bool = False
    refuses: Callable[[Report], bool] = lambda _report: False  # a report that it can never take
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    on_report: Callable[[Report], None] = lambda _report: None

    def set(self, wishes: SiteWishes) -> None:
        self.site = replace(wishes, version=self.site.version + 1)
        self.changed.set()
        self.changed = asyncio.Event()

    async def lease(self, instance: UUID) -> Lease:
        self._answer(None)
        self.epoch += 1
        return Lease(self.epoch, self.ttl_s)

    async def wishes(self, epoch: int, after: int, wait_s: float) -> SiteWishes:
        self._answer(epoch)
        if self.site.version <= after:
            try:
                async with asyncio.timeout(wait_s):
                    await self.changed.wait()
            except TimeoutError:
                pass
        self._answer(epoch)
        return self.site

    async def report(self, epoch: int, reports: Sequence[Report]) -> None:
        self._answer(epoch)
        await asyncio.sleep(0)
        if any(self.refuses(report) for report in reports):
            raise Invalid(Code.REQUEST_INVALID, "one of the reports is none")
        known = {report.id for report in self.reports}
        for report in reports:
            if report.id not in known:
                self.reports.append(report)
                self.on_report(report)

    def _answer(self, epoch: int | None) -> None:
        if self.is_silent:
            raise Fault(Code.CONTROLLER_SILENT, "the controller does not answer")
        if epoch is not None and epoch != self.epoch:
            raise Conflict(Code.EPOCH_STALE, "another agent has the lease of this site")

    def of_kind(self, kind: type[Any]) -> list[Any]:
        return [report for report in self.reports if isinstance(report, kind)]


@dataclass
class FakePasswords:
    """Quick, and as safe as that."""

    compared: list[str | None] = field(default_factory=list)  # with what, in order

    def hashed(self, password: str) -> str:
        return f"fake${hashlib.sha256(password.encode()).hexdigest()}"

    def is_right(self, password: str, hashed: str | None) -> bool:
        self.compared.append(hashed)
        return hashed == self.hashed(password)


@dataclass
class FakeDirectory:
    """Knows people by name, with their passwords."""

    people: dict[str, tuple[str, Person]] = field(default_factory=dict)
    is_away: bool = False
    asked: list[str] = field(default_factory=list)  # for whom, in order

    def put(self, name: str, password: str, *groups: str, external_id: str = "") -> Person:
        person = Person("ldap", external_id or f"id-of-{name}", name, frozenset(groups))
        self.people[name] = (password, person)
        return person

    def check(self, name: str, password: str) -> Person | None:
        self.asked.append(name)
        if self.is_away:
            raise Fault(Code.DIRECTORY_FAILED, "the directory does not answer")
        known, person = self.people.get(name, ("", None))
        return person if password and password == known else None


@dataclass
class FakeProvider:
    """Lets in whoever :meth:`browse` is told to, and tells of them once."""

    issuer: str = "https://sso.example.org"
    is_away: bool = False
    codes: dict[str, tuple[Person, str, str]] = field(default_factory=dict)  # whose, with nonce and challenge

    def login_url(self, state: str, nonce: str, verifier: str) -> str:
        if self.is_away:
            raise Fault(Code.PROVIDER_FAILED, "the identity provider does not answer")
        challenge = hashlib.sha256(verifier.encode()).hexdigest()
        return f"{self.issuer}/authorize?{urlencode({'state': state, 'nonce': nonce, 'challenge': challenge})}"

    def browse(self, url: str, sub: str, name: str = "", *groups: str) -> tuple[str, str]:
        """Log in as *sub*, and return the state and the code that a browser takes back."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = f"code-{len(self.codes)}"
        person = Person(self.issuer, sub, name or sub, frozenset(groups))
        self.codes[code] = (person, asked["nonce"], asked["challenge"])
        return asked["state"], code

    def person(self, code: str, nonce: str, verifier: str) -> Person:
        if self.is_away:
            raise Fault(Code.PROVIDER_FAILED, "the identity provider does not answer")
        known = self.codes.pop(code, None)
        if known is None or known[1:] != (nonce, hashlib.sha256(verifier.encode()).hexdigest()):
            raise NotAllowed(Code.LOGIN_REFUSED, "this code is of another login")
        return known[0]


@dataclass
class FakePost:
    """A mail server that keeps what it was handed."""

    mails: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # addresses that it will never take
    is_silent: bool = False
    takes_s: float = 0.0

    async def send(self, mail: Mail) -> None:
        await asyncio.sleep(self.takes_s)
        if self.is_silent:
            raise Fault(Code.MAIL_FAILED, "the mail server does not answer")
        if mail.to in self.refused:
            raise Invalid(Code.EMAIL_INVALID, "the mail server takes nothing for {to}", to=mail.to)
        self.mails.append(mail)


@dataclass
class FakeHooks:
    """Programs that are called, as (url, headers, body)."""

    calls: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)  # URLs that answer nothing
    takes_s: float = 0.0

    async def call(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        await asyncio.sleep(self.takes_s)
        if url in self.silent:
            raise Fault(Code.WEBHOOK_FAILED, "the webhook at {url} could not be called", url=url)
        self.calls.append((url, headers, body))


@dataclass
class FakeBlobs:
    blobs: dict[str, bytes] = field(default_factory=dict)
    sent: dict[UUID, bytes] = field(default_factory=dict)  # by errand
    wanted: set[UUID] | None = None  # errands; None: all of them

    async def fetch(self, blob: BlobSource, to: Path) -> None:
        if blob.sha256 not in self.blobs:
            raise Fault(Code.UPLOAD_BROKEN, "blob {blob} is not there", blob=blob.sha256)
        to.write_bytes(self.blobs[blob.sha256])  # noqa: ASYNC240 - a fake

    async def send(self, errand: UUID, file: Path, tell: Tell = untold) -> None:
        if self.wanted is not None and errand not in self.wanted:
            raise NotFound(Code.ERRAND_UNKNOWN, "nobody wants the export {errand} any more", errand=errand)
        self.sent[errand] = file.read_bytes()  # noqa: ASYNC240 - a fake


@dataclass
class FakeDownloads:
    """Addresses as a test fills them."""

    files: dict[str, bytes] = field(default_factory=dict)

    async def fetch(self, source: UrlSource, to: Path, at_most: int) -> None:
        content = self.files.get(source.url)
        if content is None:
            raise NotFound(Code.PATH_UNKNOWN, "there is nothing at {url}", url=source.url)
        if len(content) > at_most:
            raise Invalid(Code.IMAGE_TOO_LARGE, "{url} is over {limit}", url=source.url, limit=bytes_text(at_most))
        if source.sha256 and source.sha256 != hashlib.sha256(content).hexdigest():
            raise Invalid(Code.ARCHIVE_REFUSED, "{url} is another file", url=source.url)
        to.write_bytes(content)  # noqa: ASYNC240 - a fake


@dataclass
class FakeDoorkeeper:
    """The gateway door: keys and held boards as a test sets them."""

    users: dict[str, str] = field(default_factory=dict)  # user name by public key
    held: dict[tuple[str, str], Route] = field(default_factory=dict)  # by user and board name
    told: list[tuple[str, int, str]] = field(default_factory=list)  # what hello was told
    unseen: set[tuple[str, str]] = field(default_factory=set)  # held, but an answer from before does not know it yet
    asked: list[tuple[str, str]] = field(default_factory=list)  # routes that were asked for, by user and board
    keys_asked: list[str] = field(default_factory=list)  # whose users were asked for
    uses: list[tuple[Use, ...]] = field(default_factory=list)  # what it was told of who is on which board
    version: int = 1
    is_silent: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, user: str, board: str, route: Route) -> None:
        self.held[user, board] = route
        self._tell()

    def end(self, user: str, board: str) -> None:
        del self.held[user, board]
        self._tell()

    def forget(self, key: str) -> None:
        """Its user is removed, or has other keys now."""
        del self.users[key]
        self._tell()

    async def hello(self, host: str, port: int, host_key: str) -> None:
        self._answer()
        self.told.append((host, port, host_key))

    async def user_of(self, key: str) -> str | None:
        self._answer()
        self.keys_asked.append(key)
        return self.users.get(key)

    async def route(self, key: str, board: str) -> Route | None:
        self._answer()
        user = self.users.get(key, "")
        self.asked.append((user, board))
        short, _dot, domain = board.partition(".")
        return self.held.get((user, short)) if domain in {"", "lab.boardgrid"} else None

    async def holdings(self, after: int, wait_s: float) -> Holdings:
        self._answer()
        if self.version == after:
            try:
                async with asyncio.timeout(wait_s):
                    await self.changed.wait()
            except TimeoutError:
                pass
        self._answer()
        held = self.held.keys() - self.unseen
        pairs = {(key, board) for key, user in self.users.items() for holder, board in held if holder == user}
        return Holdings(self.version, frozenset(pairs))

    async def activity(self, uses: Sequence[Use]) -> None:
        self._answer()
        self.uses.append(tuple(uses))

    def _tell(self) -> None:
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    def _answer(self) -> None:
        if self.is_silent:
            raise Fault(Code.CONTROLLER_SILENT, "the controller does not answer")


# --- a whole site


FACTS = Site("lab", interface="br0", server=IPv4Interface("10.20.0.1/24"))
TYPE = BoardType("tk1", arch="armhf", console="ttyS0,115200n8", boot_s=100)


def a_board(number: int = 1, **changes: Any) -> Board:
    made = Board(
        name=f"tk1-{number}",
        type="tk1",
        site="lab",
        mac=f"52:54:00:00:{number // 256:02x}:{number % 256:02x}",
        address=IPv4Address("10.20.0.10") + number,
        power=(DriverSpec("fake"),),
    )
    return replace(made, **changes)


@dataclass
class FakeSite:
    """Everything an agent sees and touches. It stays when an agent is killed, as the world does."""

    images: FakeImages = field(default_factory=FakeImages)
    volumes: FakeVolumes = field(default_factory=FakeVolumes)
    exports: FakeExports = field(default_factory=FakeExports)
    netboot: FakeNetboot = field(default_factory=FakeNetboot)
    sightings: FakeSightings = field(default_factory=FakeSightings)
    host_keys: FakeHostKeys = field(default_factory=FakeHostKeys)
    admission: FakeAdmission = field(init=False, compare=False)
    kits: FakeKits = field(init=False, compare=False)
    controller: FakeController = field(default_factory=FakeController)
    shelf: dict[str, FakeBoard] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.admission = FakeAdmission(self.host_keys)
        self.kits = FakeKits(self.images.roots)
        self.controller.on_report = self._heard

    @property
    def roots(self) -> FakeRoots:
        return self.images.roots

    @property
    def drivers(self) -> FakeDrivers:
        return FakeDrivers(self.shelf)

    def add(self, board: Board, **flaws: Any) -> FakeBoard:
        self.shelf[board.name] = FakeBoard(board, self, **flaws)
        return self.shelf[board.name]

    def offers(self, address: IPv4Address, root: UUID) -> bool:
        return any(one.board == address and one.tree == self.roots.path(root) for one in self.exports.exports)

    def root_offered(self, address: IPv4Address, seen_as: PurePosixPath) -> UUID | None:
        for one in self.exports.exports:
            if one.board == address and one.seen_as == seen_as:
                return UUID(one.tree.parent.name)
        return None

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def wish(self, *wishes: BoardWish, **others: Any) -> None:
        """What each of these boards should be from now on; others keep their wish."""
        by_name = {one.board.name: one for one in self.controller.site.boards}
        for wished in wishes:
            before = by_name.get(wished.board.name)
            by_name[wished.board.name] = replace(wished, generation=before.generation + 1 if before else 1)
        self.controller.set(replace(self.controller.site, boards=tuple(by_name.values()), **others))

    def _heard(self, report: Report) -> None:
        # What the real controller's planner does: an opened deployment is told so, a removed board is in no wish.
        if not isinstance(report, BoardReport):
            return
        for one in self.controller.site.boards:
            if one.board.name == report.board and one.generation == report.generation:
                if report.reached is Reached.OPEN and one.wish.kind == "deployed":
                    self.wish(replace(one, wish=replace(one.wish, opened=True)))
                elif report.reached is Reached.GONE:
                    left = tuple(other for other in self.controller.site.boards if other is not one)
                    self.controller.set(replace(self.controller.site, boards=left))

    async def until(self, is_so: Callable[[], bool], within_s: float = 3600) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(within_s):
            while not is_so():
                await asyncio.sleep(0.1)

    @property
    def is_clean(self) -> bool:
        """Nothing is offered to any board, no boot files but the holding entries, nothing runs a root."""
        return (
            not self.exports.exports
            and all(entry is None for entry in self.netboot.offered.values())
            and all(board.runs is None for board in self.shelf.values())
        )
