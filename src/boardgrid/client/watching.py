"""Showing something again whenever it may have changed: by the farm's events, so that nothing is asked in vain."""

import sys
from collections.abc import Callable

import click

from boardgrid.client.farm import Farm
from boardgrid.client.progress import STATES


def shown_again(farm: Farm, show: Callable[[], None]) -> None:
    """Show it now, and after each change of state of anything, until Ctrl-C. A terminal is cleared before."""
    newest = farm.events(tail=1)
    _clear()
    show()
    for event in farm.follow(after=newest[-1].number if newest else 0):
        if event is not None and event.step in STATES:
            _clear()
            show()


def _clear() -> None:
    if sys.stdout.isatty():
        click.clear()
