"""A body costs us memory and time only as far as whoever sends it may have them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from boardgrid.api.envelope import BODY_BYTES, REPORTS_BYTES, STRANGER_BYTES, shown
from boardgrid.services import credentials
from boardgrid.testing import patiently
from tests.api.door import Door, served

LEASE, REPORTS, KEY, USERS = "/api/agent/v1/lease", "/api/agent/v1/reports", "/api/gateway/v1/key", "/api/v1/users"
ROUTES = [LEASE, REPORTS, KEY, USERS]
JSON = {"Content-Type": "application/json"}
WRONG = {"Authorization": f"Bearer bg_{'0' * 16}_{'A' * 43}"}


@dataclass
class Body:
    """Spaces, as many as somebody asks for; how many were taken is counted."""

    piece_bytes: int = 65536
    taken_bytes: int = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            self.taken_bytes += self.piece_bytes
            yield b" " * self.piece_bytes


def announced(size_bytes: int | None) -> dict[str, str]:
    return JSON if size_bytes is None else {**JSON, "Content-Length": str(size_bytes)}


@pytest.mark.parametrize("size_bytes", [STRANGER_BYTES + 1, None], ids=["announced", "without an end"])
@pytest.mark.parametrize(
    ("who", "path"),
    [
        *[("nobody", path) for path in [*ROUTES, "/", "/healthz"]],
        *[("wrong", path) for path in ROUTES],
        *[(who, path) for who in ("user", "admin") for path in (LEASE, REPORTS, KEY)],
        *[("agent", path) for path in (KEY, USERS)],
        *[("gateway", path) for path in (LEASE, REPORTS, USERS)],
    ],
)
async def test_of_a_large_body_nothing_is_read_without_a_token_that_opens_its_door(
    door: Door, who: str, path: str, size_bytes: int | None
) -> None:
    body = Body()
    known, headers = ("nobody", WRONG) if who == "wrong" else (who, {})
    answer = await door.ask(known, "POST", path, content=body.pieces(), headers={**announced(size_bytes), **headers})
    assert (answer.status_code, answer.json()["code"]) == (401, "token.refused")
    assert answer.headers["connection"] == "close"
    assert body.taken_bytes == 0


@pytest.mark.parametrize("size_bytes", [REPORTS_BYTES + 1, 10**30])
async def test_what_is_too_large_for_anybody_is_not_read_whoever_sends_it(door: Door, size_bytes: int) -> None:
    for who in ("nobody", "agent"):
        body = Body()
        answer = await door.ask(who, "POST", REPORTS, content=body.pieces(), headers=announced(size_bytes))
        assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
        assert body.taken_bytes == 0


@pytest.mark.parametrize(
    ("who", "path", "most_bytes"),
    [("agent", REPORTS, REPORTS_BYTES), ("agent", LEASE, BODY_BYTES), ("admin", USERS, BODY_BYTES)],
)
async def test_a_body_that_does_not_end_is_read_as_far_as_its_sender_may_go(
    door: Door, who: str, path: str, most_bytes: int
) -> None:
    body = Body()
    answer = await door.ask(who, "POST", path, content=body.pieces(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
    assert answer.headers["connection"] == "close"
    assert body.taken_bytes == most_bytes + body.piece_bytes


async def test_an_agent_has_much_to_tell_and_an_admin_declares_many_boards(door: Door) -> None:
    told = json.dumps({"epoch": 0, "reports": []}) + " " * (REPORTS_BYTES - 100)
    answer = await door.ask("agent", "POST", REPORTS, content=told, headers=JSON)
    assert answer.status_code == 200
    declared = json.dumps({"boards": {}}) + " " * (BODY_BYTES - 100)
    answer = await door.ask("admin", "PUT", "/api/v1/inventory?dry_run=true", content=declared, headers=JSON)
    assert answer.status_code == 200


@patiently
async def test_a_body_that_is_not_whole_in_a_minute_is_not_waited_for(door: Door) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(10)

    answer = await door.ask("nobody", "POST", USERS, content=trickle(), headers=announced(STRANGER_BYTES))
    assert (answer.status_code, answer.json()["code"]) == (408, "request.too_slow")
    assert answer.headers["connection"] == "close"
    assert asyncio.get_running_loop().time() < 120


async def test_over_a_real_connection_a_stranger_is_refused_and_hung_up_on_before_the_body_comes(door: Door) -> None:
    async with served(door.app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /api/agent/v1/reports HTTP/1.1\r\nHost: farm\r\nContent-Length: 1000000\r\n\r\n{")
        async with asyncio.timeout(60):
            said = await reader.read()  # until it ends
        writer.close()
    assert said.startswith(b"HTTP/1.1 401 ")
    assert b'"token.refused"' in said


@pytest.mark.parametrize("kind", [credentials.TOKEN, credentials.CODE, credentials.LINK, credentials.FEED])
def test_of_a_credential_in_a_path_a_log_shows_its_id_and_no_more(kind: str) -> None:
    found, _digest, clear = credentials.made(kind)
    long = "/api/v1/calendar/" + "x" * 180 + clear.reveal() + ".ics"
    for path in (f"/api/v1/calendar/{clear.reveal()}.ics", long):
        told = shown(path)
        assert len(told) <= 200 and not any(clear.reveal()[-43:][n : n + 8] in told for n in range(36))
    assert f"{kind}_{found}_***" in shown(f"/api/v1/tokens/{clear.reveal()}")
