"""What people wrote into volumes comes back from a backup, with all that a file has, and never over what is there."""

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from boardgrid.adapters.shell import SubprocessShell
from boardgrid.adapters.store.store import Store
from boardgrid.adapters.store.volumes import StoredVolumes
from boardgrid.daemon import config as configs
from boardgrid.daemon import volume_backups
from boardgrid.daemon.config import Config
from boardgrid.daemon.layout import Layout
from boardgrid.model.errors import Code, Conflict, Fault
from tests.adapters.store.own_mounts import own_mounts, unmount_below

pytestmark = [pytest.mark.slow, pytest.mark.world]
SIZE = 64 << 20


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    """Of a machine with a store."""
    file = tmp_path / "boardgrid.toml"
    file.write_text("[lab]\nvirtual = true\n")
    config = configs.read(file)
    Layout(config.state).store.mkdir(parents=True)
    with own_mounts():
        yield config
        unmount_below(tmp_path)


def volumes_of(config: Config) -> StoredVolumes:
    return StoredVolumes(Store(Layout(config.state).store, SubprocessShell()))


def a_volume(config: Config, text: str) -> UUID:
    volumes, volume = volumes_of(config), uuid4()
    asyncio.run(volumes.make(volume, SIZE))
    asyncio.run(volumes_of(config).mount(volume))
    tree = volumes.path(volume)
    (tree / "folder").mkdir()
    (tree / "folder" / "notes").write_text(text)
    os.chown(tree / "folder" / "notes", 1234, 5678)
    (tree / "folder" / "notes").chmod(0o4750)
    (tree / "link").symlink_to("/etc/passwd")
    os.setxattr(tree / "folder", "user.mine", b"yes")
    return volume


def back_up(config: Config, file: Path) -> int:
    with volume_backups.packed_beside(config, file) as count:
        return count


def check(config: Config, volume: UUID, text: str) -> None:
    volumes = volumes_of(config)
    asyncio.run(volumes.mount(volume))
    tree = volumes.path(volume)
    notes = tree / "folder" / "notes"
    assert notes.read_text() == text
    assert (notes.stat().st_uid, notes.stat().st_gid, notes.stat().st_mode & 0o7777) == (1234, 5678, 0o4750)
    assert (tree / "link").readlink() == Path("/etc/passwd")
    assert os.getxattr(tree / "folder", "user.mine") == b"yes"


def test_a_file_comes_back_to_a_new_machine(config: Config, tmp_path: Path) -> None:
    in_use, at_rest = a_volume(config, "in use"), a_volume(config, "at rest")
    asyncio.run(volumes_of(config).unmount(at_rest))
    assert back_up(config, tmp_path / "farm.backup") == 2
    folder = tmp_path / "farm.backup.volumes"
    assert folder.stat().st_mode & 0o777 == 0o700

    for volume in (in_use, at_rest):
        asyncio.run(volumes_of(config).remove(volume))
    assert volume_backups.restore(config, tmp_path / "farm.backup") == (2, [])
    check(config, in_use, "in use")
    check(config, at_rest, "at rest")


def test_what_is_there_is_left_as_it_is(config: Config, tmp_path: Path) -> None:
    volume = a_volume(config, "before")
    back_up(config, tmp_path / "farm.backup")
    (volumes_of(config).path(volume) / "folder" / "notes").write_text("after")
    assert volume_backups.restore(config, tmp_path / "farm.backup") == (0, [volume])
    assert (volumes_of(config).path(volume) / "folder" / "notes").read_text() == "after"


def test_an_archive_that_is_damaged_leaves_no_half_volume(config: Config, tmp_path: Path) -> None:
    volume = a_volume(config, "mine")
    back_up(config, tmp_path / "farm.backup")
    asyncio.run(volumes_of(config).remove(volume))
    [archive] = (tmp_path / "farm.backup.volumes").iterdir()
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(Fault):
        volume_backups.restore(config, tmp_path / "farm.backup")
    assert asyncio.run(volumes_of(config).all()) == {}


def test_nothing_is_brought_back_under_an_agent_that_runs(config: Config, tmp_path: Path) -> None:
    a_volume(config, "mine")
    back_up(config, tmp_path / "farm.backup")
    with (Layout(config.state).store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict) as refused:
            volume_backups.restore(config, tmp_path / "farm.backup")
    assert refused.value.code is Code.STATE_LOCKED


def test_a_backup_that_fails_leaves_nothing_and_none_is_written_over(config: Config, tmp_path: Path) -> None:
    a_volume(config, "mine")
    with pytest.raises(RuntimeError), volume_backups.packed_beside(config, tmp_path / "farm.backup"):
        raise RuntimeError
    assert not list(tmp_path.glob("*.volumes*")) and not list(tmp_path.glob(".*"))
    back_up(config, tmp_path / "farm.backup")
    with pytest.raises(Conflict):
        back_up(config, tmp_path / "farm.backup")


def test_mounts_of_an_agent_in_a_namespace_of_its_own_are_seen(config: Config, tmp_path: Path) -> None:
    """As with virtual boards: here the volume is mounted nowhere, and there it has what was not written down yet."""
    volume = a_volume(config, "mine")
    store = Layout(config.state).store
    words = ["unshare", "--mount", "--propagation", "private", "flock", "--no-fork", str(store / "lock"), "sh", "-c"]
    with subprocess.Popen([*words, "echo ready; exec sleep 600"], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None and agent.stdout.readline() == "ready\n"
        subprocess.run(["umount", str(volumes_of(config).path(volume))], check=True)
        try:
            assert back_up(config, tmp_path / "farm.backup") == 1
        finally:
            agent.kill()
    asyncio.run(volumes_of(config).remove(volume))
    volume_backups.restore(config, tmp_path / "farm.backup")
    check(config, volume, "mine")


def test_the_command_tells_what_it_wrote_and_brought_back(config: Config, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        argv = (sys.executable, "-m", "boardgrid.daemon.main", *words, "--config", str(config.file))
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    assert "farm.volumes: 0" in run("backup", "--only-volumes", "farm")
    archive = tmp_path / "site.volumes"
    archive.mkdir()
    words = ("tar", "--create", "--zstd", f"--file={archive}/{uuid4()}-{SIZE}.tar.zst", "--directory", str(tmp_path))
    subprocess.run([*words, "boardgrid.toml"], check=True)
    assert "volumes brought back: 1" in run("restore", "--only-volumes", "site")
    assert "is there, and left as it is" in run("restore", "--only-volumes", "site")
    assert "farm.volumes: 1" in run("backup", "--only-volumes", "farm")
