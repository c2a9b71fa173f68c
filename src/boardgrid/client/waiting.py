"""Waiting for something that the farm was asked to do, with an end and with patience for a farm that restarts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from boardgrid.client.complaint import WAIT_TIMEOUT, Complaint, ExitCode
from boardgrid.client.seat import Seat
from boardgrid.messages import _

T = TypeVar("T")
PATIENCE_S = 60.0  # how long a farm that does not answer is asked again
_FIRST_S = 0.05
_LONGEST_S = 1.0


def until(look: Callable[[], T | None], what: str, *, timeout_s: float | None, hint: str = "") -> T:
    """
    Ask again, ever more slowly, until there is an answer.

    Args:
        look: None means not yet.
        what: that which is waited for, as a sentence needs it: "image tiny:1 to be ready".

    Raises:
        Complaint: WAIT_TIMEOUT, or what *look* raises; a farm that cannot be reached is asked for a while.
    """
    deadline = Deadline(what, timeout_s, hint)
    heard = time.monotonic()
    pause = _FIRST_S
    while True:
        try:
            answer = look()
            heard = time.monotonic()
        except Complaint as error:
            if not error.is_passing or time.monotonic() - heard > PATIENCE_S:
                raise
            answer = None
        if answer is not None:
            return answer
        deadline.check()
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_S)


@contextmanager
def left_by_ctrl_c(seat: Seat, parting: Callable[[], str]) -> Iterator[None]:
    """
    Who leaves the block by Ctrl-C is told in one line what goes on without them, or what was given back.

    Args:
        parting: what to tell, once all that is inside the block has ended.
    """
    try:
        yield
    except KeyboardInterrupt:
        seat.tell(parting())
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None


class Deadline:
    """How long the asker would wait."""

    def __init__(self, what: str, timeout_s: float | None, hint: str = "") -> None:
        self._what = what
        self._timeout_s = timeout_s
        self._hint = hint
        self._began = time.monotonic()

    def left_s(self) -> float:
        return float("inf") if self._timeout_s is None else self._began + self._timeout_s - time.monotonic()

    def check(self) -> None:
        """
        Raises:
            Complaint: WAIT_TIMEOUT.
        """
        if self.left_s() <= 0:
            sentence = _("waited {timeout_s:g} s for {what}")
            raise Complaint(WAIT_TIMEOUT, sentence.format(timeout_s=self._timeout_s, what=self._what), hint=self._hint)
