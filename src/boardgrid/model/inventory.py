"""The inventory: what an admin declares of boards and types, and how it differs from what is recorded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Literal

from boardgrid.model.board import Board, BoardType, Boot, DriverSpec


@dataclass(frozen=True, slots=True)
class BoardDeclared:
    """A board as an admin declares it. Its type is in its name; whether it is fit is no declaration."""

    name: str
    mac: str
    address: IPv4Address
    site: str = ""  # empty: the farm's only site
    boot: Boot = Boot.PXELINUX
    nfs_path: PurePosixPath | None = None
    kernel: str = ""
    power: tuple[DriverSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. An inventory adds and changes; it never removes."""

    act: Literal["add", "change"]
    kind: Literal["board type", "board"]
    name: str
    fields: Mapping[str, tuple[object, object]] = field(default_factory=dict)  # by field: what it was and will be


def difference(declared: BoardType | Board, recorded: BoardType | Board | None) -> Change | None:
    """How *declared* differs from what is recorded of it; None: not at all."""
    kind: Literal["board type", "board"] = "board" if isinstance(declared, Board) else "board type"
    names = [one.name for one in fields(declared) if one.name not in {"name", "set_aside"}]
    told = {
        name: (None if recorded is None else getattr(recorded, name), getattr(declared, name))
        for name in names
        if recorded is None or getattr(recorded, name) != getattr(declared, name)
    }
    if recorded is not None and not told:
        return None
    return Change("add" if recorded is None else "change", kind, declared.name, told)


def first_doubled(boards: Iterable[Board]) -> tuple[Board, Board, str] | None:
    """Two boards that cannot both be, and the field that they share."""
    seen: dict[tuple[str, object], Board] = {}
    for board in boards:
        keys: list[tuple[str, object]] = [("mac", board.mac), ("address", (board.site, board.address))]
        if board.nfs_path is not None:
            # One path, one export: the bootloaders of two boards cannot ask for the same one.
            keys.append(("nfs_path", (board.site, board.nfs_path)))
        for key in keys:
            if key in seen and seen[key].name != board.name:
                return seen[key], board, key[0]
            seen[key] = board
    return None
