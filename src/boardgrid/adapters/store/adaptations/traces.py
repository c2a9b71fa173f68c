"""What people and a machine leave in a root, and what must not be in an image that others boot."""

from boardgrid.adapters.store.adaptations.hand import Hand
from boardgrid.adapters.store.adaptations.identity import homes

_HISTORIES = (
    ".ash_history",
    ".bash_history",
    ".sh_history",
    ".zsh_history",
    ".local/share/fish/fish_history",
    ".history",
    ".lesshst",
    ".mysql_history",
    ".node_repl_history",
    ".psql_history",
    ".python_history",
    ".sqlite_history",
    ".viminfo",
    ".wget-hsts",
)
_CLOUD_INIT = ("data", "handlers", "instance", "instances", "sem")
_SEEDS = (
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/random-seed",
    "var/lib/random-seed",
    "var/lib/seedrng",
    "loader/random-seed",
    "boot/loader/random-seed",
)
_LEASES = (
    "var/lib/dhcp",
    "var/lib/dhclient",
    "var/lib/dhcpcd",
    "var/lib/dhcpcd5",
    "var/lib/NetworkManager",
    "var/lib/connman",
)
_LOGS, _JOURNAL = "var/log", "var/log/journal"
_LOGS_MOST = 20_000  # entries; what lies beyond is taken out whole
_LOGS_DEPTH = 6
_ROTATED = (".gz", ".xz", ".bz2", ".zst", ".old", ".0", ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9")


def no_keys_left(hand: Hand) -> None:
    for home in homes(hand.tree):
        for name in ("authorized_keys", "authorized_keys2"):
            hand.remove_full(f"{home}/.ssh/{name}")
    hand.remove_full("etc/dropbear/authorized_keys")
    hand.remove("etc/boardgrid")


def no_history(hand: Hand) -> None:
    for home in homes(hand.tree):
        for name in _HISTORIES:
            hand.remove(f"{home}/{name}")


def no_cloud_init_state(hand: Hand) -> None:
    for name in _CLOUD_INIT:
        hand.remove(f"var/lib/cloud/{name}")


def no_random_seed(hand: Hand) -> None:
    for path in _SEEDS:
        hand.remove(path)


def no_leases(hand: Hand) -> None:
    for folder in _LEASES:
        for name in hand.tree.names(folder):
            hand.remove(f"{folder}/{name}")


def no_logs(hand: Hand) -> None:
    """Files stay, empty: daemons that are not root's write to those that they find, and cannot make new ones."""
    for name in hand.tree.names(_JOURNAL):
        hand.remove(f"{_JOURNAL}/{name}")
    left, seen = [(_LOGS, 1)], 0
    while left:
        folder, depth = left.pop()
        for name in hand.tree.names(folder):
            path = f"{folder}/{name}"
            seen += 1
            if hand.tree.link(path) is not None or path == _JOURNAL:
                continue
            if hand.tree.is_folder(path) and depth < _LOGS_DEPTH and seen < _LOGS_MOST:
                left.append((path, depth + 1))
            elif name.endswith(_ROTATED) or not hand.tree.is_file(path) or seen >= _LOGS_MOST:
                hand.remove(path)
            else:
                hand.empty(path)
