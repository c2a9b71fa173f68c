"""Single sign-on: a login in a browser at an identity provider, which ends as a token of whoever began it."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.federation import Enrolment, PendingLogin, Person
from boardgrid.model.user import NewToken, Secret, User
from boardgrid.ports import IdentityProvider, Snapshot
from boardgrid.services import credentials
from boardgrid.services.desk import Desk, check_account
from boardgrid.services.enrolling import enrolled
from boardgrid.services.logins import Logins

log = structlog.get_logger()

BEGUN_FOR = timedelta(minutes=10)
CODE_FOR = timedelta(minutes=3)  # it may have to be typed
UNDER_WAY_MOST, UNDER_WAY_FROM_ONE = 1000, 200  # a whole lab may come from one address

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# Of the machine that the browser runs on, by its number: names may be anybody's (RFC 8252, 7.3 and 8.3).
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]{0,4}/[A-Za-z0-9_-]{0,64}")
_REASON = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Returned:
    """How a login at the provider went, for the browser that comes back."""

    return_to: str  # empty: it is shown there
    code: Secret | None = field(default=None, repr=False)
    trouble: FarmError | None = None


@dataclass(frozen=True, slots=True)
class SingleSignOn:
    desk: Desk
    logins: Logins
    provider: IdentityProvider | None = None
    enrolment: Enrolment = field(default_factory=Enrolment)

    @property
    def is_offered(self) -> bool:
        return self.provider is not None

    def begin(self, challenge: str, return_to: str = "", *, label: str = "", origin: str) -> str:
        """
        Begin a login, and return where a browser is to go.

        Args:
            challenge: base64url SHA-256 of a secret: who tells that at the end gets the token, and nobody else.
            return_to: where on their own machine the asker listens for the code; empty: it is shown, to be typed.

        Raises:
            NotFound: PROVIDER_UNKNOWN.
            Invalid: REQUEST_INVALID.
            Conflict: LOGINS_TOO_MANY.
            Fault: PROVIDER_FAILED.
        """
        if not _CHALLENGE.fullmatch(challenge):
            raise Invalid(Code.REQUEST_INVALID, _("challenge: should be a SHA-256 in base64url, without ="))
        if return_to and not _LOOPBACK.fullmatch(return_to):
            raise Invalid(
                Code.REQUEST_INVALID,
                _("return_to: should be on the machine of the browser itself"),
                hint=_("like this: http://127.0.0.1:40123/x7d"),
            )
        new_id, digest, state = credentials.made(credentials.STATE)
        verifier = secrets.token_urlsafe(48)
        # The nonce ties what the provider signs to this state; it is no secret, and has to be kept nowhere else.
        where = self._provider().login_url(state.reveal(), digest, verifier)
        with self.desk.begin() as work:
            under_way = work.tx.pending_logins()
            for over in (one for one in under_way if one.is_over(work.now)):
                work.remove(over)
            live = [one for one in under_way if not one.is_over(work.now)]
            from_there = [one for one in live if one.origin == origin]
            if len(live) >= UNDER_WAY_MOST or len(from_there) >= UNDER_WAY_FROM_ONE:
                raise Conflict(
                    Code.LOGINS_TOO_MANY, _("too many logins are under way"), hint=_("try again in some minutes")
                )
            until = work.now + BEGUN_FOR
            work.save(PendingLogin(new_id, digest, origin, challenge, return_to, label, verifier, until))
        return where

    def come_back(self, state: str, code: str, reason: str = "", *, origin: str) -> Returned:
        """
        Somebody comes back from the provider, once: with a *code*, or with the *reason* why there is none.

        Raises:
            NotFound: PROVIDER_UNKNOWN.
            NotAllowed: LOGIN_EXPIRED, no such login is under way.
        """
        provider = self._provider()
        pending = self._taken(credentials.STATE, state)
        person = None
        try:
            if not code:
                raise _turned_away(reason)
            person = provider.person(code, pending.digest, pending.verifier)
            return Returned(pending.return_to, self._let_in(person, pending, origin))
        except FarmError as error:
            self.logins.note_failure(person.name if person else "", origin)
            return Returned(pending.return_to, trouble=error)

    def finish(self, code: str, verifier: str, *, origin: str) -> tuple[User, NewToken]:
        """
        A token for the code of a login, once, for whoever knows what its challenge was made of.

        Raises:
            NotAllowed: LOGIN_EXPIRED; LOGIN_REFUSED, it was begun by somebody else; ACCOUNT_SUSPENDED.
        """
        pending = self._taken(credentials.LOGIN, code)
        if not hmac.compare_digest(pending.challenge, _challenge_of(verifier)):
            self.logins.note_failure("", origin)
            raise NotAllowed(
                Code.LOGIN_REFUSED,
                _("this code is of a login that was begun by somebody else"),
                hint=_("begin anew: boardgrid login URL --sso"),
            )
        with self.desk.begin(act="login", origin=origin) as work:
            user = work.tx.user(pending.user) if pending.user else None
            check_account(user)
            assert user is not None  # noqa: S101 - just checked
            work.asker = user
            token = self.logins.begun(work, user, pending.label)
        log.info("login.made", user=user.name, origin=origin)
        return user, token

    def _let_in(self, person: Person, pending: PendingLogin, origin: str) -> Secret:
        new_id, digest, code = credentials.made(credentials.LOGIN)
        with self.desk.begin(act="login.sso", origin=origin) as work:
            user = enrolled(work, person, self.enrolment)
            until = work.now + CODE_FOR
            work.save(replace(pending, id=new_id, digest=digest, verifier="", expires_at=until, user=user.id))
        return code

    def _taken(self, kind: str, given: str) -> PendingLogin:
        """What is told by this state or code: it is good once, whatever comes of it."""
        with self.desk.records.read() as records:
            found = self._good(records, kind, given)
        with self.desk.begin() as work:
            if self._good(work.tx, kind, given) != found:
                raise _expired()
            work.remove(found)
        return found

    def _good(self, records: Snapshot, kind: str, given: str) -> PendingLogin:
        found = records.pending_login(credentials.id_in(kind, given))
        if not credentials.is_same(given, found.digest if found else None) or found is None:
            raise _expired()
        if found.is_over(self.desk.now()):
            raise _expired()
        return found

    def _provider(self) -> IdentityProvider:
        if self.provider is None:
            raise NotFound(
                Code.PROVIDER_UNKNOWN,
                _("this farm knows no identity provider"),
                hint=_("log in with a password: boardgrid login URL"),
            )
        return self.provider


def _challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("utf-8", "replace")).digest()).decode().rstrip("=")


def _turned_away(reason: str) -> NotAllowed:
    return NotAllowed(
        Code.LOGIN_REFUSED,
        _("the identity provider let nobody in: {why}"),
        hint=_("ask whoever runs it"),
        why=reason if _REASON.fullmatch(reason) else "?",  # anybody could have written that address
    )


def _expired() -> NotAllowed:
    return NotAllowed(
        Code.LOGIN_EXPIRED,
        _("no such login is under way"),
        hint=_("each is good once, for ten minutes; begin anew: boardgrid login URL --sso"),
    )
