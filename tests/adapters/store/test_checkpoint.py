"""Images of roots that a board goes on writing to: of one moment, and whatever happens the board goes on."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store.complaint import heard
from boardgrid.adapters.store.place import RootPlace
from boardgrid.model.errors import Code, Fault, NotFound
from boardgrid.model.image import CheckpointSource
from tests.adapters.store.bench import ALL_KEPT_FREE, MIB, Bench, a_persona
from tests.adapters.store.own_mounts import loops_below, mounts_below
from tests.adapters.store.test_crash import wait_until
from tests.adapters.store.trees import a_tree

pytestmark = pytest.mark.world

LONG_S = 60.0
FREEZING = ("unshare", "--mount", "--propagation", "private", sys.executable, "-m", "boardgrid.adapters.store.freezing")


@pytest.fixture
async def root(bench: Bench) -> UUID:
    tree = a_tree(bench.imports / "tiny")
    (tree / "one").write_text("linked")
    (tree / "other").hardlink_to(tree / "one")
    made = uuid4()
    await bench.roots.clone(made, await bench.image(), 1024 * MIB)
    await bench.roots.personalise(made, a_persona())
    return made


def place_of(bench: Bench, root: UUID) -> RootPlace:
    return RootPlace(bench.folder / "roots" / str(root))


def is_written_to(bench: Bench, root: UUID) -> bool:
    """Whether a board that writes goes on within a while."""
    written = ["timeout", "--signal=KILL", "10", "sh", "-c", f"echo it goes on >'{bench.roots.path(root)}/goes-on'"]
    return subprocess.run(written, check=False).returncode == 0


async def tree_of(bench: Bench, image: UUID) -> Path:
    root = uuid4()
    await bench.roots.clone(root, image, 64 * MIB)
    return bench.roots.path(root)


async def test_a_live_root_becomes_an_image_and_goes_on(bench: Bench, root: UUID) -> None:
    live, image = bench.roots.path(root), uuid4()
    (live / "one").write_text("changed")
    (live / "bin" / "busybox").unlink()
    (live / "etc").rename(live / "etc2")
    (live / "etc").mkdir()
    with (live / "held").open("w") as held:
        held.write("open all the time")
        held.flush()
        await bench.images.build(image, CheckpointSource(root))
        held.write(", and after")
    assert is_written_to(bench, root)
    assert not place_of(bench, root).frozen.exists()
    assert (await bench.roots.all())[root].is_mounted

    tree = await tree_of(bench, image)
    assert (tree / "held").read_text() == "open all the time"
    assert (live / "held").read_text() == "open all the time, and after"
    assert (tree / "other").read_text() == "changed", "by its other name too"
    assert (tree / "one").stat().st_nlink == 2
    assert not (tree / "bin" / "busybox").exists()
    assert (tree / "etc2" / "os-release").exists()
    assert not (tree / "goes-on").exists()
    assert [point for point in mounts_below(bench.folder) if "/.new-" in point] == []


async def test_what_made_it_one_deployments_own_is_not_in_it(bench: Bench, root: UUID) -> None:
    image = uuid4()
    assert list((bench.roots.path(root) / "etc" / "ssh").glob("ssh_host*"))
    await bench.images.build(image, CheckpointSource(root))
    tree = await tree_of(bench, image)
    assert not list((tree / "etc" / "ssh").glob("ssh_host*"))
    assert not (tree / "root" / ".ssh" / "authorized_keys").exists()
    assert list((bench.roots.path(root) / "etc" / "ssh").glob("ssh_host*")), "of the board itself nothing is taken"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A board that counts, in one file and then in another."""
    over = threading.Event()

    def count() -> None:
        for number in itertools.count():
            for name in ("first", "second"):
                with (folder / name).open("w") as file:
                    file.write(f"{number:08d}")
                    file.flush()
                    os.fsync(file.fileno())
            if over.is_set():
                return

    writer = threading.Thread(target=count)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


async def test_it_is_of_one_moment(bench: Bench, root: UUID) -> None:
    counts = bench.roots.path(root) / "counts"
    counts.mkdir()
    for _round in range(3):
        image = uuid4()
        with writing(counts):
            await asyncio.sleep(0.1)
            await bench.images.build(image, CheckpointSource(root))
        tree = await tree_of(bench, image)
        first, second = ((tree / "counts" / name).read_text() for name in ("first", "second"))
        assert int(first or second) - int(second or first) in {0, 1}


async def test_two_at_once_of_one_root_come_one_after_the_other(bench: Bench, root: UUID) -> None:
    images = [uuid4(), uuid4()]
    made = await asyncio.gather(*(bench.images.build(image, CheckpointSource(root)) for image in images))
    assert made[0].files == made[1].files
    assert is_written_to(bench, root)


