"""Each adaptation on a tree that needs it, on one that does not, and left out."""

import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from boardgrid.adapters.store.adaptations import CAPTURE, DEPLOY, IMPORT, adapt, make_personal
from boardgrid.adapters.store.adaptations.identity import Tenant
from boardgrid.adapters.store.digest import summary
from boardgrid.adapters.store.tree import TreeDir, TreePath
from boardgrid.model.adaptation import Adapted, Moment, names
from tests.adapters.store.trees import a_tree

# Files of a tree are root's, and only root may give capabilities to one.
pytestmark = pytest.mark.slow

IN_IMAGES = {Moment.IMPORT: IMPORT, Moment.CAPTURE: CAPTURE}
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
UNITS = "lib/systemd/system"
VOLUME = "10.20.0.1:/v/0192f3a1-0000-7000-8000-000000000001-0192f3a1-0000-7000-8000-000000000002"
TENANT = Tenant(
    hostname="tk1-1.lab.boardgrid",
    machine_id="0123456789abcdef0123456789abcdef",
    keys=["ssh-ed25519 AAAAada"],
    facts={"BOARD": "tk1-1"},
    host_key={"openssh": "PRIVATE", "public": "ssh-ed25519 AAAAhost", "dropbear": "AAAA"},
    server="10.20.0.1",
    volumes={"/data": VOLUME},
    now="2026-11-22 10:00:00",
)


def files(tree: Path, of: Mapping[str, str]) -> None:
    for name, content in of.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(content)


def adapted(tree: Path, moment: Moment, *without: str) -> dict[str, str]:
    with TreeDir(TreePath(str(tree))) as opened:
        return {one.name: one.detail for one in adapt(opened, moment, without)}


def is_masked(tree: Path, unit: str) -> bool:
    at = tree / "etc/systemd/system" / unit
    return at.is_symlink() and os.readlink(at) == "/dev/null"  # noqa: PTH115


@dataclass(frozen=True)
class Case:
    """A tree that needs an adaptation, and what must be so afterwards."""

    name: str
    moment: Moment
    needs: Callable[[Path], object]
    has: Callable[[Path], object]


def _fstab(tree: Path) -> list[str]:
    return (tree / "etc/fstab").read_text().splitlines()


def _gone(*paths: str) -> Callable[[Path], object]:
    return lambda tree: not any((tree / path).exists() for path in paths)


def _pinging(tree: Path) -> None:
    for name in ("ping", "nginx"):
        (tree / "bin" / name).write_bytes(b"#!")
        (tree / "bin" / name).chmod(0o755)
        os.setxattr(tree / "bin" / name, "security.capability", CAPABILITY)
    os.link(tree / "bin" / "ping", tree / "bin" / "ping4")


def _pings(tree: Path) -> bool:
    ping, nginx = tree / "bin/ping", tree / "bin/nginx"
    return (
        stat.S_IMODE(ping.stat().st_mode) == 0o4755
        and "security.capability" not in os.listxattr(ping)
        and stat.S_IMODE(nginx.stat().st_mode) == 0o755
        and "security.capability" in os.listxattr(nginx)
    )


FSTAB = """\
# disks
/dev/mmcblk0p2 / ext4 defaults 0 1
PARTUUID=1234-01 /boot/firmware vfat defaults 0 2
/swapfile none swap sw 0 0
/dev/zram0 none swap sw 0 0
/dev/sda1 /media/usb auto nofail 0 0
proc /proc proc defaults 0 0
10.0.0.1:/home /home nfs defaults 0 0
"""
HISTORY = {"root/.bash_history": "rm -rf", "home/ada/.python_history": "import", "home/ada/notes": "mine"}
LOGS = {
    "var/log/auth.log": "ada",
    "var/log/auth.log.1": "ada",
    "var/log/nginx/access.log": "ada",
    "var/log/journal/0123/system.journal": "ada",
    "var/log/dmesg.2.gz": "ada",
}
KEYS_LEFT = {
    "root/.ssh/authorized_keys": "ssh-ed25519 A",
    "home/ada/.ssh/authorized_keys": "ssh-ed25519 A",
    "etc/boardgrid/deployment": "BOARD=tk1-1",
}
HOST_KEYS = {"etc/ssh/ssh_host_rsa_key": "secret", "etc/ssh/ssh_host_rsa_key.pub": "", "etc/ssh/sshd_config": "Port 22"}

