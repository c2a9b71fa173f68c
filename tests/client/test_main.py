"""The program as a whole: how it starts, what it says when called wrongly, how it ends."""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest

from boardgrid.client import VERSION
from boardgrid.client.complaint import Complaint, ExitCode
from boardgrid.client.main import LEAVES, cli
from tests.client.conftest import Run
from tests.client.fake_farm import TOKEN, FakeFarm


def commands() -> list[list[str]]:
    """Every command of the client itself, as the words that call it; the server's program answers for the others."""
    found: list[list[str]] = []

    def walk(command: click.Command, words: list[str]) -> None:
        if not command.add_help_option:
            return
        found.append(words)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                walk(child, [*words, name])

    walk(cli, [])
    return found


def ended(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "boardgrid.client", *argv],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(run: Run, words: list[str]) -> None:
    shown = run(*words, "--help")
    assert shown.code == 0
    assert "Usage: boardgrid" in shown.out
    assert len(shown.out.splitlines()) > 6
    assert shown.out == run(*words, "-h").out


@pytest.mark.slow
def test_what_is_done_on_the_farms_own_machine_is_handed_to_its_program() -> None:
    done = ended("up", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "boardgridd up" in done.stdout


def test_the_release_is_that_of_the_package(run: Run) -> None:
    assert version("boardgrid") == VERSION
    assert run("--version").out == f"boardgrid {VERSION}\n"
    assert run("version").out == f"{VERSION}\n"
    assert run("version", "-o", "json").json == {"boardgrid": VERSION}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_showing_the_release_or_all_commands_imports_nothing_that_is_slow(option: str) -> None:
    code = f"import sys; sys.argv = ['boardgrid', '{option}']\nfrom boardgrid.client.main import main\ntry: main()\n"
    code += "except SystemExit: print('LOADED', *sys.modules)"
    loaded = ended_python(code).partition("LOADED")[2].split()
    slow = {"httpx", "rich", "pydantic", "sqlalchemy", "fastapi", "asyncio", "json", "importlib.metadata", "email"}
    assert slow & set(loaded) == set()
    assert not any(name.startswith("boardgrid.client.commands") for name in loaded)


@pytest.mark.parametrize("name", LEAVES)
def test_the_line_of_a_command_in_the_help_of_all_is_how_its_own_help_begins(name: str) -> None:
    command, summary = cli.get_command(click.Context(cli), name), LEAVES[name].summary
    assert command is not None
    assert command.hidden == (not summary)
    assert command.get_short_help_str(limit=1000).startswith(summary.removesuffix("."))


@pytest.mark.slow
def test_the_help_of_a_command_waits_for_nothing_that_asks_a_farm() -> None:
    for command in ("reserve", "run", "calendar", "queue"):
        code = f"import sys; sys.argv = ['boardgrid', '{command}', '--help']\nfrom boardgrid.client.main import main\n"
        code += "try: main()\nexcept SystemExit: print('LOADED', *sys.modules)"
        loaded = ended_python(code).partition("LOADED")[2].split()
        assert {"httpx", "rich", "asyncio", "json", "zoneinfo", "tempfile"} & set(loaded) == set(), command


def test_the_client_loads_nothing_of_the_server() -> None:
    every = "\n".join(f"import {leaf.place.partition(':')[0]}" for leaf in LEAVES.values())
    loaded = ended_python(f"{every}\nimport boardgrid.client.farm, boardgrid.client.passage, sys; print(*sys.modules)")
    ours = {name for name in loaded.split() if name.startswith("boardgrid.")}
    assert {name for name in ours if not name.startswith("boardgrid.client")} <= {"boardgrid.messages"}


def ended_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["reserv"], "`boardgrid reserve`"),
        (["bord", "list"], "`boardgrid board`"),
        (["board", "lst"], "`boardgrid board list`"),
        (["events", "--folow"], "--follow"),
        (["build", "tiny"], "`boardgrid image build`"),
        (["image", "customise", "tiny"], "`boardgrid customise`"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(run: Run, argv: list[str], meant: str) -> None:
    ended = run(*argv)
    assert ended.code == 2
    assert ended.err.endswith(f" (request.invalid)\n  did you mean {meant}?\n")
    assert ended.out == ""


@pytest.mark.parametrize(
    ("argv", "detail", "hint"),
    [
        (["frobnicate"], "boardgrid has no command frobnicate", "`boardgrid --help` shows how it is called"),
        (["list"], "boardgrid has no command list", "`boardgrid --help` shows how it is called"),
        (["save"], "missing option '--as'", "`boardgrid save --help` shows how it is called"),
        (["image", "import"], "missing argument 'NAME'", "`boardgrid image import --help` shows how it is called"),
        (
            ["block", "show", "foo"],
            "NUMBER should be a whole number, and 'foo' is none",
            "`boardgrid block show --help` shows how it is called",
        ),
        (
            ["image", "diff", "a", "--most", "x"],
            "--most should be a whole number from 0 on, and 'x' is none",
            "`boardgrid image diff --help` shows how it is called",
        ),
        (
            ["image", "diff", "a", "--most", "-3"],
            "--most should be a whole number from 0 on, and -3 is none",
            "`boardgrid image diff --help` shows how it is called",
        ),
        (
            ["power", "jump", "tk1-1"],
            "ACT should be on, off, cycle or reset, and 'jump' is none",
            "`boardgrid power --help` shows how it is called",
        ),
        (
            ["power"],
            "ACT is missing: on, off, cycle or reset",
            "`boardgrid power --help` shows how it is called",
        ),
        (
            ["release", "7", "8"],
            "boardgrid release takes no more words, and 8 is too much",
            "`boardgrid release --help` shows how it is called",
        ),
        (
            ["image", "set", "x", "--visibility", "y"],
            "invalid value for '--visibility': it is private, public or project:NAME",
            "`boardgrid image set --help` shows how it is called",
        ),
    ],
)
def test_a_wrong_call_has_a_code_and_a_hint_for_people_and_for_programs(
    run: Run, argv: list[str], detail: str, hint: str
) -> None:
    assert run(*argv).err == f"error: {detail} (request.invalid)\n  {hint}\n"
    told = json.loads(run(*argv, "-o", "json").err)
    assert told == {"type": "about:blank", "code": "request.invalid", "detail": detail, "hint": hint}


def test_an_option_without_its_value_is_told_with_its_command(run: Run) -> None:
    assert run("release", "--keep").err.splitlines() == [
        "error: --keep needs a value (request.invalid)",
        "  `boardgrid release --help` shows how it is called",
    ]


def test_a_noun_alone_shows_its_verbs_to_people_and_is_a_wrong_call_to_programs(run: Run) -> None:
    shown = run("image")
    assert shown.code == 2 and "Usage: boardgrid image" in shown.err
    told = run("image", "-o", "json")
    assert (told.code, json.loads(told.err)["detail"]) == (2, "missing command")


def test_a_farm_that_is_not_there_is_said_in_a_sentence_with_a_hint(run: Run) -> None:
    ended = run("board", "list", BOARDGRID_URL="http://127.0.0.1:9")
    assert ended.code == 8
    assert "the farm at http://127.0.0.1:9 cannot be reached: " in ended.err
    assert "is the farm running there?" in ended.err
    assert run("board", "list", BOARDGRID_URL="unix:/nowhere/controller.sock").code == 8


def test_a_refused_token_says_where_to_get_one(run: Run) -> None:
    ended = run("board", "list", BOARDGRID_TOKEN="bg_0_wrong")
    assert ended.code == 4
    assert "`boardgrid login URL` logs in again" in ended.err


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("request.invalid", 422, ExitCode.USAGE),
        ("token.refused", 401, ExitCode.DENIED),
        ("act.forbidden", 403, ExitCode.DENIED),
        ("board.unknown", 404, ExitCode.NOT_FOUND),
        ("board.taken", 409, ExitCode.CONFLICT),
        ("store.full", 502, ExitCode.FAULT),
        ("program.failed", 500, ExitCode.FAULT),
        ("deployment.failed", 0, ExitCode.FAILED),
        ("wait.timeout", 0, ExitCode.TIMEOUT),
        ("farm.unreachable", 0, ExitCode.FAULT),
        ("protocol.unspoken", 426, ExitCode.FAULT),
    ],
)
def test_each_kind_of_complaint_has_its_exit_code(code: str, status: int, expected: ExitCode) -> None:
    assert Complaint(code, "something", status=status).exit_code is expected


