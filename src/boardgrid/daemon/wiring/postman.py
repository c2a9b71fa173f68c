"""The postman: sends what is due, each lane by itself, so that a slow server delays nobody else's."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from boardgrid.model.errors import FarmError, Invalid
from boardgrid.ports import NOTICES, Changes, Hooks, Mail, Post
from boardgrid.services.posting import Letter, Postings

log = structlog.get_logger()

_AT_LEAST_EVERY_S, _AGAIN_S = 3600.0, 5.0
_LANES_MOST = 32


@dataclass(slots=True)
class Postman:
    postings: Postings
    changes: Changes
    post: Post | None  # None: mails are not taken
    hooks: Hooks
    _lanes: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                mark = self.changes.mark(NOTICES)
                wait_s = await self._round(tasks)
                await self.changes.wait(NOTICES, mark, wait_s)

    async def _round(self, tasks: asyncio.TaskGroup) -> float:
        """Begin what is due, and return how long to wait for more."""
        if len(self._lanes) >= _LANES_MOST:
            return _AT_LEAST_EVERY_S  # the first that is done tells
        try:
            taken = await asyncio.to_thread(self.postings.take, frozenset(self._lanes))
        except FarmError as error:
            log.warning("notices.untaken", why=str(error))
            return _AGAIN_S
        by_lane: dict[str, list[Letter]] = {}
        for letter in taken.letters:
            by_lane.setdefault(letter.lane, []).append(letter)
        for lane, letters in by_lane.items():
            self._lanes[lane] = tasks.create_task(self._deliver(lane, letters))
        if taken.next_at is None:
            return _AT_LEAST_EVERY_S
        due_s = (taken.next_at - self.postings.desk.now()).total_seconds()
        return min(max(due_s, 0.0), _AT_LEAST_EVERY_S)

    async def _deliver(self, lane: str, letters: Sequence[Letter]) -> None:
        try:
            for letter in letters:
                if not await self._deliver_one(letter):
                    break  # where one was not taken now the others would not be either; all are due again
        finally:
            self._lanes.pop(lane, None)
            self.changes.tell(NOTICES)

    async def _deliver_one(self, letter: Letter) -> bool:
        try:
            match letter.what:
                case Mail() as mail:
                    if self.post is not None:
                        await self.post.send(mail)
                case call:
                    await self.hooks.call(call.url, call.headers, call.body)
            await asyncio.to_thread(self.postings.sent, letter.posting)
        except Invalid as error:
            await asyncio.to_thread(self.postings.refused, letter.posting, str(error))
        except FarmError as error:
            log.warning("notice.untaken", posting=str(letter.posting), lane=letter.lane, why=str(error))
            return False
        except Exception:
            log.exception("notice.bug", posting=str(letter.posting), lane=letter.lane)
            return False
        return True
