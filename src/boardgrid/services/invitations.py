"""Invitations: codes that are good once, for a new account, or for a new password of one that is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.name import checked
from boardgrid.model.password import checked_password
from boardgrid.model.user import Invitation, NewInvitation, NewToken, Password, Role, User
from boardgrid.ports import Passwords, Snapshot
from boardgrid.services import credentials
from boardgrid.services.accounts import checked_keys, name_taken, new_user
from boardgrid.services.desk import Desk, check_account, check_admin
from boardgrid.services.finding import user_named
from boardgrid.services.logins import Logins
from boardgrid.services.tokens import end_tokens

log = structlog.get_logger()

GOOD_FOR = timedelta(hours=72)
INVITATIONS_MOST = 1000  # open at once


@dataclass(frozen=True, slots=True)
class Invitations:
    desk: Desk
    passwords: Passwords
    logins: Logins

    def invite(self, asker: User, role: Role = Role.USER, name: str = "") -> NewInvitation:
        """
        Invite somebody to make an account, as *name* or as they like to be called.

        Raises:
            NotAllowed: only admins may.
            Invalid: NAME_INVALID.
            Conflict: NAME_TAKEN; REQUESTS_TOO_MANY.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.invite") as work:
            if name and work.tx.user_named(checked("user", name)) is not None:
                raise name_taken(name)
            known = work.tx.invitations()
            for over in (one for one in known if one.is_over(work.now)):
                work.remove(over)
            if len(known) >= INVITATIONS_MOST:
                raise Conflict(
                    Code.REQUESTS_TOO_MANY,
                    _("{count} invitations are open already"),
                    hint=_("take some back: boardgrid user invitations"),
                    count=len(known),
                )
            new_id, digest, clear = credentials.made(credentials.CODE)
            invitation = Invitation(new_id, digest, asker.id, work.now, work.now + GOOD_FOR, role, name)
            work.save(invitation)
        log.info("user.invited", user=name, role=role, by=asker.name)
        return NewInvitation(invitation, clear)

    def reset(self, asker: User, name: str) -> NewInvitation:
        """
        Let a user choose a new password. The old one is good until they do; then all their tokens end.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.reset") as work:
            user = user_named(work.tx, asker, name)
            for before in work.tx.invitations():
                if before.user == user.id:
                    work.remove(before)
            new_id, digest, clear = credentials.made(credentials.CODE)
            until = work.now + GOOD_FOR
            invitation = Invitation(new_id, digest, asker.id, work.now, until, user.role, user.name, user.id)
            work.save(invitation)
        log.info("user.reset", user=name, by=asker.name)
        return NewInvitation(invitation, clear)

    def open(self, asker: User) -> list[Invitation]:
        """
        Those that nobody has accepted yet, oldest first.

        Raises:
            NotAllowed: only admins may.
        """
        check_admin(asker)
        with self.desk.records.read() as records:
            return [one for one in records.invitations() if not one.is_over(self.desk.now())]

    def revoke(self, asker: User, invitation_id: str) -> None:
        """
        Raises:
            NotAllowed: only admins may.
            NotFound: INVITATION_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "invitation.revoke") as work:
            found = work.tx.invitation(invitation_id)
            if found is None:
                raise NotFound(
                    Code.INVITATION_UNKNOWN,
                    _("there is no open invitation {invitation}"),
                    hint=_("boardgrid user invitations shows them"),
                    invitation=invitation_id[:80],
                )
            work.remove(found)

    def accept(
        self, code: str, *, name: str = "", password: str | None = None, ssh_keys: Sequence[str] = (), origin: str
    ) -> tuple[User, NewToken]:
        """
        Make the account that a code is for, or give it a new password; and log in.

        Args:
            name: where the invitation leaves it open.

        Raises:
            NotAllowed: INVITATION_REFUSED, it is none, was used, is too old, or who made it is no admin any more.
            Invalid: NAME_INVALID, PASSWORD_INVALID, KEY_INVALID, REQUEST_INVALID.
            Conflict: NAME_TAKEN, KEY_TAKEN.
        """
        with self.desk.records.read() as records:
            invitation = self._good(records, code)
        called = _name(invitation, name)
        keys = checked_keys(ssh_keys)
        if invitation.user is not None and (password is None or keys):
            raise Invalid(Code.REQUEST_INVALID, _("this code is good for a new password, and for that alone"))
        if password is None and not keys:
            raise Invalid(Code.REQUEST_INVALID, _("choose a password, or give an SSH key, or both"))
        # Only now, for it is slow: nobody without a code makes us do it.
        hashed = None if password is None else self.passwords.hashed(checked_password(called, password))
        with self.desk.begin(act="invitation.accept", origin=origin) as work:
            if self._good(work.tx, code) != invitation:
                raise _refused()
            if invitation.user is None:
                user = new_user(work, called, invitation.role, keys)
            else:
                found = work.tx.user(invitation.user)
                check_account(found)
                assert found is not None  # noqa: S101 - just checked
                user = found
                end_tokens(work, user)
            work.asker = user
            work.remove(invitation)
            if hashed is not None:
                work.save(Password(user.id, hashed, work.now))
            token = self.logins.begun(work, user)
        log.info("invitation.accepted", user=user.name)
        return user, token

    def _good(self, records: Snapshot, code: str) -> Invitation:
        found = records.invitation(credentials.id_in(credentials.CODE, code))
        if not credentials.is_same(code, found.digest if found else None) or found is None:
            raise _refused()
        host = records.user(found.made_by)
        if found.is_over(self.desk.now()) or host is None or not host.is_admin or not host.is_active:
            raise _refused()
        return found


def _name(invitation: Invitation, chosen: str) -> str:
    if chosen and invitation.name and chosen != invitation.name:
        raise Invalid(
            Code.REQUEST_INVALID, _("this code is for {user}"), hint=_("leave out the name"), user=invitation.name
        )
    if not chosen and not invitation.name:
        raise Invalid(Code.REQUEST_INVALID, _("choose a name"), hint=_("this invitation leaves it to you"))
    return checked("user", invitation.name or chosen)


def _refused() -> NotAllowed:
    return NotAllowed(
        Code.INVITATION_REFUSED,
        _("this code is good for nothing"),
        hint=_("each is good once, for three days; ask an admin of the farm for another"),
    )