def test_a_reader_that_goes_away_ends_it_quietly(farm: FakeFarm) -> None:
    for number in range(2000):
        farm.board(f"tk1-{number}", set_aside="x" * 100)
    environment = {**os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "board", "list"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(60) == ExitCode.PIPE_CLOSED
        finally:
            process.kill()


@pytest.mark.parametrize(
    "argv",
    [
        ["reserve", b"\xff", "--image", "tiny"],
        pytest.param(["board", "show", b"\xff"], marks=pytest.mark.slow),
        pytest.param(["events", "--board", b"\xff"], marks=pytest.mark.slow),
        pytest.param(["events", "--follow", "--board", b"\xff"], marks=pytest.mark.slow),
        ["board-type", "add", "x", "--arch", "armhf", "--boot-s", "nan"],
        pytest.param(
            ["board-type", "add", "x", "--arch", "armhf", "--boot-s", "inf", "--replace"], marks=pytest.mark.slow
        ),
        ["login", "http://127.0.0.1:9", "--token-stdin"],
    ],
)
def test_words_that_cannot_be_written_to_a_farm_are_refused_and_no_bug(farm: FakeFarm, argv: list[str | bytes]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "boardgrid.client", *argv],
        env={**os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN},
        input=b"\xff\xfe\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, b"(request.invalid)" in done.stderr) == (ExitCode.USAGE, True), done.stderr


@pytest.mark.parametrize("argv", [["board", "list"], ["--version"], ["--help"]], ids=" ".join)
def test_a_disk_without_room_for_what_is_printed_is_a_fault_in_a_sentence(farm: FakeFarm, argv: list[str]) -> None:
    farm.board("tk1-1")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "boardgrid.client", *argv],
            env={**os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    said = "error: what was asked for cannot be written out: No space left on device (output.failed)\n"
    assert (done.returncode, done.stderr) == (ExitCode.FAULT, said)


def test_a_bug_is_called_one_and_shows_no_traceback(tmp_path: Path, farm: FakeFarm) -> None:
    code = """
import sys
from boardgrid.client.commands import version
version.click = None
from boardgrid.client.main import LEAVES, cli
cli.main(["version"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.BUG
    assert done.stderr.startswith("error: this is a bug of boardgrid: AttributeError")
    assert "Traceback" not in done.stderr
    assert "BOARDGRID_DEBUG=1" in done.stderr


def test_colours_are_for_terminals_that_want_them(farm: FakeFarm, run: Run) -> None:
    assert "\x1b" not in run("board", "show", "tk1-9").err
    assert "\x1b" not in run("--help").out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [("boardgrid boa", "boa", {"board", "board-type"}), ("boardgrid ssh tk", "tk", {"tk1-1", "tk1-2"})],
)
def test_the_shell_completes_commands_and_names(
    farm: FakeFarm, words: str, incomplete: str, expected: set[str]
) -> None:
    farm.board("tk1-1")
    farm.board("tk1-2")
    environment = {
        "_BOARDGRID_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
        "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN,
    }  # fmt: skip
    answer: Any = ended(**environment).stdout
    assert {line.partition(",")[2] for line in answer.splitlines()} == expected
    environment["BOARDGRID_URL"] = "http://127.0.0.1:9"
    quiet = ended(**environment)
    assert quiet.stderr == ""


def test_ctrl_c_ends_a_command_quietly(farm: FakeFarm) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "boardgrid.client", "events", "--follow"],
        env={**os.environ, "BOARDGRID_URL": farm.url, "BOARDGRID_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            farm.tell(None, "tk1-1", "board", "ended", detail="it is parked")
            assert process.stdout.readline().startswith("NUMBER")
            assert "it is parked" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, err.strip()) == (ExitCode.INTERRUPTED, "")


def test_ctrl_c_while_a_module_makes_its_classes_ends_as_anywhere_else(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text("""
import runpy
from boardgrid.client.commands import version
version.version.callback = lambda **_words: exec("raise KeyboardInterrupt")  # as when a dataclass is made
runpy.run_module("boardgrid.client", run_name="__main__")
""")
    words = [sys.executable, "-m", "interrupted", "version"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.strip()) == (ExitCode.INTERRUPTED, "")


def test_without_any_word_the_help_is_shown(run: Run) -> None:
    ended = run()
    assert "boardgrid reserve --type tk1" in ended.out + ended.err
    assert "Traceback" not in ended.err
    assert "bug" not in ended.err


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["board", "show", "tk1-11"], "tk1-1"),
        (["reserve", "2 tl1", "--image", "tiny"], None),
        (["image", "show", "tinny"], "tiny"),
        (["user", "show", "adaa"], "ada"),
        (["board", "show", "nothing-like-it"], None),
    ],
)
def test_a_name_that_is_mistyped_is_asked_after(farm: FakeFarm, run: Run, argv: list[str], meant: str | None) -> None:
    farm.board("tk1-1")
    farm.image("tiny")
    ended = run(*argv)
    assert ended.code != ExitCode.OK
    assert ("did you mean " in ended.err) is (meant is not None)
    assert meant is None or f"did you mean {meant}?" in ended.err


def test_a_name_is_not_asked_after_where_the_farm_refuses_everything(farm: FakeFarm, run: Run) -> None:
    assert "did you mean" not in run("board", "show", "tk1-11", BOARDGRID_TOKEN="bg_0_wrong").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_the_script_that_completes(run: Run, shell: str) -> None:
    script = run("completion", shell)
    assert script.code == 0
    assert f"_BOARDGRID_COMPLETE={shell}_complete" in script.out
