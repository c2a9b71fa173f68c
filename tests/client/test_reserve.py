"""From a reservation to its end on the command line: steps, states, power, history, and giving back."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from boardgrid.client.complaint import ExitCode
from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm


@pytest.fixture
def shelf(farm: FakeFarm) -> FakeFarm:
    farm.board("tk1-1")
    farm.image("tiny")
    return farm


def never(_farm: FakeFarm, _reservation: dict[str, Any]) -> None:
    """A deployment that goes on for ever."""


def test_each_step_is_told_with_its_time_and_then_how_to_log_in(shelf: FakeFarm, run: Run) -> None:
    ended = run("reserve", "--type", "tk1", "--image", "tiny", "--for", "90m")
    assert ended.code == 0
    told = ended.err.splitlines()
    assert told[0].startswith("reservation 7: tk1-1 with tiny until ")
    assert [line.split()[:2] for line in told[1:6]] == [
        ["clone", "0.04"], ["personalise", "0.02"], ["export", "0.01"], ["fence", "0.00"], ["restart", "1.20"],
    ]  # fmt: skip
    assert "DHCP: it was given 10.20.0.11" in told[6]
    assert "NFS: it mounted its root" in told[7]
    assert told[8].split()[:2] == ["boot", "8.20"]
    assert told[9].strip() == "open"
    assert told[10].startswith("tk1-1 is yours after ")
    assert "boardgrid ssh tk1-1" in ended.out


def test_programs_get_the_reservation_as_json_and_people_its_steps(shelf: FakeFarm, run: Run) -> None:
    ended = run("reserve", "tk1-1", "--image", "tiny", "-o", "json")
    assert ended.json["deployment"]["state"] == "open"
    assert "personalise" in ended.err
    assert run("status", "-o", "name").out == "7\n"


def test_who_would_not_wait_has_the_reservation_at_once(shelf: FakeFarm, run: Run) -> None:
    shelf.deploy = never
    ended = run("reserve", "tk1-1", "--image", "tiny", "--no-wait", "-o", "json")
    assert ended.json["deployment"]["state"] == "preparing"


def test_a_stream_that_is_cut_again_and_again_loses_and_doubles_nothing(shelf: FakeFarm, run: Run) -> None:
    shelf.cut_streams_after = 2
    ended = run("reserve", "tk1-1", "--image", "tiny")
    assert ended.code == 0
    steps = [line.split()[0] for line in ended.err.splitlines()[1:]]
    assert [steps.count(step) for step in ("clone", "personalise", "export", "fence", "restart", "boot")] == [1] * 6


def test_a_deployment_that_fails_says_why_and_shows_the_console_and_ends_with_6(shelf: FakeFarm, run: Run) -> None:
    shelf.deploy = FakeFarm.failed
    ended = run("reserve", "tk1-1", "--image", "tiny")
    assert ended.code == 6
    assert "failed  no NFS mount was seen" in ended.err
    assert "| Net: No ethernet found." in ended.err
    assert "\x1b" not in ended.err
    assert "tk1-1 could not be made ready: tk1-1 did not boot in 300 s (board.silent)" in ended.err
    assert "is its cable in?" in ended.err
    assert ended.out == ""


def test_a_program_also_gets_the_reservation_that_failed(shelf: FakeFarm, run: Run) -> None:
    shelf.deploy = FakeFarm.failed
    ended = run("reserve", "tk1-1", "--image", "tiny", "-o", "json")
    assert (ended.code, ended.json["deployment"]["code"]) == (6, "board.silent")


def test_a_reservation_given_back_meanwhile_ends_the_wait(shelf: FakeFarm, run: Run) -> None:
    def given_back(farm: FakeFarm, reservation: dict[str, Any]) -> None:
        farm.tell(reservation["number"], "tk1-1", "clone", "began")
        reservation["deployment"]["state"] = reservation["state"] = "ended"
        farm.tell(reservation["number"], "tk1-1", "reservation", "ended", detail="ada gave it back")

    shelf.deploy = given_back
    ended = run("reserve", "tk1-1", "--image", "tiny")
    assert ended.code == 6
    assert "it was given back" in ended.err


def test_waiting_for_a_board_has_an_end_that_says_how_to_go_on(shelf: FakeFarm, run: Run) -> None:
    shelf.deploy = never
    ended = run("reserve", "tk1-1", "--image", "tiny", "--timeout", "1s")
    assert ended.code == 7
    assert "waited 1 s for tk1-1 to be ready (wait.timeout)" in ended.err
    assert "`boardgrid release 7` gives it back" in ended.err


def test_a_program_that_waited_in_vain_knows_its_reservation(shelf: FakeFarm, run: Run) -> None:
    shelf.deploy = never
    ended = run("reserve", "tk1-1", "--image", "tiny", "--timeout", "1s", "-o", "json")
    assert (ended.code, ended.json["number"]) == (7, 7)


def test_ctrl_c_leaves_the_reservation_and_says_so(
    shelf: FakeFarm, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    shelf.deploy = lambda farm, reservation: farm.tell(reservation["number"], "tk1-1", "clone", "began")
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "reserve", "tk1-1", "--image", "tiny"],
        env={**os.environ, "BOARDGRID_URL": shelf.url, "BOARDGRID_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            eventually(lambda: ("GET", "events") in shelf.asked and ("GET", "reservations/7") in shelf.asked)
            process.send_signal(signal.SIGINT)
            _out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "reservation 7 of tk1-1 goes on" in err
    assert "`boardgrid release 7` gives it back" in err
    assert "Traceback" not in err
    assert shelf.reservations[7]["state"] == "running"


def test_a_taken_board_is_a_conflict_that_says_until_when(shelf: FakeFarm, run: Run) -> None:
    shelf.boards["tk1-1"]["state"] = "open"
    ended = run("reserve", "tk1-1", "--image", "tiny")
    assert ended.code == 5
    assert "tk1-1 is grace's until 14:00 UTC (board.taken)" in ended.err
    assert "choose another board" in ended.err


@pytest.mark.parametrize(
    "argv",
    [
        ["--image", "tiny"],
        ["tk1-1", "--type", "tk1", "--image", "tiny"],
        ["tk1-1", "--image", "tiny", "--root", "mine"],
        ["tk1-1", "--image", "tiny", "--for", "2"],
        ["tk1-1", "--image", "tiny", "--for", "soon"],
        ["tk1-1", "--image", "tiny", "--timeout", "0s"],
    ],
)
def test_half_a_request_is_refused_before_anything_is_reserved(farm: FakeFarm, run: Run, argv: list[str]) -> None:
    assert run("reserve", *argv).code == 2
    assert farm.asked == []


def test_a_root_kept_aside_boots_again(shelf: FakeFarm, run: Run) -> None:
    assert run("reserve", "tk1-1", "--root", "before").code == 0
    assert shelf.reservations[7]["deployment"]["root"] == "before"


def test_a_root_that_is_still_being_taken_from_its_board_is_asked_for_again(shelf: FakeFarm, run: Run) -> None:
    shelf.roots_in_use = 2
    refused = run("reserve", "tk1-1", "--root", "before", "--no-wait")
    assert refused.code == ExitCode.CONFLICT
    assert "still being taken from tk1-2" in refused.err
    assert run("reserve", "tk1-1", "--root", "before").code == 0
    assert shelf.roots_in_use == 0


def test_status_tells_what_runs_until_when_and_how_the_board_is(shelf: FakeFarm, run: Run) -> None:
    assert "you hold no board" in run("status").err
    run("reserve", "tk1-1", "--image", "tiny", "--for", "2h")
    shown = run("status").out
    assert "open" in shown
    assert "tiny" in shown
    assert "left)" in shown
    assert "power on, SSH answers (for 2 s)" in shown
    one = run("status", "7").out
    assert "personalise" in one
    assert run("status", "-o", "json").json[0]["health"]["voice"] == "ours"
    assert run("status", "99").code == 3


def test_status_tells_why_a_board_does_not_answer_and_no_longer_once_it_does(shelf: FakeFarm, run: Run) -> None:
    run("reserve", "tk1-1", "--image", "tiny")
    shelf.reservations[7]["deployments"][-1]["reason"] = "the kernel of tk1-1 panicked: no root"
    shelf.boards["tk1-1"]["health"] = None
    assert "open" in (shown := run("status").out) and "panicked" in shown and "SSH" not in shown
    shelf.boards["tk1-1"]["health"] = {"power": "on", "voice": "silent", "ago_s": 2.0}
    assert "SSH is silent (for 2 s): the kernel of tk1-1 panicked" in run("status").out
    shelf.boards["tk1-1"]["health"]["voice"] = "ours"
    assert "panicked" not in run("status").out


def test_status_of_everything_holds_others_and_what_has_ended(shelf: FakeFarm, run: Run) -> None:
    run("reserve", "tk1-1", "--image", "tiny")
    shelf.reservations[8] = shelf.reservations[7] | {"number": 8, "user": "grace", "deployment": None}
    shelf.reservations[7]["state"] = "ended"
    assert run("status", "-o", "name").out == ""
    assert run("status", "--all", "-o", "name").out == "8\n7\n"
    assert "grace" in run("status", "--all").out


def test_a_long_reservation_is_found_however_many_came_after_it(shelf: FakeFarm, run: Run) -> None:
    long = shelf.reserve({"board": "tk1-1", "image": "tiny", "for_s": 86400})
    for number in range(20, 20 + 2 * shelf.portion):
        shelf.reservations[number] = {**long, "number": number, "board": "tk1-2", "state": "ended"}
    assert run("status", "-o", "name").out == f"{long['number']}\n"
    assert len(run("status", "--all", "-o", "json").json) == 1 + 2 * shelf.portion
    assert run("release", "tk1-1", "--discard", "--yes").code == 0


def test_events_come_in_portions_and_are_told_as_one_list(shelf: FakeFarm, run: Run) -> None:
    run("reserve", "tk1-1", "--image", "tiny")
    assert len(shelf.events) > 2 * shelf.portion
    everything = run("events", "--after", "0", "-o", "json").json
    assert [event["number"] for event in everything] == list(range(1, len(shelf.events) + 1))
    assert run("events", "-o", "json").json == everything
    newest = run("events", "--tail", "2", "-o", "name")
    assert newest.out.split() == [str(event["number"]) for event in everything[-2:]]
    assert "these are the newest 2; all of them: --after 0" in newest.err
    assert run("events", "--after", "12", "-o", "name").out.split()[0] == "13"
    assert len(run("events", "--reservation", "7").out.splitlines()) == len(shelf.events) + 1
    assert run("events", "--board", "tk1-9", "-o", "json").json == []


def test_an_event_of_no_board_says_of_which_reservation_it_is(shelf: FakeFarm, run: Run) -> None:
    shelf.tell(47, "", "reservation", "noted", detail="grace lets grace in")
    shelf.tell(47, "tk1-1", "board", "ended", detail="open")
    shelf.tell(None, "", "site", "ended", detail="site lab works again")
    _titles, of_reservation, of_board, of_site = run("events").out.splitlines()
    assert of_reservation.split()[3:5] == ["#47", "reservation"]
    assert of_board.split()[3:5] == ["tk1-1", "board"]
    assert of_site.split()[3:5] == ["site", "ended"]
    assert [one["reservation"] for one in run("events", "-o", "json").json] == [47, 47, None]


def test_followed_events_are_a_line_of_json_each(shelf: FakeFarm) -> None:
    shelf.opened(shelf.reserve({"board": "tk1-1", "for_s": 60}))
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "events", "--follow", "--tail", "3", "-o", "json"],
        env={**os.environ, "BOARDGRID_URL": shelf.url, "BOARDGRID_TOKEN": TOKEN, "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["number"] == len(shelf.events) - 2
            later = threading.Timer(0.3, lambda: shelf.tell(None, "tk1-1", "board", "ended", detail="it waves"))
            later.start()
            assert any("it waves" in line for line in process.stdout)
            later.join()
        finally:
            process.kill()


def test_power_is_ordered_and_waited_for(shelf: FakeFarm, run: Run) -> None:
    ended = run("power", "cycle", "tk1-1")
    assert (ended.code, ended.err) == (0, "tk1-1: cycle: done\n")
    assert run("power", "off", "tk1-1", "-o", "json").json["state"] == "done"
    assert [order["act"] for order in shelf.orders.values()] == ["cycle", "off"]


def test_a_power_order_that_fails_or_hangs_says_so(shelf: FakeFarm, run: Run) -> None:
    shelf.order_state, shelf.order_reason = "failed", "outlet 7 of http://pdu-1 did not answer"
    failed = run("power", "reset", "tk1-1")
    assert failed.code == 8
    assert "reset of tk1-1 failed: outlet 7 of http://pdu-1 did not answer" in failed.err
    shelf.order_state = "waiting"
    assert run("power", "on", "tk1-1", "--timeout", "1s").code == 7
    assert run("power", "on", "tk1-1", "--no-wait").code == 0


def test_ctrl_c_leaves_a_power_order_and_says_so(
    shelf: FakeFarm, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    shelf.order_state = "waiting"
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "power", "cycle", "tk1-1"],
        env={**os.environ, "BOARDGRID_URL": shelf.url, "BOARDGRID_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            eventually(lambda: any(method == "GET" and "/power/" in path for method, path in shelf.asked))
            process.send_signal(signal.SIGINT)
            _out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err == "the order stands; `boardgrid board show tk1-1` tells how the board is\n"


@pytest.fixture
def held(shelf: FakeFarm, run: Run) -> FakeFarm:
    run("reserve", "tk1-1", "--image", "tiny")
    return shelf


@pytest.mark.parametrize(
    ("argv", "fate", "name"),
    [
        (["--discard"], "discard", None),
        (["7", "--aside"], "aside", None),
        (["--aside", "7"], "aside", None),
        (["--aside", "--name", "before"], "aside", "before"),
        (["--name", "before", "--aside", "tk1-1"], "aside", "before"),
        (["tk1-1", "--keep", "mine", "--no-wait"], "keep", "mine"),
    ],
)
def test_a_program_says_what_becomes_of_the_root(
    held: FakeFarm, run: Run, argv: list[str], fate: str, name: str | None
) -> None:
    ended = run("release", *argv)
    assert ended.code == 0
    assert "tk1-1 is given back" in ended.err
    assert (held.reservations[7]["fate"], held.reservations[7]["name"]) == (fate, name)


def test_what_stands_after_aside_is_the_board_and_never_the_name_of_its_root(held: FakeFarm, run: Run) -> None:
    held.board("tk1-2")
    ended = run("release", "--aside", "tk1-2")
    assert ended.code == 3
    assert "you have no reservation of tk1-2" in ended.err
    assert held.reservations[7]["state"] == "running"


@pytest.mark.parametrize("number", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "\N{ARABIC-INDIC DIGIT SEVEN}"])
def test_what_is_no_number_of_a_reservation_is_no_reservation(held: FakeFarm, run: Run, number: str) -> None:
    assert run("release", number, "--discard").code == 3
    assert held.reservations[7]["state"] == "running"


def test_only_a_root_that_is_kept_aside_gets_a_name(held: FakeFarm, run: Run) -> None:
    assert run("release", "--discard", "--name", "before").code == 2
    assert run("release", "--name", "before").code == 2
    assert held.reservations[7]["state"] == "running"


def test_a_program_that_does_not_say_keeps_its_board(held: FakeFarm, run: Run) -> None:
    ended = run("release")
    assert ended.code == 2
    assert "say what becomes of the root of tk1-1" in ended.err
    assert "--keep IMAGE, --aside or --discard" in ended.err
    assert held.reservations[7]["state"] == "running"
    assert run("release", "--keep", "a", "--discard").code == 2


def test_the_image_that_is_kept_is_waited_for(held: FakeFarm, run: Run) -> None:
    held.image("mine", 1)
    ended = run("release", "--keep", "mine")
    assert ended.code == 0
    assert "the image mine:2 is ready" in ended.err


def test_an_image_that_cannot_be_kept_is_not_called_kept(held: FakeFarm, run: Run) -> None:
    held.image_state, held.image_reason = "failed", "the store is full"
    ended = run("release", "--keep", "mine")
    assert ended.code == 6
    assert "the image mine:1 could not be made: the store is full" in ended.err


def test_which_board_must_be_said_where_there_are_several(held: FakeFarm, run: Run) -> None:
    held.board("tk1-2")
    run("reserve", "tk1-2", "--image", "tiny")
    ended = run("release", "--discard")
    assert ended.code == 2
    assert "8 (tk1-2), 7 (tk1-1)" in ended.err
    assert run("release", "tk1-2", "--discard").code == 0
    assert run("release", "tk1-9", "--discard").code == 3
    assert run("release", "8", "--discard").code == 5
    assert run("release", "--discard").code == 0
    assert run("release", "--discard").code == 3
