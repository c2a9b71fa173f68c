"""Who may ask what of a course: its manager, also with a token to use boards alone, its members, and a stranger."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from boardgrid.model.project import Part
from boardgrid.model.reservation import Group
from boardgrid.model.rules import Limits
from boardgrid.model.user import Scope
from tests.api.door import Door
from tests.services.house import HOUR, a_board

# In this order each is asked: whoever may do it once comes last. ada has the seat, and bob waits for one.
WHO = ("mallory", "bob", "narrow", "grace", "ada")
BLOCK, SEAT = "/blocks/1", "/reservations/2"
PROJECT = "/projects/course"
TO_COME = {"project": "course", "type": "tk1", "starts": ["2026-03-09T12:00:00Z"], "for_s": 3600}


@pytest.fixture
def lesson(door: Door) -> Iterator[Door]:
    """A block of one board goes on; grace is its teacher."""
    house, farm = door.house, door.house.farm
    house.image()
    for name in ("grace", "mallory"):
        door.user(name)
    door.narrow("grace", Scope.USE, "narrow")
    members = {"grace": Part.MANAGER, "ada": Part.MEMBER, "bob": Part.MEMBER}
    farm.projects.add(house.admin, "course", members=members, image="tiny")
    farm.ruling.put(house.admin, replace(farm.ruling.rules(house.admin), projects={"course": Limits(boards=2)}))
    farm.blocks.add(house.admin, "course", Group(1, type="tk1"), starts=[house.now], for_=HOUR)
    assert farm.booking.reservation(house.ada, 2).user == "ada"
    house.reach("tk1-1")
    farm.blocks.take_seat(house.bob, 1)
    farm.inventory.put_board(house.admin, a_board(2))
    yield door


@pytest.mark.parametrize(
    ("method", "path", "body", "answers"),
    [
        #                                                                  mallory bob narrow grace ada
        ("GET", PROJECT, None, (404, 200, 200, 200, 200)),
        ("POST", f"{PROJECT}/describe", {"description": "?"}, (404, 403, 403, 200, 403)),
        ("POST", f"{PROJECT}/members", {"add": {"mallory": "manager"}}, (404, 403, 403, 200, 403)),
        ("POST", f"{PROJECT}/roster", {"rows": [{"line": 2, "name": "bob"}]}, (404, 403, 403, 200, 403)),
        ("POST", f"{PROJECT}/links", {}, (404, 403, 403, 201, 403)),
        ("POST", f"{PROJECT}/links", {"new_accounts": True}, (403, 403, 403, 403, 403)),
        ("GET", f"{PROJECT}/links", None, (404, 403, 200, 200, 403)),
        ("DELETE", PROJECT, None, (403, 403, 403, 403, 403)),
        ("GET", BLOCK, None, (404, 200, 200, 200, 200)),
        ("POST", "/blocks", TO_COME, (404, 403, 201, 201, 403)),
        ("DELETE", BLOCK, None, (404, 403, 204, 409, 403)),
        ("POST", f"{BLOCK}/seats", {}, (404, 409, 201, 409, 409)),
        ("POST", f"{SEAT}/release", {}, (403, 403, 202, 409, 409)),
        ("POST", f"{SEAT}/release", {"fate": "discard"}, (403, 403, 403, 403, 202)),
        ("POST", f"{SEAT}/release", {"fate": "keep", "name": "mine"}, (403, 403, 403, 403, 202)),
        ("POST", f"{SEAT}/share", {"add": ["grace"]}, (403, 403, 200, 200, 200)),
        ("POST", f"{SEAT}/share", {"add": ["mallory"]}, (403, 403, 403, 403, 200)),
        ("POST", f"{SEAT}/heartbeat", {"ttl_s": 60}, (403, 403, 409, 409, 409)),
        ("POST", f"{SEAT}/extend", {"by_s": 60}, (403, 403, 409, 409, 409)),
        ("POST", "/boards/tk1-1/power", {"act": "reset"}, (403, 403, 202, 202, 202)),
        ("POST", "/boards/tk1-2/power", {"act": "reset"}, (403, 403, 403, 403, 403)),
    ],
)
async def test_what_is_asked_of_a_course_is_for_whom_it_should_be(
    lesson: Door, method: str, path: str, body: dict[str, Any] | None, answers: tuple[int, ...]
) -> None:
    for who, status in zip(WHO, answers, strict=True):
        answer = await lesson.ask(who, method, f"/api/v1{path}", **({} if body is None else {"json": body}))
        assert answer.status_code == status, f"{who}: {answer.text}"


async def test_a_students_deployment_and_root_are_seen_by_who_looks_after_them(lesson: Door) -> None:
    view = lesson.house.farm.booking.reservation(lesson.house.ada, 2)
    assert view.deployment is not None
    deployment = f"/api/v1/deployments/{view.deployment.deployment.id}"
    for who, status in zip(WHO, (404, 404, 200, 200, 200), strict=True):
        assert (await lesson.ask(who, "GET", deployment)).status_code == status, who
        root = await lesson.ask(who, "GET", f"/api/v1/roots/{view.deployment.root}")
        assert root.status_code == (200 if who == "ada" else 404), who
