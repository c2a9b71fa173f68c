"""The kernel server's exports as words: what exportfs prints, and the files that keep them over a restart."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

from boardgrid.adapters.exports.offer import checked
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.ports import Export

_OURS = uuid.UUID("6f0b5f7e-6a37-5d0a-9d57-2a1a3e0e5d39")  # the space that file-system ids of trees are derived in
_LINE = re.compile(r"^(?P<tree>/\S+)\s+(?P<client>[\d.]+)\((?:\S*,)?fsid=(?P<id>[0-9a-f-]{36})[,)]", re.MULTILINE)
_MIRROR = re.compile(r"# offered by boardgrid as (\S+), (\d+) folders made for it\n(/\S+) ([0-9.]+)\(\S+\)\n")


def file_system_id(tree: Path) -> uuid.UUID:
    """
    The same for the same tree, so that a board goes on with its handles when an export is made again.

    An overlay has no id of its own that the kernel server would take.
    """
    return uuid.uuid5(_OURS, str(tree))


def options(tree: Path) -> str:
    # A board boots as root from this tree, so its root must stay root. mountpoint: a tree that is not mounted is not
    # offered, also when the machine has started anew and the list of exports is read before any tree is there.
    words = "rw,sync,no_subtree_check,no_root_squash,secure,sec=sys,mountpoint"
    return f"{words},fsid={file_system_id(tree)}"


def parsed(printed: str, store: Path) -> Iterator[tuple[Path, IPv4Address]]:
    """Of what ``exportfs -s`` prints the exports of trees in *store*; the machine's others are not our business."""
    for match in _LINE.finditer(printed):
        tree = Path(match["tree"])
        if str(file_system_id(tree)) == match["id"] and tree.is_relative_to(store):
            yield tree, IPv4Address(match["client"])


@dataclass(frozen=True, slots=True)
class Mirror:
    """
    A file for each export, beside which exportfs(8) finds those of others. The server takes them up when it starts.

    exportfs knows a board's path and a tree as one; the file also tells the path by which the board sees the tree, and
    how many of the folders that the path ends in were made for it. Another farm's files lie here too: what is told is
    of trees in *store* alone. A file is known by what it tells, for earlier releases called it by its tree alone.
    """

    folder: Path
    store: Path

    def all(self) -> list[Export]:
        return [export for export, _folders in self._kept().values() if export.tree.is_relative_to(self.store)]

    def _kept(self) -> dict[Path, tuple[Export, int]]:
        return {file: one for file in sorted(self.folder.glob("boardgrid-*.exports")) if (one := _told(file))}

    def folders(self, export: Export) -> int:
        """How many were made; of an export that is not kept, none."""
        return next((folders for told, folders in self._kept().values() if told == export), 0)

    def keep(self, export: Export, folders: int) -> None:
        words = f"{export.tree} {export.board}({options(export.tree)})"
        file = self.folder / f"boardgrid-{file_system_id(export.tree)}-{export.board}.exports"
        beside = file.with_suffix(".new")  # exportfs reads *.exports alone
        try:
            self.folder.mkdir(exist_ok=True)
            beside.write_text(f"# offered by boardgrid as {export.seen_as}, {folders} folders made for it\n{words}\n")
            beside.rename(file)
        except OSError as error:
            raise _refused(self.folder, error) from error

    def forget(self, export: Export) -> None:
        try:
            for file in [file for file, (told, _folders) in self._kept().items() if told == export]:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(self.folder, error) from error


def _told(file: Path) -> tuple[Export, int] | None:
    """None for a file that went, or that is not as we write it."""
    try:
        match = _MIRROR.fullmatch(file.read_text(errors="replace"))
        if match is None:
            return None
        seen_as, folders, tree, board = match.groups()
        return Export(IPv4Address(board), checked(PurePosixPath(seen_as)), checked(Path(tree))), int(folders)
    except (FileNotFoundError, ValueError, Invalid):
        return None


def _refused(folder: Path, error: OSError) -> Fault:
    return Fault(
        Code.EXPORTS_FAILED, _("the exports kept in {folder} cannot be changed: {error}"), folder=folder, error=error
    )
