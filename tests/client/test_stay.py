"""Boards for as long as a ``with`` or a test lasts."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardgrid.client import connect
from boardgrid.client.complaint import CONNECTION_LOST, Complaint
from boardgrid.client.farm import Farm
from boardgrid.client.open_board import OpenBoard
from boardgrid.client.stay import Terms
from tests.client.fake_farm import TOKEN, FakeFarm
from tests.client.ssh_lab import Lab, lab_of

pytest_plugins = ["pytester"]


@pytest.fixture
def lab(farm: FakeFarm, key_file: Path, tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "home").mkdir()
    farm.board("tk1-1")
    farm.board("tk1-2")
    farm.image("tiny")
    with lab_of(farm, key_file) as lab:
        lab.home = tmp_path / "home"
        yield lab


@pytest.fixture
def client(farm: FakeFarm) -> Iterator[Farm]:
    with Farm(farm.url, TOKEN) as client:
        yield client


@pytest.fixture
def terms(key_file: Path) -> Terms:
    return Terms(identity=str(key_file), beat_s=0.05)


@pytest.fixture
def local(tmp_path: Path) -> OpenBoard:
    """Our own machine in the place of a board: what would go through ssh is run by its last word, as a shell's line."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\ncd "$(dirname "$0")"\nexec sh -c "$1"\n')
    ssh.chmod(0o755)
    return OpenBoard("tk1-1", (str(ssh),))


# --- files


def test_what_is_put_there_comes_back_the_same(local: OpenBoard, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a b").mkdir(parents=True)
    (tree / "a b" / "$(touch pwned)").write_bytes(b"\x00" * 100_000)
    (tree / "tool").write_text("#!/bin/sh\n")
    (tree / "tool").chmod(0o755)
    (tree / "link").symlink_to("tool")
    local.put(tree)
    local.put(tree / "tool")
    got = local.get("a b/*", "tool", "link", "none/*", into=tmp_path / "back")
    assert {str(path.relative_to(tmp_path / "back")) for path in got} == {"a b/$(touch pwned)", "tool", "link"}
    assert (tmp_path / "back" / "a b" / "$(touch pwned)").stat().st_size == 100_000
    assert (tmp_path / "back" / "tool").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "back" / "link").is_symlink()
    assert not list(tmp_path.rglob("pwned"))
    assert local.get("none", into=tmp_path / "nothing") == ()


def test_a_pattern_is_no_line_of_a_shell(local: OpenBoard, tmp_path: Path) -> None:
    local.run("true")
    local.get("$(touch pwned)", "`touch pwned`", "; touch pwned", "x\ntouch pwned", into=tmp_path / "back")
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", ["../out", "a/../../out"])
def test_nothing_that_a_board_sends_gets_out_of_its_folder(tmp_path: Path, name: str) -> None:
    script = tmp_path / "evil"
    script.write_text(f"""#!{sys.executable}
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    member = tarfile.TarInfo({name!r})
    member.size = 4
    archive.addfile(member, io.BytesIO(b"evil"))
""")
    script.chmod(0o755)
    with pytest.raises(Complaint, match="is not taken"):
        OpenBoard("tk1-1", (str(script),)).get("*", into=tmp_path / "back")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_put_or_reached_says_why(tmp_path: Path, local: OpenBoard) -> None:
    with pytest.raises(Complaint, match="cannot be read"):
        local.put(tmp_path / "nothing")
    gone = tmp_path / "gone"
    gone.write_text("#!/bin/sh\necho 'Connection closed by UNKNOWN' >&2; exit 255\n")
    gone.chmod(0o755)
    board = OpenBoard("tk1-1", (str(gone),))
    for act in (lambda: board.put(tmp_path), lambda: board.get("*"), lambda: board.run("true")):
        with pytest.raises(Complaint, match="Connection closed by UNKNOWN") as lost:
            act()
        assert lost.value.code == CONNECTION_LOST
    (tmp_path / "work").write_text("in the way")
    with pytest.raises(Complaint, match="failed: "):
        local.put(tmp_path / "gone")


def test_a_status_is_checked_where_that_is_asked_for(local: OpenBoard) -> None:
    assert local.run("exit 3").returncode == 3
    with pytest.raises(subprocess.CalledProcessError):
        local.run("false", check=True)
    assert local.run("exit 255").returncode == 255


