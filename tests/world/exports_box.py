"""
A machine's worth of namespaces for one test: a bridge with boards, mounts, and a ganesha. All of it goes with the box.

The box ends when its first process does, and that one when this process does, however it ends.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from boardgrid.adapters.exports.ganesha import GaneshaExports
from boardgrid.adapters.exports.ganesha_server import GaneshaServer
from boardgrid.adapters.exports.knfsd import KernelExports
from boardgrid.adapters.shell import SubprocessShell
from tests.world.exports_client import Client
from tests.world.exports_guest import MARK

SERVER = IPv4Address("10.77.0.1")
# Before Linux 6.2 an overlay takes ACLs from programs, and none from the kernel's own NFS server.
ROOTS_TAKE_ACLS = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)
_BEGIN = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/lock
mount -t sysfs sysfs /sys
ip link set lo up
ip link add br0 type bridge forward_delay 0
ip addr add {server}/24 dev br0
ip link set br0 up
echo ready
exec sleep infinity
"""
_BOARD = """
set -e
ip netns add {name}
ip link add v{name} type veth peer name eth0 netns {name}
ip link set v{name} master br0 up
ip -n {name} addr add {address}/24 dev eth0
ip -n {name} link set eth0 up
ip -n {name} link set lo up
"""

_IMAGE = """
set -e
mkfs.erofs --quiet -zlz4 "$1.erofs" "$1.content"
mount -o loop,ro "$1.erofs" "$1"
"""
_DISK = """
set -e
truncate --size=64M "$1/above.ext4"
mkfs.ext4 -q "$1/above.ext4"
"""
_ROOT = """
set -e
mount -o loop "$1/above.ext4" "$1/above"
mkdir -p "$1/above/upper" "$1/above/work"
parts="lowerdir=$2,upperdir=$1/above/upper,workdir=$1/above/work"
mount -t overlay -o "$parts,index=on,nfs_export=on,redirect_dir=on,metacopy=off,xino=on" overlay "$1/tree"
"""


