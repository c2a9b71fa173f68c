"""
Agents, and the store's programs with them, are killed at each change that they make to the store; and there the power
fails. What was in the store is in it, what was being made is there whole or not at all, and the next agent goes on.
"""

import asyncio
import hashlib
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store import manifests
from boardgrid.adapters.store.place import Places
from boardgrid.model.image import PathSource
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.doomed import ENDED
from tests.adapters.store.mortal import live
from tests.adapters.store.own_mounts import a_small_disk, loops_below, mounts_below
from tests.adapters.store.test_crash import LONG_S, locked, wait_until

pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(900)]

# One program makes images of all kinds; an import of it is never left out.
MAKING_AGAIN = pytest.param("making", marks=pytest.mark.overnight)
DISK, SIZE = 384 * MIB, 64 * MIB


@dataclass
class Lab:
    """A store on a disk of its own, with an image in it, a root and a volume."""

    memory: Path  # where the disk's file lies
    bench: Bench
    image: UUID
    root: UUID
    volume: UUID

    def check_after_a_power_cut(self, made: UUID | None = None, gone: UUID | None = None) -> None:
        """Of what is on the disk at this moment: what is in memory alone is lost."""
        cut, mount = self.memory / "cut.img", self.memory / "cut"
        subprocess.run(["cp", "--sparse=always", str(self.memory / "disk.img"), str(cut)], check=True)
        mount.mkdir()
        subprocess.run(["mount", "--options", "loop", str(cut), str(mount)], check=True)
        try:
            store = Places(mount / "store")
            check(store, self)
            if made is not None:
                places = (store.image(made), store.root(made), store.volume(made))
                assert any(one.folder.exists() for one in places)
            assert gone is None or not store.image(gone).folder.exists()
            volumes = map(store.volume, store.volumes())
            assert all(is_sound(one.file) for one in volumes)
        finally:
            subprocess.run(["umount", str(mount)], check=True)
            mount.rmdir()
            cut.unlink()


def is_sound(volume: Path) -> bool:
    return subprocess.run(["e2fsck", "-fn", str(volume)], check=False, stdout=subprocess.DEVNULL).returncode == 0


def check(store: Places, lab: Lab) -> None:
    """Each image is whole, and nobody has lost anything."""
    there = {UUID(folder.name) for folder in (store.folder / "images").glob("[!.]*")}
    assert lab.image in there
    for image in there:
        place = store.image(image)
        manifest = manifests.read(place.manifest.read_text())
        assert hashlib.sha256(place.erofs.read_bytes()).hexdigest() == manifest.checksum.removeprefix("sha256:")
    for file, name in ((store.root(lab.root).upper, "upper/srv"), (store.volume(lab.volume).file, "srv")):
        said = subprocess.run(["debugfs", "-R", f"cat {name}", str(file)], check=True, capture_output=True).stdout
        assert said == b"mine", name


@pytest.fixture
def lab(alone: None, tmp_path: Path) -> Iterator[Lab]:
    memory = tmp_path / "memory"
    memory.mkdir()
    (tmp_path / "imports").mkdir()
    subprocess.run(["mount", "--types", "tmpfs", "--options", f"size={3 * DISK}", "tmpfs", str(memory)], check=True)
    try:
        with a_small_disk(memory, DISK) as disk:
            # Nothing gets to the disk in time that nobody saw to.
            subprocess.run(["mount", "--options", "remount,commit=300", str(disk)], check=True)
            (disk / "store").mkdir()
            bench = Bench(disk / "store", tmp_path / "imports")
            yield asyncio.run(a_lab(memory, bench))
    finally:
        subprocess.run(["umount", str(memory)], check=True)


async def a_lab(memory: Path, bench: Bench) -> Lab:
    lab = Lab(memory, bench, await bench.image(), uuid4(), uuid4())
    await bench.roots.clone(lab.root, lab.image, SIZE)
    await bench.roots.personalise(lab.root, a_persona())
    await bench.volumes.make(lab.volume, SIZE)
    await bench.volumes.mount(lab.volume)
    for tree in (bench.roots.path(lab.root), bench.volumes.path(lab.volume)):
        (tree / "srv").write_text("mine")
    await bench.roots.unmount(lab.root)
    await bench.volumes.unmount(lab.volume)
    (bench.imports / "tiny" / "etc" / "motd").write_text("another content")
    os.sync()
    return lab


