"""Takes out of a kept tree what was one deployment's own, and must not be in an image that others boot."""

from boardgrid.adapters.store.fstab import write_volumes
from boardgrid.adapters.store.persona import home_of_root
from boardgrid.adapters.store.tree import TreeDir


def scrub(tree: TreeDir) -> None:
    for name in tree.names("etc/ssh"):
        if name.startswith("ssh_host_"):
            tree.remove(f"etc/ssh/{name}")
    for name in tree.names("etc/dropbear"):
        if name.startswith("dropbear_") and name.endswith("_host_key"):
            tree.remove(f"etc/dropbear/{name}")
    tree.remove(f"{home_of_root(tree)}/.ssh/authorized_keys")
    if tree.is_file("etc/machine-id"):
        # Empty, not gone: systemd takes that for "to be made at the next start".
        tree.write("etc/machine-id", b"", 0o444)
    if tree.is_file("var/lib/dbus/machine-id") and tree.link("var/lib/dbus/machine-id") is None:
        tree.remove("var/lib/dbus/machine-id")
    write_volumes(tree, {})
    tree.remove("etc/boardgrid")
