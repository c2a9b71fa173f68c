"""The reference of the command line says what the program says, command by command, option by option."""

import re
import tomllib
from pathlib import Path

import click

from boardgrid.client import complaint
from boardgrid.client.complaint import Complaint, ExitCode
from boardgrid.client.main import LEAVES, cli
from boardgrid.model.errors import Code

PAGE = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text("utf-8")
_SECTION = re.compile(r"^### `boardgrid ([^`]+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
SECTIONS: dict[str, str] = dict(_SECTION.findall(PAGE))
SHARED = {"-o", "--output", "--profile", "-h", "--help"}
HANDED_OVER = {"up", "down", "admin", "backup", "restore"}


def tree() -> dict[str, click.Command]:
    """Every command that people are shown, by the words that call it."""
    found: dict[str, click.Command] = {}

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        if command.hidden:
            return
        if words:
            found[" ".join(words)] = command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                walk(child, (*words, name))

    walk(cli, ())
    return found


def words_of(heading: str) -> str:
    return " ".join(word for word in heading.split() if re.fullmatch(r"[a-z-]*[a-z]", word))


def test_every_command_has_its_section_and_no_section_is_of_another() -> None:
    assert {words_of(heading) for heading in SECTIONS} == set(tree())
    assert len(SECTIONS) == len(tree())


def test_every_option_is_explained_and_no_other() -> None:
    for heading, body in SECTIONS.items():
        command = tree()[words_of(heading)]
        options = {name for param in command.params if isinstance(param, click.Option) for name in param.opts}
        options |= {
            name for param in command.params if isinstance(param, click.Option) for name in param.secondary_opts
        }
        explained = set(
            re.findall(r"(?<=`)--?[a-z][a-z0-9-]*", "\n".join(re.findall(r"^\* (.*?):", body, re.MULTILINE)))
        )
        assert explained == options - SHARED, heading


def test_what_all_commands_share_is_explained_once() -> None:
    shared = {name for param in cli.params if isinstance(param, click.Option) for name in param.opts} | {"-h", "--help"}
    general = PAGE.partition("## Coming in")[0]
    assert {name for name in shared if f"`{name}" not in general} == {"--version"}
    assert "`boardgrid --version`" in general


def test_arguments_stand_in_the_headings() -> None:
    for heading in SECTIONS:
        command = tree()[words_of(heading)]
        if words_of(heading) in HANDED_OVER | {"ssh"}:
            continue
        wanted = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
        wanted = ["ACT" if word.startswith("{on|") else word for word in wanted]
        shown = [word.strip("[]") for word in heading.split() if not re.fullmatch(r"[a-z-]*[a-z]", word)]
        assert shown == [word.strip("[]") for word in wanted], heading


def test_every_exit_code_is_listed() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == {int(code) for code in ExitCode}


def test_every_code_of_the_client_is_listed_with_its_exit_code() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text("utf-8")
    ours = {value for name, value in vars(complaint).items() if name.isupper() and isinstance(value, str)}
    own = dict(re.findall(r"^\| `([a-z_.]+)` \| (\d) \|", page, re.MULTILINE))
    assert set(own) == ours - set(Code)
    assert {code: int(told) for code, told in own.items()} == {code: Complaint(code, "").exit_code for code in own}


def test_the_inventory_that_is_shown_is_one() -> None:
    shown = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert set(tomllib.loads(shown[0])) == {"board_types", "boards"}


def test_every_command_of_the_table_is_found() -> None:
    context = click.Context(cli)
    assert all(cli.get_command(context, name) is not None for name in LEAVES)
    assert cli.get_command(context, "nothing") is None
