"""Errors as their asker sees them: ``application/problem+json``, with a status from one table."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, FarmError, Fault, Invalid, NotAllowed, NotFound
from boardgrid.unfit import why

STATUS: dict[type[FarmError], int] = {Invalid: 422, NotAllowed: 403, NotFound: 404, Conflict: 409, Fault: 502}

# Where HTTP has a word of its own for it, that programs in between act on.
SPECIAL: dict[Code, int] = {
    Code.TOKEN_REFUSED: 401,
    Code.TOKEN_EXPIRED: 401,
    Code.METHOD_UNKNOWN: 405,
    Code.REQUEST_TOO_SLOW: 408,
    Code.REQUEST_TOO_LARGE: 413,
    Code.IMAGE_TOO_LARGE: 413,
    Code.PROTOCOL_UNSPOKEN: 426,
    Code.REQUESTS_TOO_MANY: 429,
    Code.LOGINS_TOO_MANY: 429,
    Code.BUG: 500,
    Code.RECORDS_FAILED: 503,
    Code.STORE_FULL: 507,
}

LAST = {"Connection": "close"}  # an answer to who still sends: of that, no more is read

_METHODS = ("GET", "PUT", "POST", "DELETE")
_TOLD_ERRORS = 3


class Problem(BaseModel):
    """What went wrong. *code* is for programs and never changes its meaning, *detail* and *hint* are for people."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def status_of(error: FarmError) -> int:
    if error.code in SPECIAL:
        return SPECIAL[error.code]
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def answer_to(error: FarmError, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    status = status_of(error)
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, code=error.code, detail=error.detail, hint=error.hint
    )
    told = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        told["WWW-Authenticate"] = "Bearer"
    return ProblemResponse(problem.model_dump(), status, told)


def install(app: FastAPI) -> None:
    app.add_exception_handler(FarmError, _farm_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _farm_error(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, FarmError)  # noqa: S101 - it is installed for these alone
    return answer_to(error)


async def _validation_error(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return answer_to(Invalid(Code.REQUEST_INVALID, sentence_about(error.errors())))


def sentence_about(errors: Sequence[Any]) -> str:
    """The fields that are wrong, and why, of what pydantic found."""
    told = [_one(error) for error in errors[:_TOLD_ERRORS]]
    if len(errors) > _TOLD_ERRORS:
        told.append(_("and {count} more").format(count=len(errors) - _TOLD_ERRORS))
    return "; ".join(told)


def _one(error: Mapping[str, Any]) -> str:
    place, *path = error["loc"]
    if error["type"] == "json_invalid":
        return _("the body is no JSON: {why} at character {at}").format(why=error["ctx"]["error"], at=path[0])
    if not path:
        return _("the body: {why}").format(why=why(error))
    field = ".".join(str(word)[:40] for word in path)
    if place == "body":
        return f"{field}: {why(error)}"
    return _("{field} in the {place}: {why}").format(field=field, place=place, why=why(error))


async def _http_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    path = request.url.path[:200]
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return answer_to(NotFound(Code.ROUTE_UNKNOWN, _("there is nothing at {path}"), path=path))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(_methods_of(request))
            problem = NotFound(
                Code.METHOD_UNKNOWN,
                _("{method} is nothing that {path} knows"),
                hint=_("it knows {allowed}"),
                method=request.method[:20],
                path=path,
                allowed=allowed,
            )
            return answer_to(problem, {"Allow": allowed})
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return answer_to(too_large(), LAST)
        case HTTPStatus.REQUEST_TIMEOUT:
            return answer_to(_too_slow(), LAST)
        case _:
            return answer_to(Invalid(Code.REQUEST_INVALID, _("the body cannot be read")))


def too_large() -> Invalid:
    return Invalid(Code.REQUEST_TOO_LARGE, _("the body of this request is larger than any that is needed"))


def _too_slow() -> Conflict:
    return Conflict(
        Code.REQUEST_TOO_SLOW,
        _("the body of this request did not come in time"),
        hint=_("send it again, over a faster line"),
    )


def _methods_of(request: Request) -> list[str]:
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
