"""Exports by the kernel's own NFS server, through exportfs(8)."""

import asyncio
import contextlib
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import structlog

from boardgrid.adapters.exports.knfsd_table import Mirror, options, parsed
from boardgrid.adapters.exports.offer import check_mounted, checked, taken
from boardgrid.adapters.exports.shared import Shared
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid
from boardgrid.ports import Export, Shell

log = structlog.get_logger()


class KernelExports:
    """
    The kernel server exports real paths, and boards mount *seen_as*: a symbolic link there leads to the tree.

    mountd follows a link before it looks the path up, so the tree itself is what is exported, and nothing is mounted
    twice. The links are made on the server's own root, in folders that are made when they are missing; what somebody
    else put at such a path, be it an empty folder, is never touched.

    The machine has one server, and other farms on it offer their trees by it as well: ours are those in *store*.
    """

    def __init__(
        self,
        shell: Shell,
        store: Path,
        mirror: Path = Path("/etc/exports.d"),
        top: Path = Path("/"),
        server: Path = Path("/proc/fs/nfsd"),
    ) -> None:
        self._shell = shell
        self._store = store.resolve()  # as trees are told
        self._mirror = Mirror(mirror, self._store)
        self._top = top  # where boards' paths begin
        self._server = server
        self._turn = asyncio.Lock()
        self._told = Shared(self._ask)

    async def add(self, tree: Path, board: IPv4Address, seen_as: PurePosixPath, *, shared: bool = False) -> None:
        wanted = Export(board, checked(seen_as), checked(tree))
        if not tree.is_relative_to(self._store):  # it would never be told of again, nor fenced
            raise Invalid(Code.PATH_FORBIDDEN, _("{tree} is not in the store {store}"), tree=tree, store=self._store)
        async with self._turn:
            self._check_server()
            offered = await self._told.answer()
            for export in offered:
                if export.excludes(wanted, shared=shared):
                    raise taken(export.seen_as)
            await check_mounted(tree, self._shell)
            await whole(self._link, wanted, shared=shared)
            if wanted not in offered:
                await self._shell.run("exportfs", "-o", options(tree), f"{board}:{tree}")
        log.info("export.added", board=str(board), seen_as=str(seen_as), tree=str(tree))

    async def remove(self, seen_as: PurePosixPath) -> None:
        async with self._turn:
            kept = {export for export in await whole(self._mirror.all) if export.seen_as == seen_as}
            offered = {export for export in await self._told.answer() if export.seen_as == seen_as}
            try:
                for export in kept:
                    await whole(self._unlink, export)
            finally:  # a disk that refuses must not keep the server from fencing
                await self._fence(kept | offered)

    async def all(self) -> set[Export]:
        return set(await self._told.answer())

    async def is_ready(self) -> bool:
        """The kernel's server runs, and is set up for boards."""
        try:
            self._check_server()
        except Fault:
            return False
        return True

    async def _ask(self) -> set[Export]:
        # A board may also mount a tree by its own path; so where the mirror was lost, that is what is told.
        seen = {(export.tree, export.board): export.seen_as for export in await whole(self._mirror.all)}
        ours = parsed(await self._shell.run("exportfs", "-s"), self._store)
        return {Export(board, seen.get((tree, board), PurePosixPath(tree)), tree) for tree, board in ours}

    async def _fence(self, gone: set[Export]) -> None:
        pairs = {(export.tree, export.board) for export in gone}
        for export in await self._told.answer():
            if (export.tree, export.board) in pairs:  # exportfs fails on what is gone already
                await self._shell.run("exportfs", "-u", f"{export.board}:{export.tree}")
                log.info("export.removed", seen_as=str(export.seen_as), board=str(export.board))
        if left := [e for e in await self._told.answer() if (e.tree, e.board) in pairs]:
            raise Fault(Code.EXPORTS_FAILED, _("the NFS server still offers {tree}"), tree=left[0].tree)

    def _check_server(self) -> None:
        """
        Raises:
            Fault: the kernel's server does not run, or is not set up for boards.
        """
        try:
            threads = int((self._server / "threads").read_text())
            versions = (self._server / "versions").read_text().split()
        except (OSError, ValueError):
            threads, versions = 0, []
        if not threads:
            raise Fault(
                Code.EXPORTS_FAILED,
                _("the NFS server of this machine's kernel does not run"),
                hint=_("install nfs-kernel-server and start it, or choose ganesha in boardgrid.toml"),
            )
        # The state that a client of version 4 has on the server keeps a root busy after the fence.
        if "+3" not in versions or any(version.startswith("+4") for version in versions):
            raise Fault(
                Code.EXPORTS_FAILED,
                _("the NFS server of this machine's kernel speaks {versions}; boards are to have version 3 alone"),
                hint=_(
                    "write vers3=y and vers4=n below [nfsd] in /etc/nfs.conf.d/boardgrid.conf and restart nfs-server"
                ),
                versions=" ".join(versions),
            )

    def _link(self, wanted: Export, *, shared: bool) -> None:
        """
        Lead from the path that the board mounts to the tree; the mirror comes first, so that each link has an owner.

        Raises:
            Conflict: something else is there.
            Fault: the disk refused.
        """
        for stale in self._mirror.all():
            if stale.excludes(wanted, shared=shared):
                self._unlink(stale)  # it is not offered: whoever made it was killed before that
        path = self._path(wanted)
        if _target(path) != wanted.tree and (path.is_symlink() or path.exists()):
            raise Conflict(
                Code.EXPORT_TAKEN,
                _("{path} is something else on this server, so no board can be shown its root there"),
                hint=_("move it away; the farm puts a link at this path while it offers a root by it"),
                path=path,
            )
        missing = sum(not folder.exists() for folder in path.parents)
        self._mirror.keep(wanted, folders=max(missing, self._mirror.folders(wanted)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_symlink():
                path.symlink_to(wanted.tree)
        except OSError as error:
            raise _refused(path, error) from error

    def _unlink(self, export: Export) -> None:
        path = self._path(export)
        try:
            if _target(path) == export.tree:
                path.unlink()
        except OSError as error:
            raise _refused(path, error) from error
        # One that others use by now, or that became another thing, stays.
        with contextlib.suppress(OSError):
            for folder in path.parents[: self._mirror.folders(export)]:
                folder.rmdir()
        self._mirror.forget(export)

    def _path(self, export: Export) -> Path:
        return self._top / export.seen_as.relative_to("/")


def _target(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        return None


def _refused(path: Path, error: OSError) -> Fault:
    return Fault(Code.EXPORTS_FAILED, _("{path} cannot be changed: {error}"), path=path, error=error)
