"""
The Python client: a farm, over its REST API alone.

    with Farm("http://farm:8470", token) as farm, farm.reserve("2 tk1", image="tiny") as boards:
        for board in boards:
            board.run("uname", "-a")

Every call raises Complaint: what the farm answered, or that it did not.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID

from boardgrid.client import answers, refusal
from boardgrid.client.complaint import REQUEST_INVALID, Complaint
from boardgrid.client.groups import body_of, group
from boardgrid.client.refusal import decoded_or_foreign, foreign
from boardgrid.messages import _

if TYPE_CHECKING:
    import httpx

    from boardgrid.client.stay import Stay, Terms

T = TypeVar("T")
_PREFIX = "/api/v1"
# A slash is in no name but a key's: it would make another question of the one that is meant.
_NO_NAME = re.compile(r"\.*|(?!SHA256:).*/.*", re.DOTALL)
_UPLOAD_ANSWER_S = 600.0  # the farm writes an archive down before it answers


@dataclass(frozen=True, slots=True)
class _Ordered:
    order: UUID


@dataclass(frozen=True, slots=True)
class _Changed:
    changes: tuple[answers.Change, ...]


def farm_url(text: str) -> str:
    """
    The address of a farm as it is written down: without a slash at its end, and without the API's own path.

    Raises:
        Complaint: it is no address of a farm.
    """
    text = text.strip()
    if text.startswith("unix:"):
        path = "/" + text.removeprefix("unix:").lstrip("/")
        if len(path) > 1:
            return f"unix:{path}"
    try:
        parts = urlsplit(text)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.username:
            return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(_PREFIX)}"
    except ValueError:
        pass
    raise Complaint(
        REQUEST_INVALID,
        _("{url!r} is no address of a farm").format(url=text[:200]),
        hint=_("it looks like http://farm:8470, https://farm.example.org or unix:/path/controller.sock"),
    )


class Farm:
    """
    A farm as one user sees it; without a token, as somebody who has none yet. Threads may share it; it is closed by
    ``with`` or by ``close``.
    """

    def __init__(self, url: str, token: str = "", *, timeout_s: float = 30) -> None:
        import httpx  # noqa: PLC0415 - it takes longer to import than most commands take to run

        self.url = farm_url(url)
        if not (token.isascii() and token.isprintable()):
            raise Complaint(REQUEST_INVALID, _("the token holds characters that no token has"))
        at = self.url
        transport = None
        if at.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=at.removeprefix("unix:"))
            at = "http://farm"
        self._http = httpx.Client(
            base_url=at + _PREFIX,
            headers={"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10)),
            transport=transport,
            # Shorter than servers keep an idle connection: none is used at the moment at which it is closed.
            limits=httpx.Limits(keepalive_expiry=3),
            # Authorities are read only where there is something to prove: that takes as long as a whole command.
            verify=at.startswith("https:"),
            # What is on this machine is never asked for through a proxy.
            mounts={"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # --- people

    def log_in(self, name: str, password: str, *, label: str = "") -> answers.NewUser:
        """A token for a name and a password."""
        return self._post(answers.NewUser, {"name": name, "password": password, "label": label}, "login")

    def can_sso(self) -> bool:
        """Whether one may log in at an identity provider."""
        return self._get(answers.LoginWays, "login").sso

    def begin_sso(self, challenge: str, return_to: str = "", *, label: str = "") -> str:
        """Where a browser is to go to log in; *challenge* is a SHA-256 as RFC 7636 has it."""
        body = {"challenge": challenge, "return_to": return_to, "label": label}
        return self._post(answers.SsoBegun, body, "login", "oidc").url

    def finish_sso(self, code: str, verifier: str) -> answers.NewUser:
        """A token for the code that came of it."""
        return self._post(answers.NewUser, {"code": code, "verifier": verifier}, "login", "oidc", "token")

    def accept(
        self, code: str, *, name: str = "", password: str | None = None, ssh_keys: Iterable[str] = ()
    ) -> answers.NewUser:
        """Make the account that a code is for, or choose a new password; and a token."""
        body = {"code": code, "name": name, "password": password, "ssh_keys": list(ssh_keys)}
        return self._post(answers.NewUser, body, "invitations", "accept")

    def me(self) -> answers.Me:
        return self._get(answers.Me, "me")

    def change_password(self, old: str | None, new: str) -> None:
        """Who has none yet gives no *old* one."""
        self._call("PUT", "me", "password", json={"old": old, "new": new})

    def keys(self) -> tuple[answers.Key, ...]:
        return self._list(answers.Key, "me", "ssh-keys")

    def add_key(self, line: str) -> tuple[answers.Key, ...]:
        answer = self._call("POST", "me", "ssh-keys", json={"ssh_key": line})
        return self._decoded_all(answers.Key, answer)

    def remove_key(self, fingerprint: str) -> None:
        self._call("DELETE", "me", "ssh-keys", fingerprint)

    def tokens(self, user: str | None = None) -> tuple[answers.Token, ...]:
        """One's own, or those of a *user*."""
        return (
            self._list(answers.Token, "tokens") if user is None else self._list(answers.Token, "users", user, "tokens")
        )

    def create_token(self, label: str = "", *, scope: str | None = None, for_s: float | None = None) -> answers.Token:
        return self._post(answers.Token, {"label": label, "scope": scope, "for_s": for_s}, "tokens")

    def revoke_token(self, token_id: str) -> None:
        self._call("DELETE", "tokens", token_id)

    def notices(self, user: str | None = None) -> answers.Contact:
        """Of what one is told, or a *user* is."""
        return self._get(answers.Contact, *_whose(user), "notices")

    def change_notices(
        self,
        user: str | None = None,
        *,
        email: str | None = None,
        zone: str | None = None,
        occasions: Iterable[str] | None = None,
    ) -> answers.Contact:
        """What is None stays as it is."""
        body = {"email": email, "zone": zone, "occasions": None if occasions is None else list(occasions)}
        return decoded_or_foreign(answers.Contact, self._call("PUT", *_whose(user), "notices", json=body))

    def webhooks(self) -> tuple[answers.Webhook, ...]:
        return self._list(answers.Webhook, "webhooks")

    def add_webhook(self, url: str, *, occasions: Iterable[str] = (), is_farms: bool = False) -> answers.Webhook:
        """Args: occasions: none: always."""
        body = {"url": url, "is_farms": is_farms} | ({"occasions": told} if (told := list(occasions)) else {})
        return self._post(answers.Webhook, body, "webhooks")

    def remove_webhook(self, webhook: str) -> None:
        self._call("DELETE", "webhooks", webhook)

    def feeds(self) -> tuple[answers.Feed, ...]:
        return self._list(answers.Feed, "feeds")

    def create_feed(self, board: str = "") -> answers.Feed:
        """Of one's own reservations, or of a *board*'s."""
        return self._post(answers.Feed, {"board": board}, "feeds")

    def revoke_feed(self, feed: str) -> None:
        self._call("DELETE", "feeds", feed)

    def users(self) -> tuple[answers.User, ...]:
        return self._list(answers.User, "users")

    def user(self, name: str) -> answers.User:
        return self._get(answers.User, "users", name)

    def add_user(self, name: str, *, role: str = "user", ssh_keys: Iterable[str] = ()) -> answers.NewUser:
        return self._post(answers.NewUser, {"name": name, "role": role, "ssh_keys": list(ssh_keys)}, "users")

    def new_token(self, name: str) -> answers.NewUser:
        """Another token for a user; the old ones end."""
        return self._post(answers.NewUser, {}, "users", name, "token")

    def replace_keys(self, name: str, ssh_keys: Iterable[str]) -> answers.User:
        answer = self._call("PUT", "users", name, "ssh-keys", json={"ssh_keys": list(ssh_keys)})
        return decoded_or_foreign(answers.User, answer)

    def give_role(self, name: str, role: str) -> answers.User:
        return decoded_or_foreign(answers.User, self._call("PUT", "users", name, "role", json={"role": role}))

    def suspend(self, name: str) -> answers.User:
        return self._post(answers.User, {}, "users", name, "suspend")

    def restore(self, name: str) -> answers.User:
        return self._post(answers.User, {}, "users", name, "restore")

    def reset(self, name: str) -> answers.Invitation:
        """A code by which a user chooses a new password."""
        return self._post(answers.Invitation, {}, "users", name, "reset")

    def invite(self, role: str = "user", name: str = "") -> answers.Invitation:
        return self._post(answers.Invitation, {"role": role, "name": name}, "invitations")

    def invitations(self) -> tuple[answers.Invitation, ...]:
        return self._list(answers.Invitation, "invitations")

    def revoke_invitation(self, invitation: str) -> None:
        self._call("DELETE", "invitations", invitation)

    def external_identities(self, name: str) -> tuple[answers.ExternalIdentity, ...]:
        """As whom a user comes in by a directory or an identity provider."""
        return self._list(answers.ExternalIdentity, "users", name, "external-identities")

    def link(self, name: str, keys: Iterable[str]) -> tuple[answers.ExternalIdentity, ...]:
        """Let these come into a user's account, and no others."""
        answer = self._call("PUT", "users", name, "external-identities", json={"keys": list(keys)})
        return self._decoded_all(answers.ExternalIdentity, answer)

    def remove_user(self, name: str) -> None:
        self._call("DELETE", "users", name)

    def audit(
        self, *, after: int = 0, who: str | None = None, thing: str | None = None, tail: int | None = None
    ) -> tuple[answers.Audited, ...]:
        """
        What the audit log tells after entry number *after*; the farm tells it in portions. With *tail* only the newest
        so many.
        """
        asked = {key: value for key, value in (("who", who), ("thing", thing)) if value is not None}
        if tail is not None:
            newest = asked | {"after": str(after), "tail": str(tail)}
            return self._list(answers.Audited, "audit", params=newest)
        known: list[answers.Audited] = []
        while portion := self._list(answers.Audited, "audit", params=asked | {"after": str(after)}):
            known += portion
            after = known[-1].number
        return tuple(known)

    # --- groups and projects, rules and maintenance

    def groups(self) -> tuple[answers.UserGroup, ...]:
        return self._list(answers.UserGroup, "groups")

    def group(self, name: str) -> answers.UserGroup:
        return self._get(answers.UserGroup, "groups", name)

    def add_group(self, name: str, members: Iterable[str] = ()) -> answers.UserGroup:
        return self._post(answers.UserGroup, {"name": name, "members": list(members)}, "groups")

    def change_group(self, name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> answers.UserGroup:
        body = {"add": list(add), "remove": list(remove)}
        return self._post(answers.UserGroup, body, "groups", name, "members")

    def remove_group(self, name: str) -> None:
        self._call("DELETE", "groups", name)

    def projects(self) -> tuple[answers.Project, ...]:
        return self._list(answers.Project, "projects")

    def project(self, name: str) -> answers.Project:
        return self._get(answers.Project, "projects", name)

    def add_project(
        self, name: str, *, members: Mapping[str, str] | None = None, description: str = "", image: str = ""
    ) -> answers.Project:
        body = {"name": name, "members": members or {}, "description": description, "image": image}
        return self._post(answers.Project, body, "projects")

    def describe_project(
        self, name: str, *, description: str | None = None, image: str | None = None
    ) -> answers.Project:
        """What is None stays as it is; an empty *image*: none."""
        return self._post(answers.Project, {"description": description, "image": image}, "projects", name, "describe")

    def change_project(
        self,
        name: str,
        *,
        add: Mapping[str, str] | None = None,
        remove: Iterable[str] = (),
        team: str | None = None,
    ) -> answers.Project:
        """
        Let users in to a project, as ``member`` or ``manager``, or out of it.

        Args:
            team: into which those who are let in go; empty: none; None: where they are.
        """
        body = {"add": add or {}, "remove": list(remove)} | ({} if team is None else {"team": team})
        return self._post(answers.Project, body, "projects", name, "members")

    def roster(self, project: str) -> tuple[answers.RosterLine, ...]:
        """Who is in a project, and who is expected."""
        return self._list(answers.RosterLine, "projects", project, "roster")

    def bring_in(
        self, project: str, rows: Iterable[Mapping[str, str | int]], *, replace: bool = False
    ) -> answers.RosterChange:
        """
        Put people into a project, all of them or nobody.

        Args:
            rows: each with a ``name``; a ``part`` (``member``, ``manager``), a ``team``, and a ``line`` for complaints.
            replace: and take out who is not among them, but for managers.
        """
        body = {"rows": [dict(row) for row in rows], "replace": replace}
        return self._post(answers.RosterChange, body, "projects", project, "roster")

    def links(self, project: str) -> tuple[answers.Link, ...]:
        return self._list(answers.Link, "projects", project, "links")

    def make_link(
        self,
        project: str,
        *,
        for_s: float | None = None,
        most: int | None = None,
        team: str = "",
        new_accounts: bool = False,
    ) -> answers.Link:
        """A code by which people come into a project: so many, for so long; None: as the farm has it."""
        wanted = {"for_s": for_s, "most": most, "team": team, "new_accounts": new_accounts}
        body = {key: value for key, value in wanted.items() if value is not None}
        return self._post(answers.Link, body, "projects", project, "links")

    def remove_link(self, project: str, link: str) -> None:
        self._call("DELETE", "projects", project, "links", link)

    def enter(self, code: str) -> answers.Entered:
        """Come into a project by the code of a link."""
        return self._post(answers.Entered, {"code": code}, "me", "projects")

    def remove_project(self, name: str) -> None:
        self._call("DELETE", "projects", name)

    def rules(self) -> answers.Rules:
        return self._get(answers.Rules, "rules")

    def put_rules(self, rules: answers.Rules) -> answers.Rules:
        """Have just these from now on, unless somebody changed those that they were made from."""
        from boardgrid.client.decode import encoded  # noqa: PLC0415 - few commands need it

        told = {key: value for key, value in encoded(rules).items() if value is not None}
        return decoded_or_foreign(answers.Rules, self._call("PUT", "rules", json=told))

    def usage(self) -> tuple[answers.Usage, ...]:
        """What binds the asker: by themselves first, then of each project that they are in."""
        return self._list(answers.Usage, "me", "usage")

    def maintenances(self) -> tuple[answers.Maintenance, ...]:
        return self._list(answers.Maintenance, "maintenance")

    def add_maintenance(
        self,
        boards: Iterable[str] = (),
        *,
        end: datetime,
        reason: str,
        type_: str | None = None,
        where: str | None = None,
        start: datetime | None = None,
        force: bool = False,
    ) -> answers.Maintenance:
        """Keep boards free from *start* on, or from now. With *force* whoever is in the way ends."""
        wanted = {
            "boards": list(boards),
            "type": type_,
            "where": where,
            "start": start and start.isoformat(),
            "end": end.isoformat(),
            "reason": reason,
            "force": force,
        }
        body = {key: value for key, value in wanted.items() if value is not None}
        return self._post(answers.Maintenance, body, "maintenance")

    def remove_maintenance(self, number: int) -> None:
        self._call("DELETE", "maintenance", str(number))

    # --- what stands on the shelf

    def sites(self) -> tuple[answers.Site, ...]:
        return self._list(answers.Site, "sites")

    def board_types(self) -> tuple[answers.BoardType, ...]:
        return self._list(answers.BoardType, "board-types")

    def board_type(self, name: str) -> answers.BoardType:
        return self._get(answers.BoardType, "board-types", name)

    def put_board_type(self, name: str, facts: Mapping[str, object], *, only_new: bool = False) -> answers.BoardType:
        """Add a board type, or change it to just these *facts*; with *only_new* one that is there is left alone."""
        answer = self._call("PUT", "board-types", name, json=facts, params=_only(new=only_new))
        return decoded_or_foreign(answers.BoardType, answer)

    def remove_board_type(self, name: str) -> None:
        self._call("DELETE", "board-types", name)

    def boards(
        self,
        *,
        where: str | None = None,
        type_: str | None = None,
        site: str | None = None,
        tags: Iterable[str] = (),
    ) -> tuple[answers.Board, ...]:
        """All boards, or those that fit the expression *where*, are of this type, at this site, and have all *tags*."""
        wanted = {"where": where, "type": type_, "site": site, "tag": list(tags)}
        asked = {key: value for key, value in wanted.items() if value is not None}
        return self._list(answers.Board, "boards", params=asked)

    def board(self, name: str) -> answers.Board:
        return self._get(answers.Board, "boards", name)

    def put_board(self, name: str, facts: Mapping[str, object], *, only_new: bool = False) -> answers.Board:
        """
        Add a board, or change it to just these *facts*; with *only_new* one that is there is left alone. Its type is in
        its name.
        """
        answer = self._call("PUT", "boards", name, json=facts, params=_only(new=only_new))
        return decoded_or_foreign(answers.Board, answer)

    def describe_board(
        self, name: str, properties: Mapping[str, object] | None = None, tags: Mapping[str, bool] | None = None
    ) -> answers.Board:
        """Change some of what a board is chosen by: None and False take away."""
        return self._post(
            answers.Board, {"properties": properties or {}, "tags": tags or {}}, "boards", name, "describe"
        )

    def remove_board(self, name: str) -> None:
        self._call("DELETE", "boards", name)

    def set_aside(self, name: str, reason: str) -> answers.Board:
        """Offer a board to nobody from now on; who has it keeps it."""
        return self._post(answers.Board, {"reason": reason}, "boards", name, "aside")

    def fit(self, name: str) -> answers.Board:
        """Return a board that was set aside to service."""
        return decoded_or_foreign(answers.Board, self._call("POST", "boards", name, "fit"))

    def power(self, board: str, act: Literal["on", "off", "cycle", "reset"] | str) -> UUID:
        """Order something of a board's power; what becomes of it is told by ``order``."""
        answer = self._call("POST", "boards", board, "power", json={"act": act})
        return decoded_or_foreign(_Ordered, answer).order

    def order(self, board: str, order: UUID) -> answers.Order:
        return self._get(answers.Order, "boards", board, "power", str(order))

    def apply(self, inventory: Mapping[str, object], *, dry_run: bool = False) -> tuple[answers.Change, ...]:
        """Bring boards and types to what *inventory* declares; with *dry_run* only tell what that would change."""
        asked = {"dry_run": "true"} if dry_run else {}
        answer = self._call("PUT", "inventory", json=inventory, params=asked)
        return decoded_or_foreign(_Changed, answer).changes

    # --- what boots

    def images(
        self,
        *,
        name: str = "",
        owner: str = "",
        type: str = "",  # noqa: A002 - the farm's word
        labels: Mapping[str, str] | None = None,
        text: str = "",
        gone: bool = False,
    ) -> tuple[answers.Image, ...]:
        """
        Args:
            type: of boards that they run on.
            text: anywhere in their ref, system or labels.
            gone: those that are gone, too.
        """
        words = {"name": name, "owner": owner, "type": type, "text": text, "gone": "true" if gone else ""}
        params: dict[str, str | list[str]] = {key: value for key, value in words.items() if value}
        if labels:
            params["label"] = [f"{key}={value}" for key, value in labels.items()]
        return self._list(answers.Image, "images", params=params)

    def image(self, ref: str) -> answers.Image:
        return self._get(answers.Image, "images", ref)

    def adaptations(self) -> tuple[answers.Adaptation, ...]:
        return self._list(answers.Adaptation, "adaptations")

    def add_image(
        self,
        name: str,
        *,
        path: str | None = None,
        url: str | None = None,
        sha256: str | None = None,
        partition: int | None = None,
        bsp: str | None = None,
        shared: bool = False,
        visibility: str | None = None,
        project: str | None = None,
        labels: Mapping[str, str] | None = None,
        types: Iterable[str] | None = None,
        site: str | None = None,
        without: Iterable[str] = (),
    ) -> answers.Image:
        """A new version of an image: made of *path* on the farm's server or of *url*, else of what is uploaded."""
        wanted = {
            "name": name,
            "path": path,
            "url": url,
            "sha256": sha256,
            "partition": partition,
            "bsp": bsp,
            "shared": shared,
            "visibility": visibility,
            "project": project,
            "labels": dict(labels) if labels else None,
            "types": None if types is None else list(types),
            "site": site,
            "without": list(without) or None,
        }
        body = {key: value for key, value in wanted.items() if value is not None}
        return self._post(answers.Image, body, "images")

    def check_image_name(self, name: str) -> None:
        """
        Raises:
            Complaint: no image of one's own may be called so, or there may be none more.
        """
        self._call("GET", "image-names", name)

    def upload(self, ref: str, archive: Iterable[bytes], *, size_bytes: int | None = None) -> None:
        """Bring the content of an image: a tar archive, in pieces. An error of *archive* breaks the upload off."""
        import httpx  # noqa: PLC0415 - see above

        headers = {"Content-Type": "application/x-tar"}
        if size_bytes is not None:
            headers["Content-Length"] = str(size_bytes)
        timeout = httpx.Timeout(_UPLOAD_ANSWER_S, connect=self._http.timeout.connect)
        self._call("PUT", "images", ref, "content", content=archive, headers=headers, timeout=timeout)

    def upload_state(self, ref: str) -> answers.Come:
        """How much of an upload has come."""
        told = self._answer("HEAD", "images", ref, "content", timeout=_UPLOAD_ANSWER_S).headers
        try:
            return answers.Come(int(told["Upload-Offset"]), told["Upload-Checksum"].removeprefix("sha256 "))
        except (KeyError, ValueError) as error:
            raise foreign(_("it does not say how much of an upload has come")) from error

    def announce_upload(self, ref: str, at_bytes: int, *, size_bytes: int) -> None:
        """
        The same as :meth:`upload_piece` with nothing in it yet. Who sends a body hears of a refusal at its end alone:
        what has no room, or is over a limit, would all be sent in vain.
        """
        self._upload_piece(ref, at_bytes, (), 0, size_bytes)

    def upload_piece(self, ref: str, at_bytes: int, archive: Iterable[bytes], *, size_bytes: int) -> None:
        """Bring an upload from *at_bytes* on; what came stays when it breaks off. *size_bytes*: of all of it."""
        self._upload_piece(ref, at_bytes, archive, size_bytes - at_bytes, size_bytes)

    def _upload_piece(self, ref: str, at_bytes: int, piece: Iterable[bytes], piece_bytes: int, size_bytes: int) -> None:
        import httpx  # noqa: PLC0415 - see above

        headers = {
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(piece_bytes),
            "Upload-Offset": str(at_bytes),
            "Upload-Length": str(size_bytes),
        }
        timeout = httpx.Timeout(_UPLOAD_ANSWER_S, connect=self._http.timeout.connect)
        self._call("PATCH", "images", ref, "content", content=piece, headers=headers, timeout=timeout)

    def describe_image(
        self,
        ref: str,
        *,
        visibility: str | None = None,
        project: str | None = None,
        labels: Mapping[str, str | None] | None = None,
        types: Iterable[str] | None = None,
    ) -> answers.Image:
        """What is None stays as it is; a label that is None goes."""
        wanted = {"visibility": visibility, "project": project, "labels": dict(labels or {})}
        return self._post(
            answers.Image, wanted | {"types": None if types is None else list(types)}, "images", ref, "describe"
        )

    def set_alias(self, ref: str, alias: str) -> answers.Image:
        """Have an alias mean this version, and no other from now on."""
        return decoded_or_foreign(answers.Image, self._call("PUT", "images", ref, "aliases", alias))

    def remove_alias(self, name: str, alias: str) -> None:
        self._call("DELETE", "images", name, "aliases", alias)

    def recipes(self) -> tuple[answers.Recipe, ...]:
        return self._list(answers.Recipe, "recipes")

    def recipe(self, name: str) -> answers.Recipe:
        return self._get(answers.Recipe, "recipes", name)

    def build_image(
        self,
        recipe: str | None = None,
        *,
        text: str | None = None,
        arch: str = "",
        name: str = "",
        shared: bool = False,
        site: str | None = None,
    ) -> answers.Image:
        """
        Build an image.

        Args:
            recipe: the name of one that ships; or else
            text: of the file of a recipe.
        """
        body = {"recipe": recipe, "text": text, "arch": arch, "name": name, "shared": shared, "site": site}
        return self._post(answers.Image, body, "images", "build")

    def test_image(self, ref: str, types: Sequence[str] = ()) -> tuple[answers.Reservation, ...]:
        """Have the farm see whether it boots on a board of each type, or of these."""
        answer = self._call("POST", "images", ref, "tests", json={"types": list(types)})
        return self._decoded_all(answers.Reservation, answer)

    def remove_image(self, ref: str) -> None:
        """Into the wastebasket, or for good where it is being made."""
        self._call("DELETE", "images", ref)

    def restore_image(self, ref: str) -> answers.Image:
        return self._post(answers.Image, {}, "images", ref, "restore")

    def waste(self, *, everyone: bool = False) -> tuple[answers.Image, ...]:
        """Images that nobody needs any more."""
        return self._list(answers.Image, "image-waste", params={"all": "true"} if everyone else None)

    def empty_waste(self, *, everyone: bool = False) -> tuple[answers.Image, ...]:
        answer = self._call("DELETE", "image-waste", params={"all": "true"} if everyone else None)
        return self._decoded_all(answers.Image, answer)

    def verify_image(self, ref: str) -> answers.Errand:
        return self._post(answers.Errand, {}, "images", ref, "verify")

    def export_image(self, ref: str) -> answers.Errand:
        return self._post(answers.Errand, {}, "images", ref, "export")

    def errand(self, errand: str) -> answers.Errand:
        return self._get(answers.Errand, "errands", errand)

    def forget_errand(self, errand: str) -> None:
        self._call("DELETE", "errands", errand)

    @contextmanager
    def download(self, errand: str, from_bytes: int = 0) -> Iterator[Iterator[bytes]]:
        """What was exported, from *from_bytes* on, in pieces."""
        import httpx  # noqa: PLC0415 - see above

        headers = {"Range": f"bytes={from_bytes}-"} if from_bytes else {}
        request = self._written("GET", "errands", errand, "content", headers=headers)
        try:
            answer = self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                    raise self.complaint_about(answer)
                if from_bytes and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                    raise foreign(_("a part was asked for, and the whole came"))
                yield answer.iter_bytes()
            finally:
                answer.close()
        except httpx.HTTPError as error:
            raise self.complaint_about(error) from error

    def roots(self) -> tuple[answers.Root, ...]:
        return self._list(answers.Root, "roots")

    def root(self, name: str) -> answers.Root:
        return self._get(answers.Root, "roots", name)

    def keep_root(self, name: str, image: str) -> answers.Image:
        return self._post(answers.Image, {"image": image}, "roots", name, "keep")

    def ask_diff(
        self,
        *,
        board: str | None = None,
        root: str | None = None,
        image: str | None = None,
        since: str | None = None,
        without_farms: bool = False,
    ) -> answers.Diff:
        """
        Ask what changed: on the root that *board* runs, on *root*, or in *image* since another, else its parent.

        Args:
            without_farms: leave out what the farm wrote for the deployment of a root, where nobody changed it since.
        """
        of = {"board": board, "root": root, "image": image, "since": since, "without_farms": without_farms or None}
        return self._post(answers.Diff, {key: value for key, value in of.items() if value is not None}, "diffs")

    def diff(self, id_: UUID, wait_s: float = 0) -> answers.Diff:
        """What became of it, as soon as it is answered or *wait_s* have passed."""
        return decoded_or_foreign(
            answers.Diff, self._call("GET", "diffs", str(id_), params={"wait_s": wait_s}, timeout=wait_s + 30)
        )

    def discard_root(self, name: str) -> None:
        self._call("DELETE", "roots", name)

    def volumes(self) -> tuple[answers.Volume, ...]:
        """One's own and those of one's projects, but for those that are gone."""
        return self._list(answers.Volume, "volumes")

    def volume(self, name: str) -> answers.Volume:
        return self._get(answers.Volume, "volumes", name)

    def create_volume(
        self, name: str, size_bytes: int, *, project: str = "", path: str = "", site: str = ""
    ) -> answers.Volume:
        """Have a volume made; boards that are given out when it is ready mount it."""
        wanted = {"name": name, "size_bytes": size_bytes, "project": project, "path": path, "site": site}
        return self._post(answers.Volume, {key: value for key, value in wanted.items() if value}, "volumes")

    def change_volume(self, name: str, *, size_bytes: int | None = None, path: str | None = None) -> answers.Volume:
        """Make a volume larger, or have it mounted elsewhere."""
        wanted = {"size_bytes": size_bytes, "path": path}
        body = {key: value for key, value in wanted.items() if value is not None}
        return decoded_or_foreign(answers.Volume, self._call("PATCH", "volumes", name, json=body))

    def remove_volume(self, name: str) -> answers.Volume:
        """Its files are kept for some days."""
        return decoded_or_foreign(answers.Volume, self._call("DELETE", "volumes", name))

    def restore_volume(self, name: str) -> answers.Volume:
        """Have one back that was removed."""
        return self._post(answers.Volume, {}, "volumes", name, "restore")

    # --- who has what

    def reservations(self, *, everyone: bool = False, running: bool = False) -> tuple[answers.Reservation, ...]:
        """Newest first; those that are over too, unless only those that run or wait are asked for."""
        asked = ({"all": "true"} if everyone else {}) | ({"running": "true"} if running else {})
        known: list[answers.Reservation] = []
        while portion := self._list(answers.Reservation, "reservations", params=asked):
            known += portion
            if running:
                break  # they come all at once
            asked["before"] = str(known[-1].number)
        return tuple(known)

    def reservation(self, number: int) -> answers.Reservation:
        return self._get(answers.Reservation, "reservations", str(number))

    def reserve(
        self,
        *what: answers.Group | str,
        image: str | None = None,
        root: str | None = None,
        for_s: float = 3600,
        wait: bool = True,
        project: str | None = None,
        how: "Terms | None" = None,
    ) -> "Stay":
        """
        Boards for as long as a ``with`` lasts: reserved, deployed, open; then given back.

            with farm.reserve("tk1", image="tiny") as [board]:
                board.run("uname", "-a")

        Should this program die, they are given back some minutes later.

        Args:
            what: groups of boards, see ``book``.
            wait: for their turn, where they are not free now.
            project: on which it counts; boots its image where neither is named.
        """
        from boardgrid.client.stay import Stay, Terms  # noqa: PLC0415 - few programs stay

        def book() -> answers.Reservation:
            kind = "queued" if wait else "fixed"
            return self.book(*what, image=image, root=root, for_s=for_s, kind=kind, project=project)

        return Stay(self, book, how or Terms())

    def book(
        self,
        *what: answers.Group | str,
        for_s: float,
        image: str | None = None,
        root: str | None = None,
        at: datetime | None = None,
        kind: Literal["fixed", "queued", "best_effort"] | str = "fixed",
        project: str | None = None,
    ) -> answers.Reservation:
        """
        Ask for a reservation, and nothing more; ``reserve`` also waits for its boards and gives them back.

        Args:
            what: groups of boards, as the command line has them: ``tk1-1``, ``2 tk1``, ``tk1 (ram_mb >= 2048)``.
            image: a ref that they boot; or else
            root: the name of one that was kept aside.
            at: of a fixed one: when it begins; None: now.
            project: on which it counts; boots its image where neither is named.
        """
        groups = [group(one) if isinstance(one, str) else one for one in what]
        wanted = {"image": image, "root": root, "for_s": for_s, "at": at and at.isoformat(), "project": project}
        body = body_of(groups) | {key: value for key, value in wanted.items() if value is not None}
        return self._post(answers.Reservation, body if kind == "fixed" else body | {"kind": kind}, "reservations")

    # --- lessons

    def blocks(self, project: str | None = None) -> tuple[answers.Block, ...]:
        """Those of the asker's projects that run or are to come, in the order of time."""
        return self._list(answers.Block, "blocks", params={"project": project} if project else None)

    def block(self, number: int) -> answers.Block:
        return self._get(answers.Block, "blocks", str(number))

    def add_blocks(
        self,
        project: str,
        what: answers.Group,
        *,
        starts: Iterable[datetime],
        for_s: float,
        ready_s: float | None = None,
        turn_s: float | None = None,
        image: str = "",
    ) -> tuple[answers.Block, ...]:
        """Hold boards for a project from each of these times on: all of it or nothing."""
        wanted = {
            "project": project,
            "count": what.count,
            "type": what.type or None,
            "where": what.where or None,
            "starts": [start.isoformat() for start in starts],
            "for_s": for_s,
            "ready_s": ready_s,
            "turn_s": turn_s,
            "image": image or None,
        }
        body = {key: value for key, value in wanted.items() if value is not None}
        return self._decoded_all(answers.Block, self._call("POST", "blocks", json=body))

    def remove_block(self, number: int, *, later: bool = False) -> None:
        self._call("DELETE", "blocks", str(number), params={"later": "true"} if later else None)

    def take_seat(self, number: int, *, root: str | None = None) -> answers.Reservation:
        """Ask for a board of a block, for oneself and one's team."""
        return self._post(answers.Reservation, {"root": root} if root else {}, "blocks", str(number), "seats")

    # ---

    def queue(self) -> tuple[answers.Reservation, ...]:
        """Who waits for their turn, the next first; then who waits for what nobody needs."""
        return self._list(answers.Reservation, "queue")

    def extend(self, number: int, by_s: float) -> answers.Reservation:
        return self._post(answers.Reservation, {"by_s": by_s}, "reservations", str(number), "extend")

    def share(self, number: int, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> answers.Reservation:
        """Let others in to its boards, or no longer."""
        body = {"add": list(add), "remove": list(remove)}
        return self._post(answers.Reservation, body, "reservations", str(number), "share")

    def heartbeat(self, number: int, ttl_s: float) -> answers.Reservation:
        """Have a reservation end unless this is said again within *ttl_s*: for a job that may die unheard."""
        return self._post(answers.Reservation, {"ttl_s": ttl_s}, "reservations", str(number), "heartbeat")

    def release(
        self,
        number: int,
        fate: Literal["keep", "aside", "discard"] | str | None,
        name: str | None = None,
        board: str | None = None,
    ) -> answers.Reservation:
        """
        Give boards back; or withdraw what has not begun.

        Args:
            fate: of their roots; None: aside, or discard where nobody can have written to it.
            name: of the image to keep, or of the root kept aside.
            board: of several this one alone.
        """
        wanted = {"fate": fate, "name": name, "board": board}
        body = {key: value for key, value in wanted.items() if value is not None}
        return self._post(answers.Reservation, body, "reservations", str(number), "release")

    def save(
        self, number: int, image: str, board: str | None = None, after: Literal["boot", "release"] | str = "boot"
    ) -> answers.Reservation:
        """
        Stop a board and make a new version of *image* of its root.

        Args:
            board: of several this one.
            after: it boots the same root again, or is given back.
        """
        body = {"image": image, "after": after} | ({} if board is None else {"board": board})
        return self._post(answers.Reservation, body, "reservations", str(number), "save")

    def boot(
        self, number: int, board: str | None = None, *, once: bool = False, **kit: str | bool | None
    ) -> answers.Reservation:
        """
        Restart a board into the same root.

        Args:
            board: of several this one.
            once: what is restarted after that boots what was good before.
            kit: what it boots with: ``kernel``, ``dtb``, ``initrd`` and ``modules`` as the SHA-256 of a file that was
                sent before, ``release``, ``append``, ``without_initrd``, ``from_root``. None of it: the image's kernel.
        """
        body = {key: value for key, value in {"board": board, "once": once, **kit}.items() if value}
        return self._post(answers.Reservation, body, "reservations", str(number), "boot")

    def kit_file(self, sha256: str) -> answers.KitFile:
        """A file that one sent before."""
        return self._get(answers.KitFile, "kit-files", sha256)

    def send_kit_file(self, sha256: str, chunks: Iterable[bytes], *, size_bytes: int) -> answers.KitFile:
        """Send a file to boot with, in pieces."""
        import httpx  # noqa: PLC0415 - see above

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
        timeout = httpx.Timeout(_UPLOAD_ANSWER_S, connect=self._http.timeout.connect)
        answer = self._call("PUT", "kit-files", sha256, content=chunks, headers=headers, timeout=timeout)
        return decoded_or_foreign(answers.KitFile, answer)

    def checkpoint(self, number: int, image: str, *, board: str | None = None) -> answers.Image:
        """
        A new version of *image* of what a board of a reservation runs, while it goes on: crash consistent, as the root
        were after a power cut. Of several boards one is named.
        """
        body = {"image": image} | ({} if board is None else {"board": board})
        return self._post(answers.Image, body, "reservations", str(number), "checkpoint")

    def deployment(self, id_: UUID) -> answers.Deployment:
        return self._get(answers.Deployment, "deployments", str(id_))

    def known_hosts(self) -> str:
        """The host keys of the boards that the asker holds, as lines of an OpenSSH known_hosts file."""
        return self._answer("GET", "known-hosts", headers={"Accept": "text/plain"}).text

    # --- what happens

    def events(
        self, *, after: int = 0, board: str | None = None, reservation: int | None = None, tail: int | None = None
    ) -> tuple[answers.Event, ...]:
        """
        All that happened until now, after event number *after*; the farm tells it in portions. With *tail* only the
        newest so many.
        """
        if tail is not None:
            newest = _filters(after, board, reservation) | {"tail": str(tail)}
            return self._list(answers.Event, "events", params=newest)
        known: list[answers.Event] = []
        while portion := self._list(answers.Event, "events", params=_filters(after, board, reservation)):
            known += portion
            after = known[-1].number
        return tuple(known)

    def follow(
        self,
        *,
        after: int = 0,
        board: str | None = None,
        reservation: int | None = None,
        quiet_s: float = 5,
        patience_s: float = 60,
    ) -> Iterator[answers.Event | None]:
        """
        What happened after event number *after*, then each event as it happens, without an end.

        None comes about every *quiet_s* in which nothing happened, so that who waits may look at something else. A farm
        that goes away is waited for, and each event still comes once.

        Raises:
            Complaint: the farm refused, or did not answer for *patience_s*.
        """
        from boardgrid.client.feed import Feed  # noqa: PLC0415 - few commands need it

        filters = _filters(after, board, reservation)
        self._written("GET", "events", params=filters)  # once, before it is asked again and again
        feed = Feed(self._http, self.complaint_about, quiet_s=quiet_s, patience_s=patience_s)
        for number, data in feed.messages(filters):
            yield None if number is None else decoded_or_foreign(answers.Event, data)

    # --- how it is asked

    def _get(self, kind: type[T], *path: str) -> T:
        return decoded_or_foreign(kind, self._call("GET", *path))

    def _post(self, kind: type[T], body: Mapping[str, object], *path: str) -> T:
        return decoded_or_foreign(kind, self._call("POST", *path, json=body))

    def _list(self, kind: type[T], *path: str, params: Mapping[str, str | list[str]] | None = None) -> tuple[T, ...]:
        return self._decoded_all(kind, self._call("GET", *path, params=params))

    def _decoded_all(self, kind: type[T], answer: object) -> tuple[T, ...]:
        if not isinstance(answer, list):
            raise foreign(_("a list was asked for, and something else came"))
        return tuple(decoded_or_foreign(kind, one) for one in answer)

    def _call(self, method: str, *path: str, **how: Any) -> object:
        answer = self._answer(method, *path, **how)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise foreign(_("the answer is not JSON")) from error

    def _answer(self, method: str, *path: str, **how: Any) -> "httpx.Response":
        import httpx  # noqa: PLC0415 - see above

        request = self._written(method, *path, **how)
        try:
            answer = self._http.send(request)
        except httpx.HTTPError as error:
            raise self.complaint_about(error, method) from error
        if answer.is_success:
            return answer
        raise self.complaint_about(answer, method)

    def _written(self, method: str, *path: str, **how: Any) -> "httpx.Request":
        """
        What is asked, as bytes.

        Raises:
            Complaint: something in it cannot be written down: a byte that is no text, a number that is none.
        """
        import httpx  # noqa: PLC0415 - see above

        for word in path:
            if _NO_NAME.fullmatch(word):
                raise Complaint(
                    REQUEST_INVALID,
                    _("{word!r} is no name").format(word=word[:80]),
                    hint=_("a name has letters, digits, dots, dashes and underscores"),
                )
        try:
            return self._http.build_request(method, "/" + "/".join(quote(word, safe=":") for word in path), **how)
        except UnicodeEncodeError as error:
            sentence = _("{text!r} holds bytes that are no text")
            raise Complaint(REQUEST_INVALID, sentence.format(text=str(error.object)[:200])) from error
        except (ValueError, httpx.InvalidURL) as error:
            sentence = _("what was asked for cannot be written down: {why}")
            raise Complaint(REQUEST_INVALID, sentence.format(why=error)) from error

    def complaint_about(self, what: "httpx.Response | Exception", method: str = "GET") -> Complaint:
        """What to tell of an answer that is not a success (its body read), or of none."""
        return refusal.complaint(self.url, method, what)


def _whose(user: str | None) -> tuple[str, ...]:
    return ("me",) if user is None else ("users", user)


def _only(*, new: bool) -> dict[str, str]:
    return {"only_new": "true"} if new else {}


def _filters(after: int, board: str | None, reservation: int | None) -> dict[str, str]:
    wanted = {"after": after, "board": board, "reservation": reservation}
    return {key: str(value) for key, value in wanted.items() if value is not None}
