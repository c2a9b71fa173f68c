"""What a provider signs is looked at closely, and one that is not as it should be is a fault."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from boardgrid.adapters.oidc import OidcProvider, OidcSettings
from boardgrid.model.errors import Code, FarmError, Fault, NotAllowed
from boardgrid.model.user import Secret

ISSUER, CLIENT, NONCE, VERIFIER = "https://sso.example.org/realms/lab", "boardgrid", "a-nonce", "v" * 64
NOW_S = 1_800_000_000
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("one", "two"))
GOOD: dict[str, Any] = {
    "iss": ISSUER, "aud": CLIENT, "sub": "4711", "nonce": NONCE, "iat": NOW_S - 5, "exp": NOW_S + 300,
    "preferred_username": "ada", "groups": ["lab"],
}  # fmt: skip


@dataclass
class Server:
    """A provider by hand, which signs what it is told to."""

    claims: dict[str, Any] = field(default_factory=lambda: dict(GOOD))
    sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)
    keys: list[RSAKey] = field(default_factory=lambda: [KEY])
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    token_error: tuple[int, dict[str, Any]] | None = None
    asked: list[httpx.Request] = field(default_factory=list)
    now_s: float = NOW_S

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        match request.url.path:
            case "/realms/lab/.well-known/openid-configuration":
                return httpx.Response(200, json=self._metadata() | self.metadata)
            case "/keys":
                return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})
            case "/token" if self.token_error:
                return httpx.Response(self.token_error[0], json=self.token_error[1])
            case "/token":
                return httpx.Response(200, json={"id_token": self.sign(self.claims), "access_token": "at"})
            case "/me":
                return httpx.Response(200, json=self.userinfo)
        return httpx.Response(404)

    def _metadata(self) -> dict[str, Any]:
        paths = {"authorization": "login", "token": "token", "userinfo": "me"}
        endpoints = {f"{name}_endpoint": f"https://sso.example.org/{path}" for name, path in paths.items()}
        return endpoints | {"issuer": ISSUER, "jwks_uri": "https://sso.example.org/keys"}

    def provider(self, **settings: Any) -> OidcProvider:
        told = OidcSettings(
            ISSUER, CLIENT, Secret("s&cret"), "https://farm/back", groups=frozenset(["lab"]), **settings
        )
        return OidcProvider(told, httpx.Client(transport=httpx.MockTransport(self.answer)), lambda: self.now_s)

    def refusal(self) -> FarmError:
        with pytest.raises(FarmError) as error:
            self.provider().person("code", NONCE, VERIFIER)
        return error.value


def test_a_login_asks_for_a_code_that_is_good_for_the_farm_alone() -> None:
    server = Server()
    provider = server.provider()
    asked = parse_qs(urlsplit(provider.login_url("a-state", NONCE, VERIFIER)).query)
    assert {key: asked[key] for key in ("response_type", "code_challenge_method", "state", "nonce", "scope")} == {
        "response_type": ["code"], "code_challenge_method": ["S256"], "state": ["a-state"], "nonce": [NONCE],
        "scope": ["openid profile"],
    }  # fmt: skip
    assert VERIFIER not in str(asked) and len(asked["code_challenge"][0]) == 43
    assert provider.person("a-code", NONCE, VERIFIER).groups == {"lab"}
    [exchange] = [one for one in server.asked if one.url.path == "/token"]
    sent = parse_qs(exchange.content.decode())
    assert (sent["code"], sent["code_verifier"]) == (["a-code"], [VERIFIER])
    assert exchange.headers["authorization"].startswith("Basic ") and "client_secret" not in sent


def test_the_secret_is_in_the_body_where_the_provider_wants_it_there() -> None:
    server = Server(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    provider = server.provider()
    provider.login_url("a-state", NONCE, VERIFIER)
    provider.person("a-code", NONCE, VERIFIER)
    [exchange] = [one for one in server.asked if one.url.path == "/token"]
    assert parse_qs(exchange.content.decode())["client_secret"] == ["s&cret"]


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"]},
        {"aud": CLIENT, "azp": "another"},
        {"iss": "https://evil.example.org"},
        {"exp": NOW_S - 120},
        {"exp": None},
        {"iat": None},
        {"nbf": NOW_S + 3600},
        {"sub": None},
        {"nonce_supported": False, "nonce": None},
        {"at_hash": "another"},
    ],
    ids=str,
)
def test_what_is_signed_for_another_login_is_refused(change: dict[str, Any]) -> None:
    server = Server()
    claims = {key: value for key, value in (server.claims | change).items() if value is not None}
    server.claims = claims
    error = server.refusal()
    assert isinstance(error, NotAllowed) and error.code is Code.LOGIN_REFUSED


def _base64(part: bytes) -> str:
    return urlsafe_b64encode(part).decode().rstrip("=")


def _unsigned(claims: dict[str, Any], alg: str = "none") -> str:
    return ".".join(_base64(json.dumps(one).encode()) for one in ({"alg": alg, "kid": "one"}, claims)) + "."


def _by_the_public_key(claims: dict[str, Any]) -> str:
    signed = _unsigned(claims, "HS256")
    return signed + _base64(hmac.digest(KEY.as_pem(private=False), signed[:-1].encode(), "sha256"))


def _by_another(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, OTHER_KEY)


@pytest.mark.parametrize("sign", [_unsigned, _by_the_public_key, _by_another, lambda _claims: "a.b.c", lambda _c: ""])
def test_what_somebody_else_signed_is_refused(sign: Callable[[dict[str, Any]], str]) -> None:
    assert Server(sign=sign).refusal().code is Code.LOGIN_REFUSED


def test_a_key_that_is_new_is_asked_for_and_one_that_is_made_up_not_each_time() -> None:
    server = Server()
    provider = server.provider()
    provider.person("code", NONCE, VERIFIER)
    server.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "two"}, claims, OTHER_KEY)
    for _again in range(3):
        with pytest.raises(NotAllowed):
            provider.person("code", NONCE, VERIFIER)
    assert len([one for one in server.asked if one.url.path == "/keys"]) == 1
    server.keys, server.now_s = [KEY, OTHER_KEY], NOW_S + 40
    assert provider.person("code", NONCE, VERIFIER).external_id == "4711"


@pytest.mark.parametrize(
    ("told", "groups"),
    [("lab", {"lab"}), (["x", 1, {}, "lab"], {"lab"}), ({"lab": 1}, set()), (None, set()), (7, set())],
)
def test_groups_are_a_text_or_a_list_of_them(told: object, groups: set[str]) -> None:
    server = Server(claims=GOOD | {"groups": told})
    assert set(server.provider().person("code", NONCE, VERIFIER).groups) == groups


def test_what_is_not_signed_along_is_asked_for_and_is_of_nobody_else() -> None:
    server = Server(userinfo={"sub": "4711", "preferred_username": "grace", "groups": ["lab"]})
    del server.claims["groups"]
    told = server.provider().person("code", NONCE, VERIFIER)
    assert (told.name, set(told.groups)) == ("ada", {"lab"}), "what is signed wins"
    server.userinfo["sub"] = "another"
    assert server.provider().person("code", NONCE, VERIFIER).groups == frozenset()
    del server.claims["preferred_username"]
    assert "preferred_username" in str(server.refusal())


@pytest.mark.parametrize(
    "server",
    [
        Server(metadata={"issuer": "https://evil.example.org"}),
        Server(metadata={"token_endpoint": None}),
        Server(metadata={"token_endpoint": "http://sso.example.org/token"}),
        Server(metadata={"jwks_uri": "file:///etc/passwd"}),
        Server(token_error=(401, {"error": "invalid_client"})),
        Server(token_error=(503, {})),
        Server(token_error=(200, {"access_token": "at"})),
    ],
    ids=range(7),
)
def test_a_provider_that_is_not_as_it_should_be_is_a_fault(server: Server) -> None:
    error = server.refusal()
    assert isinstance(error, Fault) and error.code is Code.PROVIDER_FAILED
    assert ISSUER in str(error)


def test_one_that_is_away_is_a_fault() -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    provider = OidcProvider(Server().provider().settings, httpx.Client(transport=httpx.MockTransport(away)))
    with pytest.raises(Fault, match="did not answer"):
        provider.login_url("a-state", NONCE, VERIFIER)
