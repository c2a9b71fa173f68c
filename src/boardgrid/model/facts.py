"""Facts: what boards can be chosen by."""

from collections.abc import Mapping
from dataclasses import dataclass
from keyword import kwlist

from boardgrid.model.board import Board, BoardType, Property

# What every board has by itself.
GIVEN = ("arch", "board", "number", "site", "type")

# No property can be called so: an expression could not mean it.
RESERVED = frozenset((*GIVEN, *kwlist, "tag", "true", "false"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one board, as an expression asks for it."""

    properties: Mapping[str, Property]
    tags: frozenset[str] = frozenset()


def facts_of(board: Board, type_: BoardType) -> Facts:
    """A board's own properties win over its type's."""
    given: dict[str, Property] = {
        "arch": type_.arch,
        "board": board.name,
        "number": int(board.name.rpartition("-")[2]),
        "site": board.site,
        "type": board.type,
    }
    return Facts({**type_.properties, **board.properties, **given}, board.tags)
