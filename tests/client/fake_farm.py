"""A small farm behind real HTTP: it speaks the REST contract, and does at once what is asked of it."""

import hashlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

TOKEN = "bg_0123456789abcdef_secret"
GROUP = ("count", "board", "type", "where")
CODE = "bgi_0123456789abcdef_secret"
PASSWORD = "correct horse battery"
OPEN = (["login"], ["invitations", "accept"])  # to who has no token yet
Json = dict[str, Any]


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class Refused(Exception):
    """What the farm says no with."""

    def __init__(self, status: int, code: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.problem = {
            "type": "about:blank",
            "title": code,
            "status": status,
            "code": code,
            "detail": detail,
            "hint": hint,
        }


def a_difference() -> Json:
    return {
        "added": {"entries": 3, "size_bytes": 4_100_000},
        "changed": {"entries": 1, "size_bytes": 120},
        "removed": {"entries": 0, "size_bytes": 0},
        "paths": [
            {"path": "usr/bin/vim", "change": "added", "size_bytes": 4_000_000, "what": []},
            {"path": "etc/passwd", "change": "changed", "size_bytes": 120, "what": ["content", "mode"]},
        ],
        "packages": [
            {"name": "libc6:armhf", "was": "2.36-9", "now": "2.36-10"},
            {"name": "vim:armhf", "was": "", "now": "2:9.0"},
        ],
        "packages_changed": 2,
        "packages_by": "dpkg",
        "left_out": 0,
        "times_only": 0,
    }


_OF_A_KIT = {"kernel", "dtb", "initrd", "modules", "release", "append", "without_initrd", "from_root"}


@dataclass
class FakeFarm:
    """Its state is open to tests: they put boards in, and look at what became of them."""

    users: dict[str, Json] = field(default_factory=lambda: {"ada": {"name": "ada", "role": "admin", "ssh_keys": []}})
    types: dict[str, Json] = field(default_factory=dict)
    boards: dict[str, Json] = field(default_factory=dict)
    sites: list[Json] = field(default_factory=list)
    images: dict[str, Json] = field(default_factory=dict)
    recipes: dict[str, Json] = field(default_factory=dict)
    boots: bool = True  # what comes of boot tests
    is_slow: bool = False  # boot tests and errands do not end
    roots: dict[str, Json] = field(default_factory=dict)
    volumes: dict[str, Json] = field(default_factory=dict)
    volume_reason: str = ""  # why one that is made comes to nothing
    reservations: dict[int, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    projects: dict[str, Json] = field(default_factory=dict)
    rules: Json = field(default_factory=lambda: {"everyone": {"boards": 4}, "version": 0})
    block: Json = field(
        default_factory=lambda: {
            "number": 9,
            "project": "robots",
            "user": "ada",
            "group": {"count": 1, "type": "tk1"},
            "opens_at": "2031-01-01T11:50:00Z",
            "begins_at": "2031-01-01T12:00:00Z",
            "ends_at": "2031-01-01T14:00:00Z",
            "state": "waiting",
            "image": "tiny:1",
        }
    )
    maintenance: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    orders: dict[str, Json] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    booted: list[Json] = field(default_factory=list)  # what boards were asked to boot again with
    parts: dict[str, bytes] = field(default_factory=dict)  # what has come of uploads that may be resumed
    errands: dict[str, Json] = field(default_factory=dict)
    errand_reason: str = ""
    exported: bytes = b"an export"
    cut_after: list[int] = field(default_factory=list)  # break off so many uploads or downloads, each after as much
    known_hosts: str = ""
    sso: bool = False
    keys: list[Json] = field(default_factory=list)
    tokens: dict[str, Json] = field(default_factory=dict)
    contact: Json = field(default_factory=lambda: {"email": "", "zone": "", "occasions": ["began", "ended"]})
    webhooks: dict[str, Json] = field(default_factory=dict)
    feeds: dict[str, Json] = field(default_factory=dict)
    invitations: dict[str, Json] = field(default_factory=dict)
    identities: list[Json] = field(default_factory=list)
    audit: list[Json] = field(default_factory=list)
    accepted: list[Json] = field(default_factory=list)
    passwords: list[tuple[str | None, str]] = field(default_factory=list)  # old and new, as they were given
    portion: int = 3  # how many events one answer holds
    image_state: str = "ready"  # what becomes of an image once its content is here
    image_reason: str = ""
    image_hint: str = ""
    image_manifest: Json | None = None
    roots_in_use: int = 0  # how often a root that is to boot is refused, for it is still being taken from a board
    diff: Json = field(default_factory=lambda: {"state": "answered", "difference": a_difference()})
    asked_diffs: list[Json] = field(default_factory=list)
    order_state: str = "done"
    order_reason: str = ""
    deploy: Callable[["FakeFarm", Json], None] = lambda farm, reservation: farm.opened(reservation)
    refuse_uploads: Refused | None = None
    refuse_where: Refused | None = None
    refuse_reservations: Refused | None = None
    cut_streams_after: int | None = None  # end each event stream after so many events
    asked: list[tuple[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    taken: str = "tk1-1 is grace's until 14:00 UTC"
    taken_hint: str = "choose another board"
    followed_at: datetime | None = None  # nothing is extended beyond this
    heartbeats: list[float] = field(default_factory=list)
    over: bool = False
    url: str = ""

    # --- what tests put in

    def board(self, name: str, **facts: Any) -> Json:
        number = int(name.rpartition("-")[2])
        self.boards[name] = {
            "name": name, "type": name.rpartition("-")[0], "site": "lab", "mac": f"02:00:00:00:00:{number:02x}",
            "address": f"10.20.0.{10 + number}", "boot": "pxelinux", "nfs_path": None, "kernel": "",
            "power": [{"driver": "ssh"}], "state": "free", "set_aside": "", "reservation": None, "health": None,
            **facts,
        }  # fmt: skip
        return self.boards[name]

    def held(self, name: str, **deployment: Any) -> Json:
        """A board that ada has, and that is open."""
        body = {"board": name, "for_s": 7200.0}
        before, self.deploy = self.deploy, lambda _farm, _reservation: None
        self.board(name)
        reservation = self.reserve(body)
        self.deploy = before
        self.deployment_on(reservation, name).update({"state": "open", **deployment})
        self.boards[name]["state"] = "open"
        return reservation

    def image(self, name: str, version: int = 1, state: str = "ready", **facts: Any) -> Json:
        ref = f"{name}:{version}"
        self.images[ref] = {
            "id": str(uuid4()), "name": name, "version": version, "ref": ref, "owner": "ada", "site": "lab",
            "state": state, "shared": False, "created_at": stamp(datetime.now(UTC)),
            "manifest": self.image_manifest, "parent": None, "reason": "", **facts,
        }  # fmt: skip
        return self.images[ref]

    def recipe(self, name: str, **facts: Any) -> Json:
        text = f'name = "{name}"\n'
        self.recipes[name] = {
            "name": name, "summary": "", "system": "debian", "architectures": ["armhf"], "is_finished_on_a_board": True,
            "text": text, **facts,
        }  # fmt: skip
        return self.recipes[name]

    def boot_test(self, kind: str) -> Json:
        return {
            "board_type": kind, "board": f"{kind}-1", "at": stamp(datetime.now(UTC)), "is_passed": self.boots,
            "took_s": 8.2 if self.boots else None, "reason": "" if self.boots else "no SSH", "console": ["login:"],
        }  # fmt: skip

    def tested(self, test: Json) -> Json:
        """A reservation for a boot test, which is over."""
        number = 100 + len(self.reservations)
        self.reservations[number] = {
            "number": number, "user": "ada", "board": test["board"],
            "state": "running" if self.is_slow else "ended", "ended_because": "",
            "deployment": None, "boards": [test["board"]], "start": test["at"], "end": test["at"], "purpose": "test",
        }  # fmt: skip
        return self.reservations[number]

    def root(self, name: str, state: str = "aside", **facts: Any) -> Json:
        self.roots[name] = {
            "id": str(uuid4()), "name": name, "owner": "ada", "image": "tiny:1", "state": state, "size_bytes": 4 << 30,
            "created_at": stamp(datetime.now(UTC)), "expires_at": None, "board": None, **facts,
        }  # fmt: skip
        return self.roots[name]

    def volume(self, name: str, state: str = "ready", **facts: Any) -> Json:
        self.volumes[name] = {
            "id": str(uuid4()), "name": name, "user": "ada", "project": "", "site": "lab", "path": "/home/ada",
            "state": state, "size_bytes": 10**10, "made_bytes": 10**10, "created_at": stamp(datetime.now(UTC)),
            "expires_at": None, "reason": "", "boards": [], **facts,
        }  # fmt: skip
        return self.volumes[name]

    def token(self, id_: str, **facts: Any) -> Json:
        self.tokens[id_] = {
            "id": id_, "label": "", "scope": "all", "is_login": False, "origin": "10.0.0.7", "last_used_at": None,
            "created_at": stamp(datetime.now(UTC)), "expires_at": None, **facts,
        }  # fmt: skip
        return self.tokens[id_]

    def webhook(self, id_: str, **facts: Any) -> Json:
        made = {"id": id_, "url": "https://chat.example.org/x", "is_farms": False, "occasions": ["failed"]}
        self.webhooks[id_] = made | {"created_at": "2026-01-01T12:00:00Z"} | facts
        return self.webhooks[id_]

    def feed(self, id_: str, **facts: Any) -> Json:
        self.feeds[id_] = {"id": id_, "board": "", "created_at": "2026-01-01T12:00:00Z"} | facts
        return self.feeds[id_]

    def invitation(self, name: str, **facts: Any) -> Json:
        self.invitations["0123456789abcdef"] = {
            "id": "0123456789abcdef", "name": name, "role": "user", "is_reset": False,
            "created_at": stamp(datetime.now(UTC)), "expires_at": stamp(datetime.now(UTC)), **facts,
        }  # fmt: skip
        return self.invitations["0123456789abcdef"]

    def link(self) -> Json:
        return {
            "id": "0123456789abcdef", "made_by": "ada", "most": 30, "used": 3, "team": "", "new_accounts": False,
            "is_good": True, "created_at": stamp(datetime.now(UTC)), "expires_at": stamp(datetime.now(UTC)),
        }  # fmt: skip

    def acted(self, act: str, thing: str, **facts: Any) -> None:
        self.audit.append(
            {
                "number": len(self.audit) + 1, "at": stamp(datetime.now(UTC)), "who": "ada", "token": "",
                "origin": "10.0.0.7", "act": act, "thing": thing, "before": {}, "after": {}, **facts,
            }
        )  # fmt: skip

    def tell(self, number: int | None, board: str, step: str, phase: str, **facts: Any) -> None:
        """Something happened: whoever follows is told at once."""
        with self.changed:
            self.events.append(
                {
                    "number": len(self.events) + 1,
                    "at": stamp(datetime.now(UTC)),
                    "board": board,
                    "generation": 1,
                    "step": step,
                    "phase": phase,
                    "deployment": None,
                    "outcome": None,
                    "took_s": None,
                    "detail": "",
                    "console": [],
                    "reservation": number,
                    **facts,
                }
            )
            self.changed.notify_all()

    def opened(self, reservation: Json) -> None:
        """A deployment that goes as it should."""
        for board in reservation["boards"]:
            self.opened_on(reservation, board)

    def opened_on(self, reservation: Json, board: str) -> None:
        number = reservation["number"]
        for step, took_s in (
            ("clone", 0.04),
            ("personalise", 0.02),
            ("export", 0.01),
            ("fence", 0.0),
            ("restart", 1.2),
        ):
            self.tell(number, board, step, "began")
            self.tell(number, board, step, "ended", outcome="ok", took_s=took_s)
        self.tell(number, board, "boot", "began")
        self.tell(number, board, "boot", "noted", detail="DHCP: it was given 10.20.0.11")
        self.tell(number, board, "boot", "noted", detail="NFS: it mounted its root")
        self.tell(number, board, "boot", "ended", outcome="ok", took_s=8.2, console=["Linux version 6.1", "login:"])
        self.deployment_on(reservation, board)["state"] = "open"
        self.boards[board]["state"] = "open"
        self.boards[board]["health"] = {"power": "on", "voice": "ours", "ago_s": 2.0}
        self.tell(number, board, "board", "ended", detail="open")

    def deployment_on(self, reservation: Json, board: str) -> Json:
        found: Json = next(one for one in reversed(reservation["deployments"]) if one["board"] == board)
        return found

    def failed(self, reservation: Json) -> None:
        """A deployment whose board never comes up."""
        number, board = reservation["number"], reservation["board"]
        self.tell(number, board, "boot", "began")
        self.tell(
            number, board, "boot", "ended", outcome="failed", took_s=300.0, detail="no NFS mount was seen",
            console=["Net: No ethernet found.", "=> \x1b[31mreset\x1b[0m"],
        )  # fmt: skip
        reservation["state"] = "ended"
        reservation["deployment"] |= {
            "state": "failed", "code": "board.silent", "reason": "tk1-1 did not boot in 300 s",
            "hint": "is its cable in?",
        }  # fmt: skip

    # --- what is asked of it

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:  # noqa: PLR0912 - one case a route
        match (method, *path):
            case ("GET", "login"):
                return 200, {"sso": self.sso}
            case ("POST", "login"):
                if (body["name"], body["password"]) != ("ada", PASSWORD):
                    raise Refused(403, "login.refused", "name or password is wrong")
                return 201, {"user": self.users["ada"], "token": TOKEN}
            case ("POST", "invitations", "accept"):
                if body["code"] != CODE:
                    raise Refused(403, "invitation.refused", "this code is good for nothing")
                self.accepted.append(body)
                return 201, {"user": self.users["ada"], "token": TOKEN}
            case ("GET", "me"):
                return 200, self.users["ada"] | {"scope": "all", "token": "0123456789abcdef"}
            case ("PUT", "me", "password"):
                self.passwords.append((body["old"], body["new"]))
                return 204, None
            case ("GET", "me", "ssh-keys"):
                return 200, self.keys
            case ("POST", "me", "ssh-keys"):
                self.keys.append({"fingerprint": f"SHA256:{len(self.keys)}/x", "ssh_key": body["ssh_key"]})
                return 201, self.keys
            case ("DELETE", "me", "ssh-keys", *fingerprint):
                self.keys = [one for one in self.keys if one["fingerprint"] != "/".join(fingerprint)]
                return 204, None
            case ("GET", "tokens") | ("GET", "users", _, "tokens"):
                return 200, list(self.tokens.values())
            case ("POST", "tokens"):
                made = self.token("fedcba9876543210", **{key: body[key] for key in ("label", "scope") if body[key]})
                return 201, made | {"token": "bg_fedcba9876543210_new"}
            case (_, "tokens", token):
                return self.thing(method, self.tokens, token, "token", None)
            case ("GET", "me", "notices") | ("GET", "users", _, "notices"):
                return 200, self.contact
            case ("PUT", "me", "notices") | ("PUT", "users", _, "notices"):
                self.contact |= {key: value for key, value in body.items() if value is not None}
                return 200, self.contact
            case ("GET", "webhooks"):
                return 200, list(self.webhooks.values())
            case ("POST", "webhooks"):
                return 201, self.webhook("fedcba9876543210", **body) | {"secret": "s3cret"}
            case (_, "webhooks", webhook):
                return self.thing(method, self.webhooks, webhook, "webhook", None)
            case ("GET", "feeds"):
                return 200, list(self.feeds.values())
            case ("POST", "feeds"):
                return 201, self.feed("fedcba9876543210", **body) | {"path": "/api/v1/calendar/bgf_x.ics"}
            case (_, "feeds", feed):
                return self.thing(method, self.feeds, feed, "feed", None)
            case ("POST", "users", name, "suspend" | "restore" as act):
                self.users[name]["suspended"] = act == "suspend"
                return 200, self.users[name]
            case ("PUT", "users", name, "role"):
                self.users[name].update(body)
                return 200, self.users[name]
            case ("POST", "users", name, "reset"):
                return 201, self.invitation(name, is_reset=True) | {"code": CODE}
            case ("GET", "invitations"):
                return 200, list(self.invitations.values())
            case ("POST", "invitations"):
                return 201, self.invitation(body["name"], role=body["role"]) | {"code": CODE}
            case (_, "invitations", invitation):
                return self.thing(method, self.invitations, invitation, "invitation", None)
            case ("GET", "audit"):
                after = int(query.get("after", "0"))
                found = [one for one in self.audit if one["number"] > after and query.get("who") in {None, one["who"]}]
                return 200, found[-int(query["tail"]) :] if "tail" in query else found[: self.portion]
            case ("GET", "sites"):
                return 200, self.sites
            case ("GET", "users"):
                return 200, list(self.users.values())
            case ("POST", "users"):
                if body["name"] in self.users:
                    raise Refused(409, "name.taken", f"there is a user {body['name']} already")
                self.users[body["name"]] = body
                return 201, {"user": body, "token": f"bg_fedcba9876543210_{body['name']}"}
            case ("POST", "users", name, "token"):
                return 201, {"user": self.thing("GET", self.users, name, "user", None)[1], "token": f"bg_new_{name}"}
            case ("GET", "users", _, "external-identities"):
                return 200, self.identities
            case ("PUT", "users", _, "external-identities"):
                self.identities = [{"key": key, "linked_at": stamp(datetime.now(UTC))} for key in body["keys"]]
                return 200, self.identities
            case ("PUT", "users", name, "ssh-keys"):
                self.thing("GET", self.users, name, "user", None)[1].update(body)
                return 200, self.users[name]
            case (_, "users", name):
                return self.thing(method, self.users, name, "user", body)
            case ("GET" | "POST", "groups" | "projects" as kind):
                known: dict[str, Json] = getattr(self, kind)
                if method == "GET":
                    return 200, list(known.values())
                known[body["name"]] = body
                return 201, body
            case ("GET", "projects", _name, "roster"):
                return 200, [{"name": "ada", "part": "member", "team": "red", "is_expected": False}]
            case ("POST", "projects", name, "roster"):
                return 200, {"project": self.projects[name], "added": [row["name"] for row in body["rows"]]}
            case ("GET", "projects", _name, "links"):
                return 200, [self.link()]
            case ("POST", "projects", _name, "links"):
                return 201, self.link() | {"code": CODE}
            case ("DELETE", "projects", _name, "links", _link):
                return 204, None
            case ("POST", "me", "projects"):
                return 200, {"project": self.projects["robots"], "is_new": True}
            case (_, "groups" | "projects" as kind, name, *_):
                return self.thing("GET" if method == "POST" else method, getattr(self, kind), name, kind[:-1], None)
            case ("GET" | "PUT", "rules"):
                self.rules = body or self.rules
                return 200, self.rules
            case ("GET", "blocks"):
                return 200, [self.block]
            case ("POST", "blocks"):
                return 201, [self.block]
            case ("GET", "blocks", _number):
                return 200, self.block
            case ("DELETE", "blocks", _number):
                return 204, {}
            case ("POST", "blocks", number, "seats"):
                kind, held = self.types["tk1"]["name"], {"kind": "seat", "block": int(number), "state": "waiting"}
                return 201, next(iter(self.reservations.values())) | held | {"groups": [{"count": 1, "type": kind}]}
            case ("GET", "maintenance"):
                return 200, self.maintenance
            case ("POST", "maintenance"):
                self.maintenance.append(body | {"number": 1, "start": stamp(datetime.now(UTC))})
                return 201, self.maintenance[-1]
            case ("DELETE", "maintenance", _number):
                return 204, None
            case ("GET", "board-types"):
                return 200, list(self.types.values())
            case ("PUT", "board-types" | "boards" as kind, name) if query.get("only_new") and (
                name in (self.boards if kind == "boards" else self.types)
            ):
                raise Refused(409, "name.taken", f"there is a {kind.replace('-', ' ')[:-1]} {name} already")
            case (_, "board-types", name):
                defaults = {"name": name, "console": "", "cmdline": "", "fdt": "", "boot_s": 300.0}
                return self.thing(method, self.types, name, "board type", body and defaults | body)
            case ("GET", "boards"):
                if self.refuse_where and "where" in query:
                    raise self.refuse_where
                return 200, list(self.boards.values())
            case ("PUT", "boards", name):
                return 200, self.board(name, **body)
            case (_, "boards", name):
                return self.thing(method, self.boards, name, "board", body)
            case ("POST", "boards", name, "aside"):
                self.boards[name] |= {"set_aside": body["reason"], "state": "set_aside"}
                return 200, self.boards[name]
            case ("POST", "boards", name, "fit"):
                self.boards[name] |= {"set_aside": "", "state": "free"}
                return 200, self.boards[name]
            case ("POST", "boards", name, "power"):
                order = str(uuid4())
                self.orders[order] = {"id": order, "board": name, **body, "state": "waiting", "reason": ""}
                return 202, {"order": order}
            case ("POST", "boards", name, "describe"):
                return 200, self.board(name, description=body)
            case ("GET", "boards", _name, "power", order):
                self.orders[order], told = (
                    self.orders[order] | {"state": self.order_state, "reason": self.order_reason},
                    self.orders[order],
                )
                return 200, told
            case ("GET", "adaptations"):
                what = "swap on NFS hangs the board"
                return 200, [{"name": "no-swap", "moments": ["import"], "what": what, "may_be_left_out": True}]
            case ("GET", "images"):
                return 200, [one for one in self.images.values() if one["state"] != "gone" or "gone" in query]
            case ("GET", "image-names", name):
                if not name.islower():
                    raise Refused(422, "name.invalid", f"{name!r} is no name for an image")
                self.check_is_free(name)
                return 204, None
            case ("POST", "images"):
                version = 1 + sum(image["name"] == body["name"] for image in self.images.values())
                state = self.image_state if "path" in body else "awaited"
                return 201, self.image(
                    body["name"],
                    version,
                    state,
                    shared=body.get("shared", False),
                    labels=body.get("labels", {}),
                    reason=self.image_reason,
                    hint=self.image_hint,
                    without=body.get("without", []),
                )
            case ("POST", "images", ref, "describe"):
                self.images[ref] |= {key: value for key, value in body.items() if value not in (None, {})}
                return 200, self.images[ref]
            case ("PUT", "images", ref, "aliases", alias):
                return 200, self.thing("GET", self.images, ref, "image", None)[1] | {"aliases": [alias]}
            case ("DELETE", "images", _ref, "aliases", _alias):
                return 204, None
            case ("POST", "images", ref, "restore"):
                self.images[ref]["state"] = "ready"
                return 200, self.images[ref]
            case ("GET" | "DELETE", "image-waste"):
                return 200, [one for one in self.images.values() if one["state"] in {"removed", "failed"}]
            case ("POST", "images", ref, ("verify" | "export") as kind):
                known = {image["name"]: image for image in self.images.values()} | self.images
                image = self.thing("GET", known, ref, "image", None)[1]
                errand = {
                    "id": str(uuid4()), "kind": kind, "image": image["ref"], "state": "waiting", "reason": "",
                    "asked_at": stamp(datetime.now(UTC)), "size_bytes": 0,
                }  # fmt: skip
                self.errands[errand["id"]] = errand
                return 202, dict(errand)
            case ("GET", "errands", errand):
                told = self.errands[errand] | {
                    "state": "waiting" if self.is_slow else "done",
                    "reason": self.errand_reason,
                }
                return 200, told | {"size_bytes": len(self.exported) if told["kind"] == "export" else 0}
            case ("DELETE", "errands", errand):
                del self.errands[errand]
                return 204, None
            case ("GET", "recipes"):
                return 200, list(self.recipes.values())
            case (_, "recipes", name):
                return self.thing(method, self.recipes, name, "recipe", body)
            case ("POST", "images", "build"):
                name = body["name"] or body["recipe"] or "of-a-file"
                version = 1 + sum(image["name"] == name for image in self.images.values())
                return 202, self.image(
                    name, version, self.image_state, reason=self.image_reason, hint=self.image_hint, asked=body
                )
            case ("POST", "images", ref, "tests"):
                known = {image["name"]: image for image in self.images.values()} | self.images
                self.thing("GET", known, ref, "image", None)
                known[ref]["boot_tests"] = [self.boot_test(kind) for kind in body["types"] or ["tk1"]]
                return 202, [self.tested(one) for one in known[ref]["boot_tests"]]
            case (_, "images", ref):
                known = {image["name"]: image for image in self.images.values()} | self.images
                answer = self.thing(method, known, ref, "image", body)
                if method == "DELETE":
                    del self.images[ref]
                return answer
            case ("POST", "diffs"):
                self.asked_diffs.append(body)
                return 202, {"id": str(uuid4()), "state": "asked"}
            case ("GET", "diffs", diff):
                return 200, {"id": diff, "state": "asked", "code": None, "reason": "", "hint": ""} | self.diff
            case ("POST", "reservations", _number, "checkpoint"):
                return 202, self.image(body["image"], 1, self.image_state)
            case ("GET", "roots"):
                return 200, list(self.roots.values())
            case ("POST", "roots", name, "keep"):
                self.thing("GET", self.roots, name, "root", None)
                return 202, self.image(body["image"], 1, self.image_state, parent=self.roots[name]["image"])
            case ("DELETE", "roots", name):
                self.thing("DELETE", self.roots, name, "root", None)
                return 202, None
            case ("GET", "roots", name):
                return self.thing(method, self.roots, name, "root", body)
            case ("GET", "volumes"):
                return 200, list(self.volumes.values())
            case ("POST", "volumes"):
                return 201, self.volume(body.pop("name"), "making", **body)
            case ("PATCH", "volumes", name):
                self.thing("GET", self.volumes, name, "volume", None)
                self.volumes[name] |= body | ({"state": "making"} if "size_bytes" in body else {})
                return 200, self.volumes[name]
            case ("POST", "volumes", name, "restore"):
                self.volumes[name] |= {"state": "ready"}
                return 200, self.volumes[name]
            case ("DELETE", "volumes", name):
                self.thing("GET", self.volumes, name, "volume", None)
                self.volumes[name] |= {"state": "aside"}
                return 202, self.volumes[name]
            case ("GET", "volumes", name):
                answer = self.thing(method, self.volumes, name, "volume", body)
                if self.volumes[name]["state"] == "making":
                    state = "failed" if self.volume_reason else "ready"
                    self.volumes[name] |= {"state": state, "reason": self.volume_reason}
                return answer
            case ("GET", "reservations"):
                before = int(query.get("before", 1 << 53))
                found = [
                    one
                    for number, one in sorted(self.reservations.items(), reverse=True)
                    if number < before
                    and ("all" in query or one["user"] == "ada")
                    and (one["state"] in {"running", "waiting"} or "running" not in query)
                ]
                return 200, found if "running" in query else found[: self.portion]
            case ("POST", "reservations"):
                return 201, self.reserve(body)
            case ("GET", "reservations", number):
                return self.thing("GET", self.reservations, int(number), "reservation", None)
            case ("POST", "reservations", number, "release"):
                return 202, self.release(int(number), body)
            case ("POST", "reservations", number, "extend"):
                return 200, self.extend(int(number), body["by_s"])
            case ("POST", "reservations", number, "share"):
                shared = self.reservations[int(number)]
                shared["members"] = [name for name in (*shared["members"], *body["add"]) if name not in body["remove"]]
                return 200, shared
            case ("POST", "reservations", number, "heartbeat"):
                self.heartbeats.append(body["ttl_s"])
                return self.thing("GET", self.reservations, int(number), "reservation", None)
            case ("POST", "reservations", number, "save"):
                return 202, self.save(int(number), body)
            case ("POST", "reservations", number, "boot"):
                return 202, self.boot(int(number), body)
            case ("GET", "kit-files", sha256):
                if sha256 not in self.blobs:
                    raise Refused(404, "file.unknown", f"you sent no {sha256}")
                return 200, self.kit_file(sha256)
            case ("GET", "queue"):
                return 200, [one for one in self.reservations.values() if one["state"] == "waiting"]
            case ("GET", "events"):
                found = self.chosen(query)
                return 200, found[-int(query["tail"]) :] if "tail" in query else found[: self.portion]
            case ("PUT", "inventory"):
                return 200, {"changes": self.apply(body, dry_run=query.get("dry_run") == "true")}
        raise Refused(404, "route.unknown", "there is no such path")

    def thing(self, method: str, things: dict[Any, Json], name: Any, kind: str, body: Any) -> tuple[int, Any]:
        if method == "PUT":
            things[name] = body
        elif name not in things:
            raise Refused(404, f"{kind.replace(' ', '_')}.unknown", f"there is no {kind} {name}")
        if method == "DELETE":
            return 204, things.pop(name) and None
        return 200, things[name]

    def reserve(self, body: Json) -> Json:
        groups = [
            {"count": 1, "board": "", "type": "", "where": "", **group}
            for group in body.get("groups", [{key: body[key] for key in GROUP if key in body}])
        ]
        if self.refuse_reservations is not None:
            raise self.refuse_reservations
        kind, boards = body.get("kind", "fixed"), list[str]()
        for group in groups:
            fit = [
                name
                for name, one in self.boards.items()
                if name not in boards
                and (one["state"] == "free" or "at" in body)
                and (group["board"] == name or (not group["board"] and group["type"] in {"", one["type"]}))
            ]
            if len(fit) < group["count"] and kind == "fixed":
                raise Refused(409, "board.taken", self.taken, self.taken_hint)
            boards += fit[: group["count"]]
        if body.get("root") and self.roots_in_use:
            self.roots_in_use -= 1
            raise Refused(409, "thing.in_use", "root before is still being taken from tk1-2", "try again in a moment")
        if len(boards) < sum(one["count"] for one in groups):
            boards = []
        start = datetime.fromisoformat(body["at"]) if body.get("at") else datetime.now(UTC)
        begins = bool(boards) and "at" not in body
        number = len(self.reservations) + 7
        reservation = {
            "number": number, "user": "ada", "board": boards[0] if boards else "", "boards": boards, "groups": groups,
            "kind": kind, "members": [], "created_at": stamp(datetime.now(UTC)), "alive_until": None,
            "start": stamp(start if boards else start + timedelta(hours=1)),
            "state": "running" if begins else "waiting",
            "end": stamp(start + timedelta(seconds=body["for_s"])), "ended_because": "",
            "image": body.get("image") or "tiny:1", "deployments": [], "deployment": None, "asked": body,
        }  # fmt: skip
        self.reservations[number] = reservation
        if begins:
            self.begin(reservation)
        return reservation

    def begin(self, reservation: Json, *boards: str) -> None:
        """Its time has come; on these boards, where it had none yet."""
        reservation["boards"] = list(boards) or reservation["boards"]
        reservation |= {"board": reservation["boards"][0], "state": "running"}
        number, body = reservation["number"], reservation["asked"]
        for board in reservation["boards"]:
            reservation["deployments"].append(
                {
                    "id": str(uuid4()), "board": board, "image": body.get("image") or "tiny:1",
                    "root": body.get("root") or f"{board}-{number}", "state": "preparing",
                    "created_at": stamp(datetime.now(UTC)), "opened_at": None, "ended_at": None, "host_key": "",
                    "reason": "", "code": None, "hint": "",
                }
            )  # fmt: skip
            self.boards[board] |= {
                "state": "preparing", "reservation": {"number": number, "user": "ada", "until": reservation["end"]},
            }  # fmt: skip
        reservation["deployment"] = reservation["deployments"][-1]
        self.tell(number, "", "reservation", "began", detail="it runs")
        threading.Thread(target=self.deploy, args=(self, reservation), daemon=True).start()

    def extend(self, number: int, by_s: float) -> Json:
        reservation = self.thing("GET", self.reservations, number, "reservation", None)[1]
        end = datetime.fromisoformat(reservation["end"]) + timedelta(seconds=by_s)
        if self.followed_at is not None and end > self.followed_at:
            raise Refused(409, "board.followed", "somebody else has tk1-1 after you", "it can be extended by 30 min")
        reservation["end"] = stamp(end)
        found: Json = reservation
        return found

    def check_is_free(self, name: str) -> None:
        if self.images.get(f"{name}:1", {"owner": "ada"})["owner"] != "ada":
            raise Refused(409, "name.taken", f"the image {name} is another user's")

    def release(self, number: int, body: Json) -> Json:
        reservation = self.reservations[number]
        if reservation["state"] == "waiting":
            reservation["state"] = "cancelled"
            return reservation
        if reservation["state"] != "running":
            raise Refused(409, "reservation.over", f"reservation {number} is over")
        if body.get("fate") == "keep":
            self.check_is_free(body["name"])
        given = [body["board"]] if body.get("board") else list(reservation["boards"])
        for board in given:
            self.boards[board] |= {"state": "cleaning", "reservation": None}
        if len(given) < len(reservation["boards"]):
            reservation["boards"] = [board for board in reservation["boards"] if board not in given]
            reservation["board"] = reservation["boards"][0]
            return reservation
        reservation |= {"state": "ended", "fate": body.get("fate"), "name": body.get("name")}
        if body.get("fate") == "keep":
            version = 1 + sum(image["name"] == body["name"] for image in self.images.values())
            self.image(
                body["name"],
                version,
                self.image_state,
                parent=reservation["deployment"]["image"],
                reason=self.image_reason,
                hint=self.image_hint,
            )
        return reservation

    def save(self, number: int, body: Json) -> Json:
        reservation = self.reservations[number]
        version = 1 + sum(image["name"] == body["image"] for image in self.images.values())
        if body["after"] == "release":
            return self.release(number, {"fate": "keep", "name": body["image"]})
        self.image(body["image"], version, self.image_state, reason=self.image_reason, hint=self.image_hint)
        return self.again(reservation, body, "saving")

    def boot(self, number: int, body: Json) -> Json:
        return self.again(self.reservations[number], body, "preparing")

    def again(self, reservation: Json, body: Json, state: str) -> Json:
        """Another deployment of the root that a board has."""
        board = body.get("board") or reservation["board"]
        self.booted.append(body)
        kit = {key: told for key, told in body.items() if key in _OF_A_KIT}
        made = {
            "id": str(uuid4()), "board": board, "image": "tiny:1", "root": f"{board}-7", "state": state,
            "created_at": stamp(datetime.now(UTC)), "opened_at": None, "ended_at": None, "host_key": "",
            "reason": "", "code": None, "hint": "",
            "kit": kit | {"is_once": body.get("once", False)} if kit else None,
        }  # fmt: skip
        reservation["deployments"] = [*reservation.get("deployments", []), made]
        reservation["deployment"] = made
        answer = {**reservation, "deployments": [dict(one) for one in reservation["deployments"]]}
        threading.Thread(target=self.deploy, args=(self, reservation), daemon=True).start()
        return answer

    def kit_file(self, sha256: str) -> Json:
        size = len(self.blobs[sha256])
        return {"sha256": sha256, "size_bytes": size, "used_at": stamp(datetime.now(UTC))}

    def apply(self, body: Json, *, dry_run: bool) -> list[Json]:
        changes = []
        for kind, things, key in (("board type", self.types, "board_types"), ("board", self.boards, "boards")):
            for name, facts in body[key].items():
                was = things.get(name, {})
                told = {word: [was.get(word), will] for word, will in facts.items() if was.get(word) != will}
                if told:
                    changes.append({"act": "change" if was else "add", "kind": kind, "name": name, "fields": told})
                if told and not dry_run:
                    things[name] = was | facts
        return changes

    def chosen(self, query: dict[str, str]) -> list[Json]:
        after, number = int(query.get("after", "0")), query.get("reservation")
        return [
            event
            for event in self.events
            if event["number"] > after
            and query.get("board") in {None, event["board"]}
            and number in {None, str(event["reservation"])}
        ]


class Door(BaseHTTPRequestHandler):
    """HTTP, for one FakeFarm."""

    farm: FakeFarm
    protocol_version = "HTTP/1.1"

    def log_message(self, *_said: object) -> None:
        pass

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def do_PATCH(self) -> None:
        self.serve()

    def do_HEAD(self) -> None:
        self.serve()

    def serve(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        path = [unquote(word) for word in url.path.split("/")[3:]]
        self.farm.asked.append((self.command, "/".join(path)))
        try:
            if not url.path.startswith("/api/v1/"):
                raise Refused(404, "route.unknown", "there is no such path")
            if path not in OPEN and self.headers["Authorization"] != f"Bearer {TOKEN}":
                raise Refused(401, "token.refused", "this token opens nothing here")
            if path[0] == "known-hosts":
                self.send(200, self.farm.known_hosts.encode(), "text/plain")
            elif path == ["events"] and "text/event-stream" in self.headers["Accept"]:
                self.stream(query)
            elif (self.command, path[0]) == ("PUT", "kit-files"):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                self.farm.blobs[path[1]] = content
                self.send(201, json.dumps(self.farm.kit_file(path[1])).encode(), "application/json")
            elif path[-1] == "content" and path[0] == "errands":
                self.give()
            elif path[-1] == "content" and self.command == "HEAD":
                self.tell_come(path[1])
            elif path[-1] == "content" and self.command == "PATCH":
                self.take_more(path[1])
            elif path[-1] == "content":
                self.take(path[1])
            else:
                length = int(self.headers["Content-Length"] or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = self.farm.answer(self.command, path, query, body)
                self.send(status, b"" if answer is None else json.dumps(answer).encode(), "application/json")
        except Refused as refused:
            self.close_connection = True
            self.send(refused.status, json.dumps(refused.problem).encode(), "application/problem+json")

    def send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def take(self, ref: str) -> None:
        if self.farm.refuse_uploads is not None:
            raise self.farm.refuse_uploads
        if self.headers["Content-Length"]:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        else:
            content = b""
            while size := int(self.rfile.readline().strip() or b"-1", 16):
                if size < 0:  # the sender went away
                    return
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.farm.blobs[ref] = content
        self.farm.images[ref] |= {
            "state": self.farm.image_state,
            "reason": self.farm.image_reason,
            "hint": self.farm.image_hint,
        }
        self.send(200, json.dumps(self.farm.images[ref]).encode(), "application/json")

    def tell_come(self, ref: str) -> None:
        come = self.farm.parts.get(ref, b"")
        self.send_response(200)
        self.send_header("Upload-Offset", str(len(come)))
        self.send_header("Upload-Checksum", f"sha256 {hashlib.sha256(come).hexdigest()}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def take_more(self, ref: str) -> None:
        if self.farm.refuse_uploads is not None:
            raise self.farm.refuse_uploads
        come, size = self.farm.parts.get(ref, b""), int(self.headers["Content-Length"])
        if int(self.headers["Upload-Offset"]) != len(come):
            raise Refused(409, "upload.broken", "it goes on elsewhere")
        if size and self.farm.cut_after:
            self.farm.parts[ref] = come + self.rfile.read(self.farm.cut_after.pop(0))
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.farm.parts[ref] = come + self.rfile.read(size)
        if len(self.farm.parts[ref]) == int(self.headers["Upload-Length"]):
            self.farm.blobs[ref] = self.farm.parts[ref]
            self.farm.images[ref] |= {
                "state": self.farm.image_state,
                "reason": self.farm.image_reason,
                "hint": self.farm.image_hint,
            }
        self.send(204, b"", "text/plain")

    def give(self) -> None:
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        content = self.farm.exported[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.farm.cut_after:
            self.wfile.write(content[: self.farm.cut_after.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(content)

    def stream(self, query: dict[str, str]) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        sent, after = 0, int(query.get("after", "0"))
        while not self.farm.over:
            with self.farm.changed:
                fresh = self.farm.chosen(query | {"after": str(after)})
                if not fresh:
                    self.farm.changed.wait(0.2)
            for event in fresh:
                self.wfile.write(f"id: {event['number']}\nevent: event\ndata: {json.dumps(event)}\n\n".encode())
                sent, after = sent + 1, event["number"]
                if sent == self.farm.cut_streams_after:
                    return
            self.wfile.write(b"" if fresh else b": still here\n\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away is part of the game
