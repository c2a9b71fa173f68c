"""What every request and answer has around it: limits, headers, and an end even where we have a bug."""

import asyncio
import re
import sys
from http import HTTPStatus
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from boardgrid.api.asking import check_token
from boardgrid.api.problem import LAST, answer_to, too_large
from boardgrid.messages import _
from boardgrid.model.errors import Code, FarmError, Fault

log = structlog.get_logger(__name__)

STRANGER_BYTES = 64 << 10  # what anybody may have us keep in memory; with more comes a token that is good for it
BODY_BYTES = 1 << 20  # an inventory of a thousand boards is a third of that
REPORTS_BYTES = 16 << 20  # what an agent tells after a day without its controller, console lines and all
BODY_S = 60.0  # how long it may take until all of it is here


# Of a feed's address: it is all that it takes to read it.
_SECRET = re.compile(r"(?<=_[0-9a-f]{16})_[A-Za-z0-9_-]{43}")


class Envelope:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if (most_bytes := _most_bytes(scope)) is not None:
                try:
                    await _check_large(scope, most_bytes)
                except FarmError as error:
                    await answer_to(error, LAST)(scope, receive, answer.send)
                    return
                receive = _Body(receive, most_bytes).receive
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            log.info("request.left", path=shown(scope["path"]))
        except Exception:
            bug = uuid4().hex[:12]
            log.exception("request.bug", bug=bug, method=scope["method"], path=shown(scope["path"]))
            if answer.has_begun:
                raise  # the half answer must not look whole: the connection is broken off
            await answer_to(
                Fault(
                    Code.BUG,
                    _("the farm has met a bug of its own; its log has the whole of it under {bug}"),
                    bug=bug,
                )
            )(scope, receive, answer.send)


class _Answer:
    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("X-Content-Type-Options", "nosniff")
        await self._send(message)


class _Body:
    """Comes in pieces, and no more of them and no later than it may."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._left_bytes = most_bytes
        self._until_s: float | None = None
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        if self._until_s is None:
            self._until_s = asyncio.get_running_loop().time() + BODY_S
        # Of what is raised here, these alone get through the framework while it reads a body.
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from error
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._is_whole = not message.get("more_body", False)
        return message


def _most_bytes(scope: Scope) -> int | None:
    path = scope["path"]
    is_image = path.startswith(("/api/v1/images/", "/api/agent/v1/errands/")) and path.endswith("/content")
    if is_image or path.startswith("/api/v1/kit-files/"):
        return None  # the upload asks for the token before it reads, and counts for itself
    return REPORTS_BYTES if path == "/api/agent/v1/reports" else BODY_BYTES


async def _check_large(scope: Scope, most_bytes: int) -> None:
    """
    The framework reads a body before it has us ask whose it is, so of one that may be large this asks.

    Raises:
        Invalid: REQUEST_TOO_LARGE, for whomever.
        NotAllowed: TOKEN_REFUSED.
    """
    headers = Headers(scope=scope)
    declared_bytes = _number(headers.get("content-length", "0"))
    if declared_bytes > most_bytes:
        raise too_large()
    if declared_bytes > STRANGER_BYTES or "transfer-encoding" in headers:
        await check_token(Request(scope))


def _number(declared: str) -> int:
    """What is no number is more than any."""
    is_one = declared.isascii() and declared.isdigit() and len(declared) < 20
    return int(declared) if is_one else sys.maxsize


def shown(path: str) -> str:
    """As it may stand in a log."""
    return _SECRET.sub("_***", path)[:200]
