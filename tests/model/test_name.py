"""What things may be called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardgrid.model.errors import Code, Invalid
from boardgrid.model.name import checked, type_of

KINDS = ["user", "site", "board type", "board", "image", "root"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("user", "ada.lovelace"), ("site", "lab"), ("board type", "tk1"), ("board", "tk1-12"), ("image", "debian-12")],
)
def test_a_good_name_comes_back(kind: str, name: str) -> None:
    assert checked(kind, name) == name


@pytest.mark.parametrize("kind", KINDS)
@given(st.text())
def test_no_name_can_leave_its_folder_or_its_line(kind: str, name: str) -> None:
    try:
        checked(kind, name)
    except Invalid as refused:
        assert refused.code is Code.NAME_INVALID
        assert refused.hint.startswith("a good one has ")
    else:
        assert not set(name) & set("/\\\0\n\r \t'\"${}()<>;&|*?!#,:=")
        assert name.strip(".-") and name not in {".", ".."}


def test_a_type_name_has_no_dash_because_it_parts_type_and_number() -> None:
    with pytest.raises(Invalid, match="'rpi-4' is no name for a board type"):
        checked("board type", "rpi-4")
    assert type_of("rpi4-3") == "rpi4"


def test_a_refusal_reads_as_people_write() -> None:
    with pytest.raises(Invalid, match="'A' is no name for an image"):
        checked("image", "A")


def test_a_name_with_braces_is_refused_and_not_formatted() -> None:
    with pytest.raises(Invalid, match=r"\{kind\}"):
        checked("image", "{kind}")
