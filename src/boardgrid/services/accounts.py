"""Accounts: who may come in, as what, with which key."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Conflict, NotAllowed, NotFound
from boardgrid.model.name import checked
from boardgrid.model.reservation import LIVE
from boardgrid.model.ssh_key import checked_key
from boardgrid.model.user import Audience, NewToken, Role, Secret, Token, User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, Work, check_admin

log = structlog.get_logger()

_TOKEN = re.compile(r"bg_(?P<id>[0-9a-f]{16})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Accounts:
    desk: Desk

    def user_of(self, token: str) -> User:
        """
        Whose token this is. Every other method takes that user as *asker*.

        Raises:
            NotAllowed: TOKEN_REFUSED; nobody's, or that of a door of machines.
        """
        with self.desk.records.read() as records:
            stored = _checked(records, token, Audience.PERSON)
            user = records.user(stored.user) if stored.user else None
        if user is None or user.removed:
            raise _refused()
        return user

    def site_of(self, token: str, audience: Audience) -> str:
        """
        For which site this token opens the agent's or the gateway's door.

        Raises:
            NotAllowed: TOKEN_REFUSED; it does not open that door.
        """
        with self.desk.records.read() as records:
            stored = _checked(records, token, audience)
        if stored.site is None:
            raise _refused()
        return stored.site

    def create_admin(self, name: str, *, again: bool = False) -> NewToken:
        """
        Make an admin and their first token. For the controller's own machine: nobody asks, so nobody is checked.

        With *again*, an admin of that name gets a new token, and the old ones end.

        Raises:
            Invalid: NAME_INVALID.
            Conflict: NAME_TAKEN.
        """
        with self.desk.begin() as work:
            user = work.tx.user_named(checked("user", name))
            if user is None:
                user = User(work.new_id(), name, Role.ADMIN)
                work.save(user)
            elif not again or not user.is_admin:
                raise _name_taken(name)
            token = _renewed(work, user)
        log.info("admin.created", user=name)
        return token

    def site_token(self, site: str, audience: Audience) -> NewToken:
        """
        A new token for the agent or the gateway of *site*; the one before it ends. For the controller's own machine.

        Raises:
            NotFound: SITE_UNKNOWN.
        """
        with self.desk.begin() as work:
            if work.tx.site(site) is None:
                raise NotFound(Code.SITE_UNKNOWN, _("there is no site {site}"), site=site)
            work.tx.tokens_end(site=site, audience=audience)
            token = _new_token(audience, site=site)
            work.save(token.token)
        log.info("site.token_made", site=site, audience=audience)
        return token

    def add(self, asker: User, name: str, role: Role, ssh_keys: Sequence[str] = ()) -> tuple[User, NewToken]:
        """
        Make a user and their first token.

        Raises:
            NotAllowed: only admins may.
            Invalid: NAME_INVALID, or KEY_INVALID for a key that is none, is weak, or carries options.
            Conflict: NAME_TAKEN, or KEY_TAKEN: a key tells one user, so two cannot have the same.
        """
        check_admin(asker)
        checked("user", name)
        keys = _checked_keys(ssh_keys)
        with self.desk.begin(asker) as work:
            if work.tx.user_named(name) is not None:
                raise _name_taken(name)
            _check_free(work, keys)
            user = User(work.new_id(), name, role, keys)
            work.save(user)
            token = _renewed(work, user)
        log.info("user.added", user=name, role=role, by=asker.name)
        return user, token

    def users(self, asker: User) -> list[User]:
        """All users by name, as far as *asker* may see them."""
        with self.desk.records.read() as records:
            return [one for one in records.users() if not one.removed and can(asker, "see", one)]

    def user(self, asker: User, name: str) -> User:
        """
        Raises:
            NotFound: USER_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return _seen(asker, records.user_named(name), name)

    def new_token(self, asker: User, name: str) -> tuple[User, NewToken]:
        """
        Give a user another token in the place of all that they had: one was lost, or somebody else has it.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            user = _seen(asker, work.tx.user_named(name), name)
            token = _renewed(work, user)
        log.info("user.token_made", user=name, by=asker.name)
        return user, token

    def replace_keys(self, asker: User, name: str, ssh_keys: Sequence[str]) -> User:
        """
        Give a user these SSH keys and no others. Nobody comes in by an old one; a board that is open already has the
        keys that it was given.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Invalid: KEY_INVALID.
            Conflict: KEY_TAKEN.
        """
        check_admin(asker)
        keys = _checked_keys(ssh_keys)
        with self.desk.begin(asker) as work:
            user = replace(_seen(asker, work.tx.user_named(name), name), ssh_keys=keys)
            _check_free(work, keys, user.id)
            work.save(user)
        log.info("user.keys_replaced", user=name, keys=len(keys), by=asker.name)
        return user

    def remove(self, asker: User, name: str) -> None:
        """
        Close an account: tokens and keys end at once. Roots kept aside stay until their date, images stay.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Conflict: THING_IN_USE, the sentence lists the reservations that run; LAST_ADMIN.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            user = _seen(asker, work.tx.user_named(name), name)
            live = work.tx.reservations(user=user.id, states=LIVE)
            running = [one for one in live if one.user == user.id]
            if running:
                raise Conflict(
                    Code.THING_IN_USE,
                    _("{user} still holds {boards}"),
                    hint=_("have them released first: boardgrid release {number}"),
                    user=name,
                    boards=", ".join(sorted(board for one in running for board in one.boards)),
                    number=running[0].number,
                )
            admins = [one for one in work.tx.users() if one.is_admin and not one.removed]
            if admins == [user]:
                raise Conflict(
                    Code.LAST_ADMIN,
                    _("{user} is the last admin of this farm"),
                    hint=_("make another admin first"),
                    user=name,
                )
            work.tx.tokens_end(user=user.id, audience=Audience.PERSON)
            work.save(replace(user, removed=True, ssh_keys=()))
        log.info("user.removed", user=name, by=asker.name)


