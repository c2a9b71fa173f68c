"""What the controller's doors make of answers that no controller of this release gives."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from boardgrid.adapters import controller
from boardgrid.adapters.controller import AgentDoor, GatewayDoor
from boardgrid.model.errors import Code, Conflict, FarmError, Fault
from boardgrid.model.image import BlobSource
from boardgrid.model.user import Secret

CONTENT = b"tar" * 100_000
BLOB = BlobSource(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def http(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://controller")


def problem(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "a sentence", "hint": "a hint", "status": status})


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (problem(409, "epoch.stale"), Conflict, Code.EPOCH_STALE),
        (problem(426, "protocol.unspoken"), Conflict, Code.PROTOCOL_UNSPOKEN),
        (problem(401, "token.refused"), Fault, Code.TOKEN_REFUSED),
        (problem(422, "request.invalid"), Fault, Code.REQUEST_INVALID),
        (problem(500, "farm.bug"), Fault, Code.BUG),
        (problem(418, "from.the_future"), Fault, Code.CONTROLLER_SILENT),
        (httpx.Response(502, html="<h1>Bad gateway</h1>"), Fault, Code.CONTROLLER_SILENT),
        (httpx.Response(503, json=["no", "problem"]), Fault, Code.CONTROLLER_SILENT),
        (httpx.Response(302, headers={"Location": "/login"}), Fault, Code.CONTROLLER_SILENT),
        (httpx.Response(200, html="<h1>It works</h1>"), Fault, Code.CONTROLLER_SILENT),
        (httpx.Response(200, json={"epoch": "many"}), Fault, Code.CONTROLLER_SILENT),
    ],
)
async def test_an_answer_that_is_no_lease_says_why(answer: httpx.Response, kind: type[FarmError], code: Code) -> None:
    async with http(lambda _request: answer) as client:
        with pytest.raises(kind) as error:
            await AgentDoor(client).lease(uuid4())
    assert error.value.code is code


async def test_nobody_is_an_answer_but_a_door_that_is_not_there_is_none() -> None:
    async with http(lambda _request: problem(404, "user.unknown")) as client:
        assert await GatewayDoor(client).user_of("ssh-ed25519 AAAA") is None
        with pytest.raises(Fault):
            await GatewayDoor(client).route("ssh-ed25519 AAAA", "tk1-1")
    async with http(lambda _request: problem(404, "site.unknown")) as client:
        with pytest.raises(Fault):
            await GatewayDoor(client).user_of("ssh-ed25519 AAAA")


async def _cut() -> AsyncIterator[bytes]:
    yield CONTENT[:100_000]
    raise httpx.ReadError("connection reset")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=CONTENT[:-1]),
        httpx.Response(200, content=CONTENT + b"more"),
        httpx.Response(200, content=_cut()),
        problem(404, "image.unknown"),
        problem(502, "upload.broken"),
        httpx.Response(500),
    ],
    ids=["short", "long", "cut", "gone", "lost", "broken"],
)
async def test_an_upload_that_does_not_come_whole_leaves_no_file(answer: httpx.Response, tmp_path: Path) -> None:
    to = tmp_path / "archive"
    async with http(lambda _request: answer) as client:
        with pytest.raises(Fault) as fault:
            await AgentDoor(client).fetch(BLOB, to)
    assert fault.value.code is Code.UPLOAD_BROKEN
    assert BLOB.sha256 in str(fault.value)
    assert not to.exists()


async def test_a_disk_without_room_says_so(tmp_path: Path) -> None:
    (tmp_path / "archive").symlink_to("/dev/full")
    async with http(lambda _request: httpx.Response(200, content=CONTENT)) as client:
        with pytest.raises(Fault) as fault:
            await AgentDoor(client).fetch(BLOB, tmp_path / "archive")
    assert fault.value.code is Code.STORE_FULL


async def test_a_fetch_that_is_cancelled_leaves_no_file(tmp_path: Path) -> None:
    began = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield CONTENT * 10
        began.set()
        await asyncio.sleep(600)

    async with http(lambda _request: httpx.Response(200, content=endless())) as client:
        fetching = asyncio.create_task(AgentDoor(client).fetch(BLOB, tmp_path / "archive"))
        await began.wait()
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    assert not (tmp_path / "archive").exists()


async def test_the_token_and_the_protocol_go_with_every_request_and_no_proxy_sees_them() -> None:
    async with controller.client("http://farm:8470", Secret("bg_secret")) as client:
        assert client.headers["authorization"] == "Bearer bg_secret"
        assert client.headers["boardgrid-protocol"] == "1"
        assert not client.trust_env
