"""``backup`` and ``restore`` on the controller's machine: a file is whole or not there, and never over another."""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from boardgrid.adapters.records.sqlite import SqliteFile
from boardgrid.daemon import config as configs
from boardgrid.daemon.wiring import records
from boardgrid.model.errors import Code, Conflict
from tests.daemon.test_main import NOBODY

pytestmark = pytest.mark.slow

_WHO = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a farm that was up once, whose controller runs as somebody who is not root."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        config = folder / "boardgrid.toml"
        config.write_text(f'[controller]\nuser = "{_WHO.pw_name}"\n[lab]\nvirtual = true\n')
        (folder / "run").mkdir()
        (folder / "controller").mkdir()
        (folder / "files").mkdir()
        records.prepare(configs.read(config))
        for each in (folder / "files", folder / "controller", folder / "controller" / "farm.db"):
            os.chown(each, _WHO.pw_uid, _WHO.pw_gid)
        yield folder


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = (*NOBODY, sys.executable, "-m", "boardgrid.daemon.main", *words, "--config", f"{folder}/boardgrid.toml")
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=folder / "files")


def _sites(path: Path) -> list[str]:
    database = SqliteFile(path)
    with database.looking() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT name FROM sites")]


def test_a_farm_is_backed_up_and_restored(folder: Path) -> None:
    made = run(folder, "backup", "farm.backup")
    assert (made.returncode, made.stdout) == (0, ""), made.stderr
    assert "its images and roots are not" in made.stderr
    file = folder / "files" / "farm.backup"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert _sites(file) == ["lab"]

    refused = run(folder, "restore", "farm.backup")
    assert refused.returncode == 5, "conflict, as the command line has it"
    assert "--force" in refused.stderr

    restored = run(folder, "restore", "--force", "farm.backup")
    assert restored.returncode == 0, restored.stderr
    assert "the farm that was there is in" in restored.stderr
    assert _sites(folder / "controller" / "farm.db") == ["lab"]
    assert not list((folder / "controller").glob(".backup-*"))


def test_what_is_there_is_not_written_over_and_what_is_not_there_is_named(folder: Path) -> None:
    file = folder / "files" / "diary"
    file.write_text("Dear diary")
    refused = run(folder, "backup", "diary")
    assert refused.returncode == 5
    assert f"error: {file} is there already" in refused.stderr
    assert file.read_text() == "Dear diary"

    wrong = run(folder, "restore", "--force", "diary")
    assert wrong.returncode == 8
    assert f"database {file} failed: file is not a database" in wrong.stderr
    nothing = run(folder, "restore", "nothing")
    assert nothing.returncode == 3
    assert "nothing cannot be read: No such file or directory" in nothing.stderr


def test_a_backup_that_fails_leaves_no_file(folder: Path) -> None:
    (folder / "controller" / "farm.db").write_text("Dear diary, " * 1000)
    failed = run(folder, "backup", "farm.backup")
    assert failed.returncode == 8
    assert "file is not a database" in failed.stderr
    assert list((folder / "files").iterdir()) == []


def test_a_file_has_one_controller(folder: Path) -> None:
    config = configs.read(folder / "boardgrid.toml")
    with records.serving_services(config):
        second = records.serving_services(config)
        with pytest.raises(Conflict, match="a controller has the database") as error, second:
            raise AssertionError("two controllers on one file")
        assert error.value.code is Code.STATE_LOCKED
    with closing(records.database_of(config).engine.raw_connection()), records.serving_services(config):
        pass
