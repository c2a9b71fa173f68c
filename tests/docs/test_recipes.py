"""The page on recipes says what recipes are, key by key, and its example is one."""

import re
from pathlib import Path

from boardgrid.api.recipes import RecipeText, parsed
from boardgrid.model.recipe import FILES_MOST, LABELS_MOST, PACKAGES_MOST, SCRIPTS_MOST, TEXT_MOST

PAGE = (Path(__file__).parents[2] / "docs/reference/recipes.md").read_text("utf-8")
EXAMPLE = PAGE.partition("```toml\n")[2].partition("```")[0]


def test_its_example_is_a_recipe_with_every_key() -> None:
    assert parsed(EXAMPLE).name == "robot"
    assert all(re.search(rf"^(\[+{key}\]+|{key} =)", EXAMPLE, re.MULTILINE) for key in RecipeText.model_fields)


def test_every_key_has_its_row_and_no_other() -> None:
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE, re.MULTILINE))
    wanted = set(RecipeText.model_fields)
    wanted |= {f"files.{key}" for key in ("path", "content", "mode", "owner")} | {"scripts.name", "scripts.run"}
    assert told == wanted


def test_its_numbers_are_those_that_hold() -> None:
    assert f"at most {TEXT_MOST} characters" in PAGE
    for key, most in (("packages", PACKAGES_MOST), ("files", FILES_MOST), ("scripts", SCRIPTS_MOST)):
        assert re.search(rf"^\| `{key}` \| [a-z ]+, {most} at most", PAGE, re.MULTILINE)
    assert f"table of texts, {LABELS_MOST} at most" in PAGE
