"""Several boards, ahead of time, in the queue: reserve, extend, share, give back, and who waits for what."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm


@pytest.fixture
def shelf(farm: FakeFarm) -> FakeFarm:
    for name in ("tk1-1", "tk1-2", "rpi4-1"):
        farm.board(name)
    farm.image("tiny")
    return farm


@pytest.fixture
def paris() -> Iterator[None]:
    """For whom the clocks are those of Paris."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Paris"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def only_one(farm: FakeFarm, reservation: dict[str, Any]) -> None:
    """tk1-2 does not come up, and is given back."""
    farm.opened_on(reservation, "tk1-1")
    farm.deployment_on(reservation, "tk1-2").update(
        state="failed", code="board.silent", reason="tk1-2 did not boot in 300 s", hint="is its cable in?"
    )
    reservation["boards"] = ["tk1-1"]
    farm.tell(reservation["number"], "tk1-2", "board", "ended", outcome="failed", detail="tk1-2 is out of order")


# --- several


def test_several_groups_make_one_reservation_and_a_table_of_its_boards(shelf: FakeFarm, run: Run) -> None:
    ended = run("reserve", "2 tk1", "rpi4 (ram_mb >= 2048)", "--image", "tiny")
    assert ended.code == 0, ended.err
    assert shelf.reservations[7]["asked"]["groups"] == [
        {"count": 2, "type": "tk1"}, {"type": "rpi4", "where": "ram_mb >= 2048"},
    ]  # fmt: skip
    assert "tk1-1, tk1-2, rpi4-1 are yours after" in ended.err
    assert "rpi4-1   boot" in ended.err
    rows = ended.out.splitlines()
    assert [row.split()[1] for row in rows] == ["BOARD", "tk1-1", "tk1-2", "rpi4-1"]
    assert all(f"boardgrid ssh {row.split()[1]}" in row for row in rows[1:])


def test_type_count_and_where_are_one_group(shelf: FakeFarm, run: Run) -> None:
    ended = run("reserve", "-t", "tk1", "-n", "2", "--where", "number > 0", "--image", "tiny", "-o", "json")
    assert ended.json["boards"] == ["tk1-1", "tk1-2"]
    assert shelf.reservations[7]["asked"] == {
        "count": 2, "type": "tk1", "where": "number > 0", "image": "tiny", "for_s": 7200,
    }  # fmt: skip


def test_where_one_of_several_fails_the_others_are_shown_and_the_exit_code_tells(shelf: FakeFarm, run: Run) -> None:
    shelf.deploy = only_one
    ended = run("reserve", "2 tk1", "--image", "tiny")
    assert ended.code == 6
    assert "tk1-2 could not be made ready: tk1-2 did not boot in 300 s (board.silent)" in ended.err
    states = {row.split()[1]: row.split()[4] for row in ended.out.splitlines()[1:]}
    assert states == {"tk1-1": "open", "tk1-2": "failed"}


