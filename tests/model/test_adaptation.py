"""The list of adaptations, and which of them an image may be made without."""

import pytest

from boardgrid.model.adaptation import Moment, adaptations, checked_without, names
from boardgrid.model.errors import Code, Invalid


def test_each_has_one_name_a_moment_and_a_sentence() -> None:
    told = [one.name for one in adaptations()]
    assert len(told) == len(set(told))
    assert all(one.moments and one.what for one in adaptations())


def test_they_are_known_by_the_moment_at_which_they_act() -> None:
    assert "no-swap" in names(Moment.IMPORT)
    assert "no-swap" not in names(Moment.DEPLOY)
    assert "no-logs" in names(Moment.CAPTURE)


def test_what_is_left_out_is_remembered_once_and_in_the_order_of_the_list() -> None:
    assert checked_without(["no-swap", "no-disks", "no-swap"]) == ("no-disks", "no-swap")


def test_an_unknown_one_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Invalid, match="no adaptation 'no-fun'") as raised:
        checked_without(["no-fun"])
    assert raised.value.code is Code.REQUEST_INVALID
    assert "no-swap" in raised.value.hint


def test_what_a_deployment_hangs_on_cannot_be_left_out() -> None:
    with pytest.raises(Invalid, match="fresh-host-keys cannot be left out") as raised:
        checked_without(["fresh-host-keys"])
    assert "fresh-host-keys" not in raised.value.hint
