"""What a person sees and is asked: the command line in a real terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boardgrid.client.login import login_for
from tests.client.fake_farm import PASSWORD, TOKEN, FakeFarm

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Seen:
    code: int
    raw: str

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw).replace("\r", "\n")


Answer = str | Callable[[], str]
Talk = Callable[..., Seen]


@pytest.fixture
def talk(farm: FakeFarm, tmp_path: Path) -> Talk:
    """
    Run a command at a terminal, what it says of errors *into* a file if one is given; *answers* are typed; *watch* is
    told of what was seen so far.
    """

    def talk(
        *argv: str,
        answers: Sequence[tuple[str, Answer]] = (),
        into: Path | None = None,
        watch: Callable[[Seen], object] | None = None,
        **environment: str,
    ) -> Seen:
        mine, theirs = pty.openpty()
        env = {
            **os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN, "TERM": "xterm", "NO_COLOR": "",
            "XDG_CONFIG_HOME": str(tmp_path / "config"), "COLUMNS": "100", **environment,
        }  # fmt: skip
        errors = theirs if into is None else os.open(into, os.O_CREAT | os.O_WRONLY)
        process = subprocess.Popen(
            [sys.executable, "-m", "boardgrid.client", *argv],
            stdin=theirs, stdout=theirs, stderr=errors, env=env, start_new_session=True,
        )  # fmt: skip
        for one in {theirs, errors}:
            os.close(one)
        seen, waiting, deadline = "", list(answers), time.monotonic() + 60
        try:
            while time.monotonic() < deadline:
                if select.select([mine], [], [], 0.1)[0]:
                    try:
                        seen += os.read(mine, 65536).decode()
                    except OSError:  # the other side is closed
                        break
                if watch is not None:
                    watch(Seen(0, seen))
                if waiting and waiting[0][0] in seen:
                    answer = waiting.pop(0)[1]
                    os.write(mine, f"{answer() if callable(answer) else answer}\n".encode())
            return Seen(process.wait(10), seen)
        finally:
            process.kill()
            process.wait()
            os.close(mine)

    return talk


@pytest.fixture
def held(farm: FakeFarm, eventually: Callable[[Callable[[], bool]], None]) -> FakeFarm:
    farm.board("tk1-1")
    reservation = farm.reserve({"board": "tk1-1", "image": "tiny", "for_s": 3600})
    eventually(lambda: reservation["deployment"]["state"] == "open")
    return farm


def test_name_and_password_are_asked_for_and_the_password_is_not_shown(
    farm: FakeFarm, talk: Talk, tmp_path: Path
) -> None:
    answers = [("Name: ", "ada"), ("Password: ", PASSWORD)]
    farm.sso = True
    seen = talk("login", farm.url, answers=answers, BOARDGRID_URL="", BOARDGRID_TOKEN="")
    assert (seen.code, PASSWORD in seen.raw) == (0, False)
    assert f"in your browser instead: boardgrid login {farm.url} --sso" in seen.text
    assert login_for(None, {"XDG_CONFIG_HOME": str(tmp_path / "config")}).token == TOKEN


def test_a_new_password_is_asked_for_twice(farm: FakeFarm, talk: Talk) -> None:
    answers = [("Old password: ", ""), ("New password: ", PASSWORD), ("Again: ", PASSWORD)]
    seen = talk("password", answers=answers)
    assert (seen.code, farm.passwords) == (0, [(None, PASSWORD)])
    assert "other logins have ended" in seen.text


def test_the_token_is_asked_for_and_not_shown(farm: FakeFarm, talk: Talk, tmp_path: Path) -> None:
    seen = talk("login", farm.url, "--token", answers=[("Token: ", TOKEN)], BOARDGRID_URL="", BOARDGRID_TOKEN="")
    assert seen.code == 0
    assert TOKEN not in seen.raw
    assert "logged in" in seen.text
    assert login_for(None, {"XDG_CONFIG_HOME": str(tmp_path / "config")}).token == TOKEN


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "fate", "name"),
    [
        ([("keep, aside or discard", "burn"), ("is none of", "")], "aside", None),
        ([("keep, aside or discard", "keep"), ("Name of the image", "mine")], "keep", "mine"),
    ],
)
def test_a_person_is_asked_what_becomes_of_the_root(
    held: FakeFarm, talk: Talk, answers: list[tuple[str, str]], fate: str, name: str | None
) -> None:
    seen = talk("release", answers=answers)
    assert seen.code == 0, seen.text
    assert "What becomes of the root of tk1-1" in seen.text
    assert (held.reservations[7]["fate"], held.reservations[7]["name"]) == (fate, name)


def test_nobody_is_asked_about_a_board_that_was_never_open(held: FakeFarm, talk: Talk) -> None:
    held.reservations[7]["deployment"]["state"] = "preparing"
    seen = talk("release")
    assert seen.code == 0, seen.text
    assert held.reservations[7]["fate"] is None


@pytest.mark.slow
def test_throwing_away_is_asked_for_once_more(held: FakeFarm, talk: Talk) -> None:
    kept = talk("release", "--discard", answers=[("for ever? [y/N]", "n")])
    assert kept.code == 130
    assert "nothing more was done" in kept.text
    assert held.reservations[7]["state"] == "running"
    assert talk("release", "--discard", "--yes").code == 0


def test_a_person_is_asked_before_a_thing_is_removed(held: FakeFarm, talk: Talk) -> None:
    held.image("tiny")
    assert talk("image", "remove", "tiny:1", answers=[("tiny:1? [y/N]", "")]).code == 130
    assert "tiny:1" in held.images
    assert talk("image", "remove", "tiny:1", answers=[("tiny:1? [y/N]", "y")]).code == 0
    assert held.images == {}


def test_who_removes_an_image_by_its_name_is_asked_about_its_version(held: FakeFarm, talk: Talk) -> None:
    held.image("tiny", 1, "removed")
    held.image("tiny", 2)
    seen = talk("image", "remove", "tiny", answers=[("Remove the image tiny:2? [y/N]", "y")])
    assert (seen.code, "the image tiny:2 is removed" in seen.text) == (0, True)
    assert list(held.images) == ["tiny:1"]


def test_who_keeps_what_is_said_in_a_file_cannot_be_asked_and_so_must_say(
    held: FakeFarm, talk: Talk, tmp_path: Path
) -> None:
    held.image("tiny")
    seen = talk("image", "remove", "tiny:1", into=tmp_path / "log")
    assert seen.code == 2
    assert "a program says it: --yes" in (tmp_path / "log").read_text()
    assert "tiny:1" in held.images


@pytest.mark.slow
def test_the_step_that_runs_is_shown_with_its_seconds(farm: FakeFarm, talk: Talk) -> None:
    has_run_for_seconds = threading.Event()

    def slowly(farm: FakeFarm, reservation: dict[str, Any]) -> None:
        farm.tell(reservation["number"], "tk1-1", "boot", "began")
        has_run_for_seconds.wait(40)
        farm.opened(reservation)

    def watch(seen: Seen) -> None:
        if re.search("boot 0:00:0[1-9]", seen.text):
            has_run_for_seconds.set()

    farm.board("tk1-1")
    farm.deploy = slowly
    seen = talk("reserve", "tk1-1", "--image", "tiny", watch=watch)
    assert seen.code == 0, seen.text
    assert has_run_for_seconds.is_set(), seen.text
    assert re.search(r"^  personalise +0\.02 s$", seen.text, re.MULTILINE)
    assert "boardgrid ssh tk1-1" in seen.text


@pytest.mark.slow
def test_an_upload_shows_its_bytes(farm: FakeFarm, talk: Talk, tmp_path: Path) -> None:
    archive = tmp_path / "big.tar"
    archive.write_bytes(bytes(64 << 20))
    seen = talk("image", "import", "big", str(archive))
    assert seen.code == 0, seen.text
    assert re.search(r"[0-9.]+/67\.1 MB", seen.text)
    assert "sent" in seen.text


@pytest.mark.slow
def test_colours_are_shown_unless_they_are_not_wanted(held: FakeFarm, talk: Talk) -> None:
    assert _COLOUR.search(talk("board", "list").raw)
    held.boards["tk1-1"]["reservation"] = None
    unwanted = talk("ssh", "tk1-1", NO_COLOR="1")
    assert unwanted.text.startswith("error: you do not hold tk1-1")
    assert not _COLOUR.search(unwanted.raw)


@pytest.mark.slow
def test_an_inventory_is_applied_when_the_person_agrees(farm: FakeFarm, talk: Talk, tmp_path: Path) -> None:
    file = tmp_path / "farm.toml"
    file.write_text('[boards.tk1-1]\nmac = "02:00:00:00:00:01"\naddress = "10.20.0.11"\n')
    assert talk("apply", str(file), answers=[("Apply 1 change", "n")]).code == 130
    assert farm.boards == {}
    seen = talk("apply", str(file), answers=[("Apply 1 change", "y")])
    assert seen.code == 0
    assert "+ board tk1-1" in seen.text
    assert "tk1-1" in farm.boards


def test_what_is_applied_is_what_was_shown_also_when_another_changed_the_farm(
    farm: FakeFarm, talk: Talk, tmp_path: Path
) -> None:
    farm.board("tk1-1", address="10.20.0.11")
    file = tmp_path / "farm.toml"
    file.write_text('[boards.tk1-1]\naddress = "10.20.0.99"\n')

    def agreed_too_late() -> str:
        farm.boards["tk1-1"]["address"] = "10.20.0.50"
        return "y"

    answers = [("Apply 1 changes? [y/N]", agreed_too_late), ("10.20.0.50", "n")]
    seen = talk("apply", str(file), answers=answers)
    assert seen.code == 130, seen.text
    assert "the farm was changed meanwhile" in seen.text
    assert '"10.20.0.50" -> "10.20.0.99"' in seen.text
    assert farm.boards["tk1-1"]["address"] == "10.20.0.50"
