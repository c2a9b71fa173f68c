"""What goes wrong is told as a problem, with a code, a sentence and a status; and never as a traceback."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from boardgrid.api.app import create
from boardgrid.api.problem import SPECIAL, STATUS, answer_to, status_of
from boardgrid.model.errors import Code, Conflict, FarmError, Fault, Invalid, NotAllowed, NotFound
from boardgrid.unfit import why
from tests.api.door import Door

FOR_USER = "/api/v1/users"
BOARD = {"mac": "02:00:00:00:00:09", "address": "10.20.0.19"}


def test_every_error_has_a_status() -> None:
    assert set(STATUS) == set(FarmError.__subclasses__())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid(Code.NAME_INVALID, "no"), 422),
        (NotAllowed(Code.ACT_FORBIDDEN, "no"), 403),
        (NotAllowed(Code.TOKEN_REFUSED, "no"), 401),
        (NotFound(Code.BOARD_UNKNOWN, "no"), 404),
        (Conflict(Code.BOARD_TAKEN, "no"), 409),
        (Conflict(Code.PROTOCOL_UNSPOKEN, "no"), 426),
        (Conflict(Code.STORE_FULL, "no"), 507),
        (Fault(Code.POWER_FAILED, "no"), 502),
        (Fault(Code.RECORDS_FAILED, "no"), 503),
    ],
)
def test_a_status_says_who_must_act(error: FarmError, status: int) -> None:
    assert status_of(error) == status


def test_special_statuses_are_errors_too() -> None:
    assert all(400 <= status < 600 for status in SPECIAL.values())


def test_a_problem_tells_code_sentence_and_hint() -> None:
    answer = answer_to(Conflict(Code.BOARD_TAKEN, "{board} is taken", hint="wait for {board}", board="tk1-1"))
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(answer.body)) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "board.taken",
        "detail": "tk1-1 is taken",
        "hint": "wait for tk1-1",
    }


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"json": {}}, "name: is missing"),
        ({"json": {"name": 7}}, "name: should be text"),
        ({"json": {"name": "eve", "is_admin": True}}, "is_admin: there is no such key"),
        ({"json": {"name": "eve", "role": "king"}}, "role: should be 'admin', 'operator', 'user' or 'guest'"),
        ({"json": {"name": "eve", "ssh_keys": ["k", 5]}}, "ssh_keys.1: should be text"),
        ({"json": []}, "the body: should have keys with values"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "the body is no JSON"),
        ({"content": b"\xff\xfe{}", "headers": {"Content-Type": "application/json"}}, "the body"),
        ({"content": b'{"name": "eve"}'}, "the body: should have keys with values"),
        (
            {"content": b'{"name": "eve"}', "headers": {"Content-Type": "text/plain"}},
            "the body: should have keys with values",
        ),
        ({}, "the body: is missing"),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused_by_field(door: Door, how: dict[str, Any], sentence: str) -> None:
    answer = await door.ask("admin", "POST", FOR_USER, **how)
    problem = answer.json()
    assert answer.status_code == 422
    assert problem["code"] == "request.invalid"
    assert problem["detail"].startswith(sentence)


@pytest.mark.parametrize(
    ("table", "one", "sentences"),
    [
        ("boards", {}, ["mac: is missing", "address: is missing"]),
        ("boards", {"mac": 5, "address": "10.20.0.300"}, ["mac: should be text", "address: should be an IPv4 address"]),
        ("boards", BOARD | {"boot": "tape"}, ["boot: should be 'pxelinux', 'grub' or 'flashed'"]),
        ("boards", BOARD | {"powr": [], "tags": "camera"}, ["tags: should be a list", "powr: there is no such key"]),
        ("boards", BOARD | {"power": [{"url": "x"}]}, ["power.0.driver: is missing"]),
        ("boards", BOARD | {"power": "ssh"}, ["power: should be a list"]),
        ("boards", BOARD | {"kernel": "x" * 1001}, ["kernel: has too many characters (the most is 1000)"]),
        ("board_types", {"arch": "armhf", "boot_s": "long"}, ["boot_s: should be a number"]),
        ("board_types", {"arch": "armhf", "properties": 3}, ["properties: should have keys with values"]),
    ],
)
async def test_an_inventory_that_cannot_be_meant_is_refused_in_words_for_its_writer(
    door: Door, table: str, one: dict[str, Any], sentences: list[str]
) -> None:
    answer = await door.ask("admin", "PUT", "/api/v1/inventory", json={table: {"tk1-9": one}})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    for said, sentence in zip(answer.json()["detail"].split("; "), sentences, strict=True):
        assert said.startswith(f"{table}.tk1-9.{sentence}")


def test_what_refuses_a_value_may_repeat_it_but_not_whole() -> None:
    said = why({"type": "value_error", "msg": "", "ctx": {"error": ValueError("x" * 1000)}})
    assert said == "x" * 200


async def test_a_query_that_cannot_be_meant_is_refused_by_its_name(door: Door) -> None:
    answer = await door.ask("user", "GET", "/api/v1/events?after=yesterday")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("after in the query: ")


async def test_what_is_not_there_says_so(door: Door) -> None:
    for path in ("/api/v1/nothing", "/", "/api/v1/boards/", "/api/v2/me", "/docs"):
        answer = await door.ask("admin", "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "route.unknown")
        assert path in answer.json()["detail"]


async def test_a_method_that_a_path_does_not_know_is_told_with_all_that_it_does(door: Door) -> None:
    answer = await door.ask("admin", "PATCH", "/api/v1/boards/tk1-1")
    assert (answer.status_code, answer.json()["code"]) == (405, "route.method_unknown")
    assert answer.headers["allow"] == "GET, PUT, DELETE"
    assert "GET, PUT, DELETE" in answer.json()["hint"]


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_body_beyond_all_measure_is_not_read(door: Door, is_announced: bool) -> None:
    async def pieces() -> Any:
        for _ in range(40):
            yield b" " * 65536

    content = b" " * (40 * 65536) if is_announced else pieces()
    answer = await door.ask("admin", "POST", FOR_USER, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


async def test_a_path_that_only_looks_like_an_upload_has_the_limit_of_all(door: Door) -> None:
    answer = await door.ask("admin", "PUT", "/api/v1/boards/content", content=b" " * (2 << 20))
    assert answer.status_code == 413


async def test_a_bug_is_answered_with_an_id_and_nothing_of_its_inside(door: Door) -> None:
    def broken() -> None:
        raise ZeroDivisionError("the secret is swordfish")

    app = create(door.house.farm, door.spool)
    app.add_api_route("/broken", broken)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://farm") as http:
        with capture_logs() as logs:
            answer = await http.get("/broken")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "farm.bug")
    assert "swordfish" not in answer.text  # a number could stand in the id as well
    assert "ZeroDivision" not in answer.text
    assert problem["detail"].endswith(f" {logs[0]['bug']}")
    assert (logs[0]["event"], logs[0]["exc_info"]) == ("request.bug", True)


async def test_a_token_that_is_none_is_asked_for(door: Door) -> None:
    for header in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer bg_x"}):
        answer = await door.ask("nobody", "GET", "/api/v1/me", headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "token.refused")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_answers_are_kept_by_nobody(door: Door) -> None:
    answer = await door.ask("user", "GET", "/api/v1/me")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_script_of_somebody_else_is_loaded(door: Door) -> None:
    assert isinstance(door.app, FastAPI)
    assert (door.app.docs_url, door.app.redoc_url) == (None, None)
