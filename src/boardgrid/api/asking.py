"""Who asks, and of what farm: what each route is given before it begins."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Header, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from boardgrid.api.spool import Spool
from boardgrid.api.streams import Streams
from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed
from boardgrid.model.user import Asker as Person
from boardgrid.model.user import Audience
from boardgrid.ports import PROTOCOL
from boardgrid.services.farm import Farm
from boardgrid.services.fleet import PROTOCOLS

T = TypeVar("T")

# A password takes a tenth of a second and 64 MiB to look at: so many at once, and no more may wait for their turn.
_HASHING = CapacityLimiter(2)
_MOST_WAIT = 50
# Who asks an identity provider waits for it: in few threads of many.
_ELSEWHERE = CapacityLimiter(4)

_bearer = HTTPBearer(auto_error=False, description="A token `bg_<id>_<secret>`, as it was shown once.")


async def _farm(request: Request) -> Farm:
    farm: Farm = request.app.state.farm
    return farm


async def _spool(request: Request) -> Spool:
    spool: Spool = request.app.state.spool
    return spool


async def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


async def _token(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    if given is None:
        raise NotAllowed(
            Code.TOKEN_REFUSED,
            _("this needs a token"),
            hint=_("send it as the header `Authorization: Bearer bg_...`; `boardgrid login` keeps it for you"),
        )
    return given.credentials


TheFarm = Annotated[Farm, Depends(_farm)]
TheSpool = Annotated[Spool, Depends(_spool)]
TheStreams = Annotated[Streams, Depends(_streams)]
Token = Annotated[str, Depends(_token)]


async def _origin(request: Request) -> str:
    # No header of a proxy: nobody stands between us and who asks, and anybody could write one.
    return (request.client.host if request.client else "") or "unix"


Origin = Annotated[str, Depends(_origin)]


def _asker(token: Token, farm: TheFarm, origin: Origin) -> Person:
    return farm.tokens.asker(token, origin)


def _site_of_agent(token: Token, farm: TheFarm) -> str:
    return farm.accounts.site_of(token, Audience.AGENT)


def _site_of_gateway(
    token: Token, farm: TheFarm, boardgrid_protocol: Annotated[int, Header(ge=0, le=10**6)] = PROTOCOL
) -> str:
    site = farm.accounts.site_of(token, Audience.GATEWAY)
    if boardgrid_protocol not in PROTOCOLS:
        raise Conflict(
            Code.PROTOCOL_UNSPOKEN,
            _("this controller does not speak protocol {protocol} with gateways"),
            hint=_("bring gateway and controller to neighbouring releases"),
            protocol=boardgrid_protocol,
        )
    return site


async def check_token(request: Request) -> None:
    """
    Whether the token of a request opens the door that it knocks at. Its route asks again, once its body is here.

    Raises:
        NotAllowed: TOKEN_REFUSED.
    """
    token, farm, path = await _token(await _bearer(request)), await _farm(request), request.scope["path"]
    if path.startswith("/api/agent/"):
        await run_in_threadpool(_site_of_agent, token, farm)
    elif path.startswith("/api/gateway/"):
        await run_in_threadpool(_site_of_gateway, token, farm)
    else:
        await run_in_threadpool(_asker, token, farm, await _origin(request))


async def hashing(work: Callable[[], T]) -> T:
    """
    Run what looks at a password, in a thread: who waits for their turn keeps none.

    Raises:
        Conflict: LOGINS_TOO_MANY, so many wait already.
    """
    return await _in_turn(work, _HASHING)


async def elsewhere(work: Callable[[], T]) -> T:
    """
    Run what asks an identity provider, in a thread.

    Raises:
        Conflict: LOGINS_TOO_MANY, so many wait already.
    """
    return await _in_turn(work, _ELSEWHERE)


async def _in_turn(work: Callable[[], T], limiter: CapacityLimiter) -> T:
    if limiter.statistics().tasks_waiting >= _MOST_WAIT:
        raise Conflict(
            Code.LOGINS_TOO_MANY, _("too many people log in at this moment"), hint=_("try again in some seconds")
        )
    return await to_thread.run_sync(work, limiter=limiter)


def declared_bytes(request: Request) -> int | None:
    """
    How long the body of an upload is said to be.

    Raises:
        Invalid: REQUEST_INVALID.
    """
    declared = request.headers.get("content-length")
    if declared is None:
        return None
    if not (declared.isascii() and declared.isdigit() and len(declared) < 20):
        raise Invalid(Code.REQUEST_INVALID, _("Content-Length is no number of bytes"))
    return int(declared)


Asker = Annotated[Person, Depends(_asker)]
AgentSite = Annotated[str, Depends(_site_of_agent)]
GatewaySite = Annotated[str, Depends(_site_of_gateway)]

# SQL's integers end at 2**63, those of other people's JSON at 2**53.
Number = Annotated[int, Path(ge=0, le=2**53)]
After = Annotated[int, Query(ge=0, le=2**53, description="Only what comes after this number.")]
Epoch = Annotated[int, Query(ge=0, le=2**53, description="Of the lease.")]
WaitS = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="How long the answer may be held back.")]