def eventually(happens: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < until, f"in {timeout_s} s not yet: {what}"
        time.sleep(0.02)


async def ready(exports: GaneshaExports | KernelExports, timeout_s: float = 60) -> None:
    until = time.monotonic() + timeout_s
    while not await exports.is_ready():
        assert time.monotonic() < until, f"in {timeout_s} s the server is not ready"
        await asyncio.sleep(0.02)


@dataclass
class Box:
    folder: Path
    pid: int
    boards: dict[IPv4Address, Path] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)

    @property
    def inside(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--root", "--")

    @property
    def proc(self) -> Path:
        """Its processes, by the numbers that they have in there."""
        return Path(f"/proc/{self.pid}/root/proc")

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        """It is a Shell: adapters work in here with it."""
        return await SubprocessShell().run(*self.inside, *argv, timeout_s=timeout_s, stdin=stdin)

    def can(self, *argv: str) -> bool:
        return subprocess.run([*self.inside, *argv], capture_output=True, timeout=60, check=False).returncode == 0

    def do(self, *argv: str) -> str:
        done = subprocess.run([*self.inside, *argv], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr or done.stdout}"
        return done.stdout

    def start(self, *argv: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as end:
            words = ["setpriv", "--pdeathsig", "KILL", *self.inside, *argv]
            return subprocess.Popen(words, stdout=end, stderr=end)

    def write(self, path: Path, text: str) -> None:
        """Into what is mounted in here alone."""
        self.do("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, str(path))

    def board(self, address: IPv4Address) -> Path:
        """The network namespace of a board with this address."""
        if address not in self.boards:
            name = f"b{int(address) & 0xFFFF}"
            self.do("sh", "-c", _BOARD.format(name=name, address=address))
            self.boards[address] = Path(f"/proc/{self.pid}/root/run/netns/{name}")
        return self.boards[address]

    def client(self, address: IPv4Address, *, privileged: bool = True) -> Client:
        client = Client(str(SERVER), self.board(address), str(address), privileged)
        self.clients.append(client)
        return client

    def memory_tree(self, name: str) -> Path:
        """A file system of its own."""
        tree = self.folder / name
        tree.mkdir()
        self.do("mount", "-t", "tmpfs", "tmpfs", str(tree))
        self.write(tree / "hello", f"hello from {name}\n")
        return tree

    def image(self, name: str = "image") -> Path:
        """A tree that is never written to, mounted: the lower half of roots."""
        content, lower = self.folder / f"{name}.content", self.folder / name
        for made in (content, lower):
            made.mkdir()
        for number in range(20):
            (content / f"file{number}").write_text(f"from the image, {number}\n")
        self.do("sh", "-c", _IMAGE, "sh", str(lower))
        return lower

    def root(self, name: str, lower: Path) -> Path:
        """A root as the farm lays it out: the image's EROFS below, an ext4 of its own above, joined by overlay."""
        tree = self.folder / name / "tree"
        (tree.parent / "above").mkdir(parents=True)
        tree.mkdir()
        self.do("sh", "-c", _DISK + _ROOT, "sh", str(tree.parent), str(lower))
        self.write(tree / "secret", f"secret of {name}\n")
        return tree

    def mount_root(self, tree: Path, lower: Path) -> None:
        self.do("sh", "-c", _ROOT, "sh", str(tree.parent), str(lower))

    def unmount_root(self, tree: Path) -> None:
        # The kernel's server closes what it had open for a board a moment after the fence.
        for mount in (tree, tree.parent / "above"):
            eventually(lambda mount=mount: self.can("umount", str(mount)), f"{mount} is free", 300)  # type: ignore[misc]


@contextlib.contextmanager
def a_box(folder: Path) -> Iterator[Box]:
    words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL"]
    words += ["--mount-proc", "--propagation", "private", "sh", "-c", _BEGIN.format(server=SERVER)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    box: Box | None = None
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        box = Box(folder, int(children[0]))
        yield box
    finally:
        for client in box.clients if box else []:
            client.close()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
        # The first process takes the others along; their mounts go with the last of them, and so do the loop devices.
        # That takes the kernel seconds of waiting, which nobody needs to wait with it.


@dataclass
class RunningGanesha:
    """The three programs in a box, started again at will as their supervisor would."""

    box: Box
    server: GaneshaServer
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def exports(self) -> GaneshaExports:
        return self.hasty_exports(15.0)

    def hasty_exports(self, timeout_s: float) -> GaneshaExports:
        return GaneshaExports(self.server, self.box, timeout_s, self.box.proc)

    def restart(self) -> None:
        """As its supervisor does once it was killed."""
        self.kill("ganesha")
        self.start("ganesha")

    def start(self, *names: str) -> None:
        words = {
            "port mapper": self.server.port_mapper,
            "bus": self.server.bus_daemon,
            "ganesha": self.server.ganesha,
        }
        for name in names or words:
            log = self.box.folder / "programs.log"
            self.programs[name] = self.box.start(*words[name], log=log)

    def signal(self, name: str, number: int) -> None:
        for pid in self._pids(name):
            os.kill(pid, number)

    def waits_for_disk(self) -> bool:
        """Whether a thread of ganesha's sleeps so fast that only the disk can wake it."""
        for pid in self._pids("ganesha"):
            for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
                with contextlib.suppress(OSError):  # the thread has ended since
                    if stat.read_text().rpartition(")")[2].split()[0] == "D":
                        return True
        return False

    def _pids(self, name: str) -> list[int]:
        """Of the program itself, before which nsenter stands."""
        nsenter = self.programs[name].pid
        return [int(child) for child in Path(f"/proc/{nsenter}/task/{nsenter}/children").read_text().split()]

    def kill(self, name: str) -> None:
        self.signal(name, signal.SIGKILL)
        self.programs[name].wait(30)

    def ended(self, name: str) -> bool:
        return self.programs[name].poll() is not None

    def reap(self) -> None:
        for program in self.programs.values():
            program.kill()
            program.wait(30)


@contextlib.contextmanager
def a_ganesha(box: Box) -> Iterator[RunningGanesha]:
    """Started, maybe not ready yet."""
    server = GaneshaServer(box.folder / "nfs", SERVER, box.folder / "run" / "bus")
    server.write_config()
    running = RunningGanesha(box, server)
    try:
        running.start()
        yield running
    finally:
        running.reap()


_SETTINGS = Path(__file__).parents[2] / "packaging/nfs.conf.d"  # the very ones that a site is to take
_KERNEL_SERVER = """
set -e
mkdir -p /etc/exports.d /etc/nfs.conf.d /var/lib/nfs
mount --bind "$1" /etc/exports.d
mount --bind "$2" /etc/nfs.conf.d
mount -t tmpfs tmpfs /var/lib/nfs
: > /var/lib/nfs/etab
: > /var/lib/nfs/rmtab
: > /etc/exports
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind
rpc.nfsd 4
"""
# What Debian's nfs-server.service does when it is stopped and started.
_KERNEL_RESTART = """
set -e
rpc.nfsd 0
exportfs -au
exportfs -f
exportfs -r
rpc.nfsd 4
"""


@dataclass
class RunningKernelServer:
    """The kernel's server in a box; only in the guest, for it makes links on the root of the machine."""

    box: Box
    mirror: Path
    mountd: subprocess.Popen[bytes]

    def exports(self) -> KernelExports:
        return KernelExports(self.box, self.box.folder, self.mirror, server=self.box.proc / "fs/nfsd")

    def restart(self) -> None:
        self.box.do("sh", "-c", _KERNEL_RESTART)


@contextlib.contextmanager
def a_kernel_server(box: Box) -> Iterator[RunningKernelServer]:
    assert MARK.exists()
    mirror = box.folder / "exports.d"
    mirror.mkdir()
    box.do("sh", "-c", _KERNEL_SERVER, "sh", str(mirror), str(_SETTINGS))
    words = ("rpc.mountd", "--foreground", "--port", "20048")
    mountd = box.start(*words, log=box.folder / "programs.log")
    try:
        yield RunningKernelServer(box, mirror, mountd)
    finally:
        box.do("sh", "-c", "rpc.nfsd 0; exportfs -f")
        mountd.kill()
        mountd.wait(30)
        for left in ("/r", "/NFSRoot1"):
            shutil.rmtree(left, ignore_errors=True)
            Path(left).unlink(missing_ok=True)


def a_server(kind: str, box: Box) -> AbstractContextManager[RunningGanesha | RunningKernelServer]:
    return a_ganesha(box) if kind == "ganesha" else a_kernel_server(box)
