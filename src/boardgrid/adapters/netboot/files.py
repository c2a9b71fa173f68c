"""The port ``Netboot``: what dnsmasq hands to each board, as files."""

import asyncio
import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from boardgrid.adapters.netboot.checks import checked_board, checked_fdt
from boardgrid.adapters.netboot.entry import HOLDING, UNKNOWN, Entry, Method, holding_cmdline, told_deployment
from boardgrid.adapters.netboot.grub import GRUB
from boardgrid.adapters.netboot.hosts import DhcpHosts, Host, write
from boardgrid.adapters.netboot.pxelinux import PXELINUX
from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, Boot, Site
from boardgrid.model.errors import Blame, Code, Fault, Invalid
from boardgrid.ports import BootEntry, BootFiles, BootSeen, Shell

log = structlog.get_logger()

METHODS: Mapping[Boot, Method] = {Boot.PXELINUX: PXELINUX, Boot.GRUB: GRUB}  # a flashed board asks for no boot files

_COPIES = ".copies"  # closed to dnsmasq: files that could not be linked from where they lie


@dataclass(frozen=True, slots=True)
class NetbootFiles:
    """
    Below *tftp* a folder for each board's address, which is all that dnsmasq shows to that address::

        10.20.0.11/pxelinux.cfg/01-52-54-00-00-00-01    what the board boots now
        10.20.0.11/pxelinux.cfg/default                 the holding entry
        10.20.0.11/holding/, 10.20.0.11/<deployment>/   vmlinuz, initrd, dtbs/

    or, for a board with another boot method::

        10.20.0.12/grub/grub.cfg                        what the board boots now
        10.20.0.12/grubnetaa64.efi                      what its firmware fetches first

    A flashed board asks for none of this: it has a DHCP host file alone. Changes are made one after another, for no two
    boards may have one address, and copies that no board has are dropped.
    """

    shell: Shell
    site: Site
    tftp: Path
    hosts: DhcpHosts
    holding: Path | None = None  # a folder with <arch>/vmlinuz, <arch>/initrd, <arch>/dtbs/, <arch>/grubnet*.efi
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def offer(self, board: Board, entry: BootEntry) -> None:
        label = str(entry.deployment)
        told = Entry(board.name, label, entry.cmdline, entry.files.initrd is not None, entry.fdt)
        await self._put(board, METHODS[board.boot], told, entry.files, is_holding=False)
        log.info("netboot.offered", board=board.name, deployment=label)

    async def hold(self, board: Board, type_: BoardType) -> None:
        if method := METHODS.get(board.boot):
            files = await whole(self._holding_files, type_, method)
            await self._put(board, method, self._holding_entry(board, type_), files, is_holding=True)
        else:
            with _told_as_fault(board.name):
                async with self._turn:
                    await whole(self._introduce, board)
        log.info("netboot.held", board=board.name)

    async def forget(self, board: Board) -> None:
        checked_board(board, self.site)
        with _told_as_fault(board.name):
            async with self._turn:
                await whole(self._drop, board)

    async def seen(self, board: Board, type_: BoardType) -> BootSeen | None:
        """An entry whose file is not whole has an id that no deployment has."""
        with _told_as_fault(board.name):
            return await whole(self._look, board, type_)

    async def _put(self, board: Board, method: Method, entry: Entry, files: BootFiles, *, is_holding: bool) -> None:
        text = method.text(entry)  # refused before anything is written
        with _told_as_fault(board.name):
            async with self._turn:
                await whole(self._introduce, board)
                for loader in await whole(self._loaders, method):
                    await self._bring(loader, self._folder(board) / loader.name)
                folder = self._folder(board) / entry.label
                await self._bring(files.kernel, folder / "vmlinuz")
                if files.initrd:
                    await self._bring(files.initrd, folder / "initrd")
                if entry.fdt:
                    device_tree = await whole(_device_tree, files, entry.fdt)
                    await self._bring(device_tree, folder / "dtbs" / entry.fdt)
                # The files are there before the entry that names them; what nothing names any more goes after it.
                await whole(self._enter, board, method, entry.label, text, is_holding=is_holding)

    def _enter(self, board: Board, method: Method, label: str, text: str, *, is_holding: bool) -> None:
        folder = self._folder(board)
        if is_holding and method.default:
            write(folder / method.folder / method.default, text)
        write(folder / method.folder / method.file_name(board.mac), text)
        _drop_others(folder, {method.folder, label, HOLDING, *method.loaders.values()})
        _drop_others(folder / method.folder, {method.file_name(board.mac), method.default})
        self._drop_copies()

    def _loaders(self, method: Method) -> list[Path]:
        """All that there are: firmware asks for its own, whatever architecture the board was declared with."""
        paths = [self.holding / arch / name for arch, name in method.loaders.items()] if self.holding else []
        return [path for path in paths if path.is_file()]

    def _drop(self, board: Board) -> None:
        known = self.hosts.of(board.name)
        self.hosts.remove(board.name)
        self._clear(self._folder(board))
        if known and known.address != board.address:
            self._clear(self.tftp / str(known.address))
        self._drop_copies()

    def _look(self, board: Board, type_: BoardType) -> BootSeen | None:
        host = self.hosts.of(board.name)
        if host is None:
            return None
        is_current = (host.mac, host.address) == (board.mac, board.address)
        method = METHODS.get(board.boot)
        told = self._told(board.name, host, method)
        if told is None and method:
            is_current = is_current and self._holds_as(board, type_, method)
        return BootSeen(is_current, told)

    def _holding_entry(self, board: Board, type_: BoardType) -> Entry:
        cmdline = holding_cmdline(checked_board(board, self.site), type_, self.site)
        return Entry(board.name, HOLDING, cmdline, has_initrd=True, fdt=type_.fdt)

    def _holds_as(self, board: Board, type_: BoardType, method: Method) -> bool:
        """Whether its holding entry is what it would be now: the board's type may have been mended since."""
        try:
            wanted = method.text(self._holding_entry(board, type_))
            return (self._folder(board) / method.folder / method.file_name(board.mac)).read_text("ascii") == wanted
        except (Invalid, FileNotFoundError):  # whoever writes it is told why it cannot be; or it was flashed before
            return False

    def _holding_files(self, type_: BoardType, method: Method) -> BootFiles:
        folder = self.holding / type_.arch if self.holding and type_.arch.isalnum() else None
        if folder is None or not (folder / "vmlinuz").is_file() or not (folder / "initrd").is_file():
            raise Fault(
                Code.NETBOOT_FAILED,
                _("there is no holding kernel for {arch}, the architecture of {type}"),
                hint=_("make one: python -m boardgrid.bootware holding FOLDER --agent-key KEY.pub"),
                arch=type_.arch or "?",
                type=type_.name,
            )
        if type_.fdt and not (folder / "dtbs" / checked_fdt(type_.fdt)).is_file():
            raise Fault(
                Code.NETBOOT_FAILED,
                _("the holding kernel for {arch} has no device tree {fdt}, with which boards of type {type} boot"),
                hint=_("make it anew, with: python -m boardgrid.bootware holding ... --fdt {fdt}"),
                arch=type_.arch,
                fdt=type_.fdt,
                type=type_.name,
            )
        if method.loaders and not (folder / method.loaders.get(type_.arch, "?")).is_file():
            raise Fault(
                Code.NETBOOT_FAILED,
                _("beside the holding kernel for {arch} lies no GRUB, with which boards of type {type} boot"),
                hint=_("there is one for {known}; make it: python -m boardgrid.bootware --arch {arch} holding ..."),
                arch=type_.arch,
                type=type_.name,
                known=", ".join(sorted(method.loaders)),
            )
        return BootFiles(folder / "vmlinuz", folder / "initrd", folder / "dtbs")

    def _introduce(self, board: Board) -> None:
        """The board's address, and nothing left where it was before."""
        before = self.hosts.of(checked_board(board, self.site).name)
        self.hosts.put(board)
        if before and before.address != board.address:
            self._clear(self.tftp / str(before.address))
        if board.boot not in METHODS:
            self._clear(self._folder(board))

    def _folder(self, board: Board) -> Path:
        return self.tftp / str(board.address)

    async def _bring(self, source: Path, to: Path) -> None:
        """The same file by another name, or a copy where that cannot be; many boards share one copy."""
        if not await whole(_link_as_it_is, source, to):
            await whole(_link, await self._copy(source), to)

    async def _copy(self, source: Path) -> Path:
        copy = await whole(self._copy_of, source)
        if not await asyncio.to_thread(copy.exists):
            beside = copy.with_name(f".{uuid4()}")
            try:
                await self.shell.run("cp", "--reflink=auto", "--", str(source), str(beside), timeout_s=120)
                await whole(_publish, beside, copy)
            finally:
                await whole(beside.unlink, missing_ok=True)
        return copy

    def _copy_of(self, source: Path) -> Path:
        """Where its copy lies, or is to lie."""
        found = source.lstat()
        copies = self.tftp / _COPIES
        copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        return copies / f"{found.st_dev}-{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"

    def _clear(self, folder: Path) -> None:
        # The folder itself stays: to an address without one, dnsmasq would show all others (see DnsmasqServer).
        for path in folder.iterdir() if folder.is_dir() else ():
            _remove(path)

    def _drop_copies(self) -> None:
        """Those that no board has any more; one that is just being made has no name yet."""
        copies = self.tftp / _COPIES
        for path in copies.iterdir() if copies.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if not path.name.startswith(".") and path.stat().st_nlink == 1:
                    path.unlink()

    def _told(self, board: str, host: Host, method: Method | None) -> UUID | None:
        folder = self.tftp / str(host.address)
        if not folder.is_dir() or not any(folder.iterdir()):
            return None  # a flashed board
        if method is None:
            return UNKNOWN  # it was none before
        try:
            text = (folder / method.folder / method.file_name(host.mac)).read_text("ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return UNKNOWN
        told = told_deployment(text, board)
        return told if (folder / str(told or HOLDING) / "vmlinuz").is_file() else UNKNOWN


def _device_tree(files: BootFiles, fdt: str) -> Path:
    path = files.dtbs / checked_fdt(fdt) if files.dtbs else None
    # It came out of a stranger's tree: a link in it is not followed to elsewhere.
    is_inside = path is not None and files.dtbs is not None and path.resolve().is_relative_to(files.dtbs.resolve())
    if path is None or not is_inside or not path.is_file():
        raise Fault(
            Code.NETBOOT_FAILED,
            _("the kernel {kernel} has no device tree {fdt}"),
            hint=_("boards of this type need a kernel that comes with it"),
            blame=Blame.IMAGE,
            kernel=files.kernel.name,
            fdt=fdt,
        )
    return path


def _link_as_it_is(source: Path, to: Path) -> bool:
    """False where dnsmasq could not read it, or where it cannot be linked to."""
    mode = source.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, _("is not a plain file"), str(source))
    to.parent.mkdir(parents=True, exist_ok=True)
    return bool(mode & stat.S_IROTH) and _link(source, to)


def _publish(copy: Path, to: Path) -> None:
    copy.chmod(0o644)
    copy.rename(to)


def _link(source: Path, to: Path) -> bool:
    if to.exists() and to.samefile(source):
        return True
    beside = to.with_name(f".{to.name}.{uuid4()}")
    try:
        os.link(source, beside, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
            return False
        raise
    beside.rename(to)
    return True


def _drop_others(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_fault(board: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Fault(
            Code.NETBOOT_FAILED,
            _("the boot files of {board} could not be read or written: {name}: {error}"),
            board=board,
            name=error.filename or "-",
            error=error.strerror or error,
        ) from error
