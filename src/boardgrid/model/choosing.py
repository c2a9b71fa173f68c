"""Choosing: which boards would do for what is asked."""

from boardgrid.model.board import Board, BoardType
from boardgrid.model.reservation import Group


def would_do(group: Group, board: Board, type_: BoardType) -> bool:
    """Whether this board is one of those that the group asks for; whether it is free or fit is another matter."""
    if group.board:
        return board.name == group.board
    return not group.type or board.type == group.type
