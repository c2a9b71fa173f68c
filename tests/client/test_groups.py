"""What is asked for, as one writes it at the command line."""

import pytest

from boardgrid.client.answers import Group
from boardgrid.client.complaint import Complaint
from boardgrid.client.groups import body_of, group


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("tk1-1", Group(board="tk1-1")),
        ("tk1", Group(type="tk1")),
        ("2 tk1", Group(2, type="tk1")),
        ("2 tk1 (ram_mb >= 2048)", Group(2, type="tk1", where="ram_mb >= 2048")),
        ('(tag("camera") and (a or b))', Group(where='tag("camera") and (a or b)')),
        ('3 (tag("camera"))', Group(3, where='tag("camera")')),
        ("0 tk1", Group(0, type="tk1")),
    ],
)
def test_a_group_is_read_as_the_farm_writes_it(text: str, asked: Group) -> None:
    assert group(text) == asked
    assert str(asked) == text


@pytest.mark.parametrize("text", ["", "2", "two boards", 'tag("camera")', "()", "2 ()", "tk1 rpi4", "1234567890 tk1"])
def test_what_is_no_group_is_refused_with_some_that_are(text: str) -> None:
    with pytest.raises(Complaint, match="nothing that can be reserved") as refused:
        group(text)
    assert "'2 tk1'" in refused.value.hint


def test_one_group_is_asked_for_as_it_always_was_and_several_as_a_list() -> None:
    assert body_of([Group(board="tk1-1")]) == {"board": "tk1-1"}
    assert body_of([Group(2, type="tk1")]) == {"count": 2, "type": "tk1"}
    assert body_of([Group(2, type="tk1"), Group(board="rpi4-1")]) == {
        "groups": [{"count": 2, "type": "tk1"}, {"board": "rpi4-1"}]
    }