# --- a stay


def test_boards_are_there_inside_of_a_with_and_given_back_after_it(
    farm: FakeFarm, lab: Lab, client: Farm, terms: Terms
) -> None:
    with client.reserve("tk1-1", image="tiny", how=terms) as [board]:
        assert board.run("echo", "it works").stdout == "it works\n"
        assert board.ssh_command[-1] == "tk1-1"
        while len(farm.heartbeats) < 3:
            time.sleep(0.01)
        assert farm.reservations[7]["state"] == "running"
    assert (farm.reservations[7]["state"], farm.reservations[7]["fate"]) == ("ended", "discard")
    beats = len(farm.heartbeats)
    time.sleep(0.2)
    assert len(farm.heartbeats) == beats


def test_whatever_goes_wrong_inside_gives_them_back(farm: FakeFarm, lab: Lab, client: Farm, terms: Terms) -> None:
    with pytest.raises(ZeroDivisionError), client.reserve("tk1-1", image="tiny", how=terms):
        _bug = 1 / 0
    assert farm.reservations[7]["state"] == "ended"


def test_boards_of_which_one_fails_are_given_back_at_once(farm: FakeFarm, lab: Lab, client: Farm, terms: Terms) -> None:
    def one_fails(farm: FakeFarm, reservation: dict[str, object]) -> None:
        farm.opened_on(reservation, "tk1-1")
        farm.deployment_on(reservation, "tk1-2").update(state="failed", reason="it does not boot")
        farm.tell(7, "tk1-2", "board", "ended")

    farm.deploy = one_fails
    with pytest.raises(Complaint, match="tk1-2 could not be made ready: it does not boot"):
        client.reserve("2 tk1", image="tiny", how=terms).__enter__()
    assert farm.reservations[7]["state"] == "ended"


def test_one_is_connected_as_who_is_logged_in(farm: FakeFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDGRID_URL", farm.url)
    monkeypatch.setenv("BOARDGRID_TOKEN", TOKEN)
    with connect() as client:
        assert client.me().name == "ada"


# --- pytest


TESTS = """
def test_it_runs(board):
    assert board.run("echo", "hello").stdout == "hello\\n"

def test_it_is_the_same(board):
    assert board.name == "tk1-1"
"""


@pytest.fixture
def asked(farm: FakeFarm, lab: Lab, key_file: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> str:
    """As ada, for a board that boots tiny; the rest is to be said."""
    monkeypatch.setenv("BOARDGRID_URL", farm.url)
    monkeypatch.setenv("BOARDGRID_TOKEN", TOKEN)
    pytester.makeini("[pytest]\nboardgrid_image = tiny\n")
    return f"--boardgrid-identity={key_file}"


@pytest.mark.slow
def test_a_test_gets_a_deployed_board_which_goes_back_at_the_end(
    farm: FakeFarm, pytester: pytest.Pytester, asked: str
) -> None:
    pytester.makepyfile(TESTS)
    done = pytester.runpytest_subprocess("--boardgrid-type=tk1-1", "--boardgrid-for=20m", asked)
    done.assert_outcomes(passed=2)
    assert list(farm.reservations) == [7]
    assert farm.reservations[7]["asked"]["for_s"] == 1200
    assert farm.reservations[7]["state"] == "ended"


@pytest.mark.slow
def test_a_farm_that_refuses_fails_the_test_in_a_sentence(
    farm: FakeFarm, pytester: pytest.Pytester, asked: str
) -> None:
    farm.deploy = FakeFarm.failed
    pytester.makepyfile("def test_it(board): pass")
    done = pytester.runpytest_subprocess("--boardgrid-type=tk1-1", asked)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*tk1-1 did not boot in 300 s*"])


@pytest.mark.slow
def test_without_a_board_to_ask_for_its_tests_are_skipped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(board): pass")
    done = pytester.runpytest_inprocess("-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*no board was asked for: --boardgrid-type TYPE --boardgrid-image REF*"])


def test_who_uses_no_board_does_not_wait_for_the_client() -> None:
    code = "import boardgrid.client.pytest_plugin, sys; print(*(name for name in sys.modules if 'boardgrid' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) == {"boardgrid", "boardgrid.client", "boardgrid.client.pytest_plugin"}
