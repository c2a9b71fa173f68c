"""What the pages name is there: the pages they point to, the commands they show, the targets of make."""

import re
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from boardgrid.agent.bench import ROOT_OPTIONS
from boardgrid.client.main import cli

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("packaging/**/*.md")])
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# As somebody types it: at the begin of a line of an example, behind a prompt, or in back quotes.
_COMMAND = re.compile(
    r"(?:^ {4,}(?:\$ )?|^(?:\$ )?|`)(?:boardgrid|\.demo/(?:ada|admin)) ([a-z][^`\n#|]*)", re.MULTILINE
)
_ROOT = re.compile(r"nfsroot=[^\s,]+,(\S+)")
_TARGET = re.compile(r"(?:`|^ {4,}(?:\$ )?)make ([a-z0-9-]+)", re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(PROJECT)) for page in PAGES])


def anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text("utf-8")):
        path, _hash, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def options(words: str) -> set[str]:
    """The long ones, before what is for another program."""
    ours = re.split(r" -- |'", words)[0]
    return set(re.findall(r"(?<=\s)--[a-z][a-z-]+", ours))


@each_page
def test_every_command_that_is_shown_is_one_and_has_these_options(page: Path) -> None:
    for words in _COMMAND.findall(page.read_text("utf-8")):
        command: click.Command | None = cli
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            if not re.fullmatch(r"[a-z][a-z-]*", word):
                break  # "boardgrid board ..." speaks of all of them
            command = command.get_command(click.Context(command), word)
            assert command is not None, words
        assert command is not None
        if not command.context_settings.get("ignore_unknown_options"):  # who hands all on to another program
            known = {name for param in command.params for name in param.opts + param.secondary_opts} | {"--help"}
            assert options(words) <= known, words


@each_page
def test_every_target_of_make_that_is_shown_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(_TARGET.findall(page.read_text("utf-8"))) <= targets


@each_page
def test_a_board_mounts_its_root_as_is_shown(page: Path) -> None:
    for options in _ROOT.findall(page.read_text("utf-8")):
        assert re.fullmatch(re.escape(options).replace(r"\.\.\.", ".*"), ROOT_OPTIONS)
