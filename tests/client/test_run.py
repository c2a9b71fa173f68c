"""``boardgrid run``: a job of a CI, on a board behind real SSH servers that really runs what it is told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.client.fake_farm import TOKEN, FakeFarm, Refused, stamp
from tests.client.ssh_lab import Lab, lab_of

pytestmark = pytest.mark.timeout(120)

Job = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lab(farm: FakeFarm, key_file: Path, tmp_path: Path) -> Iterator[Lab]:
    """tk1-1 is free; once it is reserved, it runs what it is told, in a home of its own."""
    for folder in ("tmp", "home"):
        (tmp_path / folder).mkdir()
    farm.board("tk1-1")
    farm.image("tiny")
    with lab_of(farm, key_file) as lab:
        lab.home = tmp_path / "home"
        yield lab


def environment(farm: FakeFarm, tmp_path: Path) -> dict[str, str]:
    told = {"BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "TMPDIR": str(tmp_path / "tmp"), "SSH_AUTH_SOCK": ""}
    return {**os.environ, **told}


def argv(key_file: Path, *words: str, boots: tuple[str, ...] = ("--image", "tiny")) -> list[str]:
    chosen = ["--type", "tk1", *boots, "--identity", str(key_file)]
    return [sys.executable, "-m", "boardgrid.client", "run", *chosen, *words]


@pytest.fixture
def job(farm: FakeFarm, lab: Lab, key_file: Path, tmp_path: Path) -> Job:
    def job(*words: str, boots: tuple[str, ...] = ("--image", "tiny")) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv(key_file, *words, boots=boots), cwd=tmp_path, env=environment(farm, tmp_path),
            input="the rest of a script\n", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return job


def over(farm: FakeFarm) -> dict[str, Any]:
    reservation = farm.reservations[7]
    assert reservation["state"] == "ended"
    return reservation


@pytest.mark.slow
def test_files_go_there_the_command_runs_and_its_status_results_and_log_come_back(
    farm: FakeFarm, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "build" / "deep").mkdir(parents=True)
    (tmp_path / "build" / "deep" / "test.sh").write_text("#!/bin/sh\necho it works >deep/result.txt; exit 7\n")
    (tmp_path / "build" / "deep" / "test.sh").chmod(0o755)
    done = job("--put", "build", "--get", "deep/*.txt", "--get", "no/such/*", "--", "deep/test.sh")
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "deep" / "result.txt").read_text() == "it works\n"
    log = (tmp_path / "boardgrid-console-tk1-1.log").read_text()
    assert "tk1-1 boot ok" in log
    assert "Linux version 6.1\nlogin:\n" in log
    assert over(farm)["fate"] == "discard"
    assert farm.reservations[7]["asked"] == {"type": "tk1", "image": "tiny", "for_s": 3600, "kind": "queued"}
    assert farm.heartbeats == [300.0]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_words_are_those_of_a_program_one_word_is_a_line_and_nothing_of_the_script_is_read(
    farm: FakeFarm, job: Job
) -> None:
    done = job("--", "printf", "%s|", "a b", "$HOME", "*")
    assert (done.returncode, done.stdout) == (0, "a b|$HOME|*|"), done.stderr
    farm.boards["tk1-1"]["state"] = "free"
    done = job("--", "echo $((6 * 7)); cat; echo out of line >&2")
    assert done.stdout == "42\n"
    assert "out of line" in done.stderr


@pytest.mark.slow
def test_the_status_255_of_a_command_is_its_own(farm: FakeFarm, job: Job) -> None:
    assert job("--", "exit 255").returncode == 255
    over(farm)


@pytest.mark.slow
def test_a_connection_that_is_lost_is_worth_another_try(farm: FakeFarm, lab: Lab, job: Job, tmp_path: Path) -> None:
    lab.cut_after_s = 0.2
    done = job("--get", "*", "--", "sleep", "60")
    assert done.returncode == 203
    assert "the connection to tk1-1 was lost" in done.stderr
    assert (tmp_path / "boardgrid-console-tk1-1.log").exists()
    over(farm)


@pytest.mark.slow
def test_a_command_that_took_longer_than_the_reservation_is_not(farm: FakeFarm, lab: Lab, job: Job) -> None:
    lab.cut_after_s = 0.6

    def opened_and_over(farm: FakeFarm, reservation: dict[str, Any]) -> None:
        farm.opened(reservation)
        time.sleep(0.3)
        reservation |= {"state": "ended", "ended_because": "its time was over"}

    farm.deploy = opened_and_over
    done = job("--for", "20m", "--", "sleep", "60")
    assert done.returncode == 205
    assert "the command was not done after 20 min" in done.stderr


@pytest.mark.slow
def test_a_board_that_was_taken_away_says_by_whom(farm: FakeFarm, lab: Lab, job: Job) -> None:
    lab.cut_after_s = 0.6

    def opened_and_taken(farm: FakeFarm, reservation: dict[str, Any]) -> None:
        farm.opened(reservation)
        time.sleep(0.3)
        reservation |= {"state": "ended", "ended_because": "root released it", "end": stamp(datetime.now(UTC))}

    farm.deploy = opened_and_taken
    done = job("--", "sleep", "60")
    assert done.returncode == 203
    assert "root released it" in done.stderr


@pytest.mark.slow
def test_a_board_that_does_not_come_up_leaves_its_log(farm: FakeFarm, job: Job, tmp_path: Path) -> None:
    farm.deploy = FakeFarm.failed
    done = job("--console", "log.txt", "--", "true")
    assert done.returncode == 200
    assert "tk1-1 did not boot in 300 s" in done.stderr
    assert "Net: No ethernet found." in (tmp_path / "log.txt").read_text()


@pytest.mark.slow
def test_a_turn_that_does_not_come_in_time_is_given_up(farm: FakeFarm, job: Job) -> None:
    farm.boards["tk1-1"]["state"] = "open"
    done = job("--queue-timeout", "1s", "--", "true")
    assert done.returncode == 202
    assert "waited 1 s for tk1 to be free" in done.stderr
    assert farm.reservations[7]["state"] == "cancelled"


@pytest.mark.slow
def test_a_farm_that_is_away_and_one_that_refuses_are_told_apart(
    farm: FakeFarm, job: Job, key_file: Path, tmp_path: Path
) -> None:
    def away(**changes: str) -> int:
        return subprocess.run(
            argv(key_file, "--", "true"), cwd=tmp_path, env={**environment(farm, tmp_path), **changes},
            capture_output=True, timeout=60, check=False,
        ).returncode  # fmt: skip

    assert away(BOARDGRID_URL="http://127.0.0.1:9") == 201
    assert away(BOARDGRID_TOKEN="bg_0_wrong") == 204
    assert job("--", "true").returncode == 0


@pytest.mark.parametrize(
    "words",
    [["--board", "tk1-1", "--", "true"], ["--keep", "a", "--aside", "--", "true"], ["--put", "nothing", "--", "true"],
     ["--for", "soon", "--", "true"], ["--nonsense", "--", "true"], ["--output", "xml", "--", "true"], []],
    ids=" ".join,
)  # fmt: skip
def test_half_a_job_is_refused_before_anything_is_reserved_and_not_with_a_code_of_commands(
    farm: FakeFarm, job: Job, words: list[str]
) -> None:
    assert job(*words).returncode == 204
    assert farm.asked == []


@pytest.mark.slow
def test_a_job_counts_on_a_project_and_boots_its_image_where_none_is_named(farm: FakeFarm, job: Job) -> None:
    done = job("--", "true", boots=("--project", "robots"))
    assert done.returncode == 0, done.stderr
    assert over(farm)["asked"] == {"type": "tk1", "project": "robots", "for_s": 3600, "kind": "queued"}


def test_a_job_says_what_its_board_boots(farm: FakeFarm, job: Job) -> None:
    done = job("--", "true", boots=())
    assert done.returncode == 204
    assert "say what it boots: --image REF, or --project NAME" in done.stderr
    assert farm.asked == []


def test_a_key_file_that_is_not_there_is_noticed_before_anything_is_reserved(farm: FakeFarm, job: Job) -> None:
    done = job("--identity", "/nonexistent", "--", "true")
    assert done.returncode == 204
    assert "there is no key file /nonexistent" in done.stderr
    assert farm.reservations == {}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_whoever_ends_it_gets_the_board_given_back(
    farm: FakeFarm, lab: Lab, key_file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        argv(key_file, "--get", "*", "--", "echo begun; sleep 60"), cwd=tmp_path, env=environment(farm, tmp_path),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            process.send_signal(number)
            _out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert "it was told to end, and gave its board back" in err
    assert "Traceback" not in err
    assert over(farm)["fate"] == "discard"
    assert (tmp_path / "boardgrid-console-tk1-1.log").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "fate", "name"), [(["--keep", "mine"], "keep", "mine"), (["--aside"], "aside", None)]
)
def test_what_was_changed_is_kept_on_request(
    farm: FakeFarm, job: Job, words: list[str], fate: str, name: str | None
) -> None:
    assert job(*words, "--", "true").returncode == 0
    assert (over(farm)["fate"], farm.reservations[7]["name"]) == (fate, name)


@pytest.mark.slow
def test_a_refused_reservation_is_no_job_of_the_farms(farm: FakeFarm, job: Job) -> None:
    farm.refuse_reservations = Refused(422, "image.misfit", "tiny never runs on tk1", "choose another")
    done = job("--", "true")
    assert done.returncode == 204
    assert "tiny never runs on tk1" in done.stderr


@pytest.mark.slow
def test_what_cannot_be_kept_under_its_name_is_kept_aside_and_the_board_goes_back(farm: FakeFarm, job: Job) -> None:
    farm.image("mine", owner="grace")
    done = job("--keep", "mine", "--", "true")
    assert done.returncode == 204
    assert "the image mine is another user's" in done.stderr
    assert over(farm)["fate"] == "aside"


@pytest.mark.slow
def test_a_job_that_is_ended_while_it_waits_leaves_the_queue(
    farm: FakeFarm, lab: Lab, key_file: Path, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    farm.boards["tk1-1"]["state"] = "open"
    process = subprocess.Popen(
        argv(key_file, "--", "true"), cwd=tmp_path, env=environment(farm, tmp_path), stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            eventually(lambda: bool(farm.heartbeats) and ("GET", "events") in farm.asked)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert farm.reservations[7]["state"] == "cancelled"