def agent(bench: Bench, what: str, die_at: str, *words: object) -> int:
    """How an agent ended that may die: forked off, for to start hundreds of them takes long."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(LONG_S))
        lock = str(bench.folder / "lock")
        live(str(bench.folder), str(bench.imports), lock, what, die_at, *map(str, words))
        os._exit(0)
    finally:
        os._exit(1)


def killed_at_each(lab: Lab, what: str, who: str, *words: object) -> int:
    """One agent after the other takes up the work and comes a step further, until one does it. How many there were."""
    for number in itertools.count(1):
        status = agent(lab.bench, what, f"{who}@{number}", *words)
        wait_until("the next agent may begin", lambda: not locked(lab.bench))
        wait_until("no loop device is left", lambda: not any("/.new-" in line for line in loops_below(lab.memory)))
        assert [point for point in mounts_below(lab.bench.folder) if "/.new-" in point] == []
        lab.check_after_a_power_cut()
        check(lab.bench.store.places, lab)
        if status == 0:
            left = [folder.name for folder in lab.bench.folder.glob("*/.*")]
            assert left == []
            return number
        assert status in {ENDED, -signal.SIGKILL}
    raise AssertionError


@pytest.mark.parametrize("who", ["making", "agent"])
def test_an_import(lab: Lab, who: str) -> None:
    image = uuid4()
    assert killed_at_each(lab, "build", who, image, lab.bench.imports / "tiny") > 3


@pytest.mark.parametrize("who", [MAKING_AGAIN, "agent"])
def test_a_capture(lab: Lab, who: str) -> None:
    image = uuid4()
    assert killed_at_each(lab, "keep", who, image, lab.root) > 3


@pytest.mark.parametrize("who", ["freezing", MAKING_AGAIN, "agent"])
def test_a_checkpoint(lab: Lab, who: str) -> None:
    image = uuid4()
    assert killed_at_each(lab, "checkpoint", who, image, lab.root) > 3


@pytest.mark.parametrize(("what", "who"), [("export", "packing"), ("export", "agent"), ("verify", "agent")])
def test_an_errand(lab: Lab, what: str, who: str) -> None:
    assert killed_at_each(lab, what, who, lab.image, uuid4()) > 3


def test_the_removal_of_an_image(lab: Lab) -> None:
    image = uuid4()
    asyncio.run(lab.bench.images.build(image, PathSource(str(lab.bench.imports / "tiny"))))
    assert killed_at_each(lab, "discard", "agent", image) > 3
    assert image not in lab.bench.stored()


def test_a_volume(lab: Lab) -> None:
    volume = uuid4()
    assert killed_at_each(lab, "volume", "agent", volume, SIZE) > 3


@pytest.mark.parametrize("who", ["growing", "agent"])
def test_the_growth_of_a_volume(lab: Lab, who: str) -> None:
    assert killed_at_each(lab, "volume", who, lab.volume, 2 * SIZE) > 1


@pytest.mark.parametrize("what", ["build", "keep", "checkpoint", "volume", "clone"])
def test_what_is_told_of_as_made_outlives_a_power_cut(lab: Lab, what: str) -> None:
    made = uuid4()
    of = {"build": lab.bench.imports / "tiny", "volume": SIZE, "clone": lab.image}.get(what, lab.root)
    assert agent(lab.bench, what, "0", made, of) == 0
    lab.check_after_a_power_cut(made=made)


def test_what_is_told_of_as_gone_stays_gone_after_a_power_cut(lab: Lab) -> None:
    image = uuid4()
    asyncio.run(lab.bench.images.build(image, PathSource(str(lab.bench.imports / "tiny"))))
    assert agent(lab.bench, "discard", "0", image) == 0
    lab.check_after_a_power_cut(gone=image)
