"""
What an unprivileged process must reach although it lies below a folder that its user cannot enter.

A checkout in ``/root`` (mode 0700) is such a case. The process gets a mount namespace of its own, in which the
folder that is in the way is an empty one that everybody may enter, and just the needed paths appear in it. Nothing
that belongs to root changes its mode for that.
"""

from collections.abc import Iterable
from pathlib import Path

from boardgrid.daemon.identity import Identity
from boardgrid.daemon.launch import View
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

_ENTER, _READ_AND_ENTER, _READ = 1, 5, 4


def view_for(identity: Identity, needs: Iterable[Path]) -> View:
    """
    The smallest view in which *identity* reaches all of *needs*; an empty one where nothing is in the way.

    Raises:
        Fault: a needed path itself cannot be read by it, which no view can mend.
    """
    paths = sorted({path.resolve(strict=True) for path in needs})
    for path in paths:
        if not identity.may(path, _READ_AND_ENTER if path.is_dir() else _READ):
            raise Fault(
                Code.PROGRAM_FAILED,
                _("{path} cannot be read by user {uid}, who should run a part of the farm"),
                hint=_("chmod -R go+rX {path}"),
                path=path,
                uid=identity.uid,
            )
    hide = tuple(sorted({blocker for path in paths if (blocker := _blocker(identity, path))}))
    return View(hide, tuple(path for path in paths if _below_any(path, hide)))


def _blocker(identity: Identity, path: Path) -> Path | None:
    """The topmost folder above *path* that the user cannot enter."""
    for above in reversed(path.parents):
        if not identity.may(above, _ENTER):
            return above
    return None


def _below_any(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
