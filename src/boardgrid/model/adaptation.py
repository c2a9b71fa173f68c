"""Adaptations: what the farm changes in a tree so that boards can have it as their root over NFS."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid


class Moment(StrEnum):
    IMPORT = "import"  # in the image, when it is made of an archive, a folder or a disk image
    DEPLOY = "deploy"  # in a root, each time it is made one deployment's own
    CAPTURE = "capture"  # in the image, when it is made of a root


@dataclass(frozen=True, slots=True)
class Adaptation:
    """One remedy, by the name that people switch it off by."""

    name: str
    moments: tuple[Moment, ...]
    what: str  # for people
    may_be_left_out: bool = True  # False: without it the board would never be open, or open to others


@dataclass(frozen=True, slots=True)
class Adapted:
    """An adaptation that had something to do in this tree."""

    name: str
    detail: str  # what was changed: paths, seen from the tree's root


def adaptations() -> tuple[Adaptation, ...]:
    """All, in the order in which they act."""
    importing, deploying, capturing = (Moment.IMPORT,), (Moment.DEPLOY,), (Moment.CAPTURE,)
    always = (*importing, *deploying, *capturing)
    return (
        Adaptation(
            "no-file-capabilities",
            importing,
            _(
                "ping and the like become setuid root, for NFS carries no file capabilities; others that have such "
                "are named"
            ),
        ),
        Adaptation(
            "no-disks",
            (*importing, *deploying),
            _(
                "lines of /etc/fstab for disks that the board will not find become comments, swap too; at a deployment "
                "the line for / alone"
            ),
        ),
        Adaptation("no-swap", importing, _("services that make a swap file are masked: swap on NFS hangs the board")),
        Adaptation(
            "no-resizing",
            importing,
            _("what enlarges the file system of an SD card at its first start is masked or taken out"),
        ),
        Adaptation(
            "no-disk-chores",
            importing,
            _("apt-daily, e2scrub, fstrim, smartd and man-db's timer are masked: there is no disk to tend"),
        ),
        Adaptation(
            "journal-in-memory", importing, _("systemd's journal is kept in memory: no write over NFS for each line")
        ),
        Adaptation(
            "quick-packages",
            importing,
            _(
                "dpkg does without a sync for each file, apt's caches of lists and /tmp are in memory, and eatmydata "
                "is used where it is installed"
            ),
        ),
        Adaptation(
            "room-for-containers",
            (*importing, *capturing),
            _(
                "docker, containerd, podman and k3s, which refuse NFS, get a file system of their own in a file; a "
                "capture leaves that out"
            ),
        ),
        Adaptation("selinux-permissive", importing, _("SELinux tells and does not forbid: NFS carries no labels")),
        Adaptation(
            "host-name", deploying, _("/etc/hostname and /etc/hosts name the board: equal names share one NFSv4 lease")
        ),
        Adaptation(
            "fresh-machine-id",
            always,
            _("/etc/machine-id is empty in an image and new in each deployment: equal ones ask for one DHCP lease"),
        ),
        Adaptation(
            "fresh-host-keys",
            always,
            _("no SSH host key in an image, a new one in each deployment: by it the board is known"),
            may_be_left_out=False,
        ),
        Adaptation(
            "keys-let-in",
            deploying,
            _("root's authorized_keys are the holder's and the agent's"),
            may_be_left_out=False,
        ),
        Adaptation(
            "deployment-mark",
            deploying,
            _("/etc/boardgrid/deployment tells who runs here"),
            may_be_left_out=False,
        ),
        Adaptation(
            "keep-network-up",
            deploying,
            _(
                "ifupdown, NetworkManager and systemd-networkd leave the boot interface alone: the root hangs on it, "
                "and without it the board at shutdown"
            ),
        ),
        Adaptation(
            "nfs-identity",
            (*deploying, *capturing),
            _(
                "for what a board mounts itself, its NFS client has an id of its own and takes owners by number; a "
                "capture takes that id out"
            ),
        ),
        Adaptation(
            "time-from-server",
            deploying,
            _("systemd-timesyncd asks the farm's server first, and fake-hwclock begins at the time of the deployment"),
        ),
        Adaptation(
            "volumes",
            (*deploying, *capturing),
            _("/etc/fstab mounts the volumes of who holds the board; a capture takes those lines out"),
        ),
        Adaptation(
            "no-keys-left",
            capturing,
            _("no authorized_keys in any home, and no /etc/boardgrid: who was let in stays outside"),
        ),
        Adaptation("no-history", capturing, _("histories of shells, editors and databases in all homes are taken out")),
        Adaptation("no-cloud-init-state", capturing, _("what cloud-init remembers of this machine is taken out")),
        Adaptation("no-random-seed", capturing, _("the saved seed of the random numbers is taken out")),
        Adaptation(
            "no-leases", capturing, _("DHCP leases, and what NetworkManager remembers of networks, are taken out")
        ),
        Adaptation(
            "no-logs",
            capturing,
            _("files below /var/log are emptied, and journals, rotated and packed ones are taken out"),
        ),
    )


def names(moment: Moment) -> tuple[str, ...]:
    return tuple(one.name for one in adaptations() if moment in one.moments)


def may_be_left_out() -> frozenset[str]:
    return frozenset(one.name for one in adaptations() if one.may_be_left_out)


def checked_without(without: Collection[str]) -> tuple[str, ...]:
    """
    The names of what an image is made without, once each.

    Raises:
        Invalid: REQUEST_INVALID, there is none of that name, or it cannot be left out.
    """
    known = {one.name: one for one in adaptations()}
    for name in without:
        if name not in known or not known[name].may_be_left_out:
            raise Invalid(
                Code.REQUEST_INVALID,
                _("the adaptation {name} cannot be left out")
                if name in known
                else _("there is no adaptation {name!r}"),
                hint=_("these can be left out: {names}"),
                name=name[:80],
                names=", ".join(one.name for one in known.values() if one.may_be_left_out),
            )
    return tuple(name for name in known if name in set(without))
