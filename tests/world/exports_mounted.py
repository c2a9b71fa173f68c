"""
Boards with the NFS client of a real kernel, and roots as the farm lays them out, under the kernel's own server.

Runs in the virtual machine alone, which has such a kernel: tests/world/test_exports_knfsd.py starts it.
"""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest

from boardgrid.adapters.exports.knfsd import KernelExports
from boardgrid.model.errors import Code, Conflict
from boardgrid.ports import Export
from tests.world.exports_box import ROOTS_TAKE_ACLS, SERVER, Box, RunningKernelServer, a_box, a_kernel_server, ready

pytestmark = pytest.mark.world
BOARD = IPv4Address("10.77.0.21")
PATH, FIXED = PurePosixPath("/r/0192f3a1/0192f3b2"), PurePosixPath("/NFSRoot1")
MIB = 1 << 20
BOOT_TRIES = 5  # a booting kernel asks as often for its root: on a busy machine rpc.mountd refuses one now and then
OPTIONS = "vers=3,proto=tcp,mountproto=tcp,nolock,noac,lookupcache=none,timeo=50"


@dataclass
class Site:
    box: Box
    server: RunningKernelServer
    exports: KernelExports
    tree: Path
    lower: Path

    def unmount(self) -> None:
        words = ["umount", "--force", "--lazy", str(self.box.folder / "mounted")]
        subprocess.run([*self.box.inside, *words], capture_output=True, timeout=120, check=False)

    def on_the_board(self, *argv: str) -> subprocess.CompletedProcess[str]:
        name = self.box.board(BOARD).name
        words = [*self.box.inside, "ip", "netns", "exec", name, "timeout", "60", *argv]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    def begun_on_the_board(self, *argv: str) -> "subprocess.Popen[str]":
        words = [*self.box.inside, "ip", "netns", "exec", self.box.board(BOARD).name, *argv]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def mount(self, path: PurePosixPath, *words: str, options: str = OPTIONS) -> Path:
        point = self.box.folder / "mounted"
        point.mkdir(exist_ok=True)
        # Straight into the namespace of the machine, which `ip netns exec` would not do.
        netns = f"--net={self.box.board(BOARD)}"
        argv = [
            "nsenter",
            "--target",
            str(self.box.pid),
            "--mount",
            "--root",
            netns,
            "mount",
            "-t",
            "nfs",
            "-o",
            options,
            *words,
        ]
        for _try in range(BOOT_TRIES):
            done = subprocess.run(
                [*argv, f"{SERVER}:{path}", str(point)], capture_output=True, text=True, timeout=120, check=False
            )
            if done.returncode == 0:
                return point
            time.sleep(1)
        raise AssertionError(done.stderr)


@pytest.fixture(params=["knfsd"])
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with a_box(tmp_path) as box, a_kernel_server(box) as server:
        exports = server.exports()
        await ready(exports)
        lower = box.image()
        site = Site(box, server, exports, box.root("one", lower), lower)
        try:
            yield site
        finally:
            site.unmount()


async def test_a_board_works_on_its_root_is_fenced_and_goes_on_when_it_is_offered_again(site: Site) -> None:
    await site.exports.add(site.tree, BOARD, FIXED)
    root = site.mount(FIXED)
    work = "set -e; cd $0; mkdir d; echo 1 > d/a; ln -s a d/s; mknod d/null c 1 3; chmod 4755 d/a; mv file7 d/b; sync"
    assert site.on_the_board("sh", "-c", work, str(root)).returncode == 0
    assert site.box.do("stat", "-c", "%u %a", str(site.tree / "d/a")) == "0 4755\n"
    assert site.box.do("cat", str(site.tree / "d/b")) == "from the image, 7\n"

    await site.exports.remove(FIXED)
    fenced = site.on_the_board("cat", str(root / "d/a"))
    assert fenced.returncode == 1
    assert "Stale file handle" in fenced.stderr or "Permission denied" in fenced.stderr
    site.box.unmount_root(site.tree)

    site.box.mount_root(site.tree, site.lower)
    await site.exports.add(site.tree, BOARD, FIXED)
    again = site.on_the_board("cat", str(root / "d/a"))
    assert (again.stdout, again.stderr) == ("1\n", "")


async def test_a_board_finds_the_acls_of_its_root_and_sets_them_where_the_servers_kernel_can(site: Site) -> None:
    site.box.do("setfacl", "--modify", "u:4321:rw", str(site.tree / "secret"))
    await site.exports.add(site.tree, BOARD, FIXED)
    root = site.mount(FIXED)
    assert "user:4321:rw-" in site.on_the_board("getfacl", "--absolute-names", "--numeric", f"{root}/secret").stdout
    copied = site.on_the_board("sh", "-c", "cd $0 && chmod 640 file7 && cp -p file7 copy", str(root))
    assert (copied.returncode, copied.stderr) == (0, "")
    assert site.box.do("stat", "-c", "%a", str(site.tree / "copy")) == "640\n"
    done = site.on_the_board("setfacl", "--modify", "u:4321:r", f"{root}/copy")
    if ROOTS_TAKE_ACLS:
        assert "user:4321:r--" in site.box.do("getfacl", "--absolute-names", "--numeric", str(site.tree / "copy"))
    else:
        assert "Operation not supported" in done.stderr


