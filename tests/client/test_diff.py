"""What changed, on the command line."""

import json

import pytest

from boardgrid.client.complaint import ExitCode
from tests.client.conftest import Run
from tests.client.fake_farm import FakeFarm, a_difference


@pytest.fixture
def held(farm: FakeFarm) -> FakeFarm:
    """Somebody holds tk1-2."""
    farm.board("tk1-2", state="open")
    farm.reservations[7] = {
        "number": 7, "user": "ada", "board": "tk1-2", "state": "running", "ended_because": "", "deployment": None,
        "start": "2026-01-01T12:00:00Z", "end": "2031-01-01T12:00:00Z", "boards": ["tk1-2"], "members": [],
    }  # fmt: skip
    return farm


def test_counts_files_and_packages_are_shown(held: FakeFarm, run: Run) -> None:
    ended = run("diff", "tk1-2")
    assert ended.out.splitlines() == [
        "added: 3 (4.1 MB), changed: 1 (120 B), removed: 0 (0 B); packages changed: 2 (dpkg)",
        "  +    4.0 MB  usr/bin/vim",
        "  ~     120 B  etc/passwd  (content, mode)",
        "  ... and 2 more",
        "packages:",
        "  ~ libc6:armhf 2.36-9 -> 2.36-10",
        "  + vim:armhf 2:9.0",
    ]
    assert held.asked_diffs == [{"board": "tk1-2", "without_farms": True}]


def test_what_the_farm_wrote_is_counted_and_shown_where_all_is_wanted(held: FakeFarm, run: Run) -> None:
    held.diff["difference"]["left_out"] = 9
    assert "  as the farm wrote them: 9 (--all shows them)\n" in run("diff", "tk1-2").out
    run("diff", "tk1-2", "--all")
    assert held.asked_diffs[1] == {"board": "tk1-2"}


def test_of_trees_that_differ_in_times_alone_that_is_told(farm: FakeFarm, run: Run) -> None:
    none = {"entries": 0, "size_bytes": 0}
    told = farm.diff["difference"] | {"paths": [], "packages": [], "packages_changed": 0, "times_only": 2}
    assert "other times" not in run("image", "diff", "mine").out
    farm.diff["difference"] = told | {"added": none, "changed": none, "removed": none}
    assert run("image", "diff", "mine").out.splitlines() == [
        "added: 0 (0 B), changed: 0 (0 B), removed: 0 (0 B); packages changed: 0 (dpkg)",
        "  the same files, other times: 2",
    ]


def test_a_word_is_a_board_that_one_holds_or_else_a_root_and_may_be_left_out(held: FakeFarm, run: Run) -> None:
    for words in (["tk1-2"], ["before"], []):
        assert run("diff", *words).code == ExitCode.OK
    assert [one | {"without_farms": None} for one in held.asked_diffs] == [
        {"board": "tk1-2", "without_farms": None},
        {"root": "before", "without_farms": None},
        {"board": "tk1-2", "without_farms": None},
    ]


def test_an_image_is_compared_with_its_parent_or_with_another(farm: FakeFarm, run: Run) -> None:
    assert run("image", "diff", "mine").code == run("image", "diff", "mine:2", "mine:1").code == ExitCode.OK
    assert farm.asked_diffs == [{"image": "mine"}, {"image": "mine:2", "since": "mine:1"}]


def test_as_many_are_shown_as_are_wanted_and_a_program_gets_all(farm: FakeFarm, run: Run) -> None:
    assert run("diff", "before", "--most", "1").out.count("... and ") == 2
    assert json.loads(run("diff", "before", "-o", "json").out) == a_difference()
    assert run("diff", "before", "-o", "name").out == "usr/bin/vim\netc/passwd\n"


def test_nothing_of_a_name_is_obeyed_by_a_terminal(farm: FakeFarm, run: Run) -> None:
    farm.diff["difference"]["paths"][0]["path"] = "a\x1b]0;b"
    assert "\x1b" not in run("diff", "before").out


def test_what_kept_the_site_from_looking_is_told(farm: FakeFarm, run: Run) -> None:
    farm.diff = {"state": "failed", "code": "root.unknown", "reason": "there is no root 1", "hint": "make one"}
    ended = run("diff", "before")
    assert ended.code == ExitCode.FAULT
    assert ended.err.splitlines() == ["error: there is no root 1 (root.unknown)", "  make one"]


def test_who_waits_for_an_agent_that_is_not_there_is_told_in_the_end(farm: FakeFarm, run: Run) -> None:
    farm.diff = {"state": "asked"}
    ended = run("diff", "before", "--timeout", "1s")
    assert ended.code == ExitCode.TIMEOUT
    assert "boardgrid site list" in ended.err
