"""Who may ask what: every route of the OpenAPI document, asked by everybody there is."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from tests.api.door import Door
from tests.services.house import HOST_KEY, KEY_A

NO = 401  # the token opens another door, or there is none
MACHINES = ("nobody", "agent", "gateway")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"


@dataclass
class Row:
    """A route, an example of it, and what comes of it."""

    path: str  # an example
    user: int
    admin: int
    nobody: int = NO
    agent: int = NO
    gateway: int = NO
    how: dict[str, Any] = field(default_factory=dict)


def to(path: str, user: int, admin: int, **how: Any) -> Row:
    """A route for people: doors of machines stay shut."""
    return Row(f"/api/v1{path}", user, admin, how=how)


def of_agents(path: str, agent: int, **how: Any) -> Row:
    return Row(f"/api/agent/v1{path}", NO, NO, agent=agent, how=how)


def of_gateways(path: str, gateway: int, **how: Any) -> Row:
    return Row(f"/api/gateway/v1{path}", NO, NO, gateway=gateway, how=how)


def for_all(path: str) -> Row:
    return Row(path, 200, 200, 200, 200, 200)


TYPE = {"arch": "armhf"}
BOARD = {"mac": "52:54:00:00:00:77", "address": "10.20.0.77"}
WANTED = {"board": "tk1-3", "image": "tiny", "for_s": 3600}
DISCARD = {"fate": "discard"}
TOO_LATE, NOT_THERE = 409, 404

# ada holds tk1-1 (reservation 2) and has a root aside; root, the admin, holds tk1-2 (reservation 4).
MATRIX = {
    "GET /healthz": for_all("/healthz"),
    "GET /readyz": for_all("/readyz"),
    "GET /api/v1/healthz": for_all("/api/v1/healthz"),
    "GET /api/v1/readyz": for_all("/api/v1/readyz"),
    "GET /api/v1/me": to("/me", 200, 200),
    "GET /api/v1/users": to("/users", 200, 200),
    "POST /api/v1/users": to("/users", 403, 201, json={"name": "eve", "ssh_keys": [KEY]}),
    "GET /api/v1/users/{name}": to("/users/bob", NOT_THERE, 200),
    "POST /api/v1/users/{name}/token": to("/users/bob/token", 403, 201),
    "PUT /api/v1/users/{name}/ssh-keys": to("/users/bob/ssh-keys", 403, 200, json={"ssh_keys": [KEY]}),
    "DELETE /api/v1/users/{name}": to("/users/bob", 403, 204),
    "GET /api/v1/sites": to("/sites", 200, 200),
    "GET /api/v1/board-types": to("/board-types", 200, 200),
    "GET /api/v1/board-types/{name}": to("/board-types/tk1", 200, 200),
    "PUT /api/v1/board-types/{name}": to("/board-types/rpi4", 403, 200, json=TYPE),
    "DELETE /api/v1/board-types/{name}": to("/board-types/tk1", 403, TOO_LATE),
    "GET /api/v1/boards": to("/boards", 200, 200),
    "GET /api/v1/boards/{name}": to("/boards/tk1-1", 200, 200),
    "PUT /api/v1/boards/{name}": to("/boards/tk1-7", 403, 200, json=BOARD),
    "DELETE /api/v1/boards/{name}": to("/boards/tk1-3", 403, 202),
    "POST /api/v1/boards/{name}/describe": to("/boards/tk1-1/describe", 403, 200, json={"tags": {"camera": True}}),
    "POST /api/v1/boards/{name}/fit": to("/boards/tk1-1/fit", 403, 200),
    "POST /api/v1/boards/{name}/power": to("/boards/tk1-2/power", 403, 202, json={"act": "reset"}),
    "GET /api/v1/boards/{name}/power/{order}": to(f"/boards/tk1-1/power/{uuid4()}", NOT_THERE, NOT_THERE),
    "PUT /api/v1/inventory": to("/inventory", 403, 200, json={"board_types": {"rpi4": TYPE}}),
    "GET /api/v1/images": to("/images", 200, 200),
    "POST /api/v1/images": to("/images", 403, 201, json={"name": "lab", "path": "/srv/lab.tar"}),
    "GET /api/v1/images/{ref}": to("/images/private:1", NOT_THERE, 200),
    "PUT /api/v1/images/{ref}/content": to("/images/private/content", NOT_THERE, 202, content=b"tar"),
    "DELETE /api/v1/images/{ref}": to("/images/tiny:1", 403, TOO_LATE),
    "GET /api/v1/roots": to("/roots", 200, 200),
    "GET /api/v1/roots/{name}": to("/roots/of-root", NOT_THERE, 200),
    "POST /api/v1/roots/{name}/keep": to("/roots/of-root/keep", NOT_THERE, 202, json={"image": "mine"}),
    "DELETE /api/v1/roots/{name}": to("/roots/of-root", NOT_THERE, 202),
    "GET /api/v1/reservations": to("/reservations?all=true", 200, 200),
    "GET /api/v1/reservations/{number}": to("/reservations/3", 200, 200),
    "POST /api/v1/reservations": to("/reservations", 201, TOO_LATE, json=WANTED),
    "POST /api/v1/reservations/{number}/extend": to("/reservations/4/extend", 403, 200, json={"by_s": 60}),
    "POST /api/v1/reservations/{number}/share": to("/reservations/4/share", 403, 200, json={"add": ["bob"]}),
    "POST /api/v1/reservations/{number}/heartbeat": to("/reservations/4/heartbeat", 403, 200, json={"ttl_s": 60}),
    "GET /api/v1/queue": to("/queue", 200, 200),
    "POST /api/v1/reservations/{number}/release": to("/reservations/4/release", 403, 202, json=DISCARD),
    "GET /api/v1/deployments/{deployment}": to(f"/deployments/{uuid4()}", NOT_THERE, NOT_THERE),
    "GET /api/v1/events": to("/events?board=tk1-1", 200, 200),
    "GET /api/v1/known-hosts": to("/known-hosts", 200, 200),
    "POST /api/agent/v1/lease": of_agents("/lease", 200, json={"instance": str(uuid4()), "protocol": 0}),
    "GET /api/agent/v1/wishes": of_agents("/wishes?epoch=0", TOO_LATE),
    "POST /api/agent/v1/reports": of_agents("/reports", TOO_LATE, json={"epoch": 0, "reports": []}),
    "GET /api/agent/v1/blobs/{sha256}": of_agents(f"/blobs/{'b' * 64}", NOT_THERE),
    "POST /api/gateway/v1/hello": of_gateways("/hello", 204, json={"host": "farm", "port": 22, "host_key": HOST_KEY}),
    "POST /api/gateway/v1/key": of_gateways("/key", NOT_THERE, json={"key": KEY}),
    "POST /api/gateway/v1/route": of_gateways("/route", 200, json={"key": KEY_A, "board": "tk1-1"}),
    "GET /api/gateway/v1/changes": of_gateways("/changes", 200),
}  # fmt: skip
MATRIX["POST /api/agent/v1/lease"].agent = 426


def routes(door: Door) -> set[str]:
    return {f"{method.upper()} {path}" for path, methods in door.app.openapi()["paths"].items() for method in methods}


def test_every_route_is_in_the_matrix(door: Door) -> None:
    assert routes(door) == set(MATRIX)


@pytest.mark.parametrize("route", MATRIX)
async def test_a_route_opens_for_whom_it_should(lived_in: Door, route: str) -> None:
    row, method = MATRIX[route], route.partition(" ")[0]
    for who in ("nobody", "agent", "gateway", "user", "admin"):
        answer = await lived_in.ask(who, method, row.path, **row.how)
        assert answer.status_code == getattr(row, who), f"{who}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_removed_user_is_out_at_once(door: Door) -> None:
    door.user("eve")
    assert (await door.ask("eve", "GET", "/api/v1/me")).status_code == 200
    assert (await door.ask("admin", "DELETE", "/api/v1/users/eve")).status_code == 204
    assert (await door.ask("eve", "GET", "/api/v1/me")).status_code == 401
