"""
What the farm itself wrote into a root, so that it can be told from what its user did: a print of each entry, as it was
left.

An entry is the farm's as long as it is as that. What its user had changed before the farm wrote to it once more is
theirs. The same goes for the time of a folder that the farm wrote in: as long as it is that, nobody else has.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from boardgrid import lasting
from boardgrid.adapters.store.tree import At, TreeDir, attributes
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

_READ_BYTES = 1 << 20  # the farm writes none that is larger
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOATIME

Print = list[Any]  # as JSON has it
# By where an entry lies, with no link on the way; None: the farm removed it. What ends in a slash is a folder's time.
Farms = Mapping[str, Print | None]
NOTHING: Farms = {}


def print_of(at: At) -> Print | None:
    """
    What makes an entry what it is; None: there is none. Of no name it is the folder's time.

    A program may keep size and time of a file that it changes, so the content tells, too.
    """
    folder, name = at
    if not name:
        return [os.fstat(folder).st_mtime_ns]
    with suppress(FileNotFoundError):
        seen = os.lstat(name, dir_fd=folder)
        # Of a folder size and time tell of what lies in it.
        dated = [] if stat.S_ISDIR(seen.st_mode) else [seen.st_size, seen.st_mtime_ns]
        told = {key: value.hex() for key, value in attributes(at).items()}
        is_read = stat.S_ISREG(seen.st_mode) and seen.st_size <= _READ_BYTES
        return [seen.st_mode, seen.st_uid, seen.st_gid, *dated, told, *([_digest(at)] if is_read else [])]
    return None


def _digest(at: At) -> str:
    with open(os.open(at[1], _READING, dir_fd=at[0]), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        return hashlib.sha256(file.read(_READ_BYTES)).hexdigest()


def is_still(now: Print | None, left: Print | None) -> bool:
    """Whether an entry is as it was *left*. Prints that were taken before content was read are without it."""
    return now == left or (now is not None and now[:-1] == left)


class Ledger:
    """
    Of all that is written while it is asked.

    Args:
        image: that the root stands on.
        known: what the farm wrote before.
        begun: a file that keeps what is found of each entry before it is written. Where that comes to no end, the next
            one finds there whose an entry was: by then the entry itself tells no more.
    """

    def __init__(self, image: TreeDir, known: Farms, begun: Path) -> None:
        self._image, self._known, self._begun = image, known, begun
        self._written = _begun(begun)  # whether it was as the farm or the image had left it

    def note(self, path: str, folder: int, name: str) -> None:
        """
        An entry is about to be written, made or removed.

        Raises:
            Fault: STORE_FULL.
        """
        asked = {f"{path.rpartition('/')[0]}/": (folder, ""), path: (folder, name)}
        found = {one: self._is_as_left(one, at) for one, at in asked.items() if one not in self._written}
        if found:
            self._keep(found)
            self._written |= found

    def _is_as_left(self, path: str, at: At) -> bool:
        return is_still(print_of(at), self._known[path] if path in self._known else seen(self._image, path))

    def _keep(self, found: Mapping[str, bool]) -> None:
        # Each on a line of its own, and not on the last: that may have been cut off.
        lines = (f"\n{json.dumps(one)}" for one in found.items())
        try:
            # First, for the kernel has the entry itself written down when it likes.
            lasting.append(self._begun, "".join(lines))
        except OSError as error:
            why = _("what is written into a root cannot be noted: {why}")
            raise Fault(Code.STORE_FULL, why, why=error.strerror) from error

    def farms(self, tree: TreeDir) -> dict[str, Print | None]:
        """What is the farm's now."""
        kept = {path: was for path, was in self._known.items() if path not in self._written}
        return kept | {path: seen(tree, path) for path, is_ours in self._written.items() if is_ours}


def _begun(file: Path) -> dict[str, bool]:
    written: dict[str, bool] = {}
    with suppress(FileNotFoundError):
        for line in file.read_text().splitlines():
            with suppress(ValueError):  # cut off: its entry was not written any more
                path, is_ours = json.loads(line)
                written[path] = is_ours
    return written


def seen(tree: TreeDir, path: str) -> Print | None:
    with tree.lying(path) as at:
        return print_of(at) if at else None
