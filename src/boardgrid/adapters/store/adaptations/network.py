"""What a deployed root must know of the network that it hangs on."""

import re

from boardgrid.adapters.store.adaptations.hand import Hand
from boardgrid.adapters.store.adaptations.identity import Tenant

# The interface a board boots over has one of these names, by the kernel or by udev.
_BOOT_INTERFACES = ("eth0", "en*")
_IFUPDOWN = re.compile(
    r"^([ \t]*iface[ \t]+(?:eth0|en\w+)[ \t]+inet6?[ \t]+)(?:dhcp|static|auto)([ \t\r]*)$", re.MULTILINE
)
_NFS_MODULE, _NFS_PARAMETERS = "etc/modprobe.d/boardgrid-nfs.conf", "etc/tmpfiles.d/boardgrid-nfs.conf"
_POOL = "0.debian.pool.ntp.org 1.debian.pool.ntp.org"  # where the farm's server gives no time


def keep_network_up(hand: Hand, tenant: Tenant) -> None:
    """The root comes over the boot interface: whatever takes that down at shutdown hangs the board."""
    tree = hand.tree
    scripts = [f"etc/network/interfaces.d/{name}" for name in tree.names("etc/network/interfaces.d")]
    for path in ("etc/network/interfaces", *scripts):
        hand.edit(path, lambda text: _IFUPDOWN.sub(r"\1manual\2", text))
    if tree.is_folder("etc/NetworkManager"):
        devices = ";".join(f"interface-name:{name}" for name in _BOOT_INTERFACES)
        hand.put("etc/NetworkManager/conf.d/90-boardgrid.conf", f"[keyfile]\nunmanaged-devices={devices}\n")
    if tree.is_folder("etc/systemd/network") or tree.is_file("lib/systemd/systemd-networkd"):
        # The first file that matches counts; 00 comes before all that images and netplan bring.
        settings = f"[Match]\nName={' '.join(_BOOT_INTERFACES)}\n\n[Link]\nUnmanaged=yes\n"
        hand.put("etc/systemd/network/00-boardgrid.network", settings)


def nfs_identity(hand: Hand, tenant: Tenant) -> None:
    """Of the kernel's client, for NFS version 4; the root itself comes by version 3."""
    settings = {"nfs4_disable_idmapping": "1", "nfs4_unique_id": tenant.machine_id}
    if hand.tree.is_folder("etc/modprobe.d"):
        words = " ".join(f"{name}={value}" for name, value in settings.items())
        hand.put(_NFS_MODULE, f"options nfs {words}\n")
    if hand.has_systemd():
        # Where an initramfs has loaded the module already.
        lines = (f"w /sys/module/nfs/parameters/{name} - - - - {value}\n" for name, value in settings.items())
        hand.put(_NFS_PARAMETERS, "".join(lines))


def no_nfs_identity(hand: Hand) -> None:
    """The machine-id of who had the root is in both."""
    hand.remove(_NFS_MODULE)
    hand.remove(_NFS_PARAMETERS)


def time_from_server(hand: Hand, tenant: Tenant) -> None:
    """Few boards have a clock that runs while they are off, and no certificate is valid in 1970."""
    if tenant.server and hand.has_any("lib/systemd/systemd-timesyncd", "usr/lib/systemd/systemd-timesyncd"):
        hand.put("etc/systemd/timesyncd.conf.d/90-boardgrid.conf", f"[Time]\nNTP={tenant.server} {_POOL}\n")
    if tenant.now and hand.has_any("sbin/fake-hwclock", "usr/sbin/fake-hwclock"):
        hand.put("etc/fake-hwclock.data", f"{tenant.now}\n")
