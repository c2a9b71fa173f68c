"""An identity provider tells of who logged in, once, and of nobody for what belongs to another login."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest

from boardgrid.adapters.oidc import OidcProvider, OidcSettings
from boardgrid.model.errors import Code, NotAllowed
from boardgrid.model.user import Secret
from boardgrid.ports import IdentityProvider
from boardgrid.testing import FakeProvider

BACK = "https://farm.example.org/back"
GROUPS = frozenset(("farm-admins", "lab"))


@dataclass
class Case:
    provider: IdentityProvider
    browse: Callable[[str], tuple[str, str]]  # log in as ada, and come back with state and code


def _people() -> list[oidc_provider_mock.User]:
    claims: dict[str, object] = {"preferred_username": "Ada@example.org", "groups": ["lab", "others"]}
    return [oidc_provider_mock.User(sub="4711", claims=claims)]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread(user_claims=_people(), require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


def _browse(url: str) -> tuple[str, str]:
    answer = httpx.post(url, data={"sub": "4711"})
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    return asked["state"][0], asked["code"][0]


@pytest.fixture(params=["fake", "provider"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "fake":
        fake = FakeProvider()
        yield Case(fake, lambda url: fake.browse(url, "4711", "Ada@example.org", "lab"))
        return
    settings = OidcSettings(request.getfixturevalue("issuer"), "boardgrid", Secret("s3c:r&t"), BACK, groups=GROUPS)
    with httpx.Client() as http:
        yield Case(OidcProvider(settings, http), _browse)


def test_who_logged_in_is_told_once(case: Case) -> None:
    state, code = case.browse(case.provider.login_url("a-state", "a-nonce", "v" * 43))
    assert state == "a-state"
    ada = case.provider.person(code, "a-nonce", "v" * 43)
    assert (ada.external_id, ada.name, ada.name_here, set(ada.groups)) == ("4711", "Ada@example.org", "ada", {"lab"})
    assert ada.source.startswith("http")
    with pytest.raises(NotAllowed) as error:
        case.provider.person(code, "a-nonce", "v" * 43)
    assert error.value.code is Code.LOGIN_REFUSED


def test_a_code_of_another_login_is_refused(case: Case) -> None:
    _state, code = case.browse(case.provider.login_url("a-state", "a-nonce", "v" * 43))
    for wrong, nonce in ((code, "another"), ("made-up", "a-nonce")):
        with pytest.raises(NotAllowed) as error:
            case.provider.person(wrong, nonce, "v" * 43)
        assert error.value.code is Code.LOGIN_REFUSED
