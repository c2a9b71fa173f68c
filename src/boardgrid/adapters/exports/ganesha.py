"""Exports by nfs-ganesha, which is told of them over D-Bus while it runs and by files when it starts."""

import asyncio
from collections.abc import Collection
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import structlog

from boardgrid.adapters.exports.ganesha_bus import Ganesha, Refused, ganesha_on
from boardgrid.adapters.exports.ganesha_config import Block, number_for
from boardgrid.adapters.exports.ganesha_server import GaneshaServer
from boardgrid.adapters.exports.offer import check_mounted, checked, taken
from boardgrid.adapters.exports.shared import Shared
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault
from boardgrid.ports import Export, Shell

log = structlog.get_logger()


class GaneshaExports:
    """
    What is offered is kept in files, so that a server that was killed just starts again with it.

    A file is changed before the server is told: whoever is killed in between leaves at most what the same call makes
    good when it comes again. What counts is what the server says.
    """

    def __init__(self, server: GaneshaServer, shell: Shell, timeout_s: float = 15.0) -> None:
        self._shell = shell
        self._bus = server.bus
        self._log = server.log
        self._kept = server.kept
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._offered = Shared(self._ask)

    async def add(self, tree: Path, board: IPv4Address, seen_as: PurePosixPath) -> None:
        wanted = Export(board, checked(seen_as), checked(tree))
        async with self._turn, ganesha_on(self._bus, self._timeout_s) as server:
            numbers = await server.numbers()
            if number := numbers.get(seen_as):
                if await server.export(number) != wanted:
                    raise taken(seen_as)
                self._kept.keep(Block(number, wanted))
                return
            await check_mounted(tree, self._shell)
            block = self._block(wanted, numbers.values())
            file = self._kept.keep(block)
            try:
                await server.add(block.number, file)
            except Refused as error:
                self._kept.forget(block)
                raise Fault(
                    Code.EXPORTS_FAILED,
                    _("the NFS server refused to offer {tree}: {error}"),
                    hint=_("its log {log} says more"),
                    tree=tree,
                    error=error,
                    log=self._log,
                ) from error
        log.info("export.added", board=str(board), seen_as=str(seen_as), tree=str(tree))

    async def remove(self, seen_as: PurePosixPath) -> None:
        async with self._turn:
            try:
                for block in list(self._kept.all(seen_as)):
                    if block.export.seen_as == seen_as:
                        self._kept.forget(block)
            finally:  # a disk that refuses must not keep the server from fencing
                async with ganesha_on(self._bus, self._timeout_s) as server:
                    await self._fence(server, seen_as)

    async def all(self) -> set[Export]:
        return set(await self._offered.answer())

    async def is_ready(self) -> bool:
        """It serves: it is heard on its bus only once it listens to boards."""
        try:
            await self.all()
        except Fault:
            return False
        return True

    async def _ask(self) -> set[Export]:
        async with ganesha_on(self._bus, self._timeout_s) as server:
            numbers = await server.numbers()
            return {export for number in numbers.values() if (export := await server.export(number))}

    async def _fence(self, server: Ganesha, seen_as: PurePosixPath) -> None:
        if not (number := (await server.numbers()).get(seen_as)):
            return
        try:
            await server.remove(number)
        except Refused as error:  # somebody else was first, or it remains: what counts is what it says next
            log.warning("export.refused_to_go", seen_as=str(seen_as), error=str(error))
        if await server.export(number):
            raise Fault(Code.EXPORTS_FAILED, _("the NFS server still offers {seen_as}"), seen_as=seen_as)
        log.info("export.removed", seen_as=str(seen_as))

    def _block(self, wanted: Export, shown: Collection[int]) -> Block:
        """
        Raises:
            Conflict: the tree is offered otherwise already; one root is one board's.
        """
        for block in list(self._kept.all(wanted.tree, wanted.seen_as)):
            if block.number in shown and block.export.tree == wanted.tree:
                raise taken(block.export.seen_as)
            if block.number not in shown:  # whoever wrote it was killed before the server was told
                self._kept.forget(block)
        return Block(number_for(wanted.tree, {*shown, *self._kept.numbers()}), wanted)
