"""The page on adaptations tells all of them, and names tests that are there."""

import re
from pathlib import Path

from boardgrid.model.adaptation import adaptations
from boardgrid.model.image import NfsBoot

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/reference/adaptations.md").read_text("utf-8")


def test_the_table_has_each_adaptation_with_its_moments_and_what_it_does() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z, ]+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (one.name, ", ".join(one.moments), one.what + ("" if one.may_be_left_out else ". Cannot be left out"))
        for one in adaptations()
    ]


def test_each_answer_of_a_kernel_is_told() -> None:
    for answer in NfsBoot:
        assert f"| `{answer}` |" in PAGE


def test_what_is_said_to_be_done_and_proved_elsewhere_is_there() -> None:
    rows = re.findall(r"\| `([a-z_/.]+)` \| `(tests/[a-z_/.]+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for where, test in rows:
        assert (PROJECT / "src/boardgrid" / where).exists()
        assert (PROJECT / test).exists()
