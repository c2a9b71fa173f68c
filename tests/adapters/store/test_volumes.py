"""Volumes that are put away, given out again and made larger while something else still looks at them."""

import asyncio
import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.store.place import VolumePlace
from boardgrid.adapters.store.volume_archive import ALONE, PROGRAM
from boardgrid.model.errors import Code, Fault
from tests.adapters.store.bench import MIB, Bench
from tests.adapters.store.test_crash import Through
from tests.adapters.store.test_errands import verifying

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

SIZE = 64 * MIB
NOISE = 8 * MIB  # more than a pipe takes


def place_of(bench: Bench, volume: UUID) -> VolumePlace:
    return bench.store.places.volume(volume)


def room_bytes(bench: Bench, volume: UUID) -> int:
    seen = os.statvfs(bench.volumes.path(volume))
    return seen.f_blocks * seen.f_frsize


def is_sound(bench: Bench, volume: UUID) -> bool:
    return subprocess.run(["e2fsck", "-fn", str(place_of(bench, volume).file)], check=False).returncode == 0


async def a_volume(bench: Bench) -> UUID:
    """One that is mounted, with something on it."""
    volume = uuid4()
    await bench.volumes.make(volume, SIZE)
    await bench.volumes.mount(volume)
    (bench.volumes.path(volume) / "noise").write_bytes(os.urandom(NOISE))
    return volume


class Backup:
    """Reads a volume, and goes on only when it is told to: a disk that is slow."""

    def __init__(self, bench: Bench, volume: UUID) -> None:
        with place_of(bench, volume).file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            words = [*ALONE, *PROGRAM, "pack", str(bench.folder), str(volume), str(lock.fileno())]
            self._program = subprocess.Popen(words, stdout=subprocess.PIPE, pass_fds=(lock.fileno(),))
        assert self._program.stdout is not None
        self._out = self._program.stdout
        self._read = len(self._out.read(1))

    def end(self) -> None:
        self._read += len(self._out.read())
        self._out.close()
        assert self._program.wait() == 0
        assert self._read > NOISE

    def kill(self) -> None:
        self._program.kill()
        self._program.wait()


@contextlib.contextmanager
def backed_up(bench: Bench, volume: UUID) -> Iterator[Backup]:
    backup = Backup(bench, volume)
    try:
        yield backup
    finally:
        backup.kill()


@contextlib.contextmanager
def a_namespace() -> Iterator[None]:
    """Another program's, with all that is mounted as it begins."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 600"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        try:
            yield
        finally:
            program.kill()


async def test_one_that_was_put_away_while_an_image_is_verified_is_made_larger(bench: Bench) -> None:
    volume = await a_volume(bench)
    async with verifying(bench):
        await bench.volumes.unmount(volume)
        await bench.volumes.grow(volume, 4 * SIZE)
        await bench.volumes.mount(volume)
        assert room_bytes(bench, volume) > 3 * SIZE
    await bench.volumes.unmount(volume)
    assert is_sound(bench, volume)


async def test_one_that_a_backup_reads_is_given_to_a_board_that_writes_to_it(bench: Bench) -> None:
    volume = await a_volume(bench)
    await bench.volumes.unmount(volume)
    with backed_up(bench, volume) as backup:
        await bench.volumes.mount(volume)
        (bench.volumes.path(volume) / "mine").write_text("mine")
        await asyncio.to_thread(backup.end)
    await bench.volumes.unmount(volume)
    assert is_sound(bench, volume)
    await bench.volumes.mount(volume)
    assert (bench.volumes.path(volume) / "mine").read_text() == "mine"


@pytest.mark.parametrize("is_mounted", [False, True])
async def test_one_that_a_backup_reads_is_not_made_larger_at_rest(bench: Bench, *, is_mounted: bool) -> None:
    volume = await a_volume(bench)
    if not is_mounted:
        await bench.volumes.unmount(volume)
    with backed_up(bench, volume) as backup:
        await bench.volumes.unmount(volume)
        with pytest.raises(Fault, match="while a backup reads it") as raised:
            await bench.volumes.grow(volume, 4 * SIZE)
        assert raised.value.code is Code.ROOT_BUSY
        assert place_of(bench, volume).file.stat().st_size == SIZE
        await bench.volumes.mount(volume)
        (bench.volumes.path(volume) / "mine").write_text("mine")
        await asyncio.to_thread(backup.end)
    await bench.volumes.unmount(volume)
    await bench.volumes.grow(volume, 4 * SIZE)
    assert is_sound(bench, volume)


async def test_one_that_is_mounted_in_another_programs_namespace_is_not_made_larger_at_rest(bench: Bench) -> None:
    volume = await a_volume(bench)
    with a_namespace():
        await bench.volumes.unmount(volume)
        with pytest.raises(Fault, match="still uses it") as raised:
            await bench.volumes.grow(volume, 4 * SIZE)
        assert raised.value.code is Code.ROOT_BUSY
    await bench.volumes.grow(volume, 4 * SIZE)
    assert is_sound(bench, volume)


@pytest.fixture
def refused(bench: Bench, tmp_path: Path) -> Bench:
    """The bench on a machine whose kernel lets nobody make larger what is mounted, as in many containers."""
    real = subprocess.run(["which", "resize2fs"], check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "resize2fs"
    program.write_text(f'#!/bin/sh\ncase $1 in /dev/*) echo refused >&2; exit 1;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    return bench.after(shell=Through(tmp_path / "bin"))


async def test_a_growth_that_is_refused_takes_no_room_and_the_next_gives_what_is_asked(refused: Bench) -> None:
    volume = await a_volume(refused)
    with pytest.raises(Fault, match=r"while boards have it; give them back, then resize it again$"):
        await refused.volumes.grow(volume, 8 * SIZE)
    assert place_of(refused, volume).file.stat().st_size == SIZE
    (refused.volumes.path(volume) / "more").write_bytes(os.urandom(NOISE))
    await refused.volumes.unmount(volume)
    assert is_sound(refused, volume)
    await refused.volumes.grow(volume, 2 * SIZE)
    await refused.volumes.mount(volume)
    assert SIZE < room_bytes(refused, volume) <= 2 * SIZE


async def test_of_a_broken_one_that_is_not_made_larger_nobody_reads_what_a_program_said(bench: Bench) -> None:
    volume = await a_volume(bench)
    await bench.volumes.unmount(volume)
    with place_of(bench, volume).file.open("r+b") as file:
        file.write(bytes(SIZE // 2))
    with pytest.raises(Fault, match=r"^it could not be made larger, and is as it was; an admin finds why in the log"):
        await bench.volumes.grow(volume, 2 * SIZE)
    assert place_of(bench, volume).file.stat().st_size == SIZE


async def test_what_a_killed_growth_left_of_the_file_is_given_back_by_the_next(bench: Bench) -> None:
    volume = await a_volume(bench)
    await bench.volumes.unmount(volume)
    await bench.store.take(place_of(bench, volume).file, 8 * SIZE)
    await bench.volumes.grow(volume, 2 * SIZE)
    assert place_of(bench, volume).file.stat().st_size == 2 * SIZE
    assert is_sound(bench, volume)
