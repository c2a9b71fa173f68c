"""An agent is asked what changed, and answers once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from boardgrid.model.difference import Count, Difference
from boardgrid.model.errors import Code
from boardgrid.model.image import PathSource
from boardgrid.model.question import ImageChanges, RootChanges
from boardgrid.model.report import AnswerReport
from boardgrid.model.wish import QuestionWish
from boardgrid.testing import FakeRoots, FakeSite, FakeTree, patiently
from tests.agent import mill

ROOT, IMAGE = uuid4(), uuid4()


def a_site() -> FakeSite:
    site = mill.a_site()
    site.roots.trees[ROOT] = FakeTree(IMAGE, 1, {"notes": "mine"}, is_mounted=False)
    return site


def ask(site: FakeSite, *questions: QuestionWish) -> None:
    site.controller.set(replace(site.controller.site, questions=questions))


def answers(site: FakeSite) -> Mapping[UUID, AnswerReport]:
    return {one.question: one for one in site.controller.of_kind(AnswerReport)}


@patiently
async def test_each_question_is_answered_once_by_each_agent_that_finds_it_open() -> None:
    site = a_site()
    one, other = QuestionWish(uuid4(), RootChanges(ROOT)), QuestionWish(uuid4(), RootChanges(uuid4()))
    async with mill.agent(site):
        ask(site, one, other)
        await site.until(lambda: len(answers(site)) == 2)
        site.controller.set(site.controller.site)
        await asyncio.sleep(60)
    assert len(site.controller.of_kind(AnswerReport)) == 2
    found = answers(site)
    assert found[one.id].answer == await site.roots.changes(ROOT)
    assert (found[other.id].answer, found[other.id].code) == (None, Code.ROOT_UNKNOWN)
    async with mill.agent(site):
        await site.until(lambda: len(site.controller.of_kind(AnswerReport)) == 4)


@patiently
async def test_images_are_compared() -> None:
    site, kept = a_site(), uuid4()
    await site.images.build(IMAGE, PathSource("/srv/tiny"))
    await site.images.build(kept, PathSource("/srv/kept"))
    site.images.contents[kept] = {"notes": "mine"}
    question = QuestionWish(uuid4(), ImageChanges(kept, IMAGE))
    async with mill.agent(site):
        ask(site, question)
        await site.until(lambda: question.id in answers(site))
    told = answers(site)[question.id].answer
    assert told is not None
    assert told.added == Count(1, 4)


@dataclass
class SlowRoots(FakeRoots):
    """Looks at one for ever; the other has a bug."""

    slow: UUID = field(default_factory=uuid4)
    looked: int = 0
    ended: int = 0

    async def changes(self, root: UUID, *, without_farms: bool = False) -> Difference:
        if root != self.slow:
            raise ZeroDivisionError
        self.looked += 1
        try:
            await asyncio.sleep(1e9)
        finally:
            self.ended += 1
        raise AssertionError


@patiently
async def test_one_that_is_asked_no_more_is_ended_and_a_bug_ends_no_agent() -> None:
    site = a_site()
    site.images.roots = slow = SlowRoots(site.images)
    first, second = QuestionWish(uuid4(), RootChanges(slow.slow)), QuestionWish(uuid4(), RootChanges(ROOT))
    async with mill.agent(site):
        ask(site, first, second)
        await site.until(lambda: slow.looked == 1)
        assert not answers(site)
        ask(site, second)
        await site.until(lambda: second.id in answers(site))
    assert slow.ended == 1
    assert answers(site)[second.id].code is Code.BUG
