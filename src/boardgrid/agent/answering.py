"""Answers what only this site's agent can: people wait for it, so it delays no board and is delayed by none."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from boardgrid.agent.lease import LeaseGuard
from boardgrid.agent.outbox import NO_ID, Outbox
from boardgrid.agent.outcome import outcome
from boardgrid.agent.site import World
from boardgrid.model.difference import Difference
from boardgrid.model.question import Asked, ImageChanges, RootChanges
from boardgrid.model.report import AnswerReport
from boardgrid.model.wish import QuestionWish


class Answering:
    """Each question is answered once; one that is asked no more is looked into no further."""

    def __init__(self, world: World, lease: LeaseGuard, outbox: Outbox) -> None:
        self._world, self._lease, self._outbox = world, lease, outbox
        self._places = asyncio.Semaphore(world.pace.answers)
        self._asked: dict[UUID, asyncio.Task[None]] = {}  # those that were answered too, as long as they are asked

    def wish(self, questions: Sequence[QuestionWish], group: asyncio.TaskGroup) -> None:
        for gone in self._asked.keys() - {one.id for one in questions}:
            self._asked.pop(gone).cancel()
        for one in questions:
            if one.id not in self._asked:
                self._asked[one.id] = group.create_task(self._answer(one))

    async def _answer(self, question: QuestionWish) -> None:
        found = await outcome(self._found(question.asked), "answer.bug", question=str(question.id))
        match found:
            case Difference():
                report = AnswerReport(NO_ID, question.id, found)
            case error:
                report = AnswerReport(NO_ID, question.id, None, error.code, str(error), error.hint)
        self._outbox.put(report)

    async def _found(self, asked: Asked) -> Difference:
        async with self._places:
            await self._lease.held()
            match asked:
                case RootChanges():
                    return await self._world.roots.changes(asked.root, without_farms=asked.without_farms)
                case ImageChanges():
                    return await self._world.images.changes(asked.image, asked.since)
