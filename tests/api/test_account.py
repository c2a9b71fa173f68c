"""How one comes in over HTTP, and what one has of one's own there."""

import asyncio
import tempfile
from pathlib import Path

import httpx

from boardgrid.services.attempts import OF_ONE_AT_ONE_ADDRESS
from tests.api.door import Door, served
from tests.services.house import KEY_A

GOOD, OTHER = "correct horse battery", "staple of the horse"
LOGIN = "/api/v1/login"


async def with_password(door: Door) -> None:
    answer = await door.ask("user", "PUT", "/api/v1/me/password", json={"new": GOOD})
    assert answer.status_code == 204


async def test_a_name_and_a_password_give_a_token_that_knows_from_where(door: Door) -> None:
    await with_password(door)
    answer = await door.ask("nobody", "POST", LOGIN, json={"name": "ada", "password": GOOD, "label": "laptop"})
    assert answer.status_code == 201
    door.tokens["login"] = answer.json()["token"]
    tokens = (await door.ask("login", "GET", "/api/v1/tokens")).json()
    [login] = [one for one in tokens if one["is_login"]]
    assert (login["label"], login["origin"], login["scope"]) == ("laptop", "127.0.0.1", "all")
    me = (await door.ask("login", "GET", "/api/v1/me")).json()
    assert (me["name"], me["token"], me["scope"]) == ("ada", login["id"], "all")
    assert not {"digest", "hash", "password"} & set(login) and GOOD not in answer.text


async def test_a_wrong_password_is_refused_and_then_no_more_is_tried(door: Door) -> None:
    await with_password(door)
    wrong = {"name": "ada", "password": OTHER}
    for _again in range(OF_ONE_AT_ONE_ADDRESS):
        answer = await door.ask("nobody", "POST", LOGIN, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "login.refused")
    answer = await door.ask("nobody", "POST", LOGIN, json=wrong | {"password": GOOD})
    assert (answer.status_code, answer.json()["code"]) == (429, "login.too_many")
    assert " s;" in answer.json()["hint"]
    audited = (await door.ask("admin", "GET", "/api/v1/audit?thing=user:ada")).json()
    failures = [one for one in audited if one["act"] == "login.fail"]
    assert len(failures) == OF_ONE_AT_ONE_ADDRESS and failures[0]["origin"] == "127.0.0.1"


async def test_many_logins_at_once_park_no_thread(door: Door) -> None:
    logins = [
        door.ask("nobody", "POST", LOGIN, json={"name": f"user{number}", "password": OTHER}) for number in range(80)
    ]
    *answers, me = await asyncio.gather(*logins, door.ask("user", "GET", "/api/v1/me"))
    assert me.status_code == 200
    assert {answer.status_code for answer in answers} <= {403, 429}


async def test_who_is_invited_comes_in(door: Door) -> None:
    made = (await door.ask("admin", "POST", "/api/v1/invitations", json={"role": "guest"})).json()
    open_ = (await door.ask("admin", "GET", "/api/v1/invitations")).json()
    assert [one["id"] for one in open_] == [made["id"]] and "code" not in open_[0]
    body = {"code": made["code"], "name": "linus", "password": GOOD}
    answer = await door.ask("nobody", "POST", "/api/v1/invitations/accept", json=body)
    assert (answer.status_code, answer.json()["user"]["role"]) == (201, "guest")
    door.tokens["linus"] = answer.json()["token"]
    assert (await door.ask("linus", "GET", "/api/v1/me")).json()["name"] == "linus"


async def test_nobody_chooses_their_own_role(door: Door) -> None:
    made = (await door.ask("admin", "POST", "/api/v1/invitations", json={})).json()
    body = {"code": made["code"], "name": "linus", "password": GOOD, "role": "admin"}
    assert (await door.ask("nobody", "POST", "/api/v1/invitations/accept", json=body)).status_code == 422


async def test_keys_are_told_by_their_fingerprints(door: Door) -> None:
    keys = (await door.ask("user", "GET", "/api/v1/me/ssh-keys")).json()
    assert keys[0]["ssh_key"] == KEY_A
    path = f"/api/v1/me/ssh-keys/{keys[0]['fingerprint']}"
    assert (await door.ask("user", "DELETE", path)).status_code == 204
    assert (await door.ask("user", "GET", "/api/v1/me/ssh-keys")).json() == []


async def test_who_comes_by_the_unix_socket_comes_from_there(door: Door) -> None:
    await with_password(door)
    with tempfile.TemporaryDirectory() as short:
        async with served(door.app, at=Path(short) / "api.sock") as where:
            transport = httpx.AsyncHTTPTransport(uds=where.removeprefix("unix:"))
            async with httpx.AsyncClient(transport=transport, base_url="http://farm") as http:
                forged = {"X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4"}
                answer = await http.post(LOGIN, json={"name": "ada", "password": GOOD}, headers=forged)
    assert answer.status_code == 201
    tokens = (await door.ask("user", "GET", "/api/v1/tokens")).json()
    assert [one["origin"] for one in tokens if one["is_login"]] == ["unix"]
