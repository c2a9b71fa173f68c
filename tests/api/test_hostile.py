"""Whatever a stranger sends is refused or done; it never finds a bug."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.door import Door
from tests.api.test_matrix import MATRIX

WORDS = ["..", "\x00", "a" * 3000, "';--😀\xff", "tk1-1\n", "{0.__class__}{board}%s"]
NUMBERS = [-1, 2**63, 10**400, 1e308]
OTHERS: list[Any] = [None, True, [[]], {"a": {"b": []}}, "\ud800"]
BODIES = [
    b"", b"null", b"[]", b"5", b'"x"', b"{", b"\xff", b"NaN", b'{"for_s": NaN}', b'{"for_s": 1e999}', b'{"a":' * 5000,
    b"[" * 100_000, b'{"name": "\\ud800"}', b'{"name": "a", "name": "b"}', b"9" * 5000,
]  # fmt: skip
JSON = {"Content-Type": "application/json"}

# All of it is tried with the slow tests, on each engine; a part of it each time.
all_or_some = pytest.mark.parametrize(
    ("engine", "every"),
    [
        pytest.param("sqlite", 4, id="sqlite-some"),
        pytest.param("sqlite", 1, id="sqlite-all", marks=pytest.mark.slow),
        pytest.param("postgresql", 1, id="postgresql-all", marks=pytest.mark.slow),
    ],
)


def who(route: str) -> str:
    return "agent" if "/agent/" in route else "gateway" if "/gateway/" in route else "admin"


async def send(door: Door, route: str, path: str, **how: Any) -> None:
    answer = await door.ask(who(route), route.partition(" ")[0], path, **how)
    assert answer.status_code < 500, f"{path} {how}: {answer.text}"
    if answer.status_code >= 400 and not route.startswith("HEAD"):
        problem = answer.json()
        assert problem["code"]
        assert problem["detail"]
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("route", [route for route, row in MATRIX.items() if "json" in row.how])
@all_or_some
async def test_no_body_finds_a_bug(lived_in: Door, route: str, every: int) -> None:
    row = MATRIX[route]
    for body in BODIES[::every]:
        await send(lived_in, route, row.path, content=body, headers=JSON)
    example = row.how["json"]
    for field in example:
        for value in [*WORDS, *NUMBERS, *OTHERS][::every]:
            body = json.dumps({**example, field: value}).encode()
            await send(lived_in, route, row.path, content=body, headers=JSON)


@pytest.mark.parametrize("route", [route for route in MATRIX if "{" in route])
@all_or_some
async def test_no_name_in_a_path_finds_a_bug(lived_in: Door, route: str, every: int) -> None:
    row = MATRIX[route]
    before, _brace, after = route.partition(" ")[2].partition("{")
    after = after.partition("}")[2]
    for word in [*WORDS, *map(str, NUMBERS)][::every]:
        await send(lived_in, route, before + quote(word, safe="") + after, **row.how)
    await send(lived_in, route, before + "%ff%fe" + after, **row.how)


@pytest.mark.parametrize(
    "query",
    [
        "/api/v1/events?after={}",
        "/api/v1/events?reservation={}",
        "/api/v1/events?board={}",
        "/api/v1/reservations?all={}",
        "/api/v1/reservations?before={}",
        "/api/agent/v1/wishes?epoch=0&after={}",
        "/api/agent/v1/wishes?epoch=0&wait_s={}",
        "/api/gateway/v1/changes?after={}",
        "/api/gateway/v1/changes?after=-1&wait_s={}",
    ],
)
async def test_no_query_finds_a_bug(lived_in: Door, query: str) -> None:
    for word in [*WORDS, *map(str, NUMBERS), "nan", "inf", ""]:
        await send(lived_in, f"GET {query}", query.replace("{}", quote(word, safe="")))


@pytest.mark.slow
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_inventory_finds_a_bug(lived_in: Door, body: Any) -> None:
    board = {"mac": "52:54:00:00:00:77", "address": "10.20.0.77", "power": [{"driver": "fake", "option": body}]}
    for sent in (body, {"boards": {"tk1-9": board}}, {"boards": body}):
        content = json.dumps(sent).encode()
        await send(lived_in, "PUT /api/v1/inventory", "/api/v1/inventory?dry_run=true", content=content, headers=JSON)


async def test_headers_that_lie_find_no_bug(lived_in: Door) -> None:
    for name, value in (
        ("Last-Event-ID", "x"),
        ("BoardGrid-Protocol", "ten"),
        ("Content-Length", "-5"),
        ("Accept", ""),
    ):
        await send(lived_in, "GET ", "/api/v1/events", headers={name: value})
    await send(lived_in, "GET /gateway/", "/api/gateway/v1/changes", headers={"BoardGrid-Protocol": "ten"})


@pytest.mark.parametrize("for_s", [True, "3600"])
async def test_a_span_is_a_number_and_nothing_that_looks_like_one(lived_in: Door, for_s: object) -> None:
    wanted = {"board": "tk1-3", "image": "tiny", "for_s": for_s}
    answer = await lived_in.ask("user", "POST", "/api/v1/reservations", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
