"""
An identity provider that speaks OpenID Connect: the authorization code flow with PKCE.

Authlib puts requests together and judges claims, joserfc proves signatures. What goes over the wire goes by our own
httpx: Authlib's own clients are another library's by now.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from boardgrid.messages import _
from boardgrid.model.errors import Code, Fault, NotAllowed
from boardgrid.model.federation import Person
from boardgrid.model.user import Secret

# Signatures alone that nobody makes who only knows the client's secret or the public key.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_KNOWN_FOR_S = 3600.0
_KEYS_AGAIN_S = 30.0  # for a key that is new, but not for each that somebody makes up
_LEEWAY_S = 60


@dataclass(frozen=True, slots=True)
class OidcSettings:
    issuer: str
    client_id: str
    client_secret: Secret
    redirect_uri: str
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    groups: frozenset[str] = frozenset()


@dataclass(slots=True)
class OidcProvider:
    settings: OidcSettings
    http: httpx.Client
    now_s: Callable[[], float] = time.time
    _metadata: Mapping[str, Any] = field(default_factory=dict)
    _metadata_at_s: float = float("-inf")
    _keys: KeySet | None = None
    _keys_at_s: float = float("-inf")

    def login_url(self, state: str, nonce: str, verifier: str) -> str:
        mine = self.settings
        url: str = prepare_grant_uri(
            self._told("authorization_endpoint"),
            mine.client_id,
            "code",
            redirect_uri=mine.redirect_uri,
            scope=" ".join(mine.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    def person(self, code: str, nonce: str, verifier: str) -> Person:
        mine = self.settings
        token = self._exchanged(code, verifier)
        claims = self._proved(token, nonce)
        if mine.name_claim not in claims or (mine.groups and mine.groups_claim not in claims):
            claims = {**self._user_info(token, claims["sub"]), **claims}
        name = claims.get(mine.name_claim)
        if not isinstance(name, str) or not name:
            raise self._failed(_("it does not tell {claim}, by which people are called").format(claim=mine.name_claim))
        told = claims.get(mine.groups_claim, [])
        groups = told if isinstance(told, list) else [told]
        return Person(mine.issuer, str(claims["sub"]), name, frozenset(one for one in mine.groups if one in groups))

    def _exchanged(self, code: str, verifier: str) -> Mapping[str, Any]:
        mine = self.settings
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": mine.redirect_uri,
            "code_verifier": verifier,
        }
        secret = mine.client_secret.reveal()
        how: dict[str, Any] = {"data": body}
        if "client_secret_basic" in self._metadata.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            how["auth"] = (quote_plus(mine.client_id), quote_plus(secret))  # RFC 6749, 2.3.1
        else:
            how["data"] = body | {"client_id": mine.client_id, "client_secret": secret}
        status, told = self._asked("POST", self._told("token_endpoint"), **how)
        if told.get("error") == "invalid_grant":
            raise _refused()
        if status != httpx.codes.OK or "id_token" not in told:
            raise self._failed(str(told.get("error", status))[:100])
        return told

    def _proved(self, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        mine = self.settings
        try:
            signed = self._decoded(token["id_token"])
            options = {
                "iss": {"essential": True, "value": mine.issuer},
                "aud": {"essential": True, "value": mine.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            params = {"client_id": mine.client_id, "access_token": token.get("access_token"), "nonce": nonce}
            claims = CodeIDToken(signed.claims, signed.header, options, params)
            claims.validate(now=int(self.now_s()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _refused() from error
        return dict(claims)

    def _decoded(self, id_token: str) -> jwt.Token:
        try:
            return jwt.decode(id_token, self._key_set(_KNOWN_FOR_S), algorithms=_ALGORITHMS)
        except InvalidKeyIdError:
            return jwt.decode(id_token, self._key_set(_KEYS_AGAIN_S), algorithms=_ALGORITHMS)

    def _key_set(self, known_for_s: float) -> KeySet:
        if self._keys is None or self.now_s() - self._keys_at_s > known_for_s:
            status, told = self._asked("GET", self._told("jwks_uri"))
            try:
                self._keys = KeySet.import_key_set(told)  # type: ignore[arg-type]  # it is what it should be, or refused
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise self._failed(_("its keys are none ({status})").format(status=status)) from error
            self._keys_at_s = self.now_s()
        return self._keys

    def _user_info(self, token: Mapping[str, Any], sub: str) -> Mapping[str, Any]:
        if "userinfo_endpoint" not in self._metadata or "access_token" not in token:
            return {}
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        status, told = self._asked("GET", self._told("userinfo_endpoint"), headers=headers)
        # Of somebody else it could be a forged answer (OpenID Connect Core, 5.3.2).
        return told if status == httpx.codes.OK and told.get("sub") == sub else {}

    def _told(self, endpoint: str) -> str:
        mine = self.settings
        if self.now_s() - self._metadata_at_s > _KNOWN_FOR_S:
            status, told = self._asked("GET", f"{mine.issuer.rstrip('/')}/.well-known/openid-configuration")
            if told.get("issuer") != mine.issuer:
                raise self._failed(
                    _("it calls itself {name!r} ({status})").format(name=told.get("issuer"), status=status)
                )
            self._metadata, self._metadata_at_s = told, self.now_s()
        url = self._metadata.get(endpoint)
        # Told by the provider over TLS; what it tells must not lead out of it.
        if not isinstance(url, str) or urlsplit(url).scheme not in {"https", urlsplit(mine.issuer).scheme}:
            raise self._failed(_("it has no {endpoint}").format(endpoint=endpoint))
        return url

    def _asked(self, method: str, url: str, **how: Any) -> tuple[int, Mapping[str, Any]]:
        try:
            answer = self.http.request(method, url, **how)
            told = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(_("it did not answer")) from error
        except ValueError as error:
            raise self._failed(_("what it answered is no JSON")) from error
        if not isinstance(told, dict) or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise self._failed(str(answer.status_code))
        return answer.status_code, told

    def _failed(self, why: str) -> Fault:
        return Fault(
            Code.PROVIDER_FAILED,
            _("the identity provider {issuer} does not do what it should: {why}"),
            hint=_("try again in a minute; a token, or a password of the farm's own, still lets you in"),
            issuer=self.settings.issuer,
            why=why,
        )


def _refused() -> NotAllowed:
    return NotAllowed(
        Code.LOGIN_REFUSED,
        _("what the identity provider tells is not of this login"),
        hint=_("begin anew: boardgrid login URL --sso"),
    )