CASES = (
    Case("no-file-capabilities", Moment.IMPORT, _pinging, _pings),
    Case(
        "no-disks",
        Moment.IMPORT,
        lambda tree: files(tree, {"etc/fstab": FSTAB}),
        lambda tree: [line.startswith("#") for line in _fstab(tree)] == [True] * 4 + [False] * 4,
    ),
    Case(
        "no-swap",
        Moment.IMPORT,
        lambda tree: files(tree, {f"{UNITS}/dphys-swapfile.service": "", "etc/rc2.d/S01dphys-swapfile": "#!/bin/sh"}),
        lambda tree: is_masked(tree, "dphys-swapfile.service") and _gone("etc/rc2.d/S01dphys-swapfile")(tree),
    ),
    Case(
        "no-resizing",
        Moment.IMPORT,
        lambda tree: files(
            tree,
            {
                f"{UNITS}/systemd-growfs-root.service": "",
                "etc/rc3.d/S01resize2fs_once": "",
                "etc/init.d/resize2fs_once": "#!/bin/sh",
                "etc/cloud/cloud.cfg.d/05_logging.cfg": "",
            },
        ),
        lambda tree: (
            is_masked(tree, "systemd-growfs-root.service")
            and _gone("etc/rc3.d/S01resize2fs_once")(tree)
            and (tree / "etc/init.d/resize2fs_once").exists()
            and "resize_rootfs: false" in (tree / "etc/cloud/cloud.cfg.d/99-boardgrid.cfg").read_text()
        ),
    ),
    Case(
        "no-disk-chores",
        Moment.IMPORT,
        lambda tree: files(tree, {f"{UNITS}/apt-daily.timer": "", f"{UNITS}/fstrim.timer": ""}),
        lambda tree: (
            is_masked(tree, "apt-daily.timer") and not (tree / "etc/systemd/system/smartd.service").is_symlink()
        ),
    ),
    Case(
        "journal-in-memory",
        Moment.IMPORT,
        lambda tree: files(tree, {"lib/systemd/systemd-journald": ""}),
        lambda tree: "Storage=volatile" in (tree / "etc/systemd/journald.conf.d/90-boardgrid.conf").read_text(),
    ),
    Case(
        "quick-packages",
        Moment.IMPORT,
        lambda tree: files(
            tree,
            {
                "etc/dpkg/dpkg.cfg": "",
                "etc/apt/sources.list": "",
                "usr/bin/eatmydata": "",
                "etc/fstab": "proc /proc proc defaults 0 0",
            },
        ),
        lambda tree: (
            (tree / "etc/dpkg/dpkg.cfg.d/boardgrid").read_text() == "force-unsafe-io\n"
            and 'Dir::Bin::dpkg "/usr/lib/boardgrid/dpkg";' in (tree / "etc/apt/apt.conf.d/90boardgrid").read_text()
            and os.access(tree / "usr/lib/boardgrid/dpkg", os.X_OK)
            and _fstab(tree)[1].split()[:3] == ["tmpfs", "/tmp", "tmpfs"]  # noqa: S108
        ),
    ),
    Case(
        "room-for-containers",
        Moment.IMPORT,
        lambda tree: files(tree, {"usr/bin/dockerd": "", "usr/bin/podman": "", "lib/systemd/systemd": ""}),
        lambda tree: (
            "containers.ext4 /var/lib/docker /var/lib/containers\n"
            in (tree / "etc/systemd/system/boardgrid-containers.service").read_text()
            and (tree / "etc/systemd/system/multi-user.target.wants/boardgrid-containers.service").exists()
            and os.access(tree / "usr/lib/boardgrid/room-for-containers", os.X_OK)
        ),
    ),
    Case(
        "room-for-containers",
        Moment.CAPTURE,
        lambda tree: files(tree, {"var/lib/boardgrid/containers.ext4": "large"}),
        _gone("var/lib/boardgrid/containers.ext4"),
    ),
    Case(
        "selinux-permissive",
        Moment.IMPORT,
        lambda tree: files(
            tree, {"etc/selinux/config": "# SELINUX=enforcing\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"}
        ),
        lambda tree: (
            (tree / "etc/selinux/config").read_text().splitlines()[1:] == ["SELINUX=permissive", "SELINUXTYPE=targeted"]
        ),
    ),
    *(
        Case(
            "fresh-machine-id",
            moment,
            lambda tree: files(tree, {"etc/machine-id": "abc\n", "var/lib/dbus/machine-id": "abc\n"}),
            lambda tree: (tree / "etc/machine-id").read_text() == "" and _gone("var/lib/dbus/machine-id")(tree),
        )
        for moment in IN_IMAGES
    ),
    *(
        Case(
            "fresh-host-keys",
            moment,
            lambda tree: files(tree, {**HOST_KEYS, "etc/dropbear/dropbear_rsa_host_key": "secret"}),
            lambda tree: os.listdir(tree / "etc/ssh") == ["sshd_config"] and os.listdir(tree / "etc/dropbear") == [],  # noqa: PTH208
        )
        for moment in IN_IMAGES
    ),
    Case(
        "nfs-identity",
        Moment.CAPTURE,
        lambda tree: files(tree, {"etc/modprobe.d/boardgrid-nfs.conf": "", "etc/tmpfiles.d/boardgrid-nfs.conf": ""}),
        _gone("etc/modprobe.d/boardgrid-nfs.conf", "etc/tmpfiles.d/boardgrid-nfs.conf"),
    ),
    Case(
        "volumes",
        Moment.CAPTURE,
        lambda tree: files(
            tree, {"etc/fstab": f"{VOLUME}\t/data\tnfs\tdefaults\t0\t0\nproc /proc proc defaults 0 0\n"}
        ),
        lambda tree: (tree / "etc/fstab").read_text() == "proc /proc proc defaults 0 0\n",
    ),
    Case("no-keys-left", Moment.CAPTURE, lambda tree: files(tree, KEYS_LEFT), _gone(*KEYS_LEFT)),
    Case(
        "no-history",
        Moment.CAPTURE,
        lambda tree: files(tree, HISTORY),
        lambda tree: (
            _gone("root/.bash_history", "home/ada/.python_history")(tree)
            and (tree / "home/ada/notes").read_text() == "mine"
        ),
    ),
    Case(
        "no-cloud-init-state",
        Moment.CAPTURE,
        lambda tree: files(tree, {"var/lib/cloud/instances/i-1/user-data.txt": "password", "var/lib/cloud/seed/x": ""}),
        lambda tree: _gone("var/lib/cloud/instances")(tree) and (tree / "var/lib/cloud/seed/x").exists(),
    ),
    Case(
        "no-random-seed",
        Moment.CAPTURE,
        lambda tree: files(tree, {"var/lib/systemd/random-seed": "r", "var/lib/systemd/timers/x": ""}),
        lambda tree: _gone("var/lib/systemd/random-seed")(tree) and (tree / "var/lib/systemd/timers/x").exists(),
    ),
    Case(
        "no-leases",
        Moment.CAPTURE,
        lambda tree: files(tree, {"var/lib/dhcp/dhclient.leases": "lease", "var/lib/NetworkManager/secret_key": "s"}),
        _gone("var/lib/dhcp/dhclient.leases", "var/lib/NetworkManager/secret_key"),
    ),
    Case(
        "no-logs",
        Moment.CAPTURE,
        lambda tree: files(tree, LOGS),
        lambda tree: (
            sorted(str(path.relative_to(tree / "var/log")) for path in (tree / "var/log").rglob("*") if path.is_file())
            == ["auth.log", "nginx/access.log"]
            and (tree / "var/log/auth.log").read_text() == ""
        ),
    ),
)
BY_NAME = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.moment}")


