"""What may be offered over NFS, whichever server does it."""

import re
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid
from boardgrid.ports import Shell

P = TypeVar("P", bound=PurePath)

_LONGEST = 1000  # MOUNT itself ends at 1024

# Narrower than either server needs: no character that ends a word, a string or a line in the language of any of them.
_PART = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._@+-]+")


def checked(path: P) -> P:
    """
    Return *path* if it can be named to an NFS server, and mean nothing else there.

    Raises:
        Invalid: it cannot.
    """
    words = str(path)
    first, *parts = words.split("/")
    if first or len(words) > _LONGEST or not all(_PART.fullmatch(part) for part in parts):
        raise Invalid(
            Code.PATH_FORBIDDEN,
            _("{path!r} cannot be offered over NFS"),
            hint=_("take an absolute path of letters, digits and . _ @ + - with at most {longest} characters"),
            path=words[:200],
            longest=_LONGEST,
        )
    return path


async def check_mounted(tree: Path, shell: Shell) -> None:
    """
    Only a file system of its own is offered: a forged file handle reaches all of the one that a tree is part of, and an
    empty mount point is part of the one that holds everybody's files.

    Raises:
        Fault: *tree* is not where something is mounted.
    """
    try:
        await shell.run("mountpoint", "--quiet", str(tree))
    except Fault as error:
        raise Fault(Code.ROOT_NOT_MOUNTED, _("{tree} is not offered: nothing is mounted there"), tree=tree) from error


def taken(seen_as: PurePosixPath) -> Conflict:
    return Conflict(
        Code.EXPORT_TAKEN,
        _("{seen_as} is offered already, of another tree or to another board"),
        hint=_("end that export first"),
        seen_as=seen_as,
    )
