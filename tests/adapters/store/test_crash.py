"""Agents are killed in the middle of their work: nothing stays half done, and nothing that a user wrote is lost."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.model.errand import About, Progress
from boardgrid.model.image import Manifest, PathSource, RootSource
from tests.adapters.store import samples
from tests.adapters.store.bench import MIB, Bench, a_persona
from tests.adapters.store.own_mounts import loops_below, mounts_below, unmount_below

pytestmark = pytest.mark.world

SIZE = 64 * MIB
LONG_S = 60.0  # for what takes a second or two on a quiet machine


@pytest.fixture(scope="module")
def shelf(alone: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, UUID]:
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("store", "imports"):
        (folder / name).mkdir()
    return folder, asyncio.run(Bench(folder / "store", folder / "imports").image())


@pytest.fixture
def bench(shelf: tuple[Path, UUID]) -> Iterator[Bench]:
    folder, _image = shelf
    bench = Bench(folder / "store", folder / "imports")
    # Else this very content lies in the store already, and is not pressed once more.
    (bench.imports / "tiny" / "etc" / "motd").write_text(str(uuid4()))
    yield bench
    for root in asyncio.run(bench.roots.all()):
        asyncio.run(bench.roots.remove(root))
    unmount_below(folder / "store")


@pytest.fixture
def image(shelf: tuple[Path, UUID]) -> UUID:
    return shelf[1]


def mortal(bench: Bench, what: str, die_at: str, *words: object, path: str = "") -> "subprocess.Popen[bytes]":
    """Start an agent that works on the bench's store and may die of it."""
    program = [sys.executable, "-m", "tests.adapters.store.mortal", str(bench.folder), str(bench.imports)]
    program += [str(bench.folder / "lock"), what, die_at, *map(str, words)]
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, env=environment, cwd=Path(__file__).parents[3])


def killed(agent: "subprocess.Popen[bytes]") -> bool:
    """Wait for its end; False: it did its work and lived."""
    status = agent.wait(LONG_S)
    assert status in {0, -signal.SIGKILL}
    return status != 0


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def dated(folder: os.PathLike[str]) -> int:
    return Path(folder).stat().st_mtime_ns


def points() -> Iterator[str]:
    for number in range(1, 20):
        yield f"{number}-"
        yield f"{number}+"


@pytest.mark.slow
def test_a_clone_that_was_killed_anywhere_is_finished_by_the_next_agent(bench: Bench, image: UUID) -> None:
    died = 0
    for point in points():
        root = uuid4()
        if not killed(mortal(bench, "clone", point, root, image)):
            asyncio.run(bench.roots.remove(root))
            break
        died += 1

        async def take_over(root: UUID = root) -> None:
            after = bench.after()
            await after.roots.clone(root, image, SIZE)
            tree = (await after.roots.all())[root]
            assert tree.is_mounted
            its_image = after.store.places.image(image).tree
            assert dated(after.roots.path(root)) == dated(its_image), "another time would count as its user's"
            (after.roots.path(root) / "srv").write_text("it works")
            await after.roots.remove(root)

        asyncio.run(take_over())
        assert list((bench.folder / "roots").iterdir()) == []
        assert mounts_below(bench.folder) == []
    assert died >= 10
    wait_until("no loop device is left", lambda: not loops_below(bench.folder))


@pytest.mark.slow
def test_a_root_that_is_mounted_again_by_an_agent_that_dies_of_it_loses_nothing(bench: Bench, image: UUID) -> None:
    root = uuid4()
    asyncio.run(bench.roots.clone(root, image, SIZE))
    (bench.roots.path(root) / "srv").write_text("mine")
    died = 0
    for point in points():
        asyncio.run(bench.after().roots.unmount(root))
        if not killed(mortal(bench, "clone", point, root, image)):
            break
        died += 1
        asyncio.run(bench.after().roots.clone(root, image, SIZE))
        assert (bench.roots.path(root) / "srv").read_text() == "mine"
    assert died >= 6


@pytest.mark.slow
def test_a_root_half_made_personal_is_nobodys(bench: Bench, image: UUID) -> None:
    root = uuid4()
    asyncio.run(bench.roots.clone(root, image, SIZE))
    asyncio.run(bench.roots.personalise(root, a_persona()))
    for point in ("1-", "1+"):
        assert killed(mortal(bench, "personalise", point, root))
        assert asyncio.run(bench.after().roots.all())[root].personal is None
    key = asyncio.run(bench.after().roots.personalise(root, a_persona()))
    assert (bench.roots.path(root) / "etc/ssh/ssh_host_ed25519_key.pub").read_text() == f"{key}\n"


@pytest.mark.slow
def test_a_removal_that_was_killed_anywhere_is_finished_by_the_next_agent(bench: Bench, image: UUID) -> None:
    died = 0
    for point in points():
        root = uuid4()
        asyncio.run(bench.roots.clone(root, image, SIZE))
        if not killed(mortal(bench, "remove", point, root)):
            break
        died += 1
        asyncio.run(bench.after().roots.remove(root))
        assert list((bench.folder / "roots").iterdir()) == []
        assert mounts_below(bench.folder) == []
    assert died >= 4


