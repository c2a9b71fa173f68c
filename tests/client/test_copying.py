"""``boardgrid put`` and ``get``: files through the gateway, by rsync or by scp."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.fake_farm import TOKEN, FakeFarm
from tests.client.ssh_lab import Lab, lab_of

pytestmark = [pytest.mark.timeout(120), pytest.mark.slow]

Begin = Callable[..., subprocess.Popen[str]]
Copy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What is on the board."""
    home = tmp_path / "board"
    home.mkdir()
    return home


@pytest.fixture
def lab(farm: FakeFarm, key_file: Path, home: Path) -> Iterator[Lab]:
    with lab_of(farm, key_file) as lab:
        lab.home = home
        farm.held("tk1-1")
        yield lab


@pytest.fixture
def begin(farm: FakeFarm, lab: Lab, key_file: Path, tmp_path: Path) -> Begin:
    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x").touch()

    def begin(act: str, *words: str, rsync: str | None = None) -> subprocess.Popen[str]:
        for name in ("ssh", "scp", "rsync"):
            (programs / name).unlink(missing_ok=True)
            if name != "rsync" or rsync is None:
                (programs / name).symlink_to(shutil.which(name) or "/nowhere")
        if rsync:
            (programs / "rsync").write_text(f"#!/bin/sh\n{rsync}\n")
            (programs / "rsync").chmod(0o755)
        told = {"BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "SSH_AUTH_SOCK": "", "PATH": str(programs)}
        return subprocess.Popen(
            [sys.executable, "-m", "boardgrid.client", act, "-i", str(key_file), "tk1-1", *words],
            env={**os.environ, **told},
            cwd=tmp_path / "here",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


@pytest.fixture
def copy(begin: Begin) -> Copy:
    def copy(*words: str, rsync: str | None = None) -> subprocess.CompletedProcess[str]:
        with begin(*words, rsync=rsync) as program:
            try:
                out, err = program.communicate(timeout=60)
            finally:
                program.kill()
        return subprocess.CompletedProcess(program.args, program.returncode, out, err)

    return copy


def test_files_and_folders_go_to_the_board_and_come_back(copy: Copy, home: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "a folder").mkdir()
    (here / "a folder" / "it's $HOME").write_text("mine")
    (here / "hello").write_text("hello")
    (here / "hello").chmod(0o755)
    (here / "12:30").write_text("noon")
    done = copy("put", "a folder", "hello", "12:30", "to here/")
    assert done.returncode == 0, done.stderr
    assert (home / "to here" / "a folder" / "it's $HOME").read_text() == "mine"
    assert (home / "to here" / "hello").stat().st_mode & 0o777 == 0o755
    assert (home / "to here" / "12:30").read_text() == "noon"
    (home / "one.log").write_text("1")
    (home / "two.log").write_text("2")
    done = copy("get", "*.log", "to here/hello", "back/")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (here / "back").iterdir()) == ["hello", "one.log", "two.log"]


def test_what_is_not_there_is_told_by_the_status(copy: Copy) -> None:
    done = copy("get", "nothing", ".")
    assert done.returncode == 23 and "nothing" in done.stderr


def test_a_board_without_rsync_is_copied_to_by_scp_and_that_is_said(copy: Copy, lab: Lab) -> None:
    lab.path = "/nowhere"
    done = copy("put", "x", "y")
    assert done.stderr.startswith("note: there is no rsync on tk1-1, so that all of it is copied by scp\n")
    assert lab.asked_for, "and scp has gone there"


def test_why_ssh_failed_is_told_without_what_rsync_makes_of_it(copy: Copy, tmp_path: Path) -> None:
    said = "echo 'ssh: no way there' >&2; echo 'rsync: connection unexpectedly closed' >&2; exit 255"
    assert (done := copy("get", "x", ".", rsync=said)).returncode == 255
    assert done.stderr == "ssh: no way there\n"


def test_what_ssh_asks_for_meanwhile_is_seen_at_once(begin: Begin, tmp_path: Path) -> None:
    said = "echo 'Confirm user presence for key' >&2; while ! [ -e ../touched ]; do /bin/sleep 0.05; done"
    with begin("get", "x", ".", rsync=said) as program:
        try:
            assert program.stderr is not None
            assert program.stderr.readline() == "Confirm user presence for key\n"
            (tmp_path / "touched").touch()
            assert program.wait(60) == 0
        finally:
            (tmp_path / "touched").touch()
            program.kill()


def test_however_much_rsync_complains_of_is_told_once_and_in_its_order(copy: Copy) -> None:
    said = 'n=0; while [ $n -lt 300 ]; do n=$((n+1)); echo "rsync: no file $n" >&2; done; exit 23'
    assert (done := copy("get", "x", ".", rsync=said)).returncode == 23
    assert done.stderr.splitlines() == [f"rsync: no file {n}" for n in range(1, 301)]


def test_a_machine_without_rsync_uses_scp_and_says_so(copy: Copy) -> None:
    done = copy("put", "x", "y", rsync="")
    assert "there is no rsync on this machine" in done.stderr


def test_what_is_not_here_is_told_before_anything_is_run(copy: Copy, lab: Lab) -> None:
    for words, told in (
        (("put", "x", "/nosuch", "/root/"), "/nosuch cannot be read: No such file or directory (request.invalid)"),
        (("get", "/root/x", "/nosuch/folder/"), "there is no folder /nosuch (request.invalid)"),
    ):
        done = copy(*words)
        assert (done.returncode, told in done.stderr, "is its path right?" in done.stderr) == (2, True, True), done
    assert not lab.asked_for
