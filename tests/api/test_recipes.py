"""Recipes as people write them, and those that ship."""

import pytest

from boardgrid.api.recipes import RecipeText, parsed, shipped
from boardgrid.model.errors import Code, Invalid
from boardgrid.model.recipe import ARCHITECTURES, TEXT_MOST, RecipeFile, RecipeScript, System

WHOLE = """
name = "robot"
summary = "what our robots run"
suite = "bookworm"
architectures = ["armhf"]
packages = ["gdb", "libstdc++6"]
kernel = { armhf = "armmp-lpae" }
board_types = ["tk1"]

[[files]]
path = "/etc/motd"
content = "hello\\n"
mode = "0600"
owner = "1000:100"

[[scripts]]
name = "user"
run = "useradd robot\\n"

[labels]
team = "red"
"""


def test_every_key_reaches_the_recipe() -> None:
    recipe = parsed(WHOLE)
    assert (recipe.name, recipe.summary, recipe.suite) == ("robot", "what our robots run", "bookworm")
    assert recipe.system is System.DEBIAN and recipe.is_finished_on_a_board
    assert recipe.architectures == ("armhf",) and recipe.board_types == ("tk1",)
    assert recipe.packages == ("gdb", "libstdc++6") and recipe.flavour("armhf") == "armmp-lpae"
    assert recipe.files == (RecipeFile("/etc/motd", "hello\n", 0o600, 1000, 100),)
    assert recipe.scripts == (RecipeScript("user", "useradd robot\n"),)
    assert recipe.labels == {"team": "red"}
    assert all(key in WHOLE for key in RecipeText.model_fields if key != "system"), "the example is whole"


def test_no_kernel_may_be_said_for_all() -> None:
    recipe = parsed('name = "bare"\nkernel = "none"\n')
    assert recipe.architectures == ARCHITECTURES and {recipe.flavour(arch) for arch in ARCHITECTURES} == {""}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "it is no TOML"),
        ("", "at name: is missing"),
        ('name = "x"\npackage = ["gdb"]', "at package: there is no such key"),
        ('name = "x"\n[[files]]\npth = "/a"', r"at files.0.path: is missing"),
        ('name = "x"\n[[files]]\npath = "/a"\nmod = "0644"', r"at files.0.mod: there is no such key"),
        ('name = "x"\n[[files]]\npath = "/a"\nmode = "rwx"', r"at files.0.mode: "),
        ('name = "x"\n[[files]]\npath = "/a"\nowner = "root"', r"at files.0.owner: "),
        ('name = "x"\nsystem = "fedora"', "at system: should be "),
        ('name = "x"\npackages = "gdb"', "at packages: should be a list"),
        ('name = "x"\nlabels = { a = 1 }', "at labels.a: should be text"),
        ("#" * (TEXT_MOST + 1), "characters, and"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint) as raised:
        parsed(text)
    assert raised.value.code is Code.RECIPE_INVALID


def test_an_unknown_key_is_told_those_that_there_are() -> None:
    with pytest.raises(Invalid) as raised:
        parsed('name = "x"\npackage = ["gdb"]')
    assert "packages" in raised.value.hint


def test_those_that_ship_are_for_every_architecture() -> None:
    assert list(shipped()) == ["debian-12", "health", "tiny"]
    for recipe, _text in shipped().values():
        assert recipe.architectures == ARCHITECTURES and recipe.summary