# --- images: the programs of the import wait at a gate, so that it is killed in their midst


@dataclass
class Gate:
    """Stands in for a program: says that it was come to, and waits until it is opened."""

    folder: Path
    program: str

    def build(self) -> "Gate":
        self.folder.mkdir()
        real = subprocess.run(["which", self.program], check=True, capture_output=True, text=True).stdout.strip()
        wait = f"touch '{self.folder}/reached'; while [ ! -e '{self.folder}/open' ]; do sleep 0.05; done"
        gate = self.folder / self.program
        gate.write_text(f'#!/bin/sh\n{wait}\nexec {real} "$@"\n')
        gate.chmod(0o755)
        return self

    def reached(self) -> bool:
        return (self.folder / "reached").exists()

    def open(self) -> None:
        (self.folder / "open").touch()


@dataclass
class Through:
    """A shell whose programs find those of a folder in the place of the real ones."""

    folder: Path

    async def run(self, *argv: str, timeout_s: float = 30, stdin: bytes = b"") -> str:
        path = f"PATH={self.folder}:{os.environ['PATH']}"
        return await SubprocessShell().run("env", path, *argv, timeout_s=timeout_s, stdin=stdin)


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in text.split()]


def locked(bench: Bench) -> bool:
    with (bench.folder / "lock").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


GATES = ["mkfs.ext4", "mount", "mkfs.erofs", "umount"]


@pytest.mark.slow
@pytest.mark.parametrize("program", GATES)
def test_an_import_that_was_killed_leaves_no_mount_and_no_image(bench: Bench, tmp_path: Path, program: str) -> None:
    kill_at(bench, Gate(tmp_path / "gate", program).build(), bench.imports / "tiny")


@pytest.mark.slow
@pytest.mark.parametrize("program", ["mkfs.ext4", "mkfs.erofs"])  # before its layers are read, and once they are joined
def test_an_import_of_a_container_that_was_killed_leaves_nothing_either(
    bench: Bench, tmp_path: Path, program: str
) -> None:
    given = samples.oci_archive(bench.imports / "tiny", tmp_path / "given")
    kill_at(bench, Gate(tmp_path / "gate", program).build(), given.rename(bench.imports / f"given-{program}"))


