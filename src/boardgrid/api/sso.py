"""Single sign-on: a login in a browser, at an identity provider that the farm trusts."""

from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from boardgrid.api.answers import LoginWaysOut, NewUserOut, SsoBegunOut
from boardgrid.api.asking import Origin, TheFarm, elsewhere
from boardgrid.api.bodies import SsoBeginIn, SsoFinishIn
from boardgrid.api.problem import status_of
from boardgrid.messages import _
from boardgrid.services.sso import Returned

router = APIRouter(prefix="/login", tags=["account"])

_QUIET = {"Referrer-Policy": "no-referrer"}  # the address that a browser leaves has the code in it
Told = Annotated[str, Query(max_length=4000)]


@router.get("")
def login_ways(farm: TheFarm) -> LoginWaysOut:
    """How one may log in besides by name and password."""
    return LoginWaysOut(sso=farm.sso.is_offered)


@router.post("/oidc", status_code=201)
async def begin_sso(body: SsoBeginIn, farm: TheFarm, origin: Origin) -> SsoBegunOut:
    """Begin a login at the identity provider. It is under way for ten minutes."""
    begin = partial(farm.sso.begin, body.challenge, body.return_to, label=body.label, origin=origin)
    return SsoBegunOut(url=await elsewhere(begin))


@router.get("/oidc/callback", response_class=PlainTextResponse, responses={303: {"description": "Back to the asker."}})
async def come_back(farm: TheFarm, origin: Origin, state: Told = "", code: Told = "", error: Told = "") -> Response:
    """Where the identity provider sends browsers; they go on to whoever began the login, or are shown the code."""
    returned = await elsewhere(partial(farm.sso.come_back, state, code, error, origin=origin))
    return _sent_on(returned) if returned.return_to else _shown(returned)


@router.post("/oidc/token", status_code=201)
def finish_sso(body: SsoFinishIn, farm: TheFarm, origin: Origin) -> NewUserOut:
    """A token for the code of a login, for whoever began it. A code is good once."""
    return NewUserOut.of(*farm.sso.finish(body.code, body.verifier, origin=origin))


def _sent_on(returned: Returned) -> Response:
    told = {"code": returned.code.reveal()} if returned.code else {}
    if trouble := returned.trouble:
        told = {"error": trouble.code, "detail": trouble.detail, "hint": trouble.hint}
    return RedirectResponse(f"{returned.return_to}?{urlencode(told)}", 303, _QUIET)


def _shown(returned: Returned) -> Response:
    if trouble := returned.trouble:
        return PlainTextResponse(f"{trouble.detail}\n{trouble.hint}\n", status_of(trouble), _QUIET)
    assert returned.code is not None  # noqa: S101 - one of the two is there
    text = _(
        "Type this code where you began to log in, and nowhere else: whoever asks you for it would come in as you.\n\n"
        "{code}\n"
    ).format(code=returned.code.reveal())
    return PlainTextResponse(text, headers=_QUIET)
