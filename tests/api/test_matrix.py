"""Who may ask what: every route of the OpenAPI document, asked by everybody there is."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest

from tests.api.door import Door
from tests.services.house import HOST_KEY, KEY_A

NO = 401  # the token opens another door, or there is none
MACHINES = ("nobody", "agent", "gateway")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"


ROLES = ("guest", "user", "operator", "admin")
# The admin, with a token that is only good for some of what they may.
NARROW = ("reader", "worker")


@dataclass
class Row:
    """
    A route, an example of it, and what comes of it.

    Guests and operators are answered as users (none of them has anything), and a reader and a worker (the admin, with a
    token of scope READ or USE) as the admin, unless it says otherwise. A reader is refused whatever changes something.
    """

    path: str  # an example
    user: int
    admin: int
    guest: int | None = None
    operator: int | None = None
    worker: int | None = None
    reader: int | None = None
    nobody: int = NO
    agent: int = NO
    gateway: int = NO
    how: dict[str, Any] = field(default_factory=dict)

    def of(self, who: str, method: str) -> int:
        told = getattr(self, who)
        if told is not None:
            assert isinstance(told, int)
            return told
        match who:
            case "reader":
                return self.admin if method == "GET" or self.admin == NO else 403
            case "worker":
                return self.admin
            case _:
                return self.user


def to(path: str, user: int, admin: int, *, but: dict[str, int] | None = None, **how: Any) -> Row:
    """A route for people: doors of machines stay shut."""
    return Row(f"/api/v1{path}", user, admin, how=how, **(but or {}))


def administered(path: str, admin: int, **how: Any) -> Row:
    """Admins alone may, with a token that is good for it."""
    return to(path, 403, admin, but={"worker": 403, "reader": 403}, **how)


def of_agents(path: str, agent: int, **how: Any) -> Row:
    return Row(f"/api/agent/v1{path}", NO, NO, agent=agent, how=how)


def of_gateways(path: str, gateway: int, **how: Any) -> Row:
    return Row(f"/api/gateway/v1{path}", NO, NO, gateway=gateway, how=how)


def for_all(path: str, status: int = 200, **how: Any) -> Row:
    everybody: dict[str, Any] = dict.fromkeys(("reader", "worker", "nobody", "agent", "gateway"), status)
    return Row(path, status, status, how=how, **everybody)


TYPE = {"arch": "armhf"}
BOARD = {"mac": "52:54:00:00:00:77", "address": "10.20.0.77"}
WANTED = {"board": "tk1-3", "image": "tiny", "for_s": 3600}
DISCARD = {"fate": "discard"}
KEPT = {"image": "mine"}
RULES = {"everyone": {"longest_s": 3600, "ahead_s": 86400}, "version": 0}
CLOSED = {"boards": ["tk1-1"], "end": "2026-03-02T12:00:00Z", "reason": "new fan"}
LESSON = {"project": "others", "type": "tk1", "starts": ["2026-03-09T12:00:00Z"], "for_s": 3600}
VOLUME = {"name": "mine", "size_bytes": 1 << 30, "path": "/data"}
TOO_LATE, NOT_THERE = 409, 404
FIRST = {"worker": 202}
PIECE = {"Upload-Offset": "0", "Upload-Length": "3"}
LOOKED = {"reader": 202}
CHECKPOINTED = {"worker": 403}  # with it an admin is a user like others
OPERATED = {"operator": 202}
FOR_OPERATORS = {"operator": 200, "worker": 403, "reader": 403}
PLANNED = {"operator": TOO_LATE, "worker": 403, "reader": 403}
CALLED_OFF = {"operator": 204, "worker": 403, "reader": 403}
CALLED_OFF_FIRST = {"operator": TOO_LATE, "worker": 204}
FOR_MANAGERS = {"guest": 403, "worker": 403}
NO_MEMBER = {"guest": 403, "operator": 403}
RESERVED = {"guest": 403, "worker": 201}
RELEASED = {"operator": 403, "worker": 403}  # who may end it, but not throw away what is not theirs
BUILT = {"recipe": "tiny", "arch": "armhf", "name": "small"}
GUESTS = {"guest": 403}
EXTENDED = {"operator": 200, "worker": 403}
WORKER = {"worker": 403}
LONGER, SHARED, BEAT = {"by_s": 60}, {"add": ["bob"]}, {"ttl_s": 60}
TAR = sha256(b"tar").hexdigest()
TOLD, LEFT, BROKEN = {"description": "?"}, {"remove": ["bob"]}, {"reason": "new fan"}
ROSTER = {"rows": [{"name": "bob", "team": "red"}]}
ALL_NEEDED = {"worker": 403, "reader": 403}
BAD_FOR_ALL = {"worker": 422, "reader": 422}  # seen to be none before anything else is looked at

# ada holds tk1-1 (reservation 2) and has a root aside; root, the admin, holds tk1-2 (reservation 4). What is there
# once gets who comes first: the worker before the user, and the admin last. ada is a member of the project robots
# and of nothing else; tk1-3 is kept free the day after. Block 5 is of the project others, the day after that.
MATRIX = {
    "GET /healthz": for_all("/healthz"),
    "GET /readyz": for_all("/readyz"),
    "GET /api/v1/healthz": for_all("/api/v1/healthz"),
    "GET /api/v1/readyz": for_all("/api/v1/readyz"),
    "POST /api/v1/login": for_all("/api/v1/login", 403, json={"name": "ada", "password": "not this one"}),
    "GET /api/v1/login": for_all("/api/v1/login"),
    "POST /api/v1/login/oidc": for_all("/api/v1/login/oidc", NOT_THERE, json={"challenge": "c" * 43}),
    "GET /api/v1/login/oidc/callback": for_all("/api/v1/login/oidc/callback?state=x&code=y", NOT_THERE),
    "POST /api/v1/login/oidc/token": for_all("/api/v1/login/oidc/token", 403, json={"code": "x", "verifier": "y"}),
    "POST /api/v1/invitations/accept": for_all("/api/v1/invitations/accept", 403, json={"code": "bgi_x"}),
    "GET /api/v1/me": to("/me", 200, 200),
    "PUT /api/v1/me/password": to("/me/password", 422, 422, but=ALL_NEEDED, json={"new": "short"}),
    "GET /api/v1/me/ssh-keys": to("/me/ssh-keys", 200, 200),
    "POST /api/v1/me/ssh-keys": to("/me/ssh-keys", 422, 422, but=BAD_FOR_ALL, json={"ssh_key": "no key"}),
    "DELETE /api/v1/me/ssh-keys/{fingerprint}": to("/me/ssh-keys/SHA256:x/y", NOT_THERE, NOT_THERE, but=ALL_NEEDED),
    "GET /api/v1/tokens": to("/tokens", 200, 200),
    "POST /api/v1/tokens": to("/tokens", 201, 201, json={"label": "ci"}),
    "DELETE /api/v1/tokens/{token}": to("/tokens/0123456789abcdef", NOT_THERE, NOT_THERE, but=ALL_NEEDED),
    "GET /api/v1/users": to("/users", 200, 200),
    "POST /api/v1/users": administered("/users", 201, json={"name": "eve", "ssh_keys": [KEY]}),
    "GET /api/v1/users/{name}": to("/users/bob", NOT_THERE, 200),
    "GET /api/v1/users/{name}/tokens": to("/users/bob/tokens", NOT_THERE, 200),
    "PUT /api/v1/users/{name}/role": administered("/users/bob/role", 200, json={"role": "operator"}),
    "POST /api/v1/users/{name}/suspend": administered("/users/bob/suspend", 200),
    "POST /api/v1/users/{name}/restore": administered("/users/bob/restore", 200),
    "POST /api/v1/users/{name}/reset": administered("/users/bob/reset", 201),
    "POST /api/v1/users/{name}/token": administered("/users/bob/token", 201),
    "PUT /api/v1/users/{name}/ssh-keys": administered("/users/bob/ssh-keys", 200, json={"ssh_keys": [KEY]}),
    "GET /api/v1/users/{name}/external-identities": administered("/users/bob/external-identities", 200),
    "PUT /api/v1/users/{name}/external-identities": administered(
        "/users/bob/external-identities", 200, json={"keys": ["ldap x"]}
    ),
    "DELETE /api/v1/users/{name}": administered("/users/bob", 204),
    "GET /api/v1/invitations": administered("/invitations", 200),
    "POST /api/v1/invitations": administered("/invitations", 201, json={"role": "guest"}),
    "DELETE /api/v1/invitations/{invitation}": administered("/invitations/0123456789abcdef", NOT_THERE),
    "GET /api/v1/me/notices": to("/me/notices", 200, 200),
    "PUT /api/v1/me/notices": to("/me/notices", 200, 200, but=ALL_NEEDED, json={"email": "ada@example.org"}),
    "GET /api/v1/users/{name}/notices": to("/users/bob/notices", NOT_THERE, 200),
    "PUT /api/v1/users/{name}/notices": to(
        "/users/bob/notices", NOT_THERE, 200, but=ALL_NEEDED, json={"email": "bob@example.org"}
    ),
    "GET /api/v1/webhooks": to("/webhooks", 200, 200),
    "POST /api/v1/webhooks": administered("/webhooks", 201, json={"url": "https://a.example.org/", "is_farms": True}),
    "DELETE /api/v1/webhooks/{webhook}": to("/webhooks/0123456789abcdef", NOT_THERE, NOT_THERE, but=ALL_NEEDED),
    "GET /api/v1/feeds": to("/feeds", 200, 200),
    "POST /api/v1/feeds": to("/feeds", 201, 201, but=ALL_NEEDED, json={"board": "tk1-1"}),
    "DELETE /api/v1/feeds/{feed}": to("/feeds/0123456789abcdef", NOT_THERE, NOT_THERE, but=ALL_NEEDED),
    "GET /api/v1/calendar/{secret}.ics": for_all("/api/v1/calendar/bgf_x.ics", NOT_THERE),
    "GET /api/v1/audit": to("/audit?who=ada", 403, 200),
    "GET /api/v1/me/usage": to("/me/usage", 200, 200),
    "GET /api/v1/groups": to("/groups", 200, 200),
    "POST /api/v1/groups": administered("/groups", 201, json={"name": "new"}),
    "GET /api/v1/groups/{name}": to("/groups/vision", NOT_THERE, 200),
    "POST /api/v1/groups/{name}/members": administered("/groups/vision/members", 200, json={"add": ["bob"]}),
    "DELETE /api/v1/groups/{name}": administered("/groups/vision", 204),
    "GET /api/v1/projects": to("/projects", 200, 200),
    "POST /api/v1/projects": administered("/projects", 201, json={"name": "new"}),
    "GET /api/v1/projects/{name}": to("/projects/others", NOT_THERE, 200),
    "POST /api/v1/projects/{name}/describe": to("/projects/robots/describe", NOT_THERE, 200, but=WORKER, json=TOLD),
    "POST /api/v1/projects/{name}/members": to("/projects/robots/members", NOT_THERE, 200, but=WORKER, json=LEFT),
    "GET /api/v1/projects/{name}/roster": to("/projects/others/roster", NOT_THERE, 200),
    "POST /api/v1/projects/{name}/roster": to("/projects/robots/roster", NOT_THERE, 200, but=WORKER, json=ROSTER),
    "GET /api/v1/projects/{name}/links": to("/projects/robots/links", NOT_THERE, 200, but=ALL_NEEDED),
    "POST /api/v1/projects/{name}/links": to("/projects/robots/links", NOT_THERE, 201, but=WORKER, json={}),
    "DELETE /api/v1/projects/{name}/links/{link}": to(
        "/projects/robots/links/0123456789abcdef", NOT_THERE, NOT_THERE, but=ALL_NEEDED
    ),
    "POST /api/v1/me/projects": to("/me/projects", 403, 403, json={"code": "bgj_x"}),
    "DELETE /api/v1/projects/{name}": administered("/projects/robots", 204),
    "GET /api/v1/rules": to("/rules", 200, 200),
    "PUT /api/v1/rules": administered("/rules", 200, json=RULES),
    "GET /api/v1/maintenance": to("/maintenance", 200, 200),
    "POST /api/v1/maintenance": to("/maintenance", 403, TOO_LATE, but=PLANNED, json=CLOSED),
    "DELETE /api/v1/maintenance/{number}": to("/maintenance/1", 403, NOT_THERE, but=CALLED_OFF),
    "GET /api/v1/sites": to("/sites", 200, 200),
    "GET /api/v1/board-types": to("/board-types", 200, 200),
    "GET /api/v1/board-types/{name}": to("/board-types/tk1", 200, 200),
    "PUT /api/v1/board-types/{name}": administered("/board-types/rpi4", 200, json=TYPE),
    "DELETE /api/v1/board-types/{name}": administered("/board-types/tk1", TOO_LATE),
    "GET /api/v1/boards": to("/boards", 200, 200),
    "GET /api/v1/boards/{name}": to("/boards/tk1-1", 200, 200),
    "PUT /api/v1/boards/{name}": administered("/boards/tk1-7", 200, json=BOARD),
    "DELETE /api/v1/boards/{name}": administered("/boards/tk1-3", 202),
    "POST /api/v1/boards/{name}/describe": administered(
        "/boards/tk1-1/describe", 200, json={"tags": {"camera": True}}
    ),
    "POST /api/v1/boards/{name}/aside": to("/boards/tk1-3/aside", 403, 200, but=FOR_OPERATORS, json=BROKEN),
    "POST /api/v1/boards/{name}/fit": to("/boards/tk1-1/fit", 403, 200, but=FOR_OPERATORS),
    "POST /api/v1/boards/{name}/power": to("/boards/tk1-2/power", 403, 202, but=OPERATED, json={"act": "reset"}),
    "GET /api/v1/boards/{name}/power/{order}": to(f"/boards/tk1-1/power/{uuid4()}", NOT_THERE, NOT_THERE),
    "PUT /api/v1/inventory": administered("/inventory", 200, json={"board_types": {"rpi4": TYPE}}),
    "GET /api/v1/images": to("/images", 200, 200),
    "GET /api/v1/adaptations": to("/adaptations", 200, 200),
    "POST /api/v1/images": administered("/images", 201, json={"name": "lab", "path": "/srv/lab.tar"}),
    "GET /api/v1/image-names/{name}": to("/image-names/new", 204, 204),
    "GET /api/v1/images/{ref}": to("/images/private:2026030101", NOT_THERE, 200),
    "PUT /api/v1/images/{ref}/content": to("/images/private/content", NOT_THERE, TOO_LATE, but=FIRST, content=b"tar"),
    "HEAD /api/v1/images/{ref}/content": to("/images/private/content", NOT_THERE, 200),
    "PATCH /api/v1/images/{ref}/content": to(
        "/images/private/content", NOT_THERE, TOO_LATE, but={"worker": 204}, content=b"tar", headers=PIECE
    ),
    "DELETE /api/v1/images/{ref}": to("/images/tiny", 403, TOO_LATE),
    "POST /api/v1/images/{ref}/describe": to("/images/tiny/describe", 403, 200, json={"labels": {"purpose": "ci"}}),
    "PUT /api/v1/images/{ref}/aliases/{alias}": to("/images/tiny/aliases/stable", 403, 200),
    "DELETE /api/v1/images/{ref}/aliases/{alias}": to("/images/tiny/aliases/testing", 403, NOT_THERE),
    "POST /api/v1/images/{ref}/restore": to("/images/tiny/restore", 403, TOO_LATE),
    "GET /api/v1/image-waste": to("/image-waste?all=true", 200, 200),
    "DELETE /api/v1/image-waste": to("/image-waste", 200, 200),
    "POST /api/v1/images/{ref}/verify": to("/images/tiny/verify", 403, 202),
    "POST /api/v1/images/{ref}/export": to("/images/tiny/export", 202, 202, but={"guest": 403}),
    "GET /api/v1/errands/{errand}": to(f"/errands/{uuid4()}", NOT_THERE, NOT_THERE),
    "GET /api/v1/errands/{errand}/content": to(f"/errands/{uuid4()}/content", NOT_THERE, NOT_THERE),
    "DELETE /api/v1/errands/{errand}": to(f"/errands/{uuid4()}", NOT_THERE, NOT_THERE),
    "GET /api/v1/recipes": to("/recipes", 200, 200),
    "GET /api/v1/recipes/{name}": to("/recipes/debian-12", 200, 200),
    "POST /api/v1/images/build": to("/images/build", TOO_LATE, 202, but=GUESTS, json=BUILT),
    "POST /api/v1/images/{ref}/tests": to("/images/private/tests", NOT_THERE, TOO_LATE, but=GUESTS, json={}),
    "POST /api/v1/diffs": to("/diffs", NOT_THERE, 202, but=LOOKED, json={"root": "of-root"}),
    "GET /api/v1/diffs/{diff}": to(f"/diffs/{uuid4()}", NOT_THERE, NOT_THERE),
    "GET /api/v1/roots": to("/roots", 200, 200),
    "GET /api/v1/roots/{name}": to("/roots/of-root", NOT_THERE, 200),
    "POST /api/v1/roots/{name}/keep": to("/roots/of-root/keep", NOT_THERE, TOO_LATE, but=FIRST, json={"image": "mine"}),
    "DELETE /api/v1/roots/{name}": to("/roots/of-root", NOT_THERE, 202, but=FIRST),
    "GET /api/v1/volumes": to("/volumes", 200, 200),
    "POST /api/v1/volumes": to("/volumes", TOO_LATE, TOO_LATE, but=RESERVED, json=VOLUME),
    "GET /api/v1/volumes/{name}": to("/volumes/roots-own", NOT_THERE, 200),
    "PATCH /api/v1/volumes/{name}": to("/volumes/roots-own", NOT_THERE, 200, json={"path": "/srv/own"}),
    "DELETE /api/v1/volumes/{name}": to("/volumes/roots-own", NOT_THERE, 202),
    "POST /api/v1/volumes/{name}/restore": to("/volumes/roots-own/restore", NOT_THERE, TOO_LATE),
    "GET /api/v1/reservations": to("/reservations?all=true", 200, 200),
    "GET /api/v1/reservations/{number}": to("/reservations/3", 200, 200),
    "POST /api/v1/reservations": to("/reservations", TOO_LATE, TOO_LATE, but=RESERVED, json=WANTED),
    "GET /api/v1/blocks": to("/blocks", 200, 200),
    "POST /api/v1/blocks": to("/blocks", NOT_THERE, 201, but=FOR_MANAGERS, json=LESSON),
    "GET /api/v1/blocks/{number}": to("/blocks/5", NOT_THERE, 200, but={"operator": 200}),
    "DELETE /api/v1/blocks/{number}": to("/blocks/5", NOT_THERE, TOO_LATE, but=CALLED_OFF_FIRST),
    "POST /api/v1/blocks/{number}/seats": to("/blocks/5/seats", NOT_THERE, 403, but=NO_MEMBER, json={}),
    "POST /api/v1/reservations/{number}/extend": to("/reservations/2/extend", 403, 200, but=EXTENDED, json=LONGER),
    "POST /api/v1/reservations/{number}/share": to("/reservations/2/share", 403, 200, but=WORKER, json=SHARED),
    "POST /api/v1/reservations/{number}/heartbeat": to("/reservations/2/heartbeat", 403, 200, but=WORKER, json=BEAT),
    "POST /api/v1/reservations/{number}/save": to("/reservations/2/save", 403, 202, but=RELEASED, json=KEPT),
    "POST /api/v1/reservations/{number}/boot": to("/reservations/2/boot", 403, 202, but=RELEASED, json={}),
    "GET /api/v1/kit-files/{sha256}": to(f"/kit-files/{'c' * 64}", NOT_THERE, NOT_THERE),
    "PUT /api/v1/kit-files/{sha256}": to(f"/kit-files/{TAR}", 201, 201, but={"guest": 403}, content=b"tar"),
    "POST /api/v1/reservations/{number}/checkpoint": to(
        "/reservations/2/checkpoint", 403, 202, but=CHECKPOINTED, json={"image": "mine"}
    ),
    "GET /api/v1/queue": to("/queue", 200, 200),
    "POST /api/v1/reservations/{number}/release": to("/reservations/2/release", 403, 202, but=RELEASED, json=DISCARD),
    "GET /api/v1/deployments/{deployment}": to(f"/deployments/{uuid4()}", NOT_THERE, NOT_THERE),
    "GET /api/v1/events": to("/events?board=tk1-1", 200, 200),
    "GET /api/v1/known-hosts": to("/known-hosts", 200, 200),
    "POST /api/agent/v1/lease": of_agents("/lease", 200, json={"instance": str(uuid4()), "protocol": 0}),
    "GET /api/agent/v1/wishes": of_agents("/wishes?epoch=0", TOO_LATE),
    "POST /api/agent/v1/reports": of_agents("/reports", TOO_LATE, json={"epoch": 0, "reports": []}),
    "PUT /api/agent/v1/errands/{errand}/content": of_agents(f"/errands/{uuid4()}/content", NOT_THERE, content=b"tar"),
    "GET /api/agent/v1/blobs/{sha256}": of_agents(f"/blobs/{'b' * 64}", NOT_THERE),
    "POST /api/gateway/v1/hello": of_gateways("/hello", 204, json={"host": "farm", "port": 22, "host_key": HOST_KEY}),
    "POST /api/gateway/v1/key": of_gateways("/key", NOT_THERE, json={"key": KEY}),
    "POST /api/gateway/v1/route": of_gateways("/route", 200, json={"key": KEY_A, "board": "tk1-1"}),
    "POST /api/gateway/v1/activity": of_gateways("/activity", 204, json={"uses": []}),
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
    for who in (*MACHINES, *NARROW, *ROLES):
        answer = await lived_in.ask(who, method, row.path, **row.how)
        assert answer.status_code == row.of(who, method), f"{who}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_removed_user_is_out_at_once(door: Door) -> None:
    door.user("eve")
    assert (await door.ask("eve", "GET", "/api/v1/me")).status_code == 200
    assert (await door.ask("admin", "DELETE", "/api/v1/users/eve")).status_code == 204
    assert (await door.ask("eve", "GET", "/api/v1/me")).status_code == 401