@pytest.mark.slow
@pytest.mark.parametrize("program", ["skopeo", "umoci", "simg2img"])
def test_an_import_that_was_killed_within_a_caged_program_leaves_nothing_and_can_be_made_again(
    bench: Bench, tmp_path: Path, program: str
) -> None:
    tree = bench.imports / "tiny"
    (tree / "noise").write_bytes(os.urandom(48 * MIB))
    if program == "simg2img":
        given = samples.android_sparse(samples.ext4(tree, tmp_path / "raw", 96), bench.imports / program)
    else:
        given = samples.oci_archive(tree, tmp_path / "given").rename(bench.imports / program)
    image = uuid4()
    agent = mortal(bench, "build", "0", image, given)
    wait_until(f"{program} runs", lambda: bool(descendants(agent.pid, program)))
    import_ = children(agent.pid)[0]
    for process in (agent.pid, import_):
        os.kill(process, signal.SIGKILL)
    agent.wait(LONG_S)
    wait_until("the next agent may begin", lambda: not locked(bench))
    wait_until("no loop device is left", lambda: not loops_below(bench.folder))
    assert (mounts_below(bench.folder), image in bench.stored()) == ([], False)

    (tree / "noise").unlink()
    again = tree if program == "simg2img" else given  # what that made would be read by a machine
    asyncio.run(bench.after().images.build(image, PathSource(str(again))))
    assert image in bench.stored()
    assert [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


def descendants(process: int, program: str) -> list[int]:
    """Those of what a process started, however deep, that run this program; they stand still from now on."""
    found = list[int]()
    with contextlib.suppress(OSError):
        for child in children(process):
            if Path(f"/proc/{child}/comm").read_text().strip() == program:
                os.kill(child, signal.SIGSTOP)
                found.append(child)
            found += descendants(child, program)
    return found


def kill_at(bench: Bench, gate: Gate, given: Path) -> None:
    """Kill an import and its agent when they have come to the gate, and see what is left to the next agent."""
    image = uuid4()
    agent = mortal(bench, "build", "0", image, given, path=str(gate.folder))
    wait_until(f"{gate.program} was come to", gate.reached)
    import_ = children(agent.pid)[0]
    for process in (agent.pid, import_):
        os.kill(process, signal.SIGKILL)
    agent.wait(LONG_S)
    wait_until("the next agent may begin", lambda: not locked(bench))
    wait_until("no loop device is left", lambda: not loops_below(bench.folder))
    assert mounts_below(bench.folder) == []
    assert image not in bench.stored()

    asyncio.run(bench.after().image())
    drafts = [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")]
    assert drafts == []


@pytest.mark.slow
@pytest.mark.parametrize("program", GATES)
def test_a_capture_that_was_killed_leaves_its_root_whole_and_is_made_again(
    bench: Bench, image: UUID, tmp_path: Path, program: str
) -> None:
    gate, root, kept = Gate(tmp_path / "gate", program).build(), uuid4(), uuid4()
    asyncio.run(bench.roots.clone(root, image, SIZE))
    asyncio.run(bench.roots.personalise(root, a_persona()))
    (bench.roots.path(root) / "srv").write_text("mine")
    key = (bench.roots.path(root) / "etc/ssh/ssh_host_ed25519_key").read_text()
    agent = mortal(bench, "keep", "0", kept, root, path=str(gate.folder))
    wait_until(f"{program} was come to", gate.reached)
    for process in (agent.pid, children(agent.pid)[0]):
        os.kill(process, signal.SIGKILL)
    agent.wait(LONG_S)
    wait_until("the next agent may begin", lambda: not locked(bench))
    assert [point for point in mounts_below(bench.folder) if "/.new-" in point] == []
    assert kept not in bench.stored()
    assert (bench.roots.path(root) / "srv").read_text() == "mine"
    assert (bench.roots.path(root) / "etc/ssh/ssh_host_ed25519_key").read_text() == key

    asyncio.run(bench.after().images.build(kept, RootSource(root)))
    assert kept in bench.stored()


@pytest.mark.slow
@pytest.mark.parametrize("program", GATES)
def test_an_import_that_is_cancelled_leaves_nothing_at_once(bench: Bench, tmp_path: Path, program: str) -> None:
    gate, image = Gate(tmp_path / "gate", program).build(), uuid4()
    tree = bench.imports / "tiny"

    async def cancel() -> None:
        through = bench.after(shell=Through(gate.folder))
        work = asyncio.ensure_future(through.images.build(image, PathSource(str(tree))))
        await asyncio.to_thread(wait_until, f"{program} was come to", gate.reached)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    asyncio.run(cancel())
    assert [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []
    wait_until("no loop device is left", lambda: not loops_below(bench.folder))
    assert mounts_below(bench.folder) == []


@pytest.mark.slow
@pytest.mark.parametrize(("what", "program"), [("verify", "ionice"), ("export", "mount"), ("export", "zstd")])
def test_an_errand_that_was_killed_leaves_nothing(
    bench: Bench, image: UUID, tmp_path: Path, what: str, program: str
) -> None:
    gate, errand = Gate(tmp_path / "gate", program).build(), uuid4()
    agent = mortal(bench, what, "0", image, errand, path=str(gate.folder))
    wait_until(f"{program} was come to", gate.reached)
    for process in (agent.pid, children(agent.pid)[0]):
        os.kill(process, signal.SIGKILL)
    agent.wait(LONG_S)
    wait_until("the next agent may begin", lambda: not locked(bench))
    assert mounts_below(bench.folder) == []

    after = bench.after()
    asyncio.run(after.images.export(image, errand, About("tiny", 1, {}, (), ())))
    assert errand in after.blobs.sent
    assert [entry.name for entry in (bench.folder / "images").iterdir() if entry.name.startswith(".")] == []


@pytest.mark.slow
def test_how_far_an_import_is_is_told_while_it_is_made(bench: Bench, tmp_path: Path) -> None:
    gate, told = Gate(tmp_path / "gate", "mkfs.erofs").build(), list[Progress]()

    async def watch() -> Manifest:
        source = PathSource(str(bench.imports / "tiny"))
        through = bench.after(shell=Through(gate.folder))
        work = asyncio.ensure_future(through.images.build(uuid4(), source, tell=told.append))
        async with asyncio.timeout(LONG_S):
            while "pressing" not in [one.phase for one in told]:  # noqa: ASYNC110 - it is told by nothing else
                await asyncio.sleep(0.02)
        gate.open()
        return await work

    made = asyncio.run(watch())
    assert {one.phase for one in told} <= {"listing", "unpacking", "reading", "pressing", "comparing"}
    [size] = {one.total_bytes for one in told if one.phase == "pressing"}
    assert size == made.size_bytes


@pytest.mark.slow
def test_an_import_whose_agent_was_killed_goes_on_and_holds_the_next_one_off(bench: Bench, tmp_path: Path) -> None:
    gate, image = Gate(tmp_path / "gate", "mkfs.erofs").build(), uuid4()
    tree = bench.imports / "tiny"
    agent = mortal(bench, "build", "0", image, tree, path=str(gate.folder))
    wait_until("mkfs.erofs was come to", gate.reached)
    agent.kill()
    agent.wait(LONG_S)
    assert locked(bench)
    gate.open()
    wait_until("the import has ended", lambda: not locked(bench))
    assert image in bench.stored()
