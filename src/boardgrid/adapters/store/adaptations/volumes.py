"""What a board mounts beside its root: lines of one deployment in its /etc/fstab."""

import re
from collections.abc import Mapping

from boardgrid.adapters.store.adaptations.hand import Hand
from boardgrid.adapters.store.adaptations.identity import Tenant

_FSTAB = "etc/fstab"
# nolock: the farm's servers have no lock manager. hard: a program waits for a server that restarts, and loses nothing.
_OPTIONS = "vers=3,proto=tcp,nolock,hard"
# systemd mounts it when somebody looks there, and boots without it; others know no such words. Its mount(8) asks the
# kernel itself where no mount.nfs (nfs-common) is installed, and that wants the server's address again.
_OF_SYSTEMD = "addr={server},_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=30"
# What the farm offers volumes as: by that its lines are known, whatever else somebody did to the file.
_OURS = re.compile(r"\s*[0-9.]+:/v/[0-9a-f-]{73}\s")


def mount_volumes(hand: Hand, tenant: Tenant) -> None:
    """Those of this deployment, and none of an earlier one."""
    _list(hand, tenant.volumes)


def no_volumes(hand: Hand) -> None:
    _list(hand, {})


def _list(hand: Hand, volumes: Mapping[str, str]) -> None:
    options = f"{_OPTIONS},{_OF_SYSTEMD}" if hand.has_systemd() else _OPTIONS
    added = "".join(
        f"{source}\t{at}\tnfs\t{options.format(server=source.partition(':')[0])}\t0\t0\n"
        for at, source in volumes.items()
        if _can_be_at(hand, at)
    )
    if added and not hand.tree.is_file(_FSTAB):
        hand.put(_FSTAB, "")
    hand.edit(_FSTAB, lambda text: _listed(text, added))


def _listed(fstab: str, added: str) -> str:
    kept = "\n".join(line for line in fstab.split("\n") if not _OURS.match(line))
    is_cut_off = bool(kept and added) and not kept.endswith("\n")
    return f"{kept}\n{added}" if is_cut_off else kept + added


def _can_be_at(hand: Hand, path: str) -> bool:
    """What lies in that folder stays, and is hidden; where something else is, the board goes on without the volume."""
    try:
        hand.tree.make_folder(path)
    except OSError:
        return False
    return True
