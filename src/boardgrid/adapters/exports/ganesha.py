"""Exports by nfs-ganesha, which is told of them over D-Bus while it runs and by files when it starts."""

import asyncio
import os
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import structlog

from boardgrid.adapters.exports.ganesha_bus import Ganesha, Refused, ganesha_on
from boardgrid.adapters.exports.ganesha_config import Block, number_for
from boardgrid.adapters.exports.ganesha_server import GaneshaServer
from boardgrid.adapters.exports.offer import check_mounted, checked, taken
from boardgrid.adapters.exports.shared import Shared
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Export, Shell

log = structlog.get_logger()

_PATIENCE_S = 0.01


class GaneshaExports:
    """
    What is offered is kept in files, so that a server that was killed just starts again with it.

    A file is changed before the server is told: whoever is killed in between leaves at most what the same call makes
    good when it comes again. What counts is what the server says. *proc* is where the processes are seen as the bus
    sees them: whoever adds, ends and asks for exports must live with it in one process namespace.
    """

    def __init__(
        self, server: GaneshaServer, shell: Shell, timeout_s: float = 15.0, proc: Path = Path("/proc")
    ) -> None:
        self._shell = shell
        self._proc = proc
        self._bus = server.bus
        self._log = server.log
        self._kept = server.kept
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._offered = Shared(self._ask)

    async def add(self, tree: Path, board: IPv4Address, seen_as: PurePosixPath, *, shared: bool = False) -> None:
        wanted = Export(board, checked(seen_as), checked(tree))
        async with self._turn, ganesha_on(self._bus, self._timeout_s) as server:
            numbers = await server.numbers()
            if number := numbers.get(seen_as):
                if await server.export(number) != wanted:
                    raise taken(seen_as)
                await whole(self._kept.keep, Block(number, wanted))
                await self._check_still_mounted(server, wanted)
                return
            await check_mounted(tree, self._shell)
            block = await whole(self._block, wanted, numbers.values(), shared=shared)
            file = await whole(self._kept.keep, block)
            try:
                await server.add(block.number, file)
            except Refused as error:
                await whole(self._kept.forget, block)
                raise Fault(
                    Code.EXPORTS_FAILED,
                    _("the NFS server refused to offer {tree}: {error}"),
                    hint=_("its log {log} says more"),
                    tree=tree,
                    error=error,
                    log=self._log,
                ) from error
            await self._check_still_mounted(server, wanted)
        log.info("export.added", board=str(board), seen_as=str(seen_as), tree=str(tree))

    async def _check_still_mounted(self, server: Ganesha, export: Export) -> None:
        """
        The server holds what it found at the path, and that is what is mounted only from then on: a tree that was
        unmounted in the moment before is taken back, for behind a bare mount point lies the server's own disk.
        """
        try:
            await check_mounted(export.tree, self._shell)
        except Fault:
            try:
                await whole(self._end, export.seen_as)
            finally:
                await self._fence(server, export.seen_as)
            raise

    async def remove(self, seen_as: PurePosixPath) -> None:
        async with self._turn:
            try:
                await whole(self._end, seen_as)
            finally:  # a disk that refuses must not keep the server from fencing
                async with ganesha_on(self._bus, self._timeout_s) as server:
                    await self._fence(server, seen_as)

    def _end(self, seen_as: PurePosixPath) -> None:
        for block in _seen(self._kept.all(seen_as), seen_as):
            self._kept.end(block)

    async def all(self) -> set[Export]:
        return set(await self._offered.answer())

    async def is_ready(self) -> bool:
        """It serves: it is heard on its bus only once it listens to boards. Anybody may ask, from anywhere."""
        try:
            async with ganesha_on(self._bus, self._timeout_s) as server:
                await server.numbers()
        except Fault:
            return False
        return True

    async def _ask(self) -> set[Export]:
        async with ganesha_on(self._bus, self._timeout_s) as server:
            numbers = await server.numbers()
            told = {export for number in numbers.values() if (export := await server.export(number))}
            for block in await whole(self._kept.ending):  # of an agent that was killed, or gave up waiting
                if await self._is_at_work(server, block.export.tree, numbers.values()):
                    told.add(block.export)
                else:
                    await whole(self._kept.forget_ended, block)
            return told

    async def _fence(self, server: Ganesha, seen_as: PurePosixPath) -> None:
        ending = _seen(await whole(self._kept.ending, seen_as), seen_as)
        trees = {block.export.tree for block in ending}
        numbers = dict(await server.numbers())
        if number := numbers.pop(seen_as, None):
            if export := await server.export(number):
                trees.add(export.tree)
            try:
                await server.remove(number)
            except Refused as error:  # somebody else was first, or it remains: what counts is what it says next
                log.warning("export.refused_to_go", seen_as=str(seen_as), error=str(error))
            if await server.export(number):
                raise Fault(Code.EXPORTS_FAILED, _("the NFS server still offers {seen_as}"), seen_as=seen_as)
            log.info("export.removed", seen_as=str(seen_as))
        for tree in trees:
            await self._finished(server, tree, numbers.values())
        for block in ending:
            await whole(self._kept.forget_ended, block)

    async def _finished(self, server: Ganesha, tree: Path, shown: Collection[int]) -> None:
        """
        Wait until what boards had asked for before is done, which the server lets go on when an export is removed.

        Args:
            shown: the numbers of what is offered now.

        Raises:
            Fault: it takes too long: a disk hangs.
        """
        until = asyncio.get_running_loop().time() + self._timeout_s / 2
        while await self._is_at_work(server, tree, shown):
            if asyncio.get_running_loop().time() > until:
                raise Fault(
                    Code.EXPORTS_FAILED,
                    _("the NFS server does not finish what it began in {tree}"),
                    hint=_("look for a disk that hangs, in the log of this machine's kernel"),
                    tree=tree,
                )
            await asyncio.sleep(_PATIENCE_S)

    async def _is_at_work(self, server: Ganesha, tree: Path, shown: Collection[int]) -> bool:
        """
        It keeps the top of a tree open as long as an export of it, or a request into that, is there. Of a tree that
        others are offered still, that does not tell.
        """
        if any(block.number in shown for block in await whole(self._kept.all, tree)):
            return False
        process = self._proc / str(await server.pid())
        return await asyncio.to_thread(holds_open, process, tree)

    def _block(self, wanted: Export, shown: Collection[int], *, shared: bool) -> Block:
        """
        Raises:
            Conflict: the tree is offered otherwise already; one root is one board's.
        """
        for block in self._kept.all(wanted.tree, wanted.seen_as):
            if block.number in shown and block.export.excludes(wanted, shared=shared):
                raise taken(block.export.seen_as)
            if block.number not in shown:  # whoever wrote it was killed before the server was told
                self._kept.forget(block)
        # Of a tree that several boards are offered, each needs a number of its own.
        path = wanted.seen_as if shared else wanted.tree
        return Block(number_for(path, {*shown, *self._kept.numbers()}), wanted)


def holds_open(process: Path, tree: Path) -> bool:
    """Also where nobody can tell, because *process* is just ending: who asks again learns of that from the server."""
    try:
        with os.scandir(process / "fd") as descriptors:
            return any(_leads_to(descriptor.path, tree) for descriptor in descriptors)
    except OSError:
        return True


def _leads_to(descriptor: str, tree: Path) -> bool:
    try:
        # Of a process in another mount namespace than ours, a path below a folder that we are confined to (chroot) is
        # told from that namespace's own root on.
        return os.readlink(descriptor).endswith(str(tree))  # noqa: PTH115 - there may be thousands
    except FileNotFoundError:  # closed since
        return False


def _seen(blocks: Iterable[Block], seen_as: PurePosixPath) -> list[Block]:
    return [block for block in blocks if block.export.seen_as == seen_as]