async def test_a_board_sets_acls_on_a_volume_and_hands_them_on(site: Site) -> None:
    volume, seen_as = site.box.memory_tree("volume"), PurePosixPath("/v/0192f3a1-0192f3b4")
    await site.exports.add(volume, BOARD, seen_as, shared=True)
    work = "set -e; cd $0; setfacl -m u:4321:r hello; cp -p hello copy; mkdir d; setfacl -d -m u:4321:rwx d; : > d/a"
    done = site.on_the_board("sh", "-c", work, str(site.mount(seen_as)))
    assert (done.returncode, done.stderr) == (0, "")
    for path, entry in {"copy": "user:4321:r--", "d/a": "user:4321:rwx", "d": "default:user:4321:rwx"}.items():
        assert entry in site.box.do("getfacl", "--absolute-names", "--numeric", str(volume / path))
    await site.exports.remove(seen_as)


async def test_a_running_board_goes_on_after_the_server_was_restarted(site: Site) -> None:
    await site.exports.add(site.tree, BOARD, PATH)
    root = site.mount(PATH)
    site.server.restart()
    done = site.on_the_board("sh", "-c", "echo after > $0/a && cat $0/secret", str(root))
    assert (done.stdout, done.stderr) == ("secret of one\n", "")
    assert site.box.do("cat", str(site.tree / "a")) == "after\n"


async def test_only_what_the_farm_made_is_touched_at_a_fixed_path(site: Site) -> None:
    site.box.do("mkdir", str(FIXED))
    with pytest.raises(Conflict, match="NFSRoot1") as refused:
        await site.exports.add(site.tree, BOARD, FIXED)
    assert refused.value.code is Code.EXPORT_TAKEN
    assert await site.exports.all() == set()
    site.box.do("rmdir", str(FIXED))
    await site.exports.add(site.tree, BOARD, FIXED)
    assert site.box.do("readlink", str(FIXED)) == f"{site.tree}\n"
    await site.exports.remove(FIXED)
    site.box.do("test", "!", "-L", str(FIXED))


async def test_exports_of_the_machine_itself_are_neither_told_nor_touched(site: Site) -> None:
    own = site.box.memory_tree("own")
    site.box.do("exportfs", "-o", "ro,no_subtree_check,fsid=7", f"{BOARD}:{own}")
    await site.exports.add(site.tree, BOARD, PATH)
    assert await site.exports.all() == {Export(BOARD, PATH, site.tree)}
    await site.exports.remove(PATH)
    assert str(own) in site.box.do("exportfs", "-s")


@pytest.mark.parametrize("words", [(), ("--internal-only",)], ids=["with nfs-common", "without it"])
async def test_a_system_with_systemd_mounts_a_volume_as_its_fstab_says(site: Site, words: tuple[str, ...]) -> None:
    volume, seen_as = site.box.memory_tree("volume"), PurePosixPath("/v/0192f3a1-0192f3b2")
    await site.exports.add(volume, BOARD, seen_as, shared=True)
    options = f"vers=3,proto=tcp,nolock,hard,addr={SERVER},_netdev,nofail,x-systemd.automount"
    point = site.mount(seen_as, *words, options=options)
    done = site.on_the_board("sh", "-c", "echo mine > $0/a && cat $0/hello", str(point))
    assert (done.stdout, done.stderr) == ("hello from volume\n", "")
    assert site.box.do("cat", str(volume / "a")) == "mine\n"
    await site.exports.remove(seen_as)  # the link is the machine's, which the next test finds as this one leaves it


async def test_a_volume_is_made_larger_under_a_board_that_writes_to_it(site: Site) -> None:
    volume, file = site.box.folder / "grows", site.box.folder / "grows.ext4"
    make = "mkdir $0 && truncate -s 64M $1 && mkfs.ext4 -q -b 4096 -m 0 $1 && mount -o loop,nodev,nosuid,noexec $1 $0"
    site.box.do("sh", "-c", make, str(volume), str(file))
    seen_as = PurePosixPath("/v/0192f3a1-0192f3b3")
    await site.exports.add(volume, BOARD, seen_as, shared=True)
    point = site.mount(seen_as)
    # Its program has a file open all the time, and the disk is full.
    writes = "exec 3>$0/notes; echo before >&3; echo ready; read go; echo after >&3; exec 3>&-; sync; echo done"
    with site.begun_on_the_board("sh", "-c", writes, str(point)) as program:
        assert program.stdin is not None and program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        fill = ("dd", "if=/dev/zero", f"of={point}/big", "bs=1M", "count=100", "conv=fsync")
        assert "No space left" in site.on_the_board(*fill).stderr

        site.box.do("truncate", "-s", "256M", str(file))
        order = {"file": str(file), "tree": str(volume), "size_bytes": 256 * MIB, "had_bytes": 64 * MIB}
        grow = (sys.executable, "-I", "-m", "boardgrid.adapters.store.growing")
        await site.box.run(*grow, timeout_s=300, stdin=json.dumps(order).encode())

        filled = site.on_the_board(*fill)
        assert filled.returncode == 0, filled.stderr
        assert program.communicate("go\n", timeout=120)[0] == "done\n"
    assert site.box.do("cat", str(volume / "notes")) == "before\nafter\n"
    assert int(site.box.do("stat", "-c", "%s", str(volume / "big"))) == 100 * MIB
    await site.exports.remove(seen_as)
