"""What an image does for the disk that it was made for, and a board with its root on NFS has not."""

from boardgrid.adapters.store.adaptations.hand import Hand

_FSTAB = "etc/fstab"
_DEVICES = ("/dev/", "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "ID=")
_IN_MEMORY = "/dev/zram"
_NOT_AWAITED = {"noauto", "nofail"}
_SWAP_SERVICES = ("dphys-swapfile.service", "rpi-swap.service")
_RESIZERS = (
    "systemd-growfs-root.service",
    "rpi-resize.service",
    "rpi-resizerootfs.service",
    "raspberrypi-sys-mods-resize.service",
    "armbian-resize-filesystem.service",
    "nvresizefs.service",
    "growpart.service",
    "resize2fs_once.service",
)
_RESIZER_SCRIPT = "resize2fs_once"
_CHORES = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "man-db.timer",
    "smartd.service",
    "smartmontools.service",
)


def no_disks(hand: Hand) -> None:
    """A system waits 90 s for each disk that is not there, and stops."""
    hand.edit(_FSTAB, lambda text: "\n".join(map(_no_disk, text.split("\n"))))


def no_root_disk(hand: Hand) -> None:
    hand.edit(_FSTAB, lambda text: "\n".join(map(_no_root, text.split("\n"))))


def _no_disk(line: str) -> str:
    words = line.split()
    if len(words) < 3 or words[0].startswith("#"):
        return line
    options = set(words[3].split(",")) if len(words) > 3 else set()
    is_awaited = words[0].startswith(_DEVICES) and not options & _NOT_AWAITED
    if words[1] != "/" and not words[0].startswith(_IN_MEMORY) and (is_awaited or words[2] == "swap"):
        return f"# no board has it, taken out by boardgrid: {line}"
    return _no_root(line)


def _no_root(line: str) -> str:
    words = line.split()
    is_root = len(words) > 1 and not words[0].startswith("#") and words[1] == "/"
    return f"# mounted over NFS by boardgrid: {line}" if is_root else line


def no_swap(hand: Hand) -> None:
    hand.mask(*_SWAP_SERVICES)
    _no_script(hand, "dphys-swapfile")


def no_resizing(hand: Hand) -> None:
    hand.mask(*_RESIZERS)
    _no_script(hand, _RESIZER_SCRIPT)
    if hand.tree.is_folder("etc/cloud/cloud.cfg.d"):
        settings = "growpart:\n  mode: 'off'\nresize_rootfs: false\n"
        hand.put("etc/cloud/cloud.cfg.d/99-boardgrid.cfg", settings)


def no_disk_chores(hand: Hand) -> None:
    hand.mask(*_CHORES)


def journal_in_memory(hand: Hand) -> None:
    if hand.has_any("lib/systemd/systemd-journald", "usr/lib/systemd/systemd-journald"):
        hand.put("etc/systemd/journald.conf.d/90-boardgrid.conf", "[Journal]\nStorage=volatile\n")


def _no_script(hand: Hand, script: str) -> None:
    """Have no runlevel start a script of System V's init; the script itself stays."""
    for level in "0123456S":
        for name in hand.tree.names(f"etc/rc{level}.d"):
            if name[:1] in {"S", "K"} and name[1:3].isdigit() and name[3:] == script:
                hand.remove(f"etc/rc{level}.d/{name}")
