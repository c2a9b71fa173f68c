"""What a board mounts beside its root: lines of one deployment in its /etc/fstab."""

import re

from boardgrid.adapters.store.tree import TreeDir

FSTAB = "etc/fstab"
_BYTES = 256 << 10  # a longer one is left as it is
# nolock: the farm's servers have no lock manager. hard: a program waits for a server that restarts, and loses nothing.
_OPTIONS = "vers=3,proto=tcp,nolock,hard"
# systemd mounts it when somebody looks there, and boots without it; others know no such words. Its mount(8) asks the
# kernel itself where no mount.nfs (nfs-common) is installed, and that wants the server's address again.
_OF_SYSTEMD = "addr={server},_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=30"
_SYSTEMD = ("lib/systemd/systemd", "usr/lib/systemd/systemd")
# What the farm offers volumes as: by that its lines are known, whatever else somebody did to the file.
_OURS = re.compile(r"\s*[0-9.]+:/v/[0-9a-f-]{73}\s")


def write_volumes(tree: TreeDir, volumes: dict[str, str]) -> None:
    """Have a board mount these (``10.0.0.1:/v/...`` by where), and none of an earlier deployment."""
    content = tree.read(FSTAB, _BYTES + 1) or b""
    if len(content) > _BYTES:
        return
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    kept = "\n".join(line for line in lines if not _OURS.match(line))
    is_systemd = any(tree.is_file(path) for path in _SYSTEMD)
    options = f"{_OPTIONS},{_OF_SYSTEMD}" if is_systemd else _OPTIONS
    added = "".join(
        f"{source}\t{at}\tnfs\t{options.format(server=source.partition(':')[0])}\t0\t0\n"
        for at, source in volumes.items()
        if _can_be_at(tree, at)
    )
    if kept and added and not kept.endswith("\n"):
        kept += "\n"
    changed = (kept + added).encode("utf-8", "surrogateescape")
    if changed != content:
        tree.write(FSTAB, changed)


def _can_be_at(tree: TreeDir, path: str) -> bool:
    """What lies in that folder stays, and is hidden; where something else is, the board goes on without the volume."""
    try:
        tree.make_folder(path)
    except OSError:
        return False
    return True