def _checked(records: Snapshot, token: str, audience: Audience) -> Token:
    """The stored token that *token* is, if it opens this door."""
    told = _TOKEN.fullmatch(token)
    stored = records.token(told["id"]) if told else None
    # Compared also where there is nothing to compare with: how long the answer takes tells nothing.
    is_same = hmac.compare_digest(stored.digest if stored else "0" * 64, _digest(token))
    if stored is None or not is_same or stored.audience is not audience:
        raise _refused()
    return stored


def _digest(token: str) -> str:
    # The secret has 256 bits of chance: nothing slower than SHA-256 is needed to keep it.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _new_token(audience: Audience, *, user: UUID | None = None, site: str | None = None) -> NewToken:
    token_id = secrets.token_hex(8)
    clear = f"bg_{token_id}_{secrets.token_urlsafe(32)}"
    return NewToken(Token(token_id, _digest(clear), audience, user, site), Secret(clear))


def _renewed(work: Work, user: User) -> NewToken:
    """A person has one token."""
    work.tx.tokens_end(user=user.id, audience=Audience.PERSON)
    token = _new_token(Audience.PERSON, user=user.id)
    work.save(token.token)
    return token


def _checked_keys(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checked_key(line) for line in lines))


def _check_free(work: Work, keys: Sequence[str], user: UUID | None = None) -> None:
    for key in keys:
        has = work.tx.user_with_key(key)
        if has is not None and has.id != user:
            raise Conflict(
                Code.KEY_TAKEN,
                _("the key {start!r} is another user's already, and the farm tells people by their keys"),
                hint=_("make a key of their own with ssh-keygen"),
                start=key[:60],
            )


def _seen(asker: User, user: User | None, name: str) -> User:
    if user is None or not can(asker, "see", user):
        raise NotFound(Code.USER_UNKNOWN, _("there is no user {user}"), user=name)
    return user


def _name_taken(name: str) -> Conflict:
    return Conflict(Code.NAME_TAKEN, _("there is a user {user} already"), hint=_("choose another name"), user=name)


def _refused() -> NotAllowed:
    return NotAllowed(
        Code.TOKEN_REFUSED,
        _("this token opens no door here"),
        hint=_("log in again with boardgrid login, or ask an admin for a new token"),
    )
