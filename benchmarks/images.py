"""
`images`: what the farm's guarantees cost beside the bare tools, and what a lineage takes on the disk.

It runs in namespaces of its own and leaves nothing. Each pair is measured by turns in one run, and the middle one of
several rounds counts: what else the machine does hits both. Rates are of the files' own bytes; the last column is how
much of the bare tool's rate is reached.
"""

import asyncio
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import structlog

from benchmarks.clone import a_tree
from benchmarks.report import Row, report
from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.images import StoredImages
from boardgrid.adapters.store.roots import StoredRoots
from boardgrid.adapters.store.store import Store
from boardgrid.model.errand import About
from boardgrid.model.image import CheckpointSource, PathSource, RootSource, Source
from boardgrid.testing import FakeBlobs, FakeDownloads, FakeKitchen

SIZE_MB, FILES_A_MB = 500, 40  # as the root of a Debian system with some hundred packages
FILES = SIZE_MB * FILES_A_MB
VERSIONS, CHANGED_MB = 10, 10
ROUNDS = 3
ROOT_BYTES = 2 << 30
MIB = 1 << 20

_ALONE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")


class Bench:
    """A store, and the tree and archive that images are made of."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shell = folder, SubprocessShell()
        (folder / "store").mkdir()
        self.store = Store(folder / "store", self.shell)
        self.roots, self.blobs = StoredRoots(self.store), FakeBlobs()
        fakes = (self.blobs, FakeDownloads(), FakeKitchen())
        self.images = StoredImages(self.store, self.roots, *fakes, import_dirs=[folder])
        self.tree = a_tree(folder / "tree", SIZE_MB, FILES_A_MB)
        self.archive = folder / "tree.tar.zst"

    async def pack(self) -> None:
        await self.shell.run("tar", "-C", str(self.tree), "--zstd", "-cf", str(self.archive), ".", timeout_s=600)

    async def image(self) -> UUID:
        image = uuid4()
        await self.images.build(image, PathSource(str(self.archive)))
        return image

    async def root(self, image: UUID) -> UUID:
        root = uuid4()
        await self.roots.clone(root, image, ROOT_BYTES)
        return root

    # --- as the farm does it

    async def import_(self) -> None:
        await self.images.remove(await self.image())

    async def keep(self, source: Source) -> None:
        image = uuid4()
        await self.images.build(image, source)
        await self.images.remove(image)

    async def capture(self, root: UUID) -> None:
        # Else it would be the content of the image that it stands on, of which the store has a file already.
        (self.roots.path(root) / "changed").write_text(str(uuid4()))
        await self.keep(RootSource(root))

    async def checkpoint(self, root: UUID) -> None:
        (self.roots.path(root) / "changed").write_text(str(uuid4()))
        await self.keep(CheckpointSource(root))

    async def export(self, image: UUID) -> None:
        await self.images.export(image, uuid4(), About("bench", 1, {}, (), ()))
        self.blobs.sent.clear()

    # --- as the bare tools do it

    async def unpack_and_press(self) -> None:
        # Not removed meanwhile, nor counted if it were: a disk may take minutes to use again what was just given back.
        to = Path(tempfile.mkdtemp(dir=self.folder, prefix="unpacked-"))
        await self.shell.run("tar", "-C", str(to), "--zstd", "-xf", str(self.archive), timeout_s=600)
        await self.press(to)

    async def press(self, tree: Path) -> None:
        file = self.folder / "bare.erofs"
        await self.shell.run("mkfs.erofs", "--quiet", "-zlz4", str(file), str(tree), timeout_s=600)
        await self.shell.run("sync", str(file), timeout_s=600)
        file.unlink()

    async def tar_and_zstd(self, image: UUID) -> None:
        to, file = self.folder / "mounted", self.folder / "bare.tar.zst"
        to.mkdir()
        erofs = self.store.places.image(image).erofs
        await self.shell.run("mount", "-t", "erofs", "-o", "loop,ro", str(erofs), str(to))
        await self.shell.run("tar", "-C", str(to), "-I", "zstd -T0", "-cf", str(file), ".", timeout_s=600)
        await self.shell.run("umount", str(to))
        file.unlink()
        to.rmdir()


Work = Callable[[], Coroutine[Any, Any, None]]


async def _seconds(work: Work) -> float:
    await SubprocessShell().run("sync", timeout_s=600)
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def pair(what: str, ours: Work, bare: Work) -> Row:
    rounds = [(await _seconds(ours), await _seconds(bare)) for _round in range(ROUNDS)]
    own_s, bare_s = (median(one) for one in zip(*rounds, strict=True))
    # Times, so that the ratio says the same as of all others: over 1 is better than the bare tool.
    return Row(f"{what}, {SIZE_MB / own_s:.0f} MB/s beside {SIZE_MB / bare_s:.0f} MB/s", own_s, "s", bare_s)


async def differing(bench: Bench, root: UUID) -> Row:
    """The diff of a root of *FILES* files in which a thousand were written anew, beside the copy that compares with."""
    for number in range(0, FILES, 20):
        (bench.roots.path(root) / f"d{number // 1000}" / f"e{number // 50 % 20}" / f"f{number}").write_bytes(b"changed")
    taken = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        found = await bench.roots.changes(root)
        taken.append(time.perf_counter() - began)
        if found.changed.entries != FILES // 20:
            raise AssertionError(f"{found.changed} were found to have changed")
    return Row(f"the diff of a root of {FILES} files", min(taken), "s", 2.0)


async def lineage(bench: Bench, image: UUID) -> Row:
    """Versions of one lineage, each *CHANGED_MB* on from the one before, beside as many copies of their trees."""
    noise, stored, trees = random.Random(7), 0, 0  # noqa: S311 - the same in each run
    for version in range(VERSIONS):
        folder = bench.folder / "store" / "images" / str(image)
        stored += await _disk_bytes(folder)
        trees += SIZE_MB * MIB + version * CHANGED_MB * MIB
        if version + 1 < VERSIONS:
            root, image = await bench.root(image), uuid4()
            for part in range(CHANGED_MB):
                (bench.roots.path(root) / f"version{version}-{part}").write_bytes(noise.randbytes(MIB))
            await bench.images.build(image, RootSource(root))
            await bench.roots.remove(root)
    return Row(f"{VERSIONS} versions of one lineage on the disk", stored / MIB, "MiB", trees / MIB)


async def _disk_bytes(folder: Path) -> int:
    printed = await SubprocessShell().run("du", "--summarize", "--block-size=1", str(folder))
    return int(printed.split()[0])


async def measure(folder: Path) -> list[Row]:
    bench = Bench(folder)
    await bench.pack()
    image = await bench.image()
    root = await bench.root(image)
    live = bench.roots.path(root)
    rows = [
        await pair("import of a tar.zst, beside tar and mkfs.erofs", bench.import_, bench.unpack_and_press),
        await pair("import of a tar.zst, beside mkfs.erofs alone", bench.import_, lambda: bench.press(bench.tree)),
        await pair("capture, beside mkfs.erofs", lambda: bench.capture(root), lambda: bench.press(live)),
        await pair("checkpoint, beside mkfs.erofs", lambda: bench.checkpoint(root), lambda: bench.press(live)),
        await pair("export, beside tar | zstd", lambda: bench.export(image), lambda: bench.tar_and_zstd(image)),
        await differing(bench, root),
    ]
    await bench.roots.remove(root)
    return [*rows, await lineage(bench, image)]


def main() -> None:
    # Not where temporary files lie by default: that may be a memory disk, and both sides are about a disk.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="boardgrid-") as folder:
        subprocess.run([*_ALONE, sys.executable, "-m", "benchmarks.images", folder], check=True)


def inside(folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows = asyncio.run(measure(folder))
    report("images", rows, compared_with="the bare tools in the same run; the diff with what it may take; copies")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        inside(Path(sys.argv[1]))
    else:
        main()
