"""What every request and answer has around it: a limit, headers, and an end even where we have a bug."""

from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from boardgrid.api.problem import answer_to, too_large
from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault

log = structlog.get_logger(__name__)

BODY_BYTES = 1 << 20  # an inventory of a thousand boards is a third of that
REPORTS_BYTES = 16 << 20  # what an agent tells after a day without its controller, console lines and all


class Envelope:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        limit = _limit_of(scope)
        try:
            if limit is not None and _declared_bytes(scope) > limit:
                await answer_to(too_large(), {"Connection": "close"})(scope, receive, answer.send)
                return
            await self._app(scope, receive if limit is None else _limited(receive, limit), answer.send)
        except ClientDisconnect:
            log.info("request.left", path=scope["path"][:200])
        except Exception:
            bug = uuid4().hex[:12]
            log.exception("request.bug", bug=bug, method=scope["method"], path=scope["path"][:200])
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


def _limit_of(scope: Scope) -> int | None:
    path = scope["path"]
    if path.startswith("/api/v1/images/") and path.endswith("/content"):
        return None  # the upload counts for itself
    return REPORTS_BYTES if path == "/api/agent/v1/reports" else BODY_BYTES


def _declared_bytes(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "0")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 0


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413)  # the one kind that the framework lets through while it reads a body
        return message

    return limited
