"""The page about expressions: each of its examples is one, and comes to what stands beside it."""

import re
import tomllib
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from boardgrid.api.bodies import BoardIn, BoardTypeIn
from boardgrid.model.board import Site
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.facts import GIVEN, Facts, facts_of
from boardgrid.model.inventory import checked_board, checked_type
from boardgrid.model.where import Where

PAGE = (Path(__file__).parents[2] / "docs/reference/where.md").read_text("utf-8")
_MEANS = re.compile(r"^\| [^|]* ?\| `([^`]+)` \| (yes|no) \|$|^\| `([^`]+)` \| (\w+) \| (yes|no) \|$", re.MULTILINE)
_MISTAKE = re.compile(r"--where '(.*)'\nerror: (.*) \(([a-z.]+)\)\n((?:  .*\n)+)")
MEANT = [(found[0] or found[2], found[3], found[1] or found[4]) for found in _MEANS.findall(PAGE)]
MISTAKES = _MISTAKE.findall(PAGE)


def the_board() -> Facts:
    [inventory] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    declared = tomllib.loads(inventory)
    type_ = checked_type(BoardTypeIn(**declared["board_types"]["tk1"]).declared("tk1"))
    site = Site("lab", server=IPv4Interface("10.20.0.1/24"))
    return facts_of(checked_board(BoardIn(**declared["boards"]["tk1-3"]).declared("tk1-3"), site), type_)


@pytest.mark.parametrize(("text", "truth", "fits"), MEANT)
def test_an_example_means_what_stands_beside_it(text: str, truth: str, fits: str) -> None:
    facts = the_board()
    assert Where.parsed(text).fits(facts) is (fits == "yes")
    if truth:
        assert truth == (
            "true" if fits == "yes" else "false" if Where.parsed(f"not ({text})").fits(facts) else "unknown"
        )
    Where.parsed(text).check_names({*facts.properties, "gpu"})


def test_the_examples_are_found() -> None:
    assert len(MEANT) == PAGE.count(" | yes |\n") + PAGE.count(" | no |\n") > 20
    assert len(MISTAKES) == PAGE.count("\nerror: ") == 2


@pytest.mark.parametrize(("text", "detail", "code", "hint"), MISTAKES)
def test_a_mistake_is_shown_as_it_is_told(text: str, detail: str, code: str, hint: str) -> None:
    with pytest.raises(Invalid) as error:
        Where.parsed(text).check_names(the_board().properties)
    assert (error.value.code, error.value.detail) == (Code(code), detail)
    assert error.value.hint.splitlines() == [line.removeprefix("  ") for line in hint.splitlines()]


def test_what_every_board_has_is_named() -> None:
    told = PAGE.partition("What every board has by itself")[2].partition("\n\n")[0]
    assert {name for name in GIVEN if f"`{name}`" in told} == set(GIVEN)
