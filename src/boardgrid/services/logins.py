"""Logins: how a password becomes a token, and how it is changed."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, NotAllowed
from boardgrid.model.password import as_typed, checked_password
from boardgrid.model.user import Asker, NewToken, Password, Scope, Token, User
from boardgrid.ports import Passwords, Snapshot
from boardgrid.services.attempts import Attempts
from boardgrid.services.desk import Desk, Work, check_account, too_narrow
from boardgrid.services.tokens import end_tokens, new_token

log = structlog.get_logger()

LOGIN_FOR = timedelta(days=30)
LOGINS_MOST = 50  # of one user; the oldest ends
_NOBODY = UUID(int=0)
_FORGOTTEN_AFTER = timedelta(days=7)  # a login that is over for so long is nobody's to be told of


@dataclass(frozen=True, slots=True)
class Logins:
    desk: Desk
    passwords: Passwords
    attempts: Attempts
    login_for: timedelta = LOGIN_FOR

    def login(self, name: str, password: str, *, origin: str, label: str = "") -> tuple[User, NewToken]:
        """
        A token for whoever knows the password. Takes as long, and answers the same, whatever was wrong.

        Raises:
            NotAllowed: LOGIN_REFUSED; ACCOUNT_SUSPENDED, told to nobody who does not know the password.
            Conflict: LOGINS_TOO_MANY.
        """
        with self.desk.records.read() as records:
            user = records.user_named(name)
            # As much is looked up for a name that is nobody's.
            whose = user.id if user else _NOBODY
            stored = records.password(whose)
            is_familiar = _came_from(records, whose, origin)
        self.attempts.begin(name, origin, is_familiar=is_familiar)
        if not self.passwords.is_right(as_typed(password), stored.hash if stored else None) or user is None:
            self._note_failure(name, origin)
            raise _refused()
        self.attempts.succeeded(name, origin)
        check_account(user)
        with self.desk.begin(_at(user, origin), "login") as work:
            if work.tx.password(user.id) != stored:
                raise _refused()  # it was changed meanwhile
            token = self.begun(work, user, label)
        log.info("login.made", user=name, origin=origin)
        return user, token

    def begun(self, work: Work, user: User, label: str = "") -> NewToken:
        """A login of a user who has shown who they are; too many of theirs, and those long over, end."""
        logins = [one for one in work.tx.tokens(user.id) if one.is_login]
        too_old = {one.id for one in logins[: max(0, len(logins) + 1 - LOGINS_MOST)]}
        end_tokens(work, user, lambda one: one.id in too_old or (one.is_login and _is_long_over(one, work)))
        return new_token(work, user, label=label, expires_at=work.now + self.login_for, is_login=True)

    def change_password(self, asker: User, old: str | None, new: str, *, origin: str) -> None:
        """
        Change one's own password; its other logins end, tokens made for programs go on. Who has none yet gives no
        *old* one.

        Raises:
            NotAllowed: LOGIN_REFUSED, the old one is wrong; TOKEN_NARROW.
            Invalid: PASSWORD_INVALID.
            Conflict: LOGINS_TOO_MANY.
        """
        if not can(asker, "change", asker):
            raise too_narrow(asker)
        plain = checked_password(asker.name, new)
        with self.desk.records.read() as records:
            stored = records.password(asker.id)
        if stored is not None:
            self.attempts.begin(asker.name, origin, is_familiar=True)
            if not self.passwords.is_right(as_typed(old or ""), stored.hash):
                self._note_failure(asker.name, origin)
                raise NotAllowed(
                    Code.LOGIN_REFUSED, _("the old password is wrong"), hint=_("an admin can reset it: user reset")
                )
            self.attempts.succeeded(asker.name, origin)
        hashed = self.passwords.hashed(plain)
        with self.desk.begin(asker, "password.change", needs=Scope.ALL) as work:
            if work.tx.password(asker.id) != stored:
                raise _refused()
            mine = asker.token if isinstance(asker, Asker) else ""
            end_tokens(work, asker, lambda one: one.is_login and one.id != mine)
            work.save(Password(asker.id, hashed, work.now))
        log.info("password.changed", user=asker.name)

    def _note_failure(self, name: str, origin: str) -> None:
        with self.desk.begin(act="login.fail", origin=origin) as work:
            work.note_act(f"user:{name[:80]}")
        log.info("login.failed", user=name[:80], origin=origin)


def _came_from(records: Snapshot, user: UUID, origin: str) -> bool:
    return any(one.is_login and one.origin == origin for one in records.tokens(user))


def _is_long_over(token: Token, work: Work) -> bool:
    return token.is_over(work.now - _FORGOTTEN_AFTER)


def _at(user: User, origin: str) -> Asker:
    return Asker(user.id, user.name, user.role, user.ssh_keys, origin=origin)


def _refused() -> NotAllowed:
    return NotAllowed(
        Code.LOGIN_REFUSED,
        _("name or password is wrong"),
        hint=_("where you have none, or it is lost, an admin of the farm helps: boardgrid user reset"),
    )
