import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from boardgrid.daemon.state import Condition, StateFolder, Status
from boardgrid.logs import SizedLog
from boardgrid.model.errors import Conflict, Invalid

HOLDS = """
import signal, sys, time
from pathlib import Path
from boardgrid.daemon.state import StateFolder
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
with StateFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def holding(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder), *words], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    return other


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Open to others, as pytest's own folders are not."""
    folder = tmp_path / "farm"
    folder.mkdir(mode=0o755)
    return folder


def test_a_second_farm_on_a_folder_is_refused_and_told_how_to_end_the_first(state: Path) -> None:
    with holding(state) as other:
        already = f"already runs on {state} .process {other.pid}"
        with pytest.raises(Conflict, match=already) as caught, StateFolder(state).locked():
            pass
        assert "boardgrid down" in caught.value.hint
        other.kill()


def test_a_folder_whose_farm_was_killed_is_free(state: Path) -> None:
    with holding(state) as other:
        other.kill()
    with StateFolder(state).locked():
        assert StateFolder(state).holder() == os.getpid()


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_a_farm_is_ended_also_when_it_does_not_listen(state: Path, how: str) -> None:
    with holding(state, how):
        assert StateFolder(state).end(timeout_s=5 if how == "polite" else 0.2)
    assert not StateFolder(state).is_locked()


def test_ending_a_farm_that_does_not_run_does_nothing(state: Path) -> None:
    assert not StateFolder(state).end(timeout_s=1)
    with holding(state) as other:
        other.kill()
    assert not StateFolder(state).end(timeout_s=1)


def test_what_an_earlier_run_said_of_itself_is_not_believed(state: Path) -> None:
    folder = StateFolder(state)
    (state / "run").mkdir()
    with folder.locked():
        folder.write_status(Status(os.getpid(), "127.0.0.1:1", "127.0.0.1:2", {"agent": Condition("ready", 7)}))
        told = folder.status()
        assert told is not None
        assert told.processes["agent"] == Condition("ready", 7)
        folder.write_status(Status(1, "127.0.0.1:1", "127.0.0.1:2"))
        assert folder.status() is None
    assert folder.status() is None


def test_ports_are_remembered(state: Path) -> None:
    folder = StateFolder(state)
    assert folder.remembered_doors() == {}
    folder.remember_doors({"api": 8471})
    assert folder.remembered_doors() == {"api": 8471}


def test_a_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    log = SizedLog(tmp_path / "a.log", most_bytes=1000)
    for number in range(1000):
        log.write(b"line %d\n" % number)
    assert log.tail(1) == ("line 999",)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    log.close()


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    log = SizedLog(tmp_path / "nowhere" / "a.log")
    log.write(b"lost\n")
    assert log.tail(3) == ()


def test_asking_whether_a_farm_runs_does_not_keep_one_from_starting(state: Path) -> None:
    with StateFolder(state).locked():
        pass
    with (state / "supervisor.lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        folder = StateFolder(state, sleep=lambda _seconds: fcntl.flock(asking, fcntl.LOCK_UN))
        with folder.locked():
            assert folder.is_locked()


def test_the_lock_is_for_root_alone_also_one_that_an_earlier_release_left(state: Path) -> None:
    lock = state / "supervisor.lock"
    for _run in range(2):
        with StateFolder(state).locked():
            assert lock.stat().st_mode & 0o777 == 0o600
        lock.chmod(0o644)


def test_a_strangers_process_that_the_lock_names_is_not_ended(state: Path) -> None:
    lock = state / "supervisor.lock"
    with subprocess.Popen(["sleep", "600"]) as stranger:
        lock.write_text(str(stranger.pid))
        assert not StateFolder(state).end(timeout_s=1)
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert StateFolder(state).holder() is None
            with pytest.raises(Conflict, match="held, but not by the process that it names"):
                StateFolder(state).end(timeout_s=1)
        assert stranger.poll() is None
        stranger.kill()


ASKS = """
import os, sys
from pathlib import Path
from boardgrid.daemon.state import StateFolder
from boardgrid.model.errors import NotAllowed
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
folder = StateFolder(Path(sys.argv[1]))
print(folder.status())
for asked in (folder.is_locked, folder.holder, lambda: folder.end(1)):
    try: print(asked())
    except NotAllowed as error: print(error)
"""


def test_who_may_not_read_the_lock_is_told_what_runs_and_why_no_more() -> None:
    # Not below pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory() as name:
        (state := Path(name)).chmod(0o755)
        (state / "run").mkdir()

        def told() -> list[str]:
            asks = [sys.executable, "-c", ASKS, name]
            return subprocess.run(asks, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

        with holding(state) as other:
            (state / "supervisor.lock").chmod(0o600 if os.geteuid() == 0 else 0)
            status = Status(other.pid, "127.0.0.1:1", "127.0.0.1:2")
            StateFolder(state).write_status(status)
            closed = f"only root, who starts and ends the farm on {state}, may read its lock"
            assert told() == [str(status), closed, closed, closed]
            other.kill()
        assert told()[0] == "None", "an earlier run's words"


def test_a_state_folder_of_the_farms_own_is_open_to_its_users_whatever_roots_umask_is(tmp_path: Path) -> None:
    former = os.umask(0o077)
    try:
        with StateFolder(tmp_path / "farm").locked():
            assert (tmp_path / "farm").stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(former)


def test_a_private_folder_is_refused_as_state_folder_and_stays_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with (
        pytest.raises(Invalid, match=r"state: the folder .* is closed to others") as refused,
        StateFolder(tmp_path).locked(),
    ):
        pass
    assert f'state = "{tmp_path}/farm"' in refused.value.hint
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert not list(tmp_path.iterdir())


def test_a_state_folder_that_cannot_be_is_named_with_its_key() -> None:
    with pytest.raises(Invalid, match=r"state: the folder /proc/farm cannot be made"):
        StateFolder(Path("/proc/farm")).make()
