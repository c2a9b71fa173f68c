"""
Makes a root one deployment's own: a program, so that a tree that holds it up can be left by ending it.

The order comes as JSON on standard input; see :func:`personalise`.
"""

import base64
import os
import re
from collections.abc import Callable
from typing import Any

from boardgrid.adapters.store.complaint import answer
from boardgrid.adapters.store.fstab import write_volumes
from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.messages import _
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.model.ssh_key import GIVEN

_CONFIG_BYTES = 256 << 10  # of a file that people write; a longer one is left as it is
# The interface a board boots over has one of these names, by the kernel or by udev.
_BOOT_INTERFACES = ("eth0", "en*")
_IFUPDOWN = re.compile(
    r"^([ \t]*iface[ \t]+(?:eth0|en\w+)[ \t]+inet6?[ \t]+)(?:dhcp|static|auto)([ \t\r]*)$", re.MULTILINE
)
_HOME = re.compile(r"(?:/\w[\w.+@-]*)+/?")
_HOME_BYTES = 255
_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def personalise(order: dict[str, Any]) -> dict[str, Any]:
    """
    Args:
        order: ``tree``; ``hostname``, ``machine_id``, ``keys``, ``facts`` and ``volumes`` of the deployment;
            ``host_key`` with ``openssh``, ``public`` and ``dropbear`` (base64).

    Raises:
        Fault: the tree does not let it be done.
    """
    with TreeDir(TreePath(order["tree"])) as tree:
        try:
            tree.make_folder("etc")
            _name(tree, order["hostname"], order["machine_id"])
            _give_host_key(tree, order["host_key"])
            _let_in(tree, order["keys"])
            _leave_network_alone(tree)
            _leave_root_alone(tree)
            write_volumes(tree, order.get("volumes", {}))
            tree.make_folder("etc/boardgrid", 0o755, claim=True)
            facts = "".join(f"{key}={value}\n" for key, value in order["facts"].items())
            tree.write("etc/boardgrid/deployment", facts.encode())
            tree.sync()
        except OSError as error:
            raise Fault(
                Code.ROOT_UNFIT,
                _("the image's files do not let it be made personal: {what}: {why}"),
                hint=_("its /etc must be a folder with room for files; repair the image and import it anew"),
                blame=Blame.IMAGE,
                what=shown(os.fsencode(error.filename or "/")),
                why=error.strerror,
            ) from error
    return {}


def _name(tree: TreeDir, hostname: str, machine_id: str) -> None:
    short = hostname.partition(".")[0]
    tree.write("etc/hostname", f"{short}\n".encode())
    names = hostname if short == hostname else f"{hostname} {short}"
    _edit(tree, "etc/hosts", lambda text: _named(text or _HOSTS, names))
    # Two boards with one machine-id ask for one DHCP lease.
    tree.write("etc/machine-id", f"{machine_id}\n".encode(), 0o444)
    if tree.is_file("var/lib/dbus/machine-id") and tree.link("var/lib/dbus/machine-id") is None:
        tree.write("var/lib/dbus/machine-id", f"{machine_id}\n".encode())


def _named(hosts: str, names: str) -> str:
    kept = [line for line in hosts.removesuffix("\n").split("\n") if line.split()[:1] != ["127.0.1.1"]]
    return "".join(f"{line}\n" for line in [*kept, f"127.0.1.1\t{names}"])


def _give_host_key(tree: TreeDir, key: dict[str, str]) -> None:
    """Fresh ones alone: whoever held an earlier root of this image knows its keys."""
    for folder, mode in (("etc/ssh", 0o755), ("etc/dropbear", 0o755)):
        tree.make_folder(folder, mode, claim=True)
    for name in tree.names("etc/ssh"):
        if name.startswith("ssh_host_"):
            tree.remove(f"etc/ssh/{name}")
    for name in tree.names("etc/dropbear"):
        if name.startswith("dropbear_") and name.endswith("_host_key"):
            tree.remove(f"etc/dropbear/{name}")
    tree.write("etc/ssh/ssh_host_ed25519_key", key["openssh"].encode(), 0o600)
    tree.write("etc/ssh/ssh_host_ed25519_key.pub", f"{key['public']}\n".encode())
    tree.write("etc/dropbear/dropbear_ed25519_host_key", base64.b64decode(key["dropbear"]), 0o600)


def _let_in(tree: TreeDir, keys: list[str]) -> None:
    home = home_of_root(tree)
    tree.make_folder(home, 0o700)
    # sshd takes no keys from a home that others may write to.
    tree.own(home, 0o700)
    tree.make_folder(f"{home}/.ssh", 0o700, claim=True)
    tree.write(f"{home}/.ssh/authorized_keys", "".join(f"{key} {GIVEN}\n" for key in keys).encode(), 0o600)


def home_of_root(tree: TreeDir) -> str:
    passwd = (tree.read("etc/passwd", _CONFIG_BYTES) or b"").decode("utf-8", "surrogateescape")
    for line in passwd.split("\n"):
        fields = line.split(":")
        if fields[0] == "root" and len(fields) > 5 and _is_home(fields[5]):
            return fields[5].strip("/")
    return "root"


def _is_home(path: str) -> bool:
    return len(os.fsencode(path)) <= _HOME_BYTES and _HOME.fullmatch(path) is not None


def _leave_network_alone(tree: TreeDir) -> None:
    """The root comes over the boot interface: whatever takes that down at shutdown hangs the board."""
    scripts = [f"etc/network/interfaces.d/{name}" for name in tree.names("etc/network/interfaces.d")]
    for path in ("etc/network/interfaces", *scripts):
        if tree.is_file(path):
            _edit(tree, path, lambda text: _IFUPDOWN.sub(r"\1manual\2", text))
    if tree.is_folder("etc/NetworkManager"):
        devices = ";".join(f"interface-name:{name}" for name in _BOOT_INTERFACES)
        tree.make_folder("etc/NetworkManager/conf.d")
        settings = f"[keyfile]\nunmanaged-devices={devices}\n"
        tree.write("etc/NetworkManager/conf.d/90-boardgrid.conf", settings.encode())
    if tree.is_folder("etc/systemd/network") or tree.is_file("lib/systemd/systemd-networkd"):
        tree.make_folder("etc/systemd")
        tree.make_folder("etc/systemd/network")
        # The first file that matches counts; 00 comes before all that images and netplan bring.
        settings = f"[Match]\nName={' '.join(_BOOT_INTERFACES)}\n\n[Link]\nUnmanaged=yes\n"
        tree.write("etc/systemd/network/00-boardgrid.network", settings.encode())


def _leave_root_alone(tree: TreeDir) -> None:
    """The root of a disk image is looked for in vain, and its board waits 90 s and stops."""
    if tree.is_file("etc/fstab"):
        _edit(tree, "etc/fstab", lambda text: "\n".join(map(_no_root, text.split("\n"))))


def _no_root(line: str) -> str:
    words = line.split()
    is_root = len(words) > 1 and not words[0].startswith("#") and words[1] == "/"
    return f"# mounted over NFS by boardgrid: {line}" if is_root else line


def _edit(tree: TreeDir, path: str, change: Callable[[str], str]) -> None:
    """Change a file, if it is not what it should be; one that is not there is empty. Bytes that are no text stay."""
    content = tree.read(path, _CONFIG_BYTES + 1) or b""
    if len(content) > _CONFIG_BYTES:
        return
    changed = change(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if changed != content:
        tree.write(path, changed)


if __name__ == "__main__":
    answer(personalise)
