"""Kernel command lines: what a board's boot method hands on to a kernel as it is written."""

import re

from boardgrid.messages import _
from boardgrid.model.board import Board, BoardType, Boot
from boardgrid.model.errors import Code, Invalid

MOST = 1023  # characters that a 32-bit ARM kernel keeps; more would be cut without a word
FARMS_MOST = 335  # of these, what the farm's own words take: root, address, console=, first program

_LINE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")


def checked(cmdline: str, boot: Boot) -> str:
    """
    Raises:
        Invalid: REQUEST_INVALID, the boot method cannot hand it on.
    """
    if not _LINE.fullmatch(cmdline) or len(cmdline) > MOST:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("the kernel command line {cmdline!r} is not one line of at most {limit} plain characters"),
            cmdline=cmdline[:80],
            limit=MOST,
        )
    # GRUB would put a backslash before one of these letters.
    if boot is Boot.GRUB and (set(cmdline) & {"'", "\\"} or cmdline.count('"') % 2):
        raise Invalid(
            Code.REQUEST_INVALID,
            _("GRUB cannot hand the kernel command line {cmdline!r} on to a kernel as it is"),
            hint=_("leave single quotes and backslashes out, and have double quotes in pairs"),
            cmdline=cmdline[:80],
        )
    return cmdline


def checked_append(append: str, board: Board, type_: BoardType) -> str:
    """
    Words after all others.

    Raises:
        Invalid: REQUEST_INVALID, *board* cannot be told them, or not with the others.
    """
    room = MOST - FARMS_MOST - len(type_.console) - len(type_.cmdline) - 2  # spaces
    if len(append) > room:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("{count} characters more are too many for the kernel command line of {board}: there is room for {room}"),
            hint=_("a kernel keeps {most} characters, and the farm and the board's type have words there too"),
            board=board.name,
            count=len(append),
            room=room,
            most=MOST,
        )
    return checked(append, board.boot)
