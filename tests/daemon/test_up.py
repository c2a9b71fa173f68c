"""A whole farm, for real: one is brought up for the tests of this file, below a folder that others cannot enter."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from boardgrid.client.complaint import ExitCode
from boardgrid.daemon.state import StateFolder
from boardgrid.demo.remains import remains_of
from tests.daemon.supervised import await_end, killed

pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_S = 120
FARM = """\
[controller]
listen = "127.0.0.1:18470+"
root_mib = 64
[gateway]
listen = "127.0.0.1:12270+"
[lab]
virtual = true
"""


def server(*words: str, config: Path) -> "subprocess.CompletedProcess[str]":
    """The server's program with its output in pipes: it must not leave them to what it starts."""
    return subprocess.run(
        [sys.executable, "-m", "boardgrid.daemon.main", *words, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        umask=0o077,  # as root's is on many machines
    )


def ended(config: Path) -> None:
    with contextlib.suppress(Exception):
        server("down", config=config)
    pid = StateFolder(config.parent).holder()
    if pid is not None and StateFolder(config.parent).is_locked():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    folder = closed / "farm"
    folder.mkdir()
    (folder / "boardgrid.toml").write_text(FARM)
    yield folder / "boardgrid.toml"
    ended(folder / "boardgrid.toml")


@pytest.fixture
def farm(config: Path) -> Path:
    """The config of a farm that is up: started in the background by the first test that needs it."""
    if StateFolder(config.parent).status() is None:
        up = server("up", "--detach", config=config)
        assert up.returncode == 0, up.stderr
        assert "ready: API on http://127.0.0.1:" in up.stdout
    return config


def status(config: Path) -> dict[str, dict[str, Any]]:
    told = json.loads(server("status", "--json", config=config).stdout)
    processes: dict[str, dict[str, Any]] = told["processes"]
    return processes


def api(config: Path, path: str, token: str = "") -> dict[str, Any]:
    seen = StateFolder(config.parent).status()
    assert seen is not None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.get(f"http://{seen.api}{path}", headers=headers, timeout=PATIENCE_S)
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def test_a_farm_in_the_background_is_ready_when_the_command_returns(farm: Path) -> None:
    assert {one["state"] for one in status(farm).values()} == {"ready"}
    assert api(farm, "/healthz")
    seen = StateFolder(farm.parent).status()
    assert seen is not None
    host, _colon, port = seen.ssh.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as door:
        assert door.recv(4) == b"SSH-"


def test_controller_and_gateway_are_nobody_without_rights_and_the_others_live_in_the_lab(farm: Path) -> None:
    users = set()
    for name, one in status(farm).items():
        told = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{one['pid']}/status").read_text().splitlines()
            if ":\t" in line
        )
        lives_in = Path(f"/proc/{one['pid']}/ns/net").readlink()
        assert (lives_in == Path("/proc/self/ns/net").readlink()) is (name == "controller")
        if name in {"controller", "gateway"}:
            users.add(told["Uid"].split()[0])
            assert (told["CapEff"], told["CapBnd"], told["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
            assert told["Groups"].strip() == ""
    assert len(users) == 2
    assert "0" not in users


def test_a_second_farm_on_the_folder_is_refused_in_a_sentence(farm: Path) -> None:
    second = server("up", config=farm)
    assert (second.returncode, "(state.locked)" in second.stderr) == (ExitCode.CONFLICT, True)
    assert f"error: a farm already runs on {farm.parent} (process " in second.stderr
    assert "Traceback" not in second.stderr


def test_a_farm_beside_it_takes_free_ports(farm: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    beside = tmp_path / "boardgrid.toml"
    beside.write_text(farm.read_text())
    try:
        up = server("up", "--detach", config=beside)
        assert up.returncode == 0, up.stderr
        first, second = StateFolder(farm.parent).status(), StateFolder(tmp_path).status()
        assert first is not None
        assert second is not None
        assert len({first.api, second.api, first.ssh, second.ssh}) == 4
        assert api(farm, "/readyz")
        assert api(beside, "/readyz")
    finally:
        ended(beside)
    assert remains_of(tmp_path).are_none
    assert {one["state"] for one in status(farm).values()} == {"ready"}


def test_an_admin_is_made_on_the_machine_and_their_token_printed_once(farm: Path) -> None:
    made = server("admin", "create", "grace", config=farm)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert token.startswith("bg_")
    me = api(farm, "/api/v1/me", token)
    assert (me["name"], me["role"], me["ssh_keys"], me["scope"]) == ("grace", "admin", [], "all")
    again = server("admin", "create", "grace", config=farm)
    assert again.returncode == ExitCode.CONFLICT
    assert "there is a user grace already" in again.stderr
    assert token not in "".join(path.read_text() for path in (farm.parent / "log").glob("*.log"))


def test_secrets_are_for_their_owners_alone(farm: Path) -> None:
    for path in ("agent/token", "agent/key", "gateway/token", "gateway/host_key", "controller/farm.db"):
        file = farm.parent / path
        assert file.stat().st_mode & 0o077 == 0, path
        assert file.parent.stat().st_mode & 0o077 == 0, path


def test_a_killed_controller_comes_back_behind_the_same_door(farm: Path) -> None:
    before = status(farm)
    killed(before["controller"]["pid"])
    assert api(farm, "/readyz")  # whoever knocks meanwhile waits
    after = status(farm)
    assert after["controller"]["restarts"] == 1
    assert after["agent"]["pid"] == before["agent"]["pid"]


def test_a_farm_that_is_ended_leaves_nothing_and_comes_back_on_its_ports(farm: Path) -> None:
    seen = StateFolder(farm.parent).status()
    assert seen is not None
    assert server("down", config=farm).stdout == "ended\n"
    assert remains_of(farm.parent).are_none
    assert server("status", config=farm).returncode == 3
    assert server("up", "--detach", config=farm).returncode == 0
    again = StateFolder(farm.parent).status()
    assert again is not None
    assert (again.api, again.ssh) == (seen.api, seen.ssh)


def test_a_supervisor_that_is_killed_takes_all_with_it(farm: Path) -> None:
    holder = StateFolder(farm.parent).holder()
    assert holder is not None
    pids = [one["pid"] for one in status(farm).values()]
    processes = [os.pidfd_open(pid) for pid in pids if isinstance(pid, int)]
    killed(holder)
    for process in processes:
        await_end(process)
    assert not remains_of(farm.parent).mounts
    assert not remains_of(farm.parent).loops
    assert server("down", config=farm).stdout == f"no farm runs on {farm.parent}\n"


def test_records_of_another_release_are_refused_in_a_sentence_and_nothing_stays(config: Path) -> None:
    ended(config)
    database = config.parent / "controller" / "farm.db"
    owner = database.stat()
    kept = database.rename(database.with_name("kept"))
    try:
        database.write_bytes(b"no database at all" * 100)
        os.chown(database, owner.st_uid, owner.st_gid)
        up = server("up", "--detach", config=config)
        assert (up.returncode, "error: " in up.stderr) == (ExitCode.CONFLICT, True), up.stderr
        assert "farm.db" in up.stderr
        assert "Traceback" not in up.stderr
        assert remains_of(config.parent).are_none
    finally:
        kept.rename(database)


def test_a_taken_port_is_refused_in_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = tmp_path / "boardgrid.toml"
        config.write_text(f'[controller]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n[lab]\nvirtual = true\n')
        up = server("up", config=config)
    assert (up.returncode, "(port.taken)" in up.stderr) == (ExitCode.CONFLICT, True)
    assert "controller.listen: another program listens on 127.0.0.1:" in up.stderr
    assert "to take the next free one" in up.stderr
