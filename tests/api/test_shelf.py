"""Boards over HTTP: described, and asked for by what they are."""

from typing import Any

import pytest

from tests.api.door import Door

BOARD = {"mac": "52:54:00:00:00:07", "address": "10.20.0.17"}


async def test_properties_keep_their_kind_on_the_way_in_and_out(door: Door) -> None:
    properties = {"text": "1", "count": 1, "load": 1.0, "on": True, "name": "\u00e9"}
    body = {**BOARD, "properties": properties, "tags": ["can", "camera", "can"]}
    put = (await door.ask("admin", "PUT", "/api/v1/boards/tk1-7", json=body)).json()
    shown = (await door.ask("user", "GET", "/api/v1/boards/tk1-7")).json()
    assert put["tags"] == shown["tags"] == ["camera", "can"]
    for told in (put["properties"], shown["properties"]):
        assert told == properties
        assert {name: type(value) for name, value in told.items()} == {n: type(v) for n, v in properties.items()}
    assert shown["facts"] == {
        **properties, "arch": "armhf", "board": "tk1-7", "number": 7, "site": "lab", "type": "tk1"
    }  # fmt: skip


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, 1 << 60])
async def test_a_value_that_is_none_is_refused_in_one_sentence(door: Door, value: Any) -> None:
    body = {"boards": {"tk1-7": {**BOARD, "properties": {"x": value}}}}
    answer = await door.ask("admin", "PUT", "/api/v1/inventory", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "inventory.invalid")
    assert answer.json()["detail"].startswith("tk1-7: properties.x cannot be")


async def test_some_of_what_a_board_is_chosen_by_is_changed_and_the_rest_stays(door: Door) -> None:
    body = {**BOARD, "properties": {"panel": "hdmi", "ram_mb": 1024}, "tags": ["can", "camera"]}
    await door.ask("admin", "PUT", "/api/v1/boards/tk1-7", json=body)
    changes = {
        "properties": {"ram_mb": 2048, "panel": None, "new": True, "absent": None},
        "tags": {"can": False, "x": 1},
    }
    shown = (await door.ask("admin", "POST", "/api/v1/boards/tk1-7/describe", json=changes)).json()
    assert (shown["properties"], shown["tags"]) == ({"ram_mb": 2048, "new": True}, ["camera", "x"])
    answer = await door.ask("admin", "POST", "/api/v1/boards/tk1-7/describe", json={"tags": {"A": True}})
    assert (answer.status_code, answer.json()["code"]) == (422, "inventory.invalid")


async def test_what_differs_is_told_as_it_was_declared(door: Door) -> None:
    body = {"boards": {"tk1-7": {**BOARD, "properties": {"x": 1}, "tags": ["b", "a"]}}}
    [change] = (await door.ask("admin", "PUT", "/api/v1/inventory?dry_run=true", json=body)).json()["changes"]
    assert change["fields"]["properties"] == [None, {"x": 1}] and change["fields"]["tags"] == [None, ["a", "b"]]


async def test_boards_are_asked_for_by_an_expression_and_filters(door: Door) -> None:
    await door.ask("admin", "PUT", "/api/v1/boards/tk1-7", json={**BOARD, "tags": ["can", "camera"]})
    for asked, names in (
        ({"where": "number > 1 and tag('can')"}, ["tk1-7"]),
        ({"where": "number >= 1", "type": "tk1", "site": "lab"}, ["tk1-1", "tk1-7"]),
        ({"tag": ["can", "camera"]}, ["tk1-7"]),
        ({"tag": ["can", "dog"]}, []),
    ):
        answer = await door.ask("user", "GET", "/api/v1/boards", params=asked)
        assert [one["name"] for one in answer.json()] == names


@pytest.mark.parametrize("where", ["", "number = 1", "nubmer == 1", "(" * 400, "\0", "\n", "x" * 10_000, "\U0001f600"])
async def test_an_expression_with_a_mistake_is_the_askers_to_mend(door: Door, where: str) -> None:
    answer = await door.ask("user", "GET", "/api/v1/boards", params={"where": where})
    assert (answer.status_code, answer.json()["code"]) == (422, "where.invalid")


async def test_the_caret_is_in_the_hint(door: Door) -> None:
    answer = await door.ask("user", "GET", "/api/v1/boards", params={"where": "\u00e9 == 1"})
    assert answer.json()["hint"] == "\u00e9 == 1\n^"
    answer = await door.ask("user", "GET", "/api/v1/boards", params={"where": "'\u00e9' == arch and nubmer > 1"})
    assert answer.json()["hint"] == "'\u00e9' == arch and nubmer > 1\n                ^\ndid you mean number?"
