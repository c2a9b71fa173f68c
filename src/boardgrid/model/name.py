"""Names: what a thing of the farm may be called. They reach paths, host names and command lines, so they are strict."""

import re

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

_WORD = r"[a-z][a-z0-9]{0,30}"
_RULES: dict[str, tuple[str, re.Pattern[str], str]] = {
    "user": ("a user", re.compile(r"[a-z][a-z0-9._-]{0,30}"), "ada or ada.lovelace"),
    "group": ("a group", re.compile(r"[a-z][a-z0-9._-]{0,30}"), "vision or students-2026"),
    "project": ("a project", re.compile(r"[a-z][a-z0-9._-]{0,30}"), "robots or course.os"),
    "team": ("a team", re.compile(r"[a-z][a-z0-9._-]{0,30}"), "red or team-3"),
    "site": ("a site", re.compile(_WORD), "lab or grenoble"),
    "board type": (
        "a board type",
        re.compile(_WORD),
        "tk1 or rpi4 (no dash: it parts type and number in a board's name)",
    ),
    "board": ("a board", re.compile(rf"{_WORD}-[1-9][0-9]{{0,3}}"), "tk1-3"),
    "image": ("an image", re.compile(r"[a-z][a-z0-9._-]{0,62}"), "debian-12 or tiny"),
    "volume": ("a volume", re.compile(r"[a-z][a-z0-9._-]{0,62}"), "ada-home or robots.data"),
    "alias": ("an alias of an image", re.compile(r"[a-z][a-z0-9._-]{0,30}"), "stable or testing"),
    "label": ("a label", re.compile(r"[a-z][a-z0-9._-]{0,30}"), "purpose or kernel.branch"),
    "root": ("a root", re.compile(r"[a-z][a-z0-9._-]{0,62}"), "before-the-upgrade"),
}


def checked(kind: str, name: str) -> str:
    """
    Return *name* if a thing of this *kind* may be called so.

    Raises:
        Invalid: it may not; the sentence says what a good name looks like.
    """
    what, rule, example = _RULES[kind]
    if not rule.fullmatch(name):
        raise Invalid(
            Code.NAME_INVALID,
            _("{name!r} is no name for {what}"),
            hint=_("a good one looks like this: {example}"),
            name=name[:80],
            what=what,
            example=example,
        )
    return name


def type_of(board: str) -> str:
    """The board type that a board's name tells: ``tk1`` of ``tk1-3``."""
    return board.rpartition("-")[0]