def test_each_name_has_a_deed_for_each_of_its_moments_and_a_case_here() -> None:
    for moment, deeds in {**IN_IMAGES, Moment.DEPLOY: DEPLOY}.items():
        assert tuple(sorted(names(moment))) == tuple(sorted(deeds))
    assert {(case.name, case.moment) for case in CASES} == {
        (name, moment) for moment in IN_IMAGES for name in names(moment)
    }


@BY_NAME
def test_a_tree_that_needs_it_is_changed_and_that_is_told(tmp_path: Path, case: Case) -> None:
    tree = a_tree(tmp_path / "tree")
    case.needs(tree)
    assert case.name in adapted(tree, case.moment)
    assert case.has(tree)


@BY_NAME
def test_what_is_left_out_changes_nothing(tmp_path: Path, case: Case) -> None:
    tree = a_tree(tmp_path / "tree")
    case.needs(tree)
    before = summary(TreePath(str(tree)))
    assert case.name not in adapted(tree, case.moment, *names(case.moment))
    assert summary(TreePath(str(tree))) == before


@BY_NAME
def test_done_twice_it_has_nothing_to_do_the_second_time(tmp_path: Path, case: Case) -> None:
    tree = a_tree(tmp_path / "tree")
    case.needs(tree)
    adapted(tree, case.moment)
    before = summary(TreePath(str(tree)))
    again = adapted(tree, case.moment)
    again.pop("no-file-capabilities", None)  # it tells each time of those that it cannot help
    assert again == {}
    assert summary(TreePath(str(tree))) == before


