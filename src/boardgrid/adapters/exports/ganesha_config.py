"""How ganesha is told what to offer: one EXPORT block, on one line, in one file an export."""

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePath, PurePosixPath

from boardgrid.adapters.exports.offer import checked
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, Invalid
from boardgrid.ports import Export

LAST_NUMBER = 0xFFFF  # an Export_Id has 16 bits; 0 is the server's own

# A board boots as root from its tree, so its root must stay root; its kernel mounts from a port below 1024. Attributes
# are never taken from memory: what the farm wrote into a tree before must be what the board sees.
_BLOCK = (
    'EXPORT {{ Export_Id = {number}; Path = "{tree}"; Pseudo = "{seen_as}"; Protocols = 3; Transports = TCP; '
    "SecType = sys; Squash = None; PrivilegedPort = true; Attr_Expiration_Time = 0; Access_Type = None; "
    "CLIENT {{ Clients = {board}; Access_Type = RW; }} FSAL {{ Name = VFS; }} }}\n"
)
_SHAPE = re.compile(
    re.escape(_BLOCK.format(number="<1>", tree="<2>", seen_as="<3>", board="<4>"))
    .replace("<1>", r"([0-9]+)")
    .replace("<2>", r"([^\"\n]+)")
    .replace("<3>", r"([^\"\n]+)")
    .replace("<4>", r"([0-9.]+)")
)


@dataclass(frozen=True, slots=True)
class Block:
    """An export by its number, which is part of each file handle that a board gets."""

    number: int
    export: Export

    def __str__(self) -> str:
        export = self.export
        return _BLOCK.format(number=self.number, tree=export.tree, seen_as=export.seen_as, board=export.board)

    @classmethod
    def parsed(cls, text: str) -> "Block | None":
        """None for anything that was not written by :meth:`__str__`: it must not reach the server."""
        if not (match := _SHAPE.fullmatch(text)):
            return None
        number, tree, seen_as, board = match.groups()
        try:
            export = Export(IPv4Address(board), checked(PurePosixPath(seen_as)), checked(Path(tree)))
        except (ValueError, Invalid):
            return None
        return cls(int(number), export) if 0 < int(number) <= LAST_NUMBER else None


def number_for(path: PurePath, taken: Collection[int]) -> int:
    """
    A free number, and the same one for the same path where that can be.

    So a board goes on with its handles when an export that was lost is made again.
    """
    start = int.from_bytes(hashlib.sha256(str(path).encode()).digest()[:2], "big")
    return next(n for n in ((start + i) % LAST_NUMBER + 1 for i in range(LAST_NUMBER)) if n not in taken)


@dataclass(frozen=True, slots=True)
class Kept:
    """
    The exports that outlive the server: a folder with one file for each.

    A file is made by writing beside and renaming, and goes by being renamed and unlinked, which works on a full disk
    too. Nothing is synced: a machine that lost its power has lost the mounts that were exported as well.
    """

    folder: Path

    def all(self, *paths: PurePath) -> list[Block]:
        """Those with one of *paths* as their tree or as what boards mount; without any, all."""
        return list(self._blocks(".conf", paths))

    def ending(self, *paths: PurePath) -> list[Block]:
        """Those that no server starts with any more, while the one that runs may still be at work in the tree."""
        return list(self._blocks(".ending", paths))

    def _blocks(self, suffix: str, paths: tuple[PurePath, ...]) -> Iterator[Block]:
        words = [f'"{path}"' for path in paths]
        for number in self._numbers(suffix):
            try:
                text = (self.folder / f"{number}{suffix}").read_text(errors="replace")
            except FileNotFoundError:
                continue
            if paths and not any(word in text for word in words):
                continue
            if (block := Block.parsed(text)) and block.number == number:
                yield block

    def numbers(self) -> list[int]:
        return self._numbers(".conf")

    def _numbers(self, suffix: str) -> list[int]:
        try:
            names = os.listdir(self.folder)  # noqa: PTH208 - there may be hundreds, and each board's step asks
        except FileNotFoundError:
            return []
        stems = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
        return [int(stem) for stem in stems if stem.isdecimal()]

    def keep(self, block: Block) -> Path:
        """
        Raises:
            Fault: the disk refused.
        """
        beside = self.folder / f"{block.number}.new"
        with _refusals(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.write_text(str(block))
            return beside.rename(self.folder / f"{block.number}.conf")

    def end(self, block: Block) -> None:
        """
        Raises:
            Fault: the disk refused.
        """
        with _refusals(self.folder):
            (self.folder / f"{block.number}.conf").rename(self.folder / f"{block.number}.ending")

    def forget(self, block: Block) -> None:
        """
        Raises:
            Fault: the disk refused.
        """
        with _refusals(self.folder):
            (self.folder / f"{block.number}.conf").unlink(missing_ok=True)

    def forget_ended(self, block: Block) -> None:
        """
        Raises:
            Fault: the disk refused.
        """
        with _refusals(self.folder):
            (self.folder / f"{block.number}.ending").unlink(missing_ok=True)


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Fault(
            Code.EXPORTS_FAILED,
            _("the exports kept in {folder} cannot be changed: {error}"),
            folder=folder,
            error=error,
        ) from error