@pytest.mark.parametrize(
    "argv",
    [
        ["tk1", "--count", "2"],
        ["tk1", "--where", "number > 1"],
        ["--count", "2"],
        ["2"],
        ["tk1", "--at", "soon"],
        ["tk1", "--at", "9:00", "--best-effort"],
        ["tk1", "--at", "9:00", "--queue"],
        ["tk1", "--queue", "--best-effort"],
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_reserved(
    shelf: FakeFarm, run: Run, argv: list[str]
) -> None:
    assert run("reserve", *argv, "--image", "tiny").code == 2
    assert shelf.asked == []


# --- ahead of time


def test_a_date_is_read_in_ones_own_zone_and_echoed_with_its_offset(shelf: FakeFarm, run: Run, paris: None) -> None:
    ended = run("reserve", "tk1-1", "--image", "tiny", "--at", "2035-01-02 09:00", "--for", "2h")
    assert ended.code == 0
    assert "tk1-1 with tiny from 2035-01-02 09:00 +01:00 (in " in ended.err
    assert "until 2035-01-02 11:00 +01:00" in ended.err
    assert "`boardgrid release 7` withdraws it" in ended.err
    assert shelf.reservations[7]["asked"]["at"] == "2035-01-02T08:00:00+00:00"
    assert "2035-01-02 09:00 +01:00" in ended.out
    shown = run("status").out
    assert "waiting" in shown
    assert "2035-01-02 09:00 +01:00 (in " in shown


def test_a_refusal_names_the_earliest_time_in_ones_own_zone(shelf: FakeFarm, run: Run, paris: None) -> None:
    shelf.boards["tk1-1"]["state"] = "open"
    shelf.taken = "tk1-1 is taken by grace until 2035-01-02 08:00 UTC"
    shelf.taken_hint = "the earliest is 2035-01-02 08:00 UTC: reserve it with --at 2035-01-02T08:00Z"
    ended = run("reserve", "tk1-1", "--image", "tiny")
    assert ended.code == 5
    assert "tk1-1 is taken by grace until 2035-01-02 09:00 +01:00" in ended.err
    assert "reserve it with --at 2035-01-02T09:00+01:00" in ended.err


def test_a_date_that_is_waited_for_is_no_place_in_the_queue(shelf: FakeFarm, run: Run) -> None:
    ended = run("reserve", "tk1-1", "--image", "tiny", "--at", "+1h", "--wait", "--timeout", "1s")
    assert ended.code == 7
    assert "kind" not in shelf.reservations[7]["asked"]


# --- the queue


def test_a_turn_is_waited_for_with_what_is_predicted_and_then_the_board_is_watched(shelf: FakeFarm, run: Run) -> None:
    shelf.boards["tk1-1"]["state"] = "open"

    def earlier_then_begun() -> None:
        while 7 not in shelf.reservations:
            time.sleep(0.01)
        waiting = shelf.reservations[7]
        waiting["start"] = "2035-01-02T08:00:00Z"
        shelf.tell(7, "", "reservation", "noted", detail="ada waits for tk1-1")
        time.sleep(0.3)
        shelf.begin(waiting, "tk1-1")

    other = threading.Thread(target=earlier_then_begun)
    other.start()
    ended = run("reserve", "tk1-1", "--image", "tiny", "--wait")
    other.join()
    assert ended.code == 0, ended.err
    assert shelf.reservations[7]["kind"] == "queued"
    assert "reservation 7 waits for tk1-1: it begins at the latest " in ended.err
    assert "it begins at the latest 2035-01-02" in ended.err
    assert "tk1-1 is yours after" in ended.err


def test_a_place_in_the_queue_is_had_without_waiting(shelf: FakeFarm, run: Run) -> None:
    ended = run("reserve", "3 tk1", "--image", "tiny", "--queue")
    assert ended.code == 0
    assert "`boardgrid release 7` withdraws it" in ended.err
    assert "3 tk1" in ended.out


def test_what_is_idle_is_asked_for_as_best_effort(shelf: FakeFarm, run: Run) -> None:
    assert run("reserve", "tk1", "--image", "tiny", "--best-effort").code == 0
    assert shelf.reservations[7]["kind"] == "best_effort"
    ended = run("reserve", "9 tk1", "--image", "tiny", "--best-effort")
    assert "reservation 8 waits until 9 tk1 is idle and nobody needs it" in ended.err
    assert "when it is idle" in run("queue").out


def test_ctrl_c_in_the_queue_keeps_the_place_and_says_how_to_withdraw_it(
    shelf: FakeFarm, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "reserve", "3 tk1", "--image", "tiny", "--wait"],
        env={**os.environ, "BOARDGRID_URL": shelf.url, "BOARDGRID_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            eventually(lambda: ("GET", "reservations/7") in shelf.asked)
            process.send_signal(signal.SIGINT)
            _out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "reservation 7 keeps its place for 3 tk1" in err
    assert "`boardgrid release 7` withdraws it" in err
    assert shelf.reservations[7]["state"] == "waiting"


def test_a_reservation_that_is_withdrawn_meanwhile_ends_the_wait(shelf: FakeFarm, run: Run) -> None:
    def withdrawn() -> None:
        while 7 not in shelf.reservations:
            time.sleep(0.01)
        shelf.reservations[7] |= {"state": "cancelled", "ended_because": "root released it"}
        shelf.tell(7, "", "reservation", "ended", detail="root released it")

    other = threading.Thread(target=withdrawn)
    other.start()
    ended = run("reserve", "3 tk1", "--image", "tiny", "--wait")
    other.join()
    assert ended.code == 6
    assert "reservation 7 is over: root released it" in ended.err


def test_the_queue_is_a_table_in_its_order(shelf: FakeFarm, run: Run) -> None:
    assert "nobody waits" in run("queue").err
    run("reserve", "3 tk1", "--image", "tiny", "--queue")
    run("reserve", "4 tk1", "--image", "tiny", "--queue")
    rows = run("queue").out.splitlines()
    assert [row.split()[:5] for row in rows[1:]] == [["1", "7", "ada", "3", "tk1"], ["2", "8", "ada", "4", "tk1"]]
    assert run("queue", "-o", "name").out == "7\n8\n"
    assert run("queue", "-o", "json").json[1]["number"] == 8


@pytest.mark.parametrize("argv", [["queue"], ["status"]], ids=" ".join)
def test_what_is_watched_is_shown_again_when_it_changes(shelf: FakeFarm, argv: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", *argv, "--watch", "-o", "name"],
        env={**os.environ, "BOARDGRID_URL": shelf.url, "BOARDGRID_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    shelf.reserve({"type": "tk1", "count": 3, "image": "tiny", "for_s": 60, "kind": "queued"})
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "7\n"
            shelf.reserve({"type": "tk1", "count": 4, "image": "tiny", "for_s": 60, "kind": "queued"})
            shelf.tell(8, "", "reservation", "noted", detail="ada waits for 4 tk1")
            assert sorted([process.stdout.readline(), process.stdout.readline()]) == ["7\n", "8\n"]
        finally:
            process.kill()


# --- longer, with others, and back


@pytest.fixture
def held(shelf: FakeFarm, run: Run) -> FakeFarm:
    assert run("reserve", "2 tk1", "--image", "tiny", "--for", "1h").code == 0
    return shelf


def end_of(farm: FakeFarm, number: int = 7) -> datetime:
    return datetime.fromisoformat(farm.reservations[number]["end"])


@pytest.mark.parametrize("argv", [["+1h"], ["60m"], ["7", "1h"], ["tk1-2", "+1h"]], ids=" ".join)
def test_a_reservation_is_extended_by_its_number_a_board_or_as_the_only_one(
    held: FakeFarm, run: Run, argv: list[str]
) -> None:
    before = end_of(held)
    ended = run("extend", *argv)
    assert ended.code == 0, ended.err
    assert end_of(held) - before == timedelta(hours=1)
    assert "tk1-1, tk1-2 until 2" in ended.err


def test_a_reservation_is_extended_until_a_time(held: FakeFarm, run: Run) -> None:
    assert run("extend", "--until", "+3h").code == 0
    assert abs(end_of(held) - datetime.now(UTC) - timedelta(hours=3)) < timedelta(minutes=1)
    ended = run("extend", "tk1-1", "--until", "+1h")
    assert ended.code == 2
    assert "lasts until" in ended.err
    assert run("extend").code == 2
    assert run("extend", "7").code == 2
    assert run("extend", "7", "1h", "--until", "+9h").code == 2


def test_what_is_extended_until_a_time_ends_at_that_very_time(held: FakeFarm, run: Run) -> None:
    held.reservations[7]["end"] = "2031-01-01T11:59:12.777900Z"
    assert run("extend", "tk1-1", "--until", "2031-01-01 13:30 UTC").code == 0
    assert end_of(held) == datetime(2031, 1, 1, 13, 30, tzinfo=UTC)


def test_where_somebody_follows_the_answer_says_how_far_it_goes(held: FakeFarm, run: Run) -> None:
    held.followed_at = end_of(held) + timedelta(minutes=30)
    ended = run("extend", "+1h")
    assert ended.code == 5
    assert "it can be extended by 30 min" in ended.err


@pytest.mark.parametrize(
    "argv", [["grace", "linus"], ["7", "grace", "linus"], ["tk1-1", "grace", "linus"]], ids=" ".join
)
def test_others_are_let_in_and_no_longer(held: FakeFarm, run: Run, argv: list[str]) -> None:
    ended = run("share", *argv)
    assert ended.code == 0, ended.err
    assert held.reservations[7]["members"] == ["grace", "linus"]
    assert "reservation 7 is shared with grace, linus" in ended.err
    assert "shared with nobody" in run("share", *argv, "--remove").err


def test_one_board_of_several_is_given_back_by_its_name_and_all_by_the_number(held: FakeFarm, run: Run) -> None:
    ended = run("release", "tk1-2", "--discard")
    assert (ended.code, ended.err) == (0, "tk1-2 is given back\n")
    assert held.reservations[7]["state"] == "running"
    assert held.reservations[7]["boards"] == ["tk1-1"]
    assert run("release", "7", "--discard").err == "tk1-1 is given back\n"
    assert held.reservations[7]["state"] == "ended"


def test_all_boards_of_one_reservation_are_given_back_together(held: FakeFarm, run: Run) -> None:
    assert run("release", "--discard").err == "tk1-1, tk1-2 are given back\n"


def test_what_has_not_begun_is_withdrawn_without_a_question(shelf: FakeFarm, run: Run) -> None:
    run("reserve", "3 tk1", "--image", "tiny", "--queue")
    ended = run("release", "7")
    assert (ended.code, ended.err) == (0, "reservation 7 of 3 tk1 is withdrawn\n")
    assert shelf.reservations[7]["state"] == "cancelled"


def test_status_tells_several_boards_and_each_of_them(held: FakeFarm, run: Run) -> None:
    assert "tk1-1, tk1-2" in run("status").out
    one = run("status", "tk1-2").out
    assert [line.split()[1] for line in one.splitlines() if line.startswith("7  ")] == ["tk1-1", "tk1-2"]
    assert "tk1-2    boot" in one


# --- the calendar


def test_the_calendar_draws_what_is_taken_and_explains_its_characters(held: FakeFarm, run: Run, paris: None) -> None:
    held.boards["rpi4-1"]["state"] = "set_aside"
    shown = run("calendar", "--hours", "4").out.splitlines()
    assert all(len(line) <= 80 for line in shown)
    rows = {line.split()[0]: line.split()[1] for line in shown[2:5]}
    assert set(rows) == {"tk1-1", "tk1-2", "rpi4-1"}
    assert rows["tk1-1"].startswith("#")
    assert rows["tk1-1"].endswith(".")
    assert set(rows["rpi4-1"]) == {"x"}
    assert shown[-1] == "# yours  . free  x set aside"
    assert shown[0].startswith("from 2")


def test_the_calendar_shows_what_is_kept_free_for_maintenance(held: FakeFarm, run: Run) -> None:
    start, end = "2031-01-01T11:00:00Z", "2031-01-01T12:00:00Z"
    held.maintenance.append({"number": 1, "boards": ["tk1-2"], "start": start, "end": end, "reason": "new fans"})
    shown = run("calendar", "--from", "2031-01-01 10:00Z", "--hours", "4").out.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in shown[2:5]}
    assert rows["tk1-2"].strip(".") == "m" * (len(rows["tk1-2"]) // 4)
    assert set(rows["tk1-1"]) == {"."}
    assert shown[-1] == "m maintenance  . free"


def test_the_calendar_is_the_reservations_for_programs(held: FakeFarm, run: Run) -> None:
    assert [one["number"] for one in run("calendar", "-o", "json").json] == [7]
    assert run("calendar", "--from", "+5h", "-o", "json").json == []
    assert run("calendar", "--hours", "0").code == 2


def test_a_calendar_of_nothing_says_so(farm: FakeFarm, run: Run) -> None:
    ended = run("calendar")
    assert (ended.code, ended.out) == (0, "")
    assert "there is no such board" in ended.err
