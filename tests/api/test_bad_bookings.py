"""Bookings that cannot be meant: each is told what is wrong and what would do, and changes nothing."""

from typing import Any

import pytest

from tests.api.door import Door

ASKED = {"type": "tk1", "image": "tiny", "for_s": 3600}
YEAR_10000 = "9999-12-31T23:59:59.999999-14:00"
DEEP = "(" * 2000 + "number > 1" + ")" * 2000


def groups(*several: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"groups": list(several), "image": "tiny", "for_s": 3600, **changes}


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    # when
    "a date in the past": ({**ASKED, "at": "2026-03-01T11:00:00Z"}, 422, "start.invalid"),
    "the first year": ({**ASKED, "at": "0001-01-01T00:00:00+14:00"}, 422, "start.invalid"),
    "the last year": ({**ASKED, "at": YEAR_10000}, 422, "start.invalid"),
    "more than a year ahead": ({**ASKED, "at": "2028-03-01T12:00:00Z"}, 422, "start.invalid"),
    "a date without a zone": ({**ASKED, "at": "2026-03-02T12:00:00"}, 422, "request.invalid"),
    "a day that there is not": ({**ASKED, "at": "2026-02-30T12:00:00Z"}, 422, "request.invalid"),
    "no date": ({**ASKED, "at": "tomorrow"}, 422, "request.invalid"),
    "a date for who queues": ({**ASKED, "at": "2026-03-02T12:00:00Z", "kind": "queued"}, 422, "start.invalid"),
    "a date for best effort": ({**ASKED, "at": "2026-03-02T12:00:00Z", "kind": "best_effort"}, 422, "start.invalid"),
    "a kind that there is not": ({**ASKED, "kind": "soon"}, 422, "request.invalid"),
    # for how long
    "no time": ({**ASKED, "for_s": 0}, 422, "duration.invalid"),
    "less than no time": ({**ASKED, "for_s": -3600}, 422, "duration.invalid"),
    "a century": ({**ASKED, "for_s": 1e9}, 422, "duration.invalid"),
    "for ever": ({**ASKED, "for_s": 1e300}, 422, "request.invalid"),
    # what
    "an unknown type": ({**ASKED, "type": "tk2"}, 404, "type.unknown"),
    "an unknown board": ({"board": "tk1-9", "image": "tiny", "for_s": 3600}, 404, "board.unknown"),
    "no board": ({"image": "tiny", "for_s": 3600}, 422, "request.invalid"),
    "an empty expression": ({"where": "", "image": "tiny", "for_s": 3600}, 422, "request.invalid"),
    "a board and a type": ({**ASKED, "board": "tk1-1"}, 422, "request.invalid"),
    "two of one board": ({"board": "tk1-1", "count": 2, "image": "tiny", "for_s": 3600}, 422, "request.invalid"),
    "more boards than there are": ({**ASKED, "count": 4}, 409, "board.too_few"),
    "no boards": ({**ASKED, "count": 0}, 422, "request.invalid"),
    "less than none": ({**ASKED, "count": -1}, 422, "request.invalid"),
    "as many as fit into 31 bits": ({**ASKED, "count": 2**31 - 1}, 409, "board.too_few"),
    "as many as do not": ({**ASKED, "count": 2**31}, 409, "board.too_few"),
    "more than fit into 64": ({**ASKED, "count": 2**64}, 422, "request.invalid"),
    "half a board": ({**ASKED, "count": 0.5}, 422, "request.invalid"),
    "a root for two boards": ({"type": "tk1", "count": 2, "root": "of-root", "for_s": 3600}, 422, "request.invalid"),
    "an image and a root": ({**ASKED, "root": "of-root"}, 422, "request.invalid"),
    "neither": ({"type": "tk1", "for_s": 3600}, 422, "request.invalid"),
    "an unknown image": ({**ASKED, "image": "huge"}, 404, "image.unknown"),
    "no image": ({**ASKED, "image": ""}, 404, "image.unknown"),
    # groups
    "groups beside a type": ({**ASKED, "groups": [{"type": "tk1"}]}, 422, "request.invalid"),
    "groups beside a count": (groups({"type": "tk1"}, count=2), 422, "request.invalid"),
    "21 groups": (groups(*[{"type": "tk1"}] * 21), 422, "request.invalid"),
    "20 groups": (groups(*[{"type": "tk1"}] * 20), 409, "board.too_few"),
    "20 groups of all": (groups(*[{"type": "tk1", "count": 3}] * 20), 409, "board.too_few"),
    "groups that are none": (groups({}), 422, "request.invalid"),
    "a group in a group": (groups({"groups": []}), 422, "request.invalid"),
    "one board in two groups": (groups({"board": "tk1-1"}, {"board": "tk1-1"}), 422, "request.invalid"),
    "a board and another of its kind, and all": (
        groups({"board": "tk1-1"}, {"type": "tk1", "count": 3}),
        409,
        "board.too_few",
    ),
    # expressions
    "an expression that stops": ({**ASKED, "where": "number >="}, 422, "where.invalid"),
    "a call": ({**ASKED, "where": "__import__('os')"}, 422, "where.invalid"),
    "an unknown word": ({**ASKED, "where": "numbr > 1"}, 422, "where.invalid"),
    "an expression that is long": ({**ASKED, "where": "number > 1 and " * 60 + "number > 1"}, 422, "where.invalid"),
    "one that is too long": ({**ASKED, "where": DEEP}, 422, "request.invalid"),
    "one that is deep": ({**ASKED, "where": "(" * 400 + "number > 1" + ")" * 400}, 422, "where.invalid"),
    "one with a null": ({**ASKED, "where": "number > 1\x00"}, 422, "where.invalid"),
    "one that nothing fits": ({**ASKED, "where": "number > 100"}, 404, "board.unknown"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_cannot_be_booked_is_told_and_nothing_comes_of_it(lived_in: Door, what: str) -> None:
    body, status, code = BAD[what]
    before = (await lived_in.ask("user", "GET", "/api/v1/reservations?all=true")).json()
    answer = await lived_in.ask("user", "POST", "/api/v1/reservations", json=body)
    problem = answer.json()
    assert (answer.status_code, problem.get("code")) == (status, code), problem
    assert problem["detail"] and len(problem["detail"]) < 1500 and "{" not in problem["detail"].replace("{}", "")
    assert (await lived_in.ask("user", "GET", "/api/v1/reservations?all=true")).json() == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"3600"', "null", "true"])
async def test_a_walltime_that_is_no_number_is_refused(lived_in: Door, number: str) -> None:
    content = f'{{"type": "tk1", "image": "tiny", "for_s": {number}}}'.encode()
    headers = {"Content-Type": "application/json"}
    answer = await lived_in.ask("user", "POST", "/api/v1/reservations", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_a_mistake_in_an_expression_is_pointed_at(lived_in: Door) -> None:
    body = {**ASKED, "where": 'number > 1 and tag("x'}
    answer = await lived_in.ask("user", "POST", "/api/v1/reservations", json=body)
    problem = answer.json()
    assert problem["code"] == "where.invalid" and "^" in problem["detail"] + problem["hint"]


@pytest.mark.parametrize(
    ("act", "body", "status"),
    [
        ("extend", {"by_s": 0}, 422),
        ("extend", {"by_s": -60}, 422),
        ("extend", {"by_s": 1e9}, 422),
        ("extend", {"by_s": 1e10}, 422),
        ("extend", {}, 422),
        ("share", {"add": ["nobody"]}, 404),
        ("share", {"add": ["bob"] * 101}, 422),
        ("share", {"add": [""]}, 404),
        ("share", {"remove": ["nobody"]}, 404),
        ("share", {"add": "bob"}, 422),
        ("release", {"board": "tk1-2"}, 404),
        ("release", {"board": ""}, 404),
        ("release", {"fate": "keep"}, 422),
        ("release", {"fate": "keep", "name": "../x"}, 422),
        ("release", {"fate": "burn"}, 422),
    ],
)
async def test_what_cannot_be_done_to_a_reservation_is_told_and_leaves_it_as_it_is(
    lived_in: Door, act: str, body: dict[str, Any], status: int
) -> None:
    before = (await lived_in.ask("ada", "GET", "/api/v1/reservations/2")).json()
    answer = await lived_in.ask("ada", "POST", f"/api/v1/reservations/2/{act}", json=body)
    assert answer.status_code == status and answer.json()["code"]
    assert (await lived_in.ask("ada", "GET", "/api/v1/reservations/2")).json() == before


@pytest.mark.parametrize("number", ["0", "-1", "99", str(2**31), str(2**63), str(2**64), "1.5", "one"])
async def test_a_reservation_that_is_not_there_is_told(lived_in: Door, number: str) -> None:
    for method, act, body in [
        ("GET", "", None),
        ("POST", "/extend", {"by_s": 60}),
        ("POST", "/share", {"add": ["bob"]}),
        ("POST", "/release", {}),
    ]:
        how = {} if body is None else {"json": body}
        answer = await lived_in.ask("user", method, f"/api/v1/reservations/{number}{act}", **how)
        assert answer.status_code in {404, 422} and answer.json()["code"]
