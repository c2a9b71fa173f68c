"""Tokens: what people come in with, and what they give their programs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Invalid, NotAllowed, NotFound
from boardgrid.model.user import Asker, Audience, NewToken, Scope, Token, User, scope_of
from boardgrid.ports import Snapshot
from boardgrid.services import credentials
from boardgrid.services.desk import Desk, Work, check_account, check_admin, too_narrow
from boardgrid.services.finding import user_named

log = structlog.get_logger()

TOKEN_FOR = timedelta(days=90)  # where it was not said
LONGEST = timedelta(days=366)  # one that somebody makes for themselves; an admin hands out some without an end
_TOKENS_MOST = 100  # of one user


@dataclass(frozen=True, slots=True)
class Uses:
    """
    When tokens were last used, until somebody writes it down: else each request would be a write. What is not written
    when the controller dies is lost, and nobody misses it.
    """

    at: dict[str, datetime] = field(default_factory=dict)

    def note(self, token: str, now: datetime) -> None:
        self.at[token] = now

    def taken(self) -> dict[str, datetime]:
        found = {}
        while self.at:
            token, at = self.at.popitem()
            found[token] = at
        return found


@dataclass(frozen=True, slots=True)
class Tokens:
    desk: Desk
    uses: Uses

    def asker(self, token: str, origin: str = "") -> Asker:
        """
        Who comes in with this token. Every other service takes them as *asker*.

        Raises:
            NotAllowed: TOKEN_REFUSED, it is nobody's, or opens a door of machines; TOKEN_EXPIRED; ACCOUNT_SUSPENDED.
        """
        now = self.desk.now()
        with self.desk.records.read() as records:
            stored = checked_token(records, token, Audience.PERSON)
            user = records.user(stored.user) if stored.user else None
        if user is None or user.removed:
            raise token_refused()
        if stored.is_over(now):
            raise NotAllowed(
                Code.TOKEN_EXPIRED,
                _("this token was good until {until:%Y-%m-%d %H:%M} UTC"),
                hint=_("log in again with boardgrid login, or make another with boardgrid token create"),
                until=stored.expires_at,
            )
        check_account(user)
        self.uses.note(stored.id, now)
        return Asker(
            user.id,
            user.name,
            user.role,
            user.ssh_keys,
            scope=stored.scope,
            origin=origin,
            token=stored.id,
        )

    def list(self, asker: User, name: str | None = None) -> list[Token]:
        """
        The asker's own, or those of the user of this *name*: oldest first, also those that are over.

        Raises:
            NotFound: USER_UNKNOWN.
        """
        with self.desk.records.read() as records:
            user = user_named(records, asker, name) if name is not None else asker
            found = records.tokens(user.id)
        used = dict(self.uses.at)
        return [replace(one, last_used_at=used.get(one.id, one.last_used_at)) for one in found]

    def create(self, asker: User, label: str, *, scope: Scope | None = None, for_: timedelta | None = None) -> NewToken:
        """
        Make a token of one's own, good for no more than the one that is asked with, and for no longer: none lengthens
        its own life. A login is no such bound, for whoever made it knows the password and could log in again.

        Args:
            scope: None: as the asker's.
            for_: None: 90 days, or as long as the asker's.

        Raises:
            NotAllowed: TOKEN_NARROW.
            Invalid: DURATION_INVALID; REQUEST_INVALID, they have too many.
        """
        wide = scope_of(asker)
        if not wide.holds(scope or wide):
            raise too_narrow(asker)
        with self.desk.begin(asker, "token.create") as work:
            own = work.tx.token(asker.token) if isinstance(asker, Asker) else None
            if len(work.tx.tokens(asker.id)) >= _TOKENS_MOST:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("you have {count} tokens, and no more may be"),
                    hint=_("revoke some: boardgrid token list"),
                    count=_TOKENS_MOST,
                )
            latest = work.now + LONGEST
            if own is not None and own.expires_at is not None and not own.is_login:
                latest = min(latest, own.expires_at)
            expires_at = min(work.now + TOKEN_FOR, latest) if for_ is None else _end(work.now, for_, latest)
            token = new_token(work, asker, label=label, scope=scope or wide, expires_at=expires_at)
        log.info("token.created", user=asker.name, token=token.token.id)
        return token

    def revoke(self, asker: User, token_id: str) -> None:
        """
        End a token: one of the asker's own, or another's by an admin. Any token may end itself.

        Raises:
            NotFound: TOKEN_UNKNOWN.
            NotAllowed: TOKEN_NARROW.
        """
        is_itself = isinstance(asker, Asker) and asker.token == token_id
        with self.desk.begin(asker, "token.revoke", needs=Scope.READ if is_itself else Scope.ALL) as work:
            found = work.tx.token(token_id)
            owner = work.tx.user(found.user) if found and found.user else None
            if found is None or owner is None or not can(asker, "see", owner):
                raise NotFound(
                    Code.TOKEN_UNKNOWN,
                    # Not what was asked for: somebody may give the token itself in the place of its id.
                    _("there is no such token"),
                    hint=_("boardgrid token list shows yours"),
                )
            work.remove(found)
        log.info("token.revoked", token=token_id, by=asker.name)

    def renew(self, asker: User, name: str) -> tuple[User, NewToken]:
        """
        Give a user another token in the place of all that they had: one was lost, or somebody else has it.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.token") as work:
            user = user_named(work.tx, asker, name)
            end_tokens(work, user)
            token = new_token(work, user)
        log.info("user.token_made", user=name, by=asker.name)
        return user, token

    def write_uses(self) -> None:
        """Write down when tokens were last used."""
        if used := self.uses.taken():
            with self.desk.begin() as work:
                work.tx.tokens_used(used)


def checked_token(records: Snapshot, token: str, audience: Audience) -> Token:
    """
    The stored token that *token* is, if it opens this door.

    Raises:
        NotAllowed: TOKEN_REFUSED.
    """
    stored = records.token(credentials.id_in(credentials.TOKEN, token))
    if not credentials.is_same(token, stored.digest if stored else None) or stored is None:
        raise token_refused()
    if stored.audience is not audience:
        raise token_refused()
    return stored


def new_token(
    work: Work,
    user: User,
    *,
    label: str = "",
    scope: Scope = Scope.ALL,
    expires_at: datetime | None = None,
    is_login: bool = False,
) -> NewToken:
    new_id, digest, clear = credentials.made(credentials.TOKEN)
    token = Token(
        new_id,
        digest,
        Audience.PERSON,
        user.id,
        scope=scope,
        label=label,
        origin=work.from_where,
        is_login=is_login,
        created_at=work.now,
        expires_at=expires_at,
    )
    work.save(token)
    return NewToken(token, clear)


def end_tokens(work: Work, user: User, which: Callable[[Token], bool] = lambda _token: True) -> None:
    for token in work.tx.tokens(user.id):
        if which(token):
            work.remove(token)


def token_refused() -> NotAllowed:
    return NotAllowed(
        Code.TOKEN_REFUSED,
        _("this token opens no door here"),
        hint=_("log in again with boardgrid login, or ask an admin for a new token"),
    )


def _end(now: datetime, for_: timedelta, latest: datetime) -> datetime:
    if not timedelta(0) < for_ <= latest - now:
        raise Invalid(
            Code.DURATION_INVALID,
            _("a token that is made with this one is good until {latest:%Y-%m-%d %H:%M} UTC at the latest"),
            hint=_("ask for at most {days} days"),
            latest=latest,
            days=(latest - now).days,
        )
    return now + for_
