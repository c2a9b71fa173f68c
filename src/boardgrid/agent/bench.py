"""One board on the bench: what is remembered of it, what can be seen of it, and the steps that can be done to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from uuid import NAMESPACE_URL, UUID, uuid5

from boardgrid.agent.arrival import Arrival, Console, Signs, silent, voice_of
from boardgrid.agent.ladder import Ladder, Rung
from boardgrid.agent.site import World
from boardgrid.agent.window import Window
from boardgrid.messages import _
from boardgrid.model.board import Boot
from boardgrid.model.errors import Blame, Code, FarmError, Fault, Invalid, NotFound
from boardgrid.model.image import Kernel
from boardgrid.model.next_step import Life, Seen, Step, Tree
from boardgrid.model.wish import BoardWish, Deployed
from boardgrid.ports import KIT_FDT, BootEntry, BootFiles, Export, Persona, Sighting

CONSOLE_LINES = 40  # of what is told of a boot that failed
ROOT_OPTIONS = "vers=3,proto=tcp,rsize=65536,wsize=65536"  # how a board mounts its root
_FETCHES = 4  # of what a user brought, before that is given up

_LOST = frozenset({Code.VOLUME_UNKNOWN, Code.STORE_DAMAGED})  # why a volume cannot be had, however often one tries


@dataclass(slots=True)
class Memory:
    """What the agent remembers while it works towards one wish. It dies with the agent, and nothing depends on it."""

    rung: Rung | None = None  # the restart that was tried last
    tried: list[Rung] = field(default_factory=list)  # those that led to nothing
    restarted_s: float | None = None  # when the last one was
    peers: set[tuple[IPv4Address, int]] = field(default_factory=set)  # the board's NFS connections at that moment
    is_stuck: bool = False  # the last one led to nothing
    is_reached: bool = False  # the wish was reached: a board in its holder's hands is not judged any more
    made_here: bool = False  # the root was made personal by this agent, so nothing ran it before the next restart
    console: tuple[str, ...] = ()  # its last lines before that
    last_words: tuple[str, ...] = ()  # and those around its end after it
    verdict: FarmError | None = None  # why a root that its user had booted again does not answer
    fetches: int = 0  # of what its user brought, in vain
    still: UUID | None = None  # the deployment that the board has yet, for nothing was done for this one
    stops: int = 0  # that failed
    cannot_stop: bool = False
    went_back: bool = False  # what was for one boot is over, and that was told
    without: set[UUID] = field(default_factory=set)  # volumes that cannot be had: the board goes on without them
    why: FarmError | None = None  # the last thing that went wrong


class Superseded(Exception):
    """The wish has moved on, so nothing is done for this one any more."""


class Bench:
    """
    Looks at one board and acts on it. Holds no wish: each call is told.

    *note* tells of something seen in the middle of a step. *may_act* is waited for directly before anything is taken
    from a board or done to it; it raises :class:`Superseded`.
    """

    def __init__(
        self, world: World, window: Window, note: Callable[[str], None], may_act: Callable[[], Awaitable[None]]
    ) -> None:
        self._world, self._window, self._note, self._may_act = world, window, note, may_act
        self._signs = Signs()
        self._leave_window: Callable[[], object] = lambda: None
        self.memory = Memory()

    # --- what is seen

    def saw(self, sighting: Sighting) -> None:
        self._leave_window()
        self._signs.saw(sighting)

    def goes_back(self, wish: Deployed) -> bool:
        """
        Whether it has restarted from what was for one boot to what was good before.

        True once; once more where the agent itself began anew meanwhile.
        """
        is_news = wish.is_once and wish.opened and not self.memory.went_back
        self.memory.went_back |= is_news and self._signs.fetched_s(str(wish.entry)) >= 0
        return is_news and self.memory.went_back

    async def look(self, wished: BoardWish) -> Seen:
        board, wish, world = wished.board, wished.wish, self._world
        tree = await world.roots.seen(wish.root) if isinstance(wish, Deployed) else None
        kits = {kit.id for kit in wish.kits} if isinstance(wish, Deployed) else set()
        netboot = await world.netboot.seen(board, wished.type)
        has_entries = board.boot is not Boot.FLASHED
        ladder = self.ladder(wished)
        is_on = None if self.memory.is_reached else await self._is_on(ladder)
        life = await self._life(wished, tree, is_on)
        rungs = self._rungs(wished, is_on)
        exported = frozenset([self._thing_of(export, wished, tree) for export in await self._exports_to(wished)])
        volumes = {one.volume for one in wish.volumes} if isinstance(wish, Deployed) else set()
        return Seen(
            tree=tree,
            exported=exported,
            detached=frozenset(volumes - exported - self.memory.without),
            entry=netboot.deployment if netboot else None,
            has_kits=not kits or kits <= set(await world.kits.all()),
            has_entries=has_entries,
            is_introduced=netboot is not None and netboot.is_current,
            has_files=netboot is not None,
            can_stop=ladder.can_stop and not self.memory.cannot_stop,
            can_cut=any(rung.is_forced for rung in rungs),
            can_restart=self._next_rung(rungs) is not None,
            life=life,
        )

    def ladder(self, wished: BoardWish) -> Ladder:
        return Ladder(wished.board.name, self._world.drivers.of(wished.board))

    async def _exports_to(self, wished: BoardWish) -> set[Export]:
        return {export for export in await self._world.exports.all() if export.board == wished.board.address}

    def _thing_of(self, export: Export, wished: BoardWish, tree: Tree | None) -> UUID:
        """
        The wished root or volume, or something that is not: whatever else is offered to this board has to go.

        As long as the root is another deployment's yet, so are its volumes, by the paths that they have there: they
        go with it, once what it boots with next is here.
        """
        wish = wished.wish
        if isinstance(wish, Deployed):
            if export.tree == self._world.roots.path(wish.root):
                return wish.root
            theirs = tree.personal if tree is not None and tree.personal else wish.deployment
            for one in wish.volumes:
                at = self._world.volumes.path(one.volume), _seen_as(theirs, one.volume)
                if (export.tree, export.seen_as) == at:
                    return one.volume
        return uuid5(NAMESPACE_URL, str(export.tree))

    async def _is_on(self, ladder: Ladder) -> bool | None:
        try:
            async with asyncio.timeout(self._world.pace.look_s):
                return await ladder.is_on()
        except (FarmError, TimeoutError):
            return None  # an outlet that does not tell is no reason to stop: the ladder shows what works

    async def _life(self, wished: BoardWish, tree: Tree | None, is_on: bool | None) -> Life:
        memory, wish = self.memory, wished.wish
        deployed = isinstance(wish, Deployed)
        if memory.is_reached or (wished.is_reached and not deployed):
            return Life.RUNNING if deployed else Life.OFF
        if is_on is False and (not deployed or memory.restarted_s is None):
            return Life.OFF
        if memory.is_stuck:
            return Life.STRAYED
        if memory.restarted_s is not None:
            return Life.BOOTING
        if not isinstance(wish, Deployed) or tree is None or tree.personal != wish.deployment:
            return Life.UNKNOWN
        if memory.made_here or wish.opened:
            return Life.UNKNOWN
        # An agent before this one may have come further: the board may run already, or be on its way.
        if await voice_of(self._world, wished) == tree.host_key:
            return Life.RUNNING
        fetched_s = self._signs.fetched_s(str(wish.deployment))
        if fetched_s >= 0:
            memory.restarted_s = fetched_s
            return Life.BOOTING
        return Life.UNKNOWN

    def _rungs(self, wished: BoardWish, is_on: bool | None) -> list[Rung]:
        """
        What may be tried, politest first. A board is taken back from its user by force where that can be done: who is
        root on it could say that it restarts, and go on. A flashed one shows nothing by which else it would be known.
        """
        rungs = self.ladder(wished).rungs(is_on)
        if isinstance(wished.wish, Deployed):
            return rungs
        forced = [rung for rung in rungs if rung.is_forced]
        return forced or ([] if wished.board.boot is Boot.FLASHED else rungs)

    def _next_rung(self, rungs: list[Rung]) -> Rung | None:
        most = 2 if len(rungs) == 1 else 1  # once may be bad luck
        return next((rung for rung in rungs if self.memory.tried.count(rung) < most), None)

    # --- what is done

    async def perform(self, step: Step, wished: BoardWish) -> str:
        """
        Do one step and return a few words about it.

        Raises:
            FarmError: it could not be done; its *blame* tells what that means for the board.
        """
        match step:
            case Step.CLONE | Step.MOUNT:
                return await self._clone(wished)
            case Step.FETCH:
                return await self._fetch(wished)
            case Step.PERSONALISE:
                return await self._personalise(wished)
            case Step.ATTACH:
                return await self._attach(wished)
            case Step.EXPORT:
                return await self._export(wished)
            case Step.HOLD:
                await self._may_act()
                await self._world.netboot.hold(wished.board, wished.type)
            case Step.FENCE:
                return await self._fence(wished)
            case Step.STOP:
                await self._stop(wished)
            case Step.RESTART:
                return await self._restart(wished)
            case Step.BOOT:
                return await self._boot(wished)
            case Step.FORGET:
                await self._world.netboot.forget(wished.board)
            case Step.GIVE_UP:
                raise self.memory.why or await self._why_nothing_helps(wished)
        return ""

    async def _clone(self, wished: BoardWish) -> str:
        wish = _deployed(wished)
        await self._world.roots.clone(wish.root, wish.image, wish.size_bytes)
        return wish.image_ref

    async def _fetch(self, wished: BoardWish) -> str:
        wish = _deployed(wished)
        if wish.kit is not None:
            await self._world.kits.check(wish.kit, wish.root)
        for kit in wish.kits:
            try:
                await self._world.kits.fetch(kit)
            except Fault as error:
                self.memory.fetches += 1
                if error.code is not Code.UPLOAD_BROKEN or self.memory.fetches < _FETCHES:
                    raise
                raise Fault(error.code, error.detail, hint=error.hint, blame=Blame.IMAGE) from error
        return ""

    async def _personalise(self, wished: BoardWish) -> str:
        wish, board = _deployed(wished), wished.board
        drivers = {wished.type.network} - {""}
        for kit in (wish.then, wish.kit):
            if kit is not None:
                await self._world.kits.fit(kit, wish.root, drivers=drivers)
        facts = {
            "DEPLOYMENT": str(wish.deployment),
            "BOARD": board.name,
            "SITE": board.site,
            "IMAGE": wish.image_ref or str(wish.image),
            "ROOT": str(wish.root),
            "USER": wish.user,
            "RESERVATION": str(wish.reservation),
        }
        keys = (*wish.keys, self._world.public_key)
        server = self._world.facts.server
        volumes = await self._sources(wish)
        persona = Persona(wish.deployment, wish.hostname, keys, facts, server.ip if server else None, volumes)
        await self._world.roots.personalise(wish.root, persona)
        self.memory.made_here = True
        return wish.hostname

    async def _sources(self, wish: Deployed) -> dict[str, str]:
        """Of the volumes that are on this disk, what the board mounts, by where."""
        server = self._world.facts.server
        if server is None or not wish.volumes:
            return {}
        there = await self._world.volumes.all()
        return {
            one.path: f"{server.ip}:{_seen_as(wish.deployment, one.volume)}"
            for one in wish.volumes
            if one.volume in there
        }

    async def _attach(self, wished: BoardWish) -> str:
        """A volume that cannot be had keeps nobody from their board: its files are not lost for that."""
        wish, world, attached = _deployed(wished), self._world, []
        for one in wish.volumes:
            try:
                await world.volumes.mount(one.volume)
            except (NotFound, Fault) as error:
                if error.code not in _LOST:
                    raise
                self.memory.without.add(one.volume)
                self._note(_("it goes on without {path}: {error}").format(path=one.path, error=error))
                continue
            await self._may_act()
            tree, seen_as = world.volumes.path(one.volume), _seen_as(wish.deployment, one.volume)
            await world.exports.add(tree, wished.board.address, seen_as, shared=True)
            attached.append(one.path)
        return ", ".join(attached)

    async def _export(self, wished: BoardWish) -> str:
        wish, board, world = _deployed(wished), wished.board, self._world
        # A path of its own for each deployment: a board that still runs an old kernel asks for one that is gone.
        seen_as = board.nfs_path or PurePosixPath("/r") / str(wish.deployment)
        await world.exports.add(world.roots.path(wish.root), board.address, seen_as)
        if board.boot is not Boot.FLASHED and wish.kernel is not None:
            entry = await self._entry(wished, wish, wish.kernel, seen_as)
            try:
                await world.netboot.offer(board, entry)
            except Invalid as error:
                if wish.boots is None:
                    raise
                # Without what its user brought this board has booted this root: its record is not to blame.
                raise Fault(error.code, error.detail, hint=error.hint, blame=Blame.IMAGE) from error
        return str(seen_as)

    async def _entry(self, wished: BoardWish, wish: Deployed, kernel: Kernel, seen_as: PurePosixPath) -> BootEntry:
        files, fdt = await self._world.images.boot_files(wish.image, kernel), wished.type.fdt
        cmdline, kit = self._cmdline(wished, seen_as), wish.boots
        if kit is not None:
            brought = await self._world.kits.files(kit)
            # An initrd of the image goes with a kernel of the user's until they bring another: it may do.
            initrd = None if kit.without_initrd or kit.from_root else files.initrd
            files = BootFiles(brought.kernel or files.kernel, brought.initrd or initrd, brought.dtbs or files.dtbs)
            fdt = KIT_FDT if kit.dtb else fdt
            cmdline = " ".join(word for word in (cmdline, kit.append) if word)
        return BootEntry(wish.entry, files, cmdline, fdt)

    def _cmdline(self, wished: BoardWish, seen_as: PurePosixPath) -> str:
        server = self._world.facts.server
        if server is None:
            raise Fault(
                Code.NETBOOT_FAILED,
                _("site {site} has no server address on its boards' network"),
                site=wished.board.site,
            )
        words = [
            "root=/dev/nfs rw",
            f"nfsroot={server.ip}:{seen_as},{ROOT_OPTIONS}",
            f"ip={wished.board.address}:{server.ip}:{server.ip}:{server.netmask}:{wished.board.name}::off",
            f"console={wished.type.console}" if wished.type.console else "",
            wished.type.cmdline,
            f"init={init}" if (init := _deployed(wished).init) else "",
        ]
        return " ".join(word for word in words if word)

    async def _fence(self, wished: BoardWish) -> str:
        exports, wish, stays = await self._exports_to(wished), wished.wish, False
        if isinstance(wish, Deployed):
            tree = await self._world.roots.seen(wish.root)
            wanted = {wish.root, *(one.volume for one in wish.volumes)}
            things = {export: self._thing_of(export, wished, tree) for export in exports}
            strangers = {export for export, thing in things.items() if thing not in wanted}
            # What is another's goes alone. Where there is none of that, it is the turn of what is to be written to.
            if strangers or (tree is not None and tree.personal == wish.deployment):
                exports, stays = strangers, wish.root in things.values()
        is_open = isinstance(wish, Deployed) and wish.opened
        if exports and not (is_open or stays):  # whoever asks a board to write down also has it ready to restart
            await self._quiesce(wished)
        for export in exports:
            await self._may_act()
            await self._world.exports.remove(export.seen_as)
        return ", ".join(sorted(str(export.seen_as) for export in exports))

    async def _quiesce(self, wished: BoardWish) -> None:
        """A board that answers may write down what it has in memory: its user's last words, where the root is kept."""
        try:
            async with asyncio.timeout(self._world.pace.quiesce_s):
                await self.ladder(wished).quiesce()
        except (FarmError, TimeoutError) as error:
            self._note(_("it was not asked to write down its memory: {error}").format(error=error or _("no answer")))

    async def _stop(self, wished: BoardWish) -> None:
        """Off, and seen to be off."""
        ladder = self.ladder(wished)
        await self._may_act()
        async with self._acting(_("power off"), wished):
            await ladder.stop()
            while await ladder.is_on():
                await self._world.clock.sleep(self._world.pace.off_every_s)

    @contextlib.asynccontextmanager
    async def _acting(self, act: str, wished: BoardWish) -> AsyncIterator[None]:
        """What is done to a board ends in time, or the board is to blame."""
        limit_s = self._world.pace.act_s
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError as error:
            raise Fault(
                Code.POWER_FAILED,
                _("{act} of {board} led to nothing within {limit_s:g} s"),
                hint=_("is its outlet in reach, and does its power list name the right one?"),
                blame=Blame.BOARD,
                act=act,
                board=wished.board.name,
                limit_s=limit_s,
            ) from error

    async def _why_nothing_helps(self, wished: BoardWish) -> Fault:
        wish, board = wished.wish, wished.board.name
        if isinstance(wish, Deployed) and wish.must_exist and await self._world.roots.seen(wish.root) is None:
            return Fault(
                Code.STORE_DAMAGED,
                _("the root of {board} is not on the disk of its site any more"),
                hint=_("its files are not made anew: an admin may find them in the store's backup"),
                blame=Blame.IMAGE,
                board=board,
            )
        if not self.ladder(wished).rungs(None):
            return Fault(
                Code.POWER_FAILED,
                _("{board} has no driver that can restart it"),
                hint=_("an admin can declare one in its power list"),
                blame=Blame.BOARD,
                board=board,
            )
        return silent(wished)

    async def _restart(self, wished: BoardWish) -> str:
        memory = self.memory
        rung = self._next_rung(self._rungs(wished, await self._is_on(self.ladder(wished))))
        if rung is None:
            raise memory.why or silent(wished)
        self._leave_window = await self._window.enter()
        await self._may_act()
        memory.is_stuck, memory.rung = False, rung
        memory.peers = set(await self._world.sightings.nfs_peers())
        memory.console = await self.console_tail(wished, CONSOLE_LINES)
        memory.restarted_s = self._world.clock.now_s()
        async with self._acting(rung.name, wished):
            await rung.act()
        return rung.name

    async def _boot(self, wished: BoardWish) -> str:
        memory = self.memory
        arrival = Arrival(self._world, self._signs, wished, memory.restarted_s or 0.0, memory.peers, self._note)
        if isinstance(wished.wish, Deployed) and wished.wish.is_again:
            console = Console(lambda: self.console_tail(wished, CONSOLE_LINES), memory.console)
            try:
                await arrival.awaited(console)
            finally:
                memory.last_words = console.last_words
        else:
            await arrival.awaited()
        return ""

    async def console_tail(self, wished: BoardWish, lines: int) -> tuple[str, ...]:
        """None of it where nobody hears the console, or it cannot be asked."""
        with contextlib.suppress(FarmError, TimeoutError):
            async with asyncio.timeout(self._world.pace.look_s):
                return await self.ladder(wished).console_tail(lines)
        return ()

    def leave_window(self) -> None:
        self._leave_window()


def _seen_as(deployment: UUID, volume: UUID) -> PurePosixPath:
    """A volume has another path for each deployment: what a board knew of an earlier one leads nowhere."""
    return PurePosixPath("/v") / f"{deployment}-{volume}"


def _deployed(wished: BoardWish) -> Deployed:
    assert isinstance(wished.wish, Deployed), "only a deployment has this step"  # noqa: S101 - next_step's own rule
    return wished.wish
