"""What the program that finishes a system (``bootware/scripts/finish``) left word of in its root."""

import re

from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir
from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid

_TOLD = "etc/boardgrid/finished"
_TOLD_BYTES = 16384
_DATED = re.compile(rb"dated (\d{1,11})\n")


def finished(tree: TreeDir) -> int | None:
    """
    Of a system that was finished: the time that no file of it is younger than, in seconds since 1970. None: it is
    another one.

    Raises:
        Invalid: BUILD_FAILED, it could not be finished; with the last that was said.
    """
    told = tree.read(_TOLD, _TOLD_BYTES)
    if told is None:
        return None
    if match := _DATED.fullmatch(told):
        return int(match[1])
    said = [shown(line) for line in told.splitlines()[1:]]
    raise Invalid(
        Code.BUILD_FAILED,
        _("the system could not be finished: {last}"),
        hint=_("the recipe's packages and scripts are what runs then; mend them and build it again"),
        last=" | ".join(said[-8:]) or "-",
    )
