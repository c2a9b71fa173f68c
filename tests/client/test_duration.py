"""Spans of time as people read them."""

import pytest

from boardgrid.client.duration import took


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.049, "0.05 s"),
        (31.26, "31.3 s"),
        (99.96, "100.0 s"),
        (106.5, "1 min 46 s"),
        (120, "2 min 0 s"),
        (3700, "1 h 1 min"),
    ],
)
def test_what_a_step_took_grows_as_it_goes_on(seconds: float, told: str) -> None:
    assert took(seconds) == told
