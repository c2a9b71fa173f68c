"""Who a root is: a deployment's own while it runs, nobody's in an image."""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from boardgrid.adapters.store.adaptations.hand import CONFIG_BYTES, Hand
from boardgrid.adapters.store.tree import TreeDir
from boardgrid.model.ssh_key import GIVEN

_HOME = re.compile(r"(?:/\w[\w.+@-]*)+/?")
_HOME_BYTES = 255
_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
_MACHINE_ID, _DBUS_ID = "etc/machine-id", "var/lib/dbus/machine-id"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whom a root is made personal for."""

    hostname: str
    machine_id: str
    keys: Sequence[str]
    facts: Mapping[str, str]
    host_key: Mapping[str, str]  # ``openssh``, ``public`` and ``dropbear`` (base64)
    server: str = ""  # the farm's address on the boards' network; empty: not known
    volumes: Mapping[str, str] = field(default_factory=dict)  # what it mounts over NFS ("10.0.0.1:/v/...") by where
    now: str = ""  # as fake-hwclock writes it: "2026-11-22 10:00:00"


def host_name(hand: Hand, tenant: Tenant) -> None:
    short = tenant.hostname.partition(".")[0]
    names = tenant.hostname if short == tenant.hostname else f"{tenant.hostname} {short}"
    hand.tree.write("etc/hostname", f"{short}\n".encode())
    if not hand.tree.is_file("etc/hosts"):
        hand.put("etc/hosts", _named(_HOSTS, names))
    hand.edit("etc/hosts", lambda text: _named(text or _HOSTS, names))


def _named(hosts: str, names: str) -> str:
    kept = [line for line in hosts.removesuffix("\n").split("\n") if line.split()[:1] != ["127.0.1.1"]]
    return "".join(f"{line}\n" for line in [*kept, f"127.0.1.1\t{names}"])


def own_machine_id(hand: Hand, tenant: Tenant) -> None:
    """Two boards with one machine-id ask for one DHCP lease."""
    hand.tree.write(_MACHINE_ID, f"{tenant.machine_id}\n".encode(), 0o444)
    if _has_dbus_id(hand.tree):
        hand.tree.write(_DBUS_ID, f"{tenant.machine_id}\n".encode())


def no_machine_id(hand: Hand) -> None:
    if hand.tree.is_file(_MACHINE_ID):
        # Empty, not gone: systemd takes that for "to be made at the next start".
        hand.put(_MACHINE_ID, "", 0o444)
    if _has_dbus_id(hand.tree):
        hand.remove(_DBUS_ID)


def _has_dbus_id(tree: TreeDir) -> bool:
    return tree.is_file(_DBUS_ID) and tree.link(_DBUS_ID) is None


def no_host_keys(hand: Hand) -> None:
    for name in hand.tree.names("etc/ssh"):
        if name.startswith("ssh_host_"):
            hand.remove(f"etc/ssh/{name}")
    for name in hand.tree.names("etc/dropbear"):
        if name.startswith("dropbear_") and name.endswith("_host_key"):
            hand.remove(f"etc/dropbear/{name}")


def own_host_key(hand: Hand, tenant: Tenant) -> None:
    """Fresh ones alone: whoever held an earlier root of this image knows its keys."""
    tree, key = hand.tree, tenant.host_key
    for folder, mode in (("etc/ssh", 0o755), ("etc/dropbear", 0o755)):
        tree.make_folder(folder, mode, claim=True)
    no_host_keys(hand)
    tree.write("etc/ssh/ssh_host_ed25519_key", key["openssh"].encode(), 0o600)
    tree.write("etc/ssh/ssh_host_ed25519_key.pub", f"{key['public']}\n".encode())
    tree.write("etc/dropbear/dropbear_ed25519_host_key", base64.b64decode(key["dropbear"]), 0o600)


def keys_let_in(hand: Hand, tenant: Tenant) -> None:
    tree, home = hand.tree, home_of_root(hand.tree)
    tree.make_folder(home, 0o700)
    # sshd takes no keys from a home that others may write to.
    tree.own(home, 0o700)
    tree.make_folder(f"{home}/.ssh", 0o700, claim=True)
    lines = "".join(f"{key} {GIVEN}\n" for key in tenant.keys)
    tree.write(f"{home}/.ssh/authorized_keys", lines.encode(), 0o600)


def mark(hand: Hand, tenant: Tenant) -> None:
    hand.tree.make_folder("etc/boardgrid", 0o755, claim=True)
    facts = "".join(f"{key}={value}\n" for key, value in tenant.facts.items())
    hand.tree.write("etc/boardgrid/deployment", facts.encode())


# --- homes


def home_of_root(tree: TreeDir) -> str:
    return next((home for name, home in _accounts(tree) if name == "root"), "root")


def homes(tree: TreeDir) -> list[str]:
    """Of all who have one, whether or not they are in passwd(5)."""
    told = {home: None for _name, home in _accounts(tree)}
    lying = {f"home/{name}": None for name in tree.names("home")}
    return [home for home in {"root": None, **told, **lying} if tree.is_folder(home)]


def _accounts(tree: TreeDir) -> list[tuple[str, str]]:
    passwd = (tree.read("etc/passwd", CONFIG_BYTES) or b"").decode("utf-8", "surrogateescape")
    fields = [line.split(":") for line in passwd.split("\n")]
    return [(one[0], one[5].strip("/")) for one in fields if len(one) > 5 and _is_home(one[5])]


def _is_home(path: str) -> bool:
    return len(os.fsencode(path)) <= _HOME_BYTES and _HOME.fullmatch(path) is not None
