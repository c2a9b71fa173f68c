"""``boardgrid ssh``: the system's own ssh, through a gateway, against host keys that the farm vouches for."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm, Json
from tests.client.ssh_lab import Lab, lab_of, public

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def lab(farm: FakeFarm, key_file: Path) -> Iterator[Lab]:
    """Ada holds tk1-1, which is open."""
    with lab_of(farm, key_file) as lab:
        farm.held("tk1-1")
        yield lab


def test_what_all_commands_share_may_stand_before_the_board(farm: FakeFarm, run: Run) -> None:
    farm.board("tk1-1")
    ended = run("ssh", "--profile", "lab", "-o", "json", "tk1-1")
    assert (ended.code, json.loads(ended.err)["code"]) == (5, "board.not_held")
    nobody = run("ssh", "--profile", "lab", "tk1-1", BOARDGRID_URL="", BOARDGRID_TOKEN="")
    assert (nobody.code, "there is no profile lab" in nobody.err) == (4, True)
    assert "boardgrid ssh has no option -L" in run("ssh", "-L", "8080:localhost:80", "tk1-1").err


@pytest.fixture
def ssh(farm: FakeFarm, lab: Lab, key_file: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    (tmp_path / "tmp").mkdir()

    def ssh(*words: str, identity: bool = True) -> subprocess.CompletedProcess[str]:
        chosen = ["-i", str(key_file)] if identity else []
        return subprocess.run(
            [sys.executable, "-m", "boardgrid.client", "ssh", *chosen, *words],
            env=environment(farm, tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return ssh


def environment(farm: FakeFarm, tmp_path: Path) -> dict[str, str]:
    told = {"BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "TMPDIR": str(tmp_path / "tmp"), "SSH_AUTH_SOCK": ""}
    return {**os.environ, **told}


Ssh = Callable[..., subprocess.CompletedProcess[str]]


def test_a_command_runs_on_the_board_and_its_status_comes_back(lab: Lab, ssh: Ssh, tmp_path: Path) -> None:
    done = ssh("tk1-1", "--", "uname", "-a")
    assert (done.returncode, done.stdout) == (0, "board ran: uname -a\n"), done.stderr
    assert lab.asked_for == [("tk1-1", 22)]
    assert lab.logged_in == ["root"]
    assert ssh("tk1-1", "exit 7").returncode == 7
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_options_of_ssh_go_to_ssh_and_its_key_to_the_gateway_too(lab: Lab, ssh: Ssh, key_file: Path) -> None:
    done = ssh("tk1-1", "-vi", str(key_file), "-o", "LogLevel=ERROR", "true", identity=False)
    assert done.returncode == 0, done.stderr
    assert ssh("-l", "grace", "ada@tk1-1.lab.boardgrid", "true").returncode == 0
    assert lab.logged_in == ["root", "ada"]


def test_a_board_with_another_host_key_is_not_logged_in_to(farm: FakeFarm, lab: Lab, ssh: Ssh) -> None:
    farm.known_hosts = f"tk1-1 {public(asyncssh.generate_private_key('ssh-ed25519'))}\n"
    done = ssh("tk1-1", "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr
    assert lab.logged_in == []


def test_a_gateway_with_another_host_key_is_not_gone_through(farm: FakeFarm, lab: Lab, ssh: Ssh) -> None:
    farm.sites[0]["gateway"]["host_key"] = public(asyncssh.generate_private_key("ssh-ed25519"))
    done = ssh("tk1-1", "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr
    assert lab.asked_for == []


@pytest.mark.slow
def test_files_are_private_while_it_runs_and_gone_when_it_is_ended(
    farm: FakeFarm, lab: Lab, ssh: Ssh, key_file: Path, tmp_path: Path
) -> None:
    words = ["ssh", "-i", str(key_file), "tk1-1", "stay"]
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", *words],
        env=environment(farm, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"board ran: stay\n"
            files = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
            assert {path.name for path in files} == {"config", "known_hosts"}
            assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
            assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) != 0
        finally:
            process.kill()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_who_does_not_hold_the_board_is_told_so(farm: FakeFarm, lab: Lab, run: Run) -> None:
    farm.known_hosts = ""
    farm.boards["tk1-1"] |= {"state": "free", "reservation": None}
    ended = run("ssh", "tk1-1")
    assert ended.code == 5
    assert "you do not hold tk1-1" in ended.err
    assert "boardgrid reserve tk1-1" in ended.err
    assert run("ssh", "tk1-9").code == 3


def test_a_board_that_is_not_ready_says_what_it_does(farm: FakeFarm, lab: Lab, run: Run) -> None:
    farm.known_hosts = ""
    farm.boards["tk1-1"]["state"] = "preparing"
    ended = run("ssh", "tk1-1")
    assert ended.code == 5
    assert "tk1-1 is not ready yet: preparing" in ended.err
    assert "`boardgrid status 7`" in ended.err


def test_a_board_whose_host_key_is_not_known_is_not_guessed_at(farm: FakeFarm, lab: Lab, run: Run) -> None:
    farm.known_hosts = ""
    ended = run("ssh", "tk1-1")
    assert ended.code == 8
    assert "the farm does not know the host key of tk1-1" in ended.err


SILENT = {"power": "on", "voice": "silent", "ago_s": 40.0}
PANICKED = {"reason": "its kernel panicked", "hint": "try another than vmlinuz-{1}"}


@pytest.mark.parametrize(
    ("health", "deployment", "told", "hint"),
    [
        (SILENT | {"power": "off"}, {}, "power off, SSH is silent (for 40 s)", "`boardgrid power on tk1-1`"),
        (SILENT, {}, "power on, SSH is silent (for 40 s)", "`boardgrid status 7` shows more"),
        (SILENT, PANICKED, "power on, SSH is silent (for 40 s): its kernel panicked", PANICKED["hint"]),
        (None, PANICKED, "its kernel panicked", PANICKED["hint"]),
    ],
)
def test_of_a_board_that_does_not_answer_is_told_what_the_farm_saw(
    lab: Lab, ssh: Ssh, *, farm: FakeFarm, health: Json | None, deployment: Json, told: str, hint: str
) -> None:
    farm.boards["tk1-1"]["health"] = health
    farm.reservations[7]["deployments"][0] |= deployment
    lab.board_port = 1  # nobody is there
    done = ssh("tk1-1", "true")
    assert done.returncode == 5
    sentence, advice = done.stderr.splitlines()
    assert sentence == f"error: tk1-1 does not answer: {told} (board.unreachable)"
    assert hint in advice


def test_a_board_that_came_back_since_the_farm_looked_is_reached(farm: FakeFarm, lab: Lab, ssh: Ssh) -> None:
    farm.boards["tk1-1"]["health"] = SILENT
    done = ssh("tk1-1", "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "board ran: true\n", "")


def test_of_a_gateway_that_is_another_ssh_itself_warns_whatever_the_farm_saw_of_the_board(
    farm: FakeFarm, lab: Lab, ssh: Ssh
) -> None:
    farm.boards["tk1-1"]["health"] = SILENT
    farm.sites[0]["gateway"]["host_key"] = public(asyncssh.generate_private_key("ssh-ed25519"))
    done = ssh("tk1-1", "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_a_key_that_the_gateway_refuses_is_no_silence_of_the_board(
    farm: FakeFarm, lab: Lab, ssh: Ssh, tmp_path: Path
) -> None:
    farm.boards["tk1-1"]["health"] = SILENT
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(stranger)
    done = ssh("-i", str(stranger), "tk1-1", "true")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_a_site_without_a_gateway_is_the_farms_fault(farm: FakeFarm, lab: Lab, run: Run) -> None:
    farm.sites[0]["gateway"] = None
    ended = run("ssh", "tk1-1")
    assert ended.code == 8
    assert "the SSH gateway of the site lab has not been heard of" in ended.err


@pytest.mark.parametrize(
    ("field_", "value"),
    [
        ("host", "farm\n  ProxyCommand touch pwned"),
        ("host", "-oProxyCommand=touch"),
        ("host", "farm farm"),
        ("host", ""),
        ("host_key", "ssh-ed25519 AAAA\n* ssh-ed25519 BBBB"),
        ("host_key", ""),
    ],
)
def test_a_farm_cannot_make_ssh_run_something_else(farm: FakeFarm, lab: Lab, run: Run, field_: str, value: str) -> None:
    farm.sites[0]["gateway"][field_] = value
    ended = run("ssh", "tk1-1", "true")
    assert ended.code == 8
    assert "no farm would tell" in ended.err


def test_lines_for_other_hosts_are_not_taken_over(farm: FakeFarm, lab: Lab, run: Run) -> None:
    key = public(asyncssh.generate_private_key("ssh-ed25519"))
    farm.known_hosts = f"boardgrid-gateway {key}\n* {key}\n@cert-authority tk1-1 {key}\ntk1-10 {key}\n"
    ended = run("ssh", "tk1-1", "true")
    assert "the farm does not know the host key of tk1-1" in ended.err


@pytest.mark.parametrize("words", [["ro ot@tk1-1"], ["-l", "-oProxyCommand=x", "tk1-1"]])
def test_a_login_name_is_a_name(lab: Lab, run: Run, words: list[str]) -> None:
    ended = run("ssh", *words)
    assert ended.code == 2
    assert "is no name to log in as" in ended.err


def test_a_key_that_is_not_there_is_named(lab: Lab, run: Run) -> None:
    ended = run("ssh", "-i", "/nowhere/key", "tk1-1")
    assert ended.code == 2
    assert "there is no key file /nowhere/key" in ended.err
