"""Reports on their way to the controller: in order, in batches, and sent again until they are taken."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import structlog

from boardgrid.agent.lease import LeaseGuard
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid
from boardgrid.model.report import (
    AnswerReport,
    BoardReport,
    ErrandReport,
    HealthReport,
    ImageReport,
    ProgressReport,
    Report,
    SiteReport,
    StepReport,
)
from boardgrid.ports import Clock, Controller

log = structlog.get_logger()

NO_ID = UUID(int=0)  # of a report that has not been put here yet
_BATCH = 200  # reports at once
_KEPT = 10_000  # reports kept while the controller is silent; then the oldest steps go, never what was reached


class Outbox:
    def __init__(self, controller: Controller, lease: LeaseGuard, clock: Clock, pause_s: float) -> None:
        self._controller, self._lease, self._clock, self._pause_s = controller, lease, clock, pause_s
        self._waiting: list[tuple[float, Report]] = []
        self._filled = asyncio.Event()

    def put(self, report: Report) -> None:
        """
        Its ``id`` may be anything, so :data:`NO_ID`: each gets one here.

        What a board, an image or the site has come to takes the place of what was to be told of it before.
        """
        subject = _subject(report)
        if subject:
            self._waiting = [one for one in self._waiting if _subject(one[1]) != subject]
        self._waiting.append((self._clock.now_s(), replace(report, id=uuid4())))
        if len(self._waiting) > _KEPT:
            self._forget_one()
        self._filled.set()

    async def run(self) -> None:
        batch_most = _BATCH
        while True:
            await self._filled.wait()
            await self._lease.held()
            batch = self._waiting[:batch_most]
            try:
                await self._controller.report(self._lease.epoch, [self._aged(at_s, one) for at_s, one in batch])
            except Invalid as error:
                # One of them can never be taken, and must not keep the others: it is found by halves, and dropped.
                if len(batch) > 1:
                    batch_most = len(batch) // 2
                    continue
                refused = batch[0][1]
                log.error("report.refused", report=repr(refused)[:2000], why=str(error))
                if (plain := _plain(refused)) is not None and plain != refused:
                    self._waiting = [(at_s, plain if one is refused else one) for at_s, one in self._waiting]
                    continue
            except (Fault, Conflict) as error:
                # A report that was taken although its answer was lost is known by its id.
                log.warning("reports.delayed", count=len(self._waiting), why=str(error))
                await self._clock.sleep(self._pause_s)
                continue
            batch_most = min(batch_most * 2, _BATCH)
            sent = {report.id for _at_s, report in batch}
            self._waiting = [(at_s, one) for at_s, one in self._waiting if one.id not in sent]
            if not self._waiting:
                self._filled.clear()

    def _aged(self, at_s: float, report: Report) -> Report:
        return replace(report, ago_s=self._clock.now_s() - at_s) if isinstance(report, StepReport) else report

    def _forget_one(self) -> None:
        for index, (_at_s, report) in enumerate(self._waiting):
            if isinstance(report, StepReport):
                del self._waiting[index]
                return


def _plain(report: Report) -> Report | None:
    """In its place where somebody waits for its end: that it failed, and nothing of what cannot be told."""
    why = _("what came of it cannot be told: the farm refuses the report; the agent's log has it")
    match report:
        case ImageReport() if report.manifest is not None or report.reason:
            return ImageReport(report.id, report.image, code=Code.BUG, reason=why)
        case ErrandReport():
            return ErrandReport(report.id, report.errand, code=Code.BUG, reason=why)
        case AnswerReport():
            return AnswerReport(report.id, report.question, code=Code.BUG, reason=why)
        case _:
            return None


def _subject(report: Report) -> tuple[str, str] | None:
    """What only the last report of counts for; None where each counts."""
    match report:
        case BoardReport() | HealthReport():
            return report.kind, report.board
        case SiteReport():
            return report.kind, report.site.name
        case ProgressReport():
            return report.kind, str(report.thing)
        case _:
            return None
