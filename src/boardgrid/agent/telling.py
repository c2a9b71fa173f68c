"""What a keeper tells of its board: each step, what a wish came to, and what an open board looks like."""

import math
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from boardgrid.agent.outbox import NO_ID, Outbox
from boardgrid.model.deployment import Phase
from boardgrid.model.errors import Blame, FarmError
from boardgrid.model.report import BoardReport, HealthReport, OrderReport, Power, Reached, StepReport, Voice
from boardgrid.model.wish import BoardWish, Deployed, Gone, Parked

log = structlog.get_logger()

_CONSOLE_S = 120.0  # no more often is told that a console says something


class Telling:
    """Of one wish at a time; what was told of it already is not told again."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.is_reached = False  # that the present wish is so
        self._failure: tuple[object, ...] | None = None
        self._health: tuple[Power, Voice] | None = None
        self._console_told_s = -math.inf

    def begin(self) -> None:
        """Another wish."""
        self.is_reached, self._failure, self._health = False, None, None

    def step(self, wished: BoardWish, step: str, phase: Phase, **what: Any) -> None:
        """Of the wish that the step is for, be it the present one or not. *what* are further fields of the report."""
        report = StepReport(NO_ID, wished.board.name, wished.generation, step, phase, _deployment(wished))
        self._outbox.put(replace(report, **what))

    def reached(self, wished: BoardWish, host_key: str = "", but: FarmError | None = None) -> None:
        """*but*: why a root that its user had booted again does not answer."""
        match wished.wish:
            case Deployed() if but is not None:
                why = {"code": but.code, "reason": str(but), "hint": but.hint}
                self._board(wished, Reached.OPEN, host_key=host_key, **why)
            case Deployed():
                self._board(wished, Reached.OPEN, host_key=host_key)
            case Parked():
                self._board(wished, Reached.PARKED)
            case Gone():
                self._board(wished, Reached.GONE)
        self.is_reached, self._failure = True, None

    def failed(self, wished: BoardWish, error: FarmError, blame: Blame, still: UUID | None = None) -> None:
        """*still*: the deployment that its board has yet."""
        if self._failure != (failure := (error.code, str(error), blame)):
            self._failure = failure
            why = {"code": error.code, "reason": str(error), "hint": error.hint, "blame": blame}
            self._board(wished, Reached.FAILED, **why, still=still)

    def health(self, wished: BoardWish, power: Power, voice: Voice, said_s: float | None, now_s: float) -> None:
        """*said_s*: when its console last said something; None: nobody hears it."""
        has_said = said_s is not None and said_s > self._console_told_s and now_s >= self._console_told_s + _CONSOLE_S
        if (power, voice) != self._health or has_said:
            self._health = (power, voice)
            if has_said:
                self._console_told_s = now_s
            quiet_s = None if said_s is None else now_s - said_s
            self._outbox.put(HealthReport(NO_ID, wished.board.name, wished.generation, power, voice, quiet_s))

    def obeyed(self, wished: BoardWish, order: UUID, reason: str) -> None:
        self._outbox.put(OrderReport(NO_ID, wished.board.name, order, reason))

    def _board(self, wished: BoardWish, reached: Reached, **what: Any) -> None:
        report = BoardReport(NO_ID, wished.board.name, wished.generation, reached, _deployment(wished))
        self._outbox.put(replace(report, **what))
        log.info("board.reached", board=wished.board.name, reached=reached, why=what.get("reason", ""))


def _deployment(wished: BoardWish) -> UUID | None:
    return wished.wish.deployment if isinstance(wished.wish, Deployed) else None
