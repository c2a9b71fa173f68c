"""What is waited for comes by push: event streams and long polls, over a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from boardgrid.api.streams import Streams
from boardgrid.model.board import Act
from tests.api.door import Door, served
from tests.services.house import HOUR, KEY_A, a_board

STREAM = {"Accept": "text/event-stream"}
PATIENCE_S = 30


@asynccontextmanager
async def client(door: Door, who: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        served(door.app) as url,
        httpx.AsyncClient(base_url=url, headers=door.headers(who), timeout=PATIENCE_S) as http,
    ):
        yield http


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    number = ""
    async with asyncio.timeout(PATIENCE_S):
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                number = line.removeprefix("id: ")
            elif line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                assert str(event["number"]) == number
                yield event


async def free_again(door: Door) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while door.streams.open:  # noqa: ASYNC110 - a place is given back in another task
            await asyncio.sleep(0.01)


def an_event(door: Door) -> int:
    """Something happens; the number of its last event."""
    door.house.farm.inventory.fit(door.house.admin, "tk1-1")
    door.house.farm.catalog.open(door.house.admin, f"x{uuid4().hex[:8]}")
    return door.house.farm.history.last_number()


async def test_a_stream_replays_what_was_and_goes_on_with_what_happens(door: Door) -> None:
    first = an_event(door)
    async with client(door, "admin") as http, http.stream("GET", "/api/v1/events", headers=STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = events(answer)
        numbers = [0]
        while numbers[-1] < first:
            numbers.append((await anext(told))["number"])
        second = await asyncio.to_thread(an_event, door)
        while numbers[-1] < second:
            numbers.append((await anext(told))["number"])
        assert numbers == sorted(set(numbers))
    await free_again(door)


@pytest.mark.parametrize("how", ["after", "Last-Event-ID"])
async def test_who_comes_back_misses_nothing_and_hears_nothing_twice(door: Door, how: str) -> None:
    seen, unseen = an_event(door), an_event(door)
    headers = {**STREAM, "Last-Event-ID": str(seen)} if how != "after" else STREAM
    path = f"/api/v1/events?after={seen if how == 'after' else 0}"
    async with client(door, "admin") as http, http.stream("GET", path, headers=headers) as answer:
        told = events(answer)
        event = await anext(told)
        assert event["number"] == seen + 1
        while event["number"] < unseen:
            event = await anext(told)


async def test_a_list_is_the_same_events_and_ends(door: Door) -> None:
    last = an_event(door)
    answer = await door.ask("admin", "GET", f"/api/v1/events?after={last - 1}")
    assert [event["number"] for event in answer.json()] == [last]
    assert answer.json()[0]["reservation"] is None


async def test_a_silent_stream_says_that_it_is_alive(door: Door) -> None:
    last = an_event(door)
    path = f"/api/v1/events?after={last}"
    async with client(door, "user") as http, http.stream("GET", path, headers=STREAM) as answer:
        said = 0
        async with asyncio.timeout(PATIENCE_S):
            async for line in answer.aiter_lines():
                said += line == ": nothing new"
                if said == 2:
                    break


async def test_what_may_not_be_seen_is_refused_before_the_stream_begins(door: Door) -> None:
    async with client(door, "user") as http:
        answer = await http.get("/api/v1/events?board=tk1-9", headers=STREAM)
        assert (answer.status_code, answer.json()["code"]) == (404, "board.unknown")
    assert not door.streams.open


async def test_a_user_has_so_many_streams_and_gets_each_place_back(door: Door) -> None:
    door.streams = Streams(most=2, alive_s=0.2)
    async with client(door, "user") as http:
        async with (
            http.stream("GET", "/api/v1/events", headers=STREAM),
            http.stream("GET", "/api/v1/events", headers=STREAM),
        ):
            answer = await http.get("/api/v1/events", headers=STREAM)
            assert (answer.status_code, answer.json()["code"]) == (429, "request.too_many")
        await free_again(door)
        async with http.stream("GET", "/api/v1/events", headers=STREAM) as answer:
            assert answer.status_code == 200


async def test_a_stream_ends_when_its_user_does(door: Door) -> None:
    async with client(door, "user") as http, http.stream("GET", "/api/v1/events", headers=STREAM) as answer:
        await asyncio.to_thread(door.house.farm.accounts.remove, door.house.admin, "ada")
        async with asyncio.timeout(PATIENCE_S):
            async for _line in answer.aiter_lines():
                pass
    await free_again(door)


async def test_a_server_that_stops_is_not_held_up_by_streams(door: Door) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async with served(door.app) as url, httpx.AsyncClient(base_url=url, headers=door.headers("user")) as http:
            request = http.build_request("GET", "/api/v1/events", headers=STREAM)
            answer = await http.send(request, stream=True)
            assert answer.status_code == 200
    await answer.aclose()


# --- the doors of machines


async def lease(http: httpx.AsyncClient) -> int:
    answer = await http.post("/api/agent/v1/lease", json={"instance": str(uuid4()), "protocol": 1})
    return int(answer.json()["epoch"])


async def test_an_agent_that_waits_is_told_at_once_when_a_wish_changes(door: Door) -> None:
    async with client(door, "agent") as http:
        epoch = await lease(http)
        asked = {"epoch": epoch, "after": -1, "wait_s": 0}
        version = (await http.get("/api/agent/v1/wishes", params=asked)).json()["version"]
        asked |= {"after": version, "wait_s": PATIENCE_S}
        waiting = asyncio.create_task(http.get("/api/agent/v1/wishes", params=asked))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(door.house.farm.inventory.put_board, door.house.admin, a_board(2))
        wishes = (await waiting).json()
        assert wishes["version"] > version
        assert [one["board"]["name"] for one in wishes["boards"]] == ["tk1-1", "tk1-2"]


async def test_an_agent_that_waits_in_vain_is_answered_all_the_same(door: Door) -> None:
    async with client(door, "agent") as http:
        epoch = await lease(http)
        first = (await http.get("/api/agent/v1/wishes", params={"epoch": epoch, "after": -1})).json()
        asked = {"epoch": epoch, "after": first["version"], "wait_s": 0.2}
        assert (await http.get("/api/agent/v1/wishes", params=asked)).json() == first


async def test_an_agent_that_waits_with_an_old_lease_hears_of_the_new_one(door: Door) -> None:
    async with client(door, "agent") as http:
        instance = str(uuid4())
        body = {"instance": instance, "protocol": 1}
        epoch = (await http.post("/api/agent/v1/lease", json=body)).json()["epoch"]
        version = (await http.get("/api/agent/v1/wishes", params={"epoch": epoch})).json()["version"]
        asked = {"epoch": epoch, "after": version, "wait_s": PATIENCE_S}
        waiting = asyncio.create_task(http.get("/api/agent/v1/wishes", params=asked))
        await asyncio.sleep(0.2)
        await http.post("/api/agent/v1/lease", json=body)
        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (409, "epoch.stale")


@pytest.mark.slow
async def test_many_who_wait_park_no_thread(door: Door) -> None:
    async with client(door, "agent") as http:
        epoch = await lease(http)
        version = (await http.get("/api/agent/v1/wishes", params={"epoch": epoch})).json()["version"]
        asked = {"epoch": epoch, "after": version, "wait_s": PATIENCE_S}
        waiting = [asyncio.create_task(http.get("/api/agent/v1/wishes", params=asked)) for _ in range(60)]
        await asyncio.sleep(0.5)
        assert (await http.get("/readyz")).status_code == 200
        await asyncio.to_thread(door.house.farm.inventory.put_board, door.house.admin, a_board(2))
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


async def test_a_gateway_that_waits_is_told_at_once_when_a_board_is_given_back(door: Door) -> None:
    house = door.house
    house.image()
    number = house.opened(house.ada).reservation.number
    async with client(door, "gateway") as http:
        held = (await http.get("/api/gateway/v1/changes")).json()
        assert held["live"] == [{"key": KEY_A, "board": "tk1-1"}]
        asked = {"after": held["version"], "wait_s": PATIENCE_S}
        waiting = asyncio.create_task(http.get("/api/gateway/v1/changes", params=asked))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(house.farm.booking.release, house.ada, number)
        assert (await waiting).json()["live"] == []


async def test_a_gateway_is_told_too_when_a_time_runs_out(door: Door) -> None:
    house = door.house
    house.image()
    house.opened(house.ada)
    async with client(door, "gateway") as http:
        held = (await http.get("/api/gateway/v1/changes")).json()
        asked = {"after": held["version"], "wait_s": PATIENCE_S}
        waiting = asyncio.create_task(http.get("/api/gateway/v1/changes", params=asked))
        house.now += 2 * HOUR
        await asyncio.to_thread(house.farm.upkeep.carry_out)
        assert (await waiting).json()["live"] == []


async def test_a_power_order_wakes_the_agent(door: Door) -> None:
    house = door.house
    house.image()
    house.opened(house.ada)
    async with client(door, "agent") as http:
        asked = {"epoch": house.epoch, "after": house.wishes.version, "wait_s": PATIENCE_S}
        waiting = asyncio.create_task(http.get("/api/agent/v1/wishes", params=asked))
        await asyncio.to_thread(house.farm.orders.order_power, house.ada, "tk1-1", Act.RESET)
        assert (await waiting).json()["boards"][0]["order"]["act"] == "reset"


async def test_a_list_of_events_can_be_the_newest_alone(door: Door) -> None:
    numbers = [an_event(door) for _again in range(3)]
    answer = await door.ask("admin", "GET", "/api/v1/events?tail=2")
    assert [event["number"] for event in answer.json()] == numbers[-2:]
    assert (await door.ask("admin", "GET", "/api/v1/events?tail=0")).status_code == 422


@pytest.mark.parametrize("act", ["suspend", "revoke", "renew"])
async def test_a_stream_ends_at_once_when_its_token_does(door: Door, act: str) -> None:
    door.streams = Streams(alive_s=PATIENCE_S)  # not because it looks now and then, but because it is told
    farm, admin = door.house.farm, door.house.admin
    token = door.tokens["user"][3:19]
    acts = {
        "suspend": lambda: farm.accounts.suspend(admin, "ada"),
        "revoke": lambda: farm.tokens.revoke(admin, token),
        "renew": lambda: farm.tokens.renew(admin, "ada"),
    }
    last = farm.history.last_number()
    async with (
        client(door, "user") as http,
        http.stream("GET", f"/api/v1/events?after={last}", headers=STREAM) as answer,
    ):
        await asyncio.to_thread(acts[act])
        async with asyncio.timeout(1):
            async for _line in answer.aiter_lines():
                pass
    await free_again(door)
