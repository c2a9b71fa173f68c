"""Names: what a thing of the farm may be called. They reach paths, host names and command lines, so they are strict."""

import re
from dataclasses import dataclass

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

_WORD = r"[a-z][a-z0-9]{0,30}"
_AS_WORD = _("up to 31 small letters and digits, a letter first")
_NAME, _LONG_NAME = (re.compile(rf"[a-z][a-z0-9._-]{{0,{most - 1}}}") for most in (31, 63))
_AS_NAME, _AS_LONG_NAME = (
    _("up to {most} small letters, digits, dots, dashes and underscores, a letter first").format(most=most)
    for most in (31, 63)
)


@dataclass(frozen=True, slots=True)
class _Rule:
    what: str
    pattern: re.Pattern[str]
    told: str
    example: str


_RULES = {
    "user": _Rule("a user", _NAME, _AS_NAME, "ada or ada.lovelace"),
    "group": _Rule("a group", _NAME, _AS_NAME, "vision or students-2026"),
    "project": _Rule("a project", _NAME, _AS_NAME, "robots or course.os"),
    "team": _Rule("a team", _NAME, _AS_NAME, "red or team-3"),
    "site": _Rule("a site", re.compile(_WORD), _AS_WORD, "lab or grenoble"),
    "board type": _Rule(
        "a board type",
        re.compile(_WORD),
        _AS_WORD,
        "tk1 or rpi4 (no dash: it parts type and number in a board's name)",
    ),
    "board": _Rule(
        "a board", re.compile(rf"{_WORD}-[1-9][0-9]{{0,3}}"), _("its type, a dash and a number below 10000"), "tk1-3"
    ),
    "image": _Rule("an image", _LONG_NAME, _AS_LONG_NAME, "debian-12 or tiny"),
    "volume": _Rule("a volume", _LONG_NAME, _AS_LONG_NAME, "ada-home or robots.data"),
    "alias": _Rule("an alias of an image", _NAME, _AS_NAME, "stable or testing"),
    "label": _Rule("a label", _NAME, _AS_NAME, "purpose or kernel.branch"),
    "root": _Rule("a root", _LONG_NAME, _AS_LONG_NAME, "before-the-upgrade"),
}


def checked(kind: str, name: str) -> str:
    """
    Return *name* if a thing of this *kind* may be called so.

    Raises:
        Invalid: it may not; the hint says what a good name is.
    """
    rule = _RULES[kind]
    if not rule.pattern.fullmatch(name):
        raise Invalid(
            Code.NAME_INVALID,
            _("{name!r} is no name for {what}"),
            hint=_("a good one has {told}, like {example}"),
            name=name[:80],
            what=rule.what,
            told=rule.told,
            example=rule.example,
        )
    return name


def type_of(board: str) -> str:
    """The board type that a board's name tells: ``tk1`` of ``tk1-3``."""
    return board.rpartition("-")[0]
