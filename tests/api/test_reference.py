"""The references say what is so."""

import re
from pathlib import Path

import pytest

from boardgrid.api.problem import SPECIAL
from boardgrid.api.reference import reference
from boardgrid.model.errors import Code

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
_SECTION = re.compile(r"^## .* \((?P<status>\d{3})\)$")
_ROW = re.compile(r"^\| `(?P<code>[a-z_.]+)` \| (?P<status>\d{3})(?: \(local\))? \| .+ \| .+ \|$")


def rows() -> list[tuple[str, int, int]]:
    """Code, its status, and the status of its section."""
    found, section = [], 0
    for line in (REFERENCE / "errors.md").read_text(encoding="utf-8").splitlines():
        if heading := _SECTION.match(line):
            section = int(heading["status"])
        elif row := _ROW.match(line):
            found.append((row["code"], int(row["status"]), section))
    return found


def test_every_code_is_listed_once() -> None:
    assert sorted(code for code, _status, _section in rows()) == sorted(Code)


def test_every_code_is_listed_with_the_status_that_it_is_answered_with() -> None:
    for code, status, section in rows():
        assert status == SPECIAL.get(Code(code), section), code


def test_the_api_is_written_down_as_it_is() -> None:
    written = (REFERENCE / "api.md").read_text(encoding="utf-8")
    if written != reference():
        pytest.fail("docs/reference/api.md is old: python -m boardgrid.api.reference > docs/reference/api.md")
