"""
The controller's doors for agents and gateways, over HTTP: a Unix socket on one machine, TCP between two.

    async with client("unix:/var/lib/boardgrid/run/controller.sock", read_token) as http:
        agent_door = AgentDoor(http)
"""

import asyncio
import errno
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import structlog
from pydantic import TypeAdapter, ValidationError

from boardgrid.finishing import whole
from boardgrid.messages import _
from boardgrid.model.errand import Progress
from boardgrid.model.errors import Code, Conflict, FarmError, Fault, Invalid, NotFound
from boardgrid.model.image import BlobSource
from boardgrid.model.report import Report
from boardgrid.model.user import Secret
from boardgrid.model.wish import Lease, SiteWishes
from boardgrid.ports import PROTOCOL, Holdings, Route, Tell, Use, untold

log = structlog.get_logger()

T = TypeVar("T")

_ANSWER_S = 15.0  # beyond what an answer may be held back
_REPORTS_AT_ONCE = 200
# The controller closes a connection that is idle for 5 s; one of ours must never be used at that very moment.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
_CHUNK_BYTES = 1 << 20
_SENT_ANSWER_S = 120.0  # until it is on the controller's disk
_TOLD_EVERY_S = 1.0
_PASSING = frozenset({Code.CONTROLLER_SILENT, Code.UPLOAD_BROKEN})
_Kinds = Mapping[int, type[FarmError]]
_KINDS: _Kinds = {404: NotFound, 409: Conflict, 426: Conflict}
_KINDS_OF_REPORTS: _Kinds = {**_KINDS, 400: Invalid, 413: Invalid, 422: Invalid}  # one of them will never be taken


@dataclass(frozen=True, slots=True)
class _Known:
    user: str


@dataclass(frozen=True, slots=True)
class _Held:
    key: str
    board: str


@dataclass(frozen=True, slots=True)
class _Changes:
    version: int
    live: tuple[_Held, ...]


_LEASE = TypeAdapter(Lease)
_WISHES = TypeAdapter(SiteWishes)
_REPORTS = TypeAdapter(list[Report])
_KNOWN = TypeAdapter(_Known)
_ROUTE = TypeAdapter(Route)
_CHANGES = TypeAdapter(_Changes)


class _Token(httpx.Auth):
    """Shown with each request. One that is refused is read again, once, for the farm may have given another since."""

    def __init__(self, read: Callable[[], Secret]) -> None:
        self._read = read
        self._token: Secret | None = None

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        shown = self._token = self._token or await self._read_again()
        answer = yield _showing(shown, request)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = await self._read_again()
            if self._token.reveal() != shown.reveal():
                yield _showing(self._token, request)

    async def _read_again(self) -> Secret:
        return await asyncio.to_thread(self._read)


def _showing(token: Secret, request: httpx.Request) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.reveal()}"
    return request


def client(where: str, token: Callable[[], Secret]) -> httpx.AsyncClient:
    """
    A connection to the controller; whoever asks for it closes it.

    Args:
        where: ``http://farm:8470``, ``https://...`` or ``unix:/path/of/controller.sock``.
        token: reads what this site was given; what it raises goes to whoever asks the controller.
    """
    socket = where.removeprefix("unix:") if where.startswith("unix:") else None
    return httpx.AsyncClient(
        # Authorities are read only where there may be something to prove: that takes long.
        transport=httpx.AsyncHTTPTransport(verify=not where.startswith(("http:", "unix:")), uds=socket, limits=_LIMITS),
        base_url="http://controller" if socket else where,
        auth=_Token(token),
        headers={"BoardGrid-Protocol": str(PROTOCOL)},
        timeout=_ANSWER_S,
        trust_env=False,  # a proxy that somebody's shell names is not between the farm's own processes
    )


