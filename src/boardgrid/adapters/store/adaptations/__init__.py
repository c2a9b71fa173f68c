"""The deeds of :mod:`boardgrid.model.adaptation`: functions on a tree, under the names that people know."""

from collections.abc import Callable, Collection, Mapping

from boardgrid.adapters.store.adaptations import disks, identity, network, programs, traces, volumes
from boardgrid.adapters.store.adaptations.hand import Hand
from boardgrid.adapters.store.adaptations.identity import Tenant
from boardgrid.adapters.store.limits import shown
from boardgrid.adapters.store.tree import TreeDir
from boardgrid.messages import _
from boardgrid.model.adaptation import Adapted, Moment, names

_TOLD = 20  # paths of one adaptation

IMPORT: Mapping[str, Callable[[Hand], None]] = {
    "no-file-capabilities": programs.no_file_capabilities,
    "no-disks": disks.no_disks,
    "no-swap": disks.no_swap,
    "no-resizing": disks.no_resizing,
    "no-disk-chores": disks.no_disk_chores,
    "journal-in-memory": disks.journal_in_memory,
    "quick-packages": programs.quick_packages,
    "room-for-containers": programs.room_for_containers,
    "selinux-permissive": programs.selinux_permissive,
    "fresh-machine-id": identity.no_machine_id,
    "fresh-host-keys": identity.no_host_keys,
}
DEPLOY: Mapping[str, Callable[[Hand, Tenant], None]] = {
    "no-disks": lambda hand, _tenant: disks.no_root_disk(hand),
    "host-name": identity.host_name,
    "fresh-machine-id": identity.own_machine_id,
    "fresh-host-keys": identity.own_host_key,
    "keys-let-in": identity.keys_let_in,
    "deployment-mark": identity.mark,
    "keep-network-up": network.keep_network_up,
    "nfs-identity": network.nfs_identity,
    "time-from-server": network.time_from_server,
    "volumes": volumes.mount_volumes,
}
CAPTURE: Mapping[str, Callable[[Hand], None]] = {
    "room-for-containers": programs.no_room_for_containers,
    "nfs-identity": network.no_nfs_identity,
    "volumes": volumes.no_volumes,
    "fresh-machine-id": identity.no_machine_id,
    "fresh-host-keys": identity.no_host_keys,
    "no-keys-left": traces.no_keys_left,
    "no-history": traces.no_history,
    "no-cloud-init-state": traces.no_cloud_init_state,
    "no-random-seed": traces.no_random_seed,
    "no-leases": traces.no_leases,
    "no-logs": traces.no_logs,
}


def adapt(tree: TreeDir, moment: Moment, without: Collection[str]) -> tuple[Adapted, ...]:
    """
    Change a tree that is to be an image. What had nothing to do in it is not told.

    Raises:
        OSError: the tree does not let it be done.
    """
    deeds, applied = CAPTURE if moment is Moment.CAPTURE else IMPORT, []
    for name in names(moment):
        if name in without:
            continue
        hand = Hand(tree, timeless=True)
        deeds[name](hand)
        if hand.changed:
            applied.append(Adapted(name, _told(list(hand.changed))))
    return tuple(applied)


def make_personal(tree: TreeDir, tenant: Tenant, without: Collection[str]) -> None:
    """
    Make a root one deployment's own.

    Raises:
        OSError: as above.
    """
    for name in names(Moment.DEPLOY):
        if name not in without:
            DEPLOY[name](Hand(tree), tenant)


def _told(changed: list[str]) -> str:
    told = ", ".join(shown(path.encode("utf-8", "surrogateescape")) for path in changed[:_TOLD])
    more = len(changed) - _TOLD
    return told if more <= 0 else _("{paths} and {count} more").format(paths=told, count=more)
