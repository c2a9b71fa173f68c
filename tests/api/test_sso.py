"""A login in a browser, over HTTP, at a real provider."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import oidc_provider_mock
import pytest

from boardgrid.adapters.oidc import OidcProvider, OidcSettings
from boardgrid.api.spool import Spool
from boardgrid.client.complaint import Complaint
from boardgrid.client.farm import Farm
from boardgrid.client.sso import Ear
from boardgrid.client.sso import Secret as Begun
from boardgrid.daemon.wiring.federation import CALLBACK
from boardgrid.model.federation import Enrolment
from boardgrid.model.user import Role, Secret
from tests.api.door import Door, served
from tests.services.house import House, records_with

ENROLMENT = Enrolment(create=True, role=None, groups={Role.OPERATOR: frozenset({"lab"})})


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = [
        oidc_provider_mock.User(sub="4711", claims={"preferred_username": "Grace", "groups": ["lab"]}),
        oidc_provider_mock.User(sub="4712", claims={"preferred_username": "eve", "groups": ["others"]}),
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@dataclass
class Served:
    url: str
    door: Door


@asynccontextmanager
async def served_with(issuer: str, folder: Path) -> AsyncIterator[Served]:
    with records_with(boards=1) as records:
        door = Door(House(records), Spool(folder / "spool"))
        async with served(door.app) as url:
            settings = OidcSettings(issuer, "boardgrid", Secret("s"), url + CALLBACK, groups=frozenset({"lab"}))
            with httpx.Client() as http:
                door.house = House(records, provider=(OidcProvider(settings, http), ENROLMENT))
                assert door.app.state.farm is door.house.farm
                yield Served(url, door)


def browse(url: str, sub: str = "4711") -> httpx.Response:
    """As a browser does: log in, and go wherever one is sent."""
    return httpx.post(url, data={"sub": sub}, follow_redirects=True)


def log_in(url: str, sub: str) -> tuple[str, str]:
    """As the command line does; the browser is a thread of its own."""
    secret = Begun()
    with Farm(url) as farm, Ear() as ear, ThreadPoolExecutor(1) as elsewhere:
        assert farm.can_sso()
        page = elsewhere.submit(browse, farm.begin_sso(secret.challenge, ear.return_to, label="laptop"), sub)
        code = ear.code(20)
        assert page.result().status_code == 200 and "Back to the terminal" in page.result().text
        with Farm(url, farm.finish_sso(code, secret.verifier).token) as mine:
            me = mine.me()
        return me.name, me.role


async def test_who_logs_in_at_the_provider_comes_in_with_the_role_of_their_group(issuer: str, tmp_path: Path) -> None:
    async with served_with(issuer, tmp_path) as here:
        assert await asyncio.to_thread(log_in, here.url, "4711") == ("grace", "operator")


async def test_who_is_let_in_by_no_group_is_told_where_they_began(issuer: str, tmp_path: Path) -> None:
    async with served_with(issuer, tmp_path) as here:
        with pytest.raises(Complaint, match="in none of the groups") as error:
            await asyncio.to_thread(log_in, here.url, "4712")
    assert error.value.code == "account.missing"


@pytest.mark.slow
async def test_without_a_browser_of_ones_own_the_code_is_shown_and_good_for_oneself_alone(
    issuer: str, tmp_path: Path
) -> None:
    secret = Begun()

    def go(url: str) -> str:
        with Farm(url) as farm:
            page = browse(farm.begin_sso(secret.challenge))
            assert page.headers["content-type"].startswith("text/plain")
            assert page.headers["referrer-policy"] == "no-referrer" and page.headers["cache-control"] == "no-store"
            assert "nowhere else" in page.text
            code = page.text.split()[-1]
            token = farm.finish_sso(code, secret.verifier).token
            with pytest.raises(Complaint):
                farm.finish_sso(code, secret.verifier)
            again = browse(str(page.url)), browse(farm.begin_sso(secret.challenge), "4712")
            assert [one.status_code for one in again] == [405, 403]
            assert httpx.get(page.url).status_code == 403, "nobody comes back twice"
            return token

    async with served_with(issuer, tmp_path) as here:
        token = await asyncio.to_thread(go, here.url)
        assert token.startswith("bg_")


async def test_who_denies_it_at_the_provider_is_sent_back_with_the_reason(issuer: str, tmp_path: Path) -> None:
    def go(url: str) -> dict[str, str]:
        back = "http://127.0.0.1:9/none"
        with Farm(url) as farm:
            where = farm.begin_sso(Begun().challenge, back)
        state = dict(parse_qsl(urlsplit(where).query))["state"]
        answer = httpx.get(url + CALLBACK, params={"state": state, "error": "access_denied"})
        assert answer.status_code == 303 and answer.headers["location"].startswith(back + "?")
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async with served_with(issuer, tmp_path) as here:
        told = await asyncio.to_thread(go, here.url)
    assert told["error"] == "login.refused" and "access_denied" in told["detail"]