@dataclass(frozen=True, slots=True)
class AgentDoor:
    """
    Answers the ports ``Controller`` and ``Blobs``.

    Args:
        pauses_s: before an export is sent once more, for packing it anew takes longer.
    """

    http: httpx.AsyncClient
    pauses_s: Sequence[float] = (1.0, 5.0, 15.0, 60.0)

    async def lease(self, instance: UUID) -> Lease:
        body = {"instance": str(instance), "protocol": PROTOCOL}
        return await _asked(_LEASE, self.http, "POST", "/api/agent/v1/lease", json=body)

    async def wishes(self, epoch: int, after: int, wait_s: float) -> SiteWishes:
        params = {"epoch": epoch, "after": after, "wait_s": wait_s}
        return await _asked(
            _WISHES, self.http, "GET", "/api/agent/v1/wishes", params=params, timeout=wait_s + _ANSWER_S
        )

    async def report(self, epoch: int, reports: Sequence[Report]) -> None:
        for first in range(0, len(reports), _REPORTS_AT_ONCE):
            try:
                batch = _REPORTS.dump_python(list(reports[first : first + _REPORTS_AT_ONCE]), mode="json")
                body = json.dumps({"epoch": epoch, "reports": batch}, ensure_ascii=False).encode()
            except ValueError as error:  # text that is none: half a surrogate pair
                raise Invalid(Code.REQUEST_INVALID, _("a report cannot be written down: {why}"), why=error) from error
            headers = {"Content-Type": "application/json"}
            await _answer(self.http, "POST", "/api/agent/v1/reports", _KINDS_OF_REPORTS, content=body, headers=headers)

    async def fetch(self, blob: BlobSource, to: Path) -> None:
        try:
            async with self.http.stream("GET", f"/api/agent/v1/blobs/{blob.sha256}") as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _broken(blob, str(_refused(answer)))
                arrived = await _written(answer.aiter_bytes(_CHUNK_BYTES), to)
            if arrived != blob.sha256:
                raise _broken(blob, _("what came has the SHA-256 {sum}").format(sum=arrived))
        except BaseException as error:
            await whole(to.unlink, missing_ok=True)
            match error:
                case httpx.HTTPError():
                    raise _broken(blob, str(error) or type(error).__name__) from error
                case OSError(errno=errno.ENOSPC | errno.EDQUOT):
                    raise Fault(
                        Code.STORE_FULL, _("the disk has no room for upload {blob}"), blob=blob.sha256
                    ) from error
                case OSError():
                    raise _broken(blob, str(error)) from error
            raise

    async def send(self, errand: UUID, file: Path, tell: Tell = untold) -> None:
        for pause_s in self.pauses_s:
            try:
                await self._send(errand, file, tell)
            except Fault as error:
                if error.code not in _PASSING:
                    raise
                log.warning("export.delayed", why=str(error))
                await asyncio.sleep(pause_s)
            else:
                return
        await self._send(errand, file, tell)

    async def _send(self, errand: UUID, file: Path, tell: Tell) -> None:
        size_bytes = (await asyncio.to_thread(file.stat)).st_size

        async def pieces() -> AsyncIterator[bytes]:
            sent, told_s = 0, 0.0
            opened = await asyncio.to_thread(file.open, "rb")
            try:
                while piece := await asyncio.to_thread(opened.read, _CHUNK_BYTES):
                    yield piece
                    sent += len(piece)
                    if (now_s := asyncio.get_running_loop().time()) - told_s >= _TOLD_EVERY_S:
                        told_s = now_s
                        tell(Progress("sending", sent, size_bytes))
            finally:
                await asyncio.to_thread(opened.close)

        headers = {"Content-Length": str(size_bytes)}
        try:
            answer = await self.http.put(
                f"/api/agent/v1/errands/{errand}/content", content=pieces(), headers=headers, timeout=_SENT_ANSWER_S
            )
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Fault(
                Code.UPLOAD_BROKEN, _("the export did not come whole to the controller: {why}"), why=why
            ) from error
        if not answer.is_success:
            raise _refused(answer)


