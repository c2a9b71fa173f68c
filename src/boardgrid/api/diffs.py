"""What changed: on a root, or from one image to another. The site's agent looks, so it is asked, and answered later."""

import asyncio
from enum import StrEnum
from typing import Self
from uuid import UUID

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, model_validator

from boardgrid.api.asking import Asker, TheFarm, TheStreams, WaitS
from boardgrid.api.bodies import Body, Line
from boardgrid.model.difference import Difference
from boardgrid.model.errors import Code
from boardgrid.model.question import Question
from boardgrid.ports import ANSWERS

router = APIRouter(tags=["images"])


class DiffIn(Body):
    board: Line | None = Field(None, description="The root that this board runs, against its image.")
    root: Line | None = Field(None, description="A root, against its image.")
    image: Line | None = Field(None, description="An image, against `since`.")
    since: Line | None = Field(None, description="Another image; without it, the one that `image` was made of.")
    without_farms: bool = Field(
        False,
        description="Of a root: leave out what the farm wrote at deployment, as long as it is as that.",
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(one is not None for one in (self.board, self.root, self.image)) != 1:
            raise ValueError("name one of board, root and image")
        if self.since is not None and self.image is None:
            raise ValueError("since goes with image")
        if self.without_farms and self.image is not None:
            raise ValueError("without_farms goes with board and root: an image has nothing of that")
        return self


class DiffState(StrEnum):
    ASKED = "asked"  # the agent has not answered yet
    ANSWERED = "answered"
    FAILED = "failed"  # it could not look; code and reason say why


class DiffOut(BaseModel):
    id: UUID
    state: DiffState
    difference: Difference | None
    code: Code | None = Field(description="Why it failed.")
    reason: str
    hint: str

    @classmethod
    def of(cls, question: Question) -> Self:
        state = DiffState.FAILED if question.code else DiffState.ANSWERED if question.answer else DiffState.ASKED
        return cls(
            id=question.id,
            state=state,
            difference=question.answer,
            code=question.code,
            reason=question.reason,
            hint=question.hint,
        )


@router.post("/diffs", status_code=202)
def ask_what_changed(body: DiffIn, farm: TheFarm, asker: Asker) -> DiffOut:
    """Have the site's agent look what changed. Whoever may see the root, or both images, may ask."""
    if body.board is not None:
        return DiffOut.of(farm.questions.board_changes(asker, body.board, without_farms=body.without_farms))
    if body.root is not None:
        return DiffOut.of(farm.questions.root_changes(asker, body.root, without_farms=body.without_farms))
    return DiffOut.of(farm.questions.image_changes(asker, body.image or "", body.since))


@router.get("/diffs/{diff}")
async def show_what_changed(diff: UUID, farm: TheFarm, streams: TheStreams, asker: Asker, wait_s: WaitS = 0) -> DiffOut:
    """What was found, as soon as it was. It is told to who asked, and forgotten after ten minutes."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    streams.take(asker)
    try:
        while True:
            mark = farm.changes.mark(ANSWERS)
            question = await run_in_threadpool(farm.questions.question, asker, diff)
            left_s = until_s - loop.time()
            if not question.is_open or left_s <= 0:
                return DiffOut.of(question)
            await farm.changes.wait(ANSWERS, mark, left_s)
    finally:
        streams.give_back(asker)