async def test_its_root_may_go_meanwhile(bench: Bench, root: UUID) -> None:
    image = uuid4()
    building = asyncio.ensure_future(bench.images.build(image, CheckpointSource(root)))
    begun = (bench.folder / "images").glob
    await asyncio.to_thread(wait_until, "it was copied", lambda: bool(list(begun(".new-*/done"))) or building.done())
    await bench.roots.remove(root)
    await building
    assert image in bench.stored()


async def test_a_root_that_is_not_there_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound) as raised:
        await bench.images.build(uuid4(), CheckpointSource(uuid4()))
    assert raised.value.code is Code.ROOT_UNKNOWN


async def test_what_does_not_fit_is_refused_before_anything_is_frozen(bench: Bench, root: UUID) -> None:
    (bench.roots.path(root) / "large").write_bytes(os.urandom(8 * MIB))
    full = bench.after(headroom=ALL_KEPT_FREE)
    with pytest.raises(Fault) as raised:
        await full.images.build(uuid4(), CheckpointSource(root))
    assert raised.value.code is Code.STORE_FULL
    assert is_written_to(bench, root)
    assert [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


# --- the board goes on, whatever happens


def freeze(bench: Bench, root: UUID, to: Path, most_s: float) -> "subprocess.Popen[bytes]":
    place = place_of(bench, root)
    order = {"root": str(place.folder), "to": str(to), "most_s": most_s, "reserved_bytes": 0}
    program = subprocess.Popen(FREEZING, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert program.stdin is not None
    program.stdin.write(json.dumps(order).encode())
    program.stdin.close()
    return program


def freeze_for_ever(place: RootPlace) -> None:
    loop = f"$(losetup --noheadings --output NAME --associated '{place.upper}')"
    words = f"mount \"{loop}\" '{place.disk}' && fsfreeze --freeze '{place.disk}'"
    subprocess.run(["unshare", "--mount", "sh", "-c", words], check=True)


def begin(words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sh", "-c", words])


async def test_a_copy_that_takes_too_long_is_given_up_and_the_board_goes_on(
    bench: Bench, root: UUID, tmp_path: Path
) -> None:
    (bench.roots.path(root) / "large").write_bytes(os.urandom(8 * MIB))
    program = freeze(bench, root, tmp_path / "copy", 0.0)
    assert program.stdout is not None
    said = program.stdout.read().decode()
    with pytest.raises(Fault, match="too much") as raised:
        heard(said)
    assert raised.value.code is Code.PROGRAM_TIMEOUT
    assert program.wait(LONG_S) == 0
    assert is_written_to(bench, root)
    assert not place_of(bench, root).frozen.exists()


@pytest.mark.slow
async def test_a_copy_that_is_killed_while_the_board_waits_lets_it_go_on(
    bench: Bench, root: UUID, tmp_path: Path
) -> None:
    (bench.roots.path(root) / "large").write_bytes(os.urandom(300 * MIB))
    place = place_of(bench, root)
    program = freeze(bench, root, tmp_path / "copy", LONG_S)
    wait_until("it is frozen", place.frozen.exists)
    os.killpg(program.pid, signal.SIGKILL)
    assert program.wait(LONG_S) == -signal.SIGKILL
    assert is_written_to(bench, root)
    assert place.frozen.exists()
    await bench.after().roots.all()
    assert not place.frozen.exists()


@pytest.mark.slow
async def test_a_board_whose_copy_and_watchdog_were_killed_goes_on_with_the_next_agent(
    bench: Bench, root: UUID
) -> None:
    place = place_of(bench, root)
    place.frozen.touch()
    freeze_for_ever(place)
    writer = begin(f"echo late >'{bench.roots.path(root)}/late'")
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(0.5)
    await bench.after().roots.all()
    assert writer.wait(LONG_S) == 0
    assert not place.frozen.exists()


@pytest.mark.slow
async def test_one_that_is_cancelled_lets_the_board_go_on_at_once(bench: Bench, root: UUID) -> None:
    (bench.roots.path(root) / "large").write_bytes(os.urandom(300 * MIB))
    place, work = place_of(bench, root), asyncio.ensure_future(bench.images.build(uuid4(), CheckpointSource(root)))
    await asyncio.to_thread(wait_until, "it is frozen", lambda: place.frozen.exists() or work.done())
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert not place.frozen.exists()
    assert is_written_to(bench, root)
    assert [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


async def test_nothing_is_left_of_it(bench: Bench, root: UUID) -> None:
    await bench.images.build(uuid4(), CheckpointSource(root))
    await bench.roots.remove(root)
    assert mounts_below(bench.folder) == []
    assert loops_below(bench.folder) == []
