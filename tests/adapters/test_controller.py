"""What the controller's doors make of answers that no controller of this release gives."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from boardgrid.adapters import controller
from boardgrid.adapters.controller import AgentDoor, GatewayDoor
from boardgrid.model.errors import Code, Conflict, FarmError, Fault, NotFound
from boardgrid.model.image import BlobSource
from boardgrid.model.user import Secret
from tests.api.door import served

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


@pytest.mark.parametrize("error", [httpx.RemoteProtocolError("disconnected"), httpx.ReadError("reset")], ids=repr)
async def test_a_connection_that_is_closed_as_it_is_used_is_no_silence(error: httpx.HTTPError) -> None:
    answers = iter([error, None])

    def answer(_request: httpx.Request) -> httpx.Response:
        if closed := next(answers):
            raise closed
        return httpx.Response(200, json={"user": "ada"})

    async with http(answer) as client:
        assert await GatewayDoor(client).user_of("ssh-ed25519 AAAA") == "ada"


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


@dataclass
class Doorman:
    """A controller that looks at nothing but the token."""

    good: str
    shown: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        assert request.headers["boardgrid-protocol"] == "1"
        self.shown.append(request.headers["authorization"])
        status, code = (404, "user.unknown") if self.shown[-1] == f"Bearer {self.good}" else (401, "token.refused")
        await JSONResponse({"code": code, "detail": "a sentence"}, status)(scope, receive, send)


@asynccontextmanager
async def at(doorman: Doorman, token: Path) -> AsyncIterator[GatewayDoor]:
    with tempfile.TemporaryDirectory() as short:
        async with (
            served(doorman, at=Path(short) / "api.sock") as where,
            controller.client(where, lambda: Secret(token.read_text())) as http,
        ):
            assert not http.trust_env  # no proxy sees the token
            yield GatewayDoor(http)


async def test_the_token_and_the_protocol_go_with_every_request(tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text("bg_first")
    async with at(doorman := Doorman("bg_first"), token) as door:
        for _time in range(2):
            assert await door.user_of("ssh-ed25519 AAAA") is None
    assert doorman.shown == ["Bearer bg_first"] * 2


async def test_a_token_that_was_given_since_is_shown_as_soon_as_the_old_one_is_refused(tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text("bg_first")
    async with at(doorman := Doorman("bg_first"), token) as door:
        assert await door.user_of("ssh-ed25519 AAAA") is None
        doorman.good = "bg_second"
        token.write_text("bg_second")
        for _time in range(2):
            assert await door.user_of("ssh-ed25519 AAAA") is None
    assert doorman.shown == ["Bearer bg_first"] * 2 + ["Bearer bg_second"] * 2


async def test_a_token_that_stays_refused_is_not_shown_again_at_once(tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text("bg_other")
    async with at(doorman := Doorman("bg_first"), token) as door:
        with pytest.raises(Fault) as error:
            await door.user_of("ssh-ed25519 AAAA")
    assert error.value.code is Code.TOKEN_REFUSED
    assert doorman.shown == ["Bearer bg_other"]


async def test_an_export_is_sent_once_more_where_the_controller_was_not_there(tmp_path: Path) -> None:
    (tmp_path / "export.tar").write_bytes(CONTENT)
    answers, came = [httpx.Response(503), None, httpx.Response(204)], list[bytes]()

    def answer(request: httpx.Request) -> httpx.Response:
        came.append(request.content)
        if (one := answers.pop(0)) is None:
            raise httpx.ConnectError("refused")
        return one

    async with http(answer) as client:
        await AgentDoor(client, pauses_s=(0, 0)).send(uuid4(), tmp_path / "export.tar")
        assert came == [CONTENT] * 3
        answers[:] = [problem(404, "errand.unknown")]
        with pytest.raises(NotFound):
            await AgentDoor(client, pauses_s=(0, 0)).send(uuid4(), tmp_path / "export.tar")
        assert len(came) == 4, "nobody wants it: that is no reason to send it again"
