"""What programs need that a root on NFS does not give them."""

from importlib.resources import files

from boardgrid.adapters.store.adaptations.hand import Hand

_CAPABILITY = "security.capability"
# Programs that are written to be setuid root as well, and give it up themselves.
_SETUID = frozenset(
    {"ping", "ping4", "ping6", "arping", "clockdiff", "fping", "fping6", "mtr-packet", "traceroute6.iputils"}
)

# Each engine: a program by which it is known, and the folder that it will not have on NFS.
_ENGINES = (
    (("usr/bin/dockerd", "usr/sbin/dockerd"), "/var/lib/docker"),
    (("usr/bin/containerd",), "/var/lib/containerd"),
    (("usr/bin/podman", "usr/bin/buildah"), "/var/lib/containers"),
    (("usr/local/bin/k3s", "usr/bin/k3s"), "/var/lib/rancher"),
)
_ROOM, _SCRIPT, _UNIT = (
    "var/lib/boardgrid/containers.ext4",
    "usr/lib/boardgrid/room-for-containers",
    "boardgrid-containers.service",
)
_UNIT_TEXT = """\
[Unit]
Description=A file system for containers, in a file: their engines refuse to work on NFS
DefaultDependencies=no
RequiresMountsFor=/var/lib
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target
Before=docker.service containerd.service podman.service podman.socket docker.socket k3s.service k3s-agent.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={command}

[Install]
WantedBy=multi-user.target
"""

_TMP = "tmpfs\t/tmp\ttmpfs\tmode=1777,nosuid,nodev\t0\t0"
_APT = """\
// The caches of the lists are written anew at every turn: in memory that costs nothing.
Dir::Cache::pkgcache "/run/boardgrid-pkgcache.bin";
Dir::Cache::srcpkgcache "/run/boardgrid-srcpkgcache.bin";
"""
_WRAPPER = "usr/lib/boardgrid/dpkg"


def no_file_capabilities(hand: Hand) -> None:
    for path in hand.tree.programs_having(_CAPABILITY):
        seen = hand.tree.look(path)
        if path.rpartition("/")[2] in _SETUID and seen is not None and seen.st_uid == 0:
            hand.tree.set_mode(path, (seen.st_mode & 0o7777) | 0o4000)
            hand.tree.drop_attribute(path, _CAPABILITY)
            hand.changed[f"{path} (setuid)"] = None
        else:
            hand.changed[f"{path} (without its capabilities)"] = None


def quick_packages(hand: Hand) -> None:
    if hand.tree.is_folder("etc/dpkg"):
        hand.put("etc/dpkg/dpkg.cfg.d/boardgrid", "force-unsafe-io\n")
    if hand.tree.is_folder("etc/apt"):
        settings = _APT
        if hand.has_any("usr/bin/eatmydata"):
            hand.put(_WRAPPER, '#!/bin/sh\nexec /usr/bin/eatmydata /usr/bin/dpkg "$@"\n', 0o755)
            settings += f'Dir::Bin::dpkg "/{_WRAPPER}";\n'
        hand.put("etc/apt/apt.conf.d/90boardgrid", settings)
        if not hand.tree.is_there("etc/fstab") and hand.has_systemd():
            hand.put("etc/fstab", "")
        hand.edit("etc/fstab", _with_tmp)


def _with_tmp(fstab: str) -> str:
    mounted = [line.split()[1:2] for line in fstab.split("\n") if not line.lstrip().startswith("#")]
    if ["/tmp"] in mounted:  # noqa: S108 - a word of a file
        return fstab
    begun = fstab if fstab.endswith("\n") or not fstab else f"{fstab}\n"
    return f"{begun}{_TMP}\n"


def room_for_containers(hand: Hand) -> None:
    """
    The file is made on the board, at the first start of each root: there its size is known, and in an image it would be
    room that nobody has asked for yet.
    """
    folders = [folder for programs, folder in _ENGINES if hand.has_any(*programs)]
    if not folders or not hand.has_systemd():
        return
    hand.put(_SCRIPT, (files(__package__) / "scripts" / "room-for-containers").read_text("utf-8"), 0o755)
    command = " ".join((f"/{_SCRIPT}", f"/{_ROOM}", *folders))
    hand.put(f"etc/systemd/system/{_UNIT}", _UNIT_TEXT.format(command=command))
    hand.point(f"etc/systemd/system/multi-user.target.wants/{_UNIT}", f"../{_UNIT}")


def no_room_for_containers(hand: Hand) -> None:
    """Written to through an image it would be copied whole: the next root makes its own."""
    hand.remove(_ROOM)


def selinux_permissive(hand: Hand) -> None:
    hand.edit("etc/selinux/config", lambda text: "\n".join(map(_permissive, text.split("\n"))))


def _permissive(line: str) -> str:
    key, equals, value = line.partition("=")
    return "SELINUX=permissive" if (key.strip(), equals, value.strip()) == ("SELINUX", "=", "enforcing") else line