@pytest.mark.parametrize("moment", IN_IMAGES)
def test_a_tree_that_needs_nothing_stays_byte_for_byte_as_it_was(tmp_path: Path, moment: Moment) -> None:
    tree = a_tree(tmp_path / "tree")
    before = summary(TreePath(str(tree)))
    assert adapted(tree, moment) == {}
    assert summary(TreePath(str(tree))) == before


def test_a_file_for_keys_that_holds_none_stays(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    files(tree, {"root/.ssh/authorized_keys": ""})
    assert "no-keys-left" not in adapted(tree, Moment.CAPTURE)
    assert (tree / "root/.ssh/authorized_keys").exists()


def test_the_same_tree_is_adapted_to_the_same_digest_on_any_day(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        tree = a_tree(tmp_path / name)
        for case in CASES:
            if case.moment is Moment.IMPORT:
                case.needs(tree)
        for path in [*tree.rglob("*"), tree]:
            os.utime(path, ns=(0, 1_234_567_890), follow_symlinks=False)
        adapted(tree, Moment.IMPORT)
        digests.append(summary(TreePath(str(tree))).digest)
    assert digests[0] == digests[1]


def test_no_deed_follows_a_link_out_of_the_tree(tmp_path: Path) -> None:
    outside = a_tree(tmp_path / "outside")
    for case in CASES:
        case.needs(outside)
    before = summary(TreePath(str(outside)))
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in os.listdir(outside):  # noqa: PTH208
        (tree / name).symlink_to(outside / name)
    for moment in IN_IMAGES:
        adapted(tree, moment)
    assert summary(TreePath(str(outside))) == before


def test_what_is_told_is_bounded_and_fit_to_be_printed(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    for number in range(30):
        files(tree, {f"etc/ssh/ssh_host_{number:02}\x1b[31m": ""})
    told = adapted(tree, Moment.IMPORT)["fresh-host-keys"]
    assert "\x1b" not in told
    assert told.endswith("and 10 more")


# --- at a deployment


def personal(tree: Path, tenant: Tenant = TENANT, *without: str) -> None:
    with TreeDir(TreePath(str(tree))) as opened:
        make_personal(opened, tenant, without)


DEPLOYED: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    # what the tree has; the file that is then otherwise, and what is in it
    "no-disks": ({"etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n"}, "etc/fstab", "# mounted over NFS by boardgrid"),
    "host-name": ({}, "etc/hostname", "tk1-1\n"),
    "fresh-machine-id": ({}, "etc/machine-id", TENANT.machine_id),
    "fresh-host-keys": ({}, "etc/ssh/ssh_host_ed25519_key", "PRIVATE"),
    "keys-let-in": ({}, "root/.ssh/authorized_keys", "ssh-ed25519 AAAAada boardgrid"),
    "deployment-mark": ({}, "etc/boardgrid/deployment", "BOARD=tk1-1"),
    "keep-network-up": (
        {"etc/network/interfaces": "iface eth0 inet dhcp\n"},
        "etc/network/interfaces",
        "iface eth0 inet manual",
    ),
    "nfs-identity": (
        {"etc/modprobe.d/x.conf": ""},
        "etc/modprobe.d/boardgrid-nfs.conf",
        f"nfs4_unique_id={TENANT.machine_id}",
    ),
    "time-from-server": (
        {"lib/systemd/systemd-timesyncd": ""},
        "etc/systemd/timesyncd.conf.d/90-boardgrid.conf",
        "NTP=10.20.0.1 ",
    ),
    "volumes": ({}, "etc/fstab", f"{VOLUME}\t/data\tnfs"),
}


@pytest.mark.parametrize("name", names(Moment.DEPLOY))
def test_a_deployed_root_has_it_unless_it_is_left_out(tmp_path: Path, name: str) -> None:
    has, path, text = DEPLOYED[name]
    with_it, without = a_tree(tmp_path / "with"), a_tree(tmp_path / "without")
    files(with_it, has)
    files(without, has)
    personal(with_it)
    assert text in (with_it / path).read_text()
    personal(without, TENANT, name)
    assert not (without / path).exists() or text not in (without / path).read_text()


def test_no_machine_id_of_who_had_a_root_is_in_an_image_that_is_made_of_it(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    files(tree, {"etc/modprobe.d/x.conf": "", "lib/systemd/systemd": ""})
    personal(tree)
    adapted(tree, Moment.CAPTURE)
    holders = [path for path in tree.rglob("*") if path.is_file() and TENANT.machine_id in path.read_text()]
    assert holders == []


def test_a_board_without_a_clock_begins_at_the_time_of_its_deployment(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    files(tree, {"sbin/fake-hwclock": "", "etc/fake-hwclock.data": "1970-01-01 00:00:00\n"})
    personal(tree)
    assert (tree / "etc/fake-hwclock.data").read_text() == "2026-11-22 10:00:00\n"


def test_where_the_server_is_not_known_the_time_comes_from_where_it_came(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    files(tree, {"lib/systemd/systemd-timesyncd": ""})
    personal(tree, replace(TENANT, server=""))
    assert not (tree / "etc/systemd/timesyncd.conf.d").exists()


def test_an_adaptation_tells_what_it_changed(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    files(tree, {"etc/machine-id": "abc\n"})
    with TreeDir(TreePath(str(tree))) as opened:
        assert adapt(opened, Moment.IMPORT, ()) == (Adapted("fresh-machine-id", "etc/machine-id"),)


# --- on the board


@pytest.mark.world
def test_containers_get_a_file_system_that_keeps_what_they_had(alone: None, tmp_path: Path) -> None:
    script = Path("src/boardgrid/adapters/store/adaptations/scripts/room-for-containers").resolve()
    room, docker = tmp_path / "containers.ext4", tmp_path / "docker"
    docker.mkdir()
    (docker / "layer").write_text("of the image")
    # A disk of a few MiB: the script takes three quarters of what is free.
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
    room = disk / "containers.ext4"
    try:
        for turn in range(2):
            subprocess.run(["sh", str(script), str(room), str(docker)], check=True)
            assert (docker / "layer").read_text() == "of the image"
            assert (turn == 0) or (docker / "more").read_text() == "written"
            (docker / "more").write_text("written")
            subprocess.run(["umount", str(docker), str(disk / "containers")], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