@dataclass(frozen=True, slots=True)
class GatewayDoor:
    """Answers the port ``Doorkeeper``."""

    http: httpx.AsyncClient

    async def hello(self, host: str, port: int, host_key: str) -> None:
        body = {"host": host, "port": port, "host_key": host_key}
        await _answer(self.http, "POST", "/api/gateway/v1/hello", json=body)

    async def user_of(self, key: str) -> str | None:
        try:
            return (await _asked(_KNOWN, self.http, "POST", "/api/gateway/v1/key", json={"key": key})).user
        except NotFound as error:
            _check_is(Code.USER_UNKNOWN, error)
            return None

    async def route(self, key: str, board: str) -> Route | None:
        body = {"key": key, "board": board}
        try:
            return await _asked(_ROUTE, self.http, "POST", "/api/gateway/v1/route", json=body)
        except NotFound as error:
            _check_is(Code.ROUTE_UNKNOWN, error)
            return None

    async def holdings(self, after: int, wait_s: float) -> Holdings:
        params = {"after": after, "wait_s": wait_s}
        told = await _asked(
            _CHANGES, self.http, "GET", "/api/gateway/v1/changes", params=params, timeout=wait_s + _ANSWER_S
        )
        return Holdings(told.version, frozenset((held.key, held.board) for held in told.live))

    async def activity(self, uses: Sequence[Use]) -> None:
        told = [{"board": use.board, "sessions": use.sessions, "quiet_s": use.quiet_s} for use in uses]
        await _answer(self.http, "POST", "/api/gateway/v1/activity", json={"uses": told})


async def _asked(kind: TypeAdapter[T], http: httpx.AsyncClient, method: str, path: str, **how: Any) -> T:
    """
    Ask, and read the answer.

    Raises:
        Conflict: the controller refused for now; the code says why.
        NotFound: there is no such thing.
        Fault: CONTROLLER_SILENT, there is no answer that could be read; or the code it was refused with.
    """
    answer = await _answer(http, method, path, **how)
    try:
        return kind.validate_json(answer.content)
    except ValidationError as error:
        raise Fault(
            Code.CONTROLLER_SILENT,
            _("what answers at {path} does not speak as this release's controller does: {why}"),
            path=path,
            why=error.errors()[0]["msg"],
        ) from error


async def _answer(
    http: httpx.AsyncClient, method: str, path: str, kinds: _Kinds = _KINDS, **how: Any
) -> httpx.Response:
    try:
        try:
            answer = await http.request(method, path, **how)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A kept connection was closed at this very moment. Every call of these doors may be made twice.
            answer = await http.request(method, path, **how)
    except httpx.HTTPError as error:
        raise Fault(
            Code.CONTROLLER_SILENT,
            _("the controller does not answer: {why}"),
            why=str(error) or type(error).__name__,
        ) from error
    if not answer.is_success:
        raise _refused(answer, kinds)
    return answer


def _refused(answer: httpx.Response, kinds: _Kinds = _KINDS) -> FarmError:
    try:
        problem = answer.json()
        code, detail, hint = Code(problem["code"]), str(problem["detail"]), str(problem.get("hint", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        # A proxy, or a release with a code that this one does not have.
        return Fault(
            Code.CONTROLLER_SILENT, _("the controller answered with status {status}"), status=answer.status_code
        )
    return kinds.get(answer.status_code, Fault)(code, detail, hint=hint)


def _check_is(code: Code, error: NotFound) -> None:
    """*Nobody* and *nowhere* are answers; that the site or the door itself is not there is none."""
    if error.code is not code:
        raise Fault(error.code, error.detail, hint=error.hint) from error


async def _written(chunks: AsyncIterator[bytes], to: Path) -> str:
    digest = hashlib.sha256()
    file = await asyncio.to_thread(to.open, "wb")
    try:
        async for chunk in chunks:
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    return digest.hexdigest()


def _broken(blob: BlobSource, why: str) -> Fault:
    return Fault(
        Code.UPLOAD_BROKEN, _("upload {blob} did not come whole from the controller: {why}"), blob=blob.sha256, why=why
    )
