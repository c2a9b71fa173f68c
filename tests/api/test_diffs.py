"""What changed, asked over HTTP: the answer is waited for, and comes by push."""

import asyncio
from uuid import uuid4

import pytest

from boardgrid.model.difference import Change, Count, Difference, PathChange
from boardgrid.model.report import AnswerReport
from tests.api.door import Door

FOUND = Difference(changed=Count(1), paths=(PathChange("etc", Change.CHANGED, 0, ("mode",)),))


async def test_who_waits_is_answered_as_soon_as_the_agent_has_looked(lived_in: Door) -> None:
    asked = (await lived_in.ask("ada", "POST", "/api/v1/diffs", json={"board": "tk1-1"})).json()
    assert (asked["state"], asked["difference"]) == ("asked", None)
    at = f"/api/v1/diffs/{asked['id']}"
    assert (await lived_in.ask("ada", "GET", at)).json() == asked

    waiting = asyncio.create_task(lived_in.ask("ada", "GET", f"{at}?wait_s=60"))
    await asyncio.sleep(0.05)
    [wish] = lived_in.house.wishes.questions
    await asyncio.to_thread(lived_in.house.tell, AnswerReport(uuid4(), wish.id, FOUND))
    async with asyncio.timeout(30):
        told = (await waiting).json()
    assert told["state"] == "answered"
    assert told["difference"]["paths"] == [{"path": "etc", "change": "changed", "size_bytes": 0, "what": ["mode"]}]
    assert not lived_in.streams.open


@pytest.mark.parametrize(
    "body",
    [{}, {"board": "tk1-1", "root": "x"}, {"root": "x", "since": "tiny"}, {"image": "tiny", "without_farms": True}],
)
async def test_one_thing_is_asked_about_at_a_time(lived_in: Door, body: dict[str, object]) -> None:
    answer = await lived_in.ask("ada", "POST", "/api/v1/diffs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
