"""
`clone`: from nothing to a writable root that a board may mount, against copying the image's files as by hand.

It runs in namespaces of its own, with an NFS server of its own, and leaves nothing. Both sides are timed until what
they wrote is on the disk.
"""

import asyncio
import contextlib
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath
from statistics import median
from uuid import uuid4

import structlog

from benchmarks.report import Row, report
from boardgrid.adapters.exports.ganesha import GaneshaExports
from boardgrid.adapters.exports.ganesha_server import GaneshaServer
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store
from boardgrid.model.image import PathSource
from boardgrid.ports import Exports
from boardgrid.testing import FakeBlobs, FakeDownloads, FakeKitchen

SIZES_MB = (50, 200, 800)
FILES_A_MB = 60
CLONES, COPIES = 25, 5  # a clone is short, so that one hiccup of the disk shows
ROOT_BYTES = 8 << 30
SERVER, BOARD = IPv4Address("10.77.0.1"), IPv4Address("10.77.0.21")
READY_S = 60.0

_ALONE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")


def a_tree(at: Path, size_mb: int, files_a_mb: int = FILES_A_MB) -> Path:
    """
    A tree of that size and as many files as a Debian system of that size has.

    A tenth of it is noise, and the rest words: it takes as long to press as the files of such a system.
    """
    source = random.Random(size_mb)  # noqa: S311 - the same tree in each run
    file_bytes = (1 << 20) // files_a_mb
    words = [source.randbytes(source.randrange(3, 9)) for _ in range(300)]
    text = b"".join(source.choices(words, k=1 << 20))
    for number in range(size_mb * files_a_mb):
        folder = at / f"d{number // 1000}" / f"e{number // 50 % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        noise = source.randbytes(file_bytes // 10)
        begin = source.randrange(len(text) - file_bytes)
        (folder / f"f{number}").write_bytes(noise + text[begin : begin + file_bytes - len(noise)])
    return at


@contextlib.contextmanager
def an_nfs_server(folder: Path) -> Iterator[GaneshaServer]:
    """For a machine's worth of namespaces that nobody else uses."""
    for words in (
        ("mount", "-t", "tmpfs", "tmpfs", "/run"),
        ("ip", "link", "set", "lo", "up"),
        ("ip", "address", "add", f"{SERVER}/24", "dev", "lo"),
    ):
        subprocess.run(words, check=True)
    server = GaneshaServer(folder / "nfs", SERVER, Path("/run/bus"))
    server.write_config()
    with (folder / "programs.log").open("ab") as log:
        programs = [
            subprocess.Popen(words, stdout=log, stderr=log)
            for words in (server.port_mapper, server.bus_daemon, server.ganesha)
        ]
    try:
        yield server
    finally:
        for program in programs:
            program.kill()
            program.wait()


async def ready(exports: GaneshaExports) -> None:
    until = time.monotonic() + READY_S
    while not await exports.is_ready():
        if time.monotonic() > until:
            raise TimeoutError(f"the NFS server is not ready after {READY_S:g} s")
        await asyncio.sleep(0.02)


async def write_down(tree: Path) -> None:
    await SubprocessShell().run("sync", "--file-system", str(tree), timeout_s=600)


async def cloned_s(roots: StoredRoots, image_of: PathSource, images: StoredImages, exports: Exports) -> list[float]:
    """Times of *CLONES* clones of an image, each exported, written to and synced."""
    image, taken = uuid4(), []
    await images.build(image, image_of)
    for number in range(-1, CLONES):  # the first warms up: it mounts what all roots of an image share
        root, seen_as = uuid4(), PurePosixPath(f"/r/{image}/{number + 1}")
        await write_down(Path(image_of.path))
        began = time.perf_counter()
        await roots.clone(root, image, ROOT_BYTES)
        (roots.path(root) / "written").write_bytes(b"it is writable")
        await write_down(roots.path(root))
        await exports.add(roots.path(root), BOARD, seen_as)
        if number >= 0:
            taken.append(time.perf_counter() - began)
        await exports.remove(seen_as)
        if number >= 0:
            await roots.remove(root)
    for root in await roots.all():
        await roots.remove(root)
    return taken


async def copied_s(tree: Path, to: Path) -> list[float]:
    """Times of *COPIES* copies; the tree is in the page cache, which is the best that can be said for copying."""
    taken = []
    for _round in range(COPIES):
        await write_down(tree)
        began = time.perf_counter()
        await SubprocessShell().run("cp", "--archive", str(tree), str(to), timeout_s=600)
        await write_down(to)
        taken.append(time.perf_counter() - began)
        await asyncio.to_thread(shutil.rmtree, to)
    return taken


async def measure(folder: Path, server: GaneshaServer) -> list[Row]:
    shell = SubprocessShell()
    exports = GaneshaExports(server, shell)
    await ready(exports)
    (folder / "store").mkdir()
    store = Store(folder / "store", shell)
    roots = StoredRoots(store)
    images = StoredImages(store, roots, FakeBlobs(), FakeDownloads(), FakeKitchen(), import_dirs=[folder])
    rows, clones = [], {}
    for size_mb in SIZES_MB:
        tree = await asyncio.to_thread(a_tree, folder / f"tree-{size_mb}", size_mb)
        clone_s = median(await cloned_s(roots, PathSource(str(tree)), images, exports))
        copy_s = median(await copied_s(tree, folder / "copy"))
        await asyncio.to_thread(shutil.rmtree, tree)
        clones[size_mb] = clone_s
        rows.append(Row(f"a root of a {size_mb} MB image, exported", clone_s, "s", copy_s))
    least, most = min(clones.values()), max(clones.values())
    return [*rows, Row("the slowest of these, beside the fastest", most, "s", least)]


def main() -> None:
    # Not where temporary files lie by default: that may be a memory disk, and both sides are about a disk.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="boardgrid-") as folder:
        subprocess.run([*_ALONE, sys.executable, "-m", "benchmarks.clone", folder], check=True)


def inside(folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with an_nfs_server(folder) as server:
        rows = asyncio.run(measure(folder, server))
    report("clone", rows, compared_with="cp -a of the same tree")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        inside(Path(sys.argv[1]))
    else:
        main()
