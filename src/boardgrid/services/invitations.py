"""Invitations: codes that are good once, for an account or a new password; and what comes of accepting any code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.name import checked
from boardgrid.model.password import checked_password
from boardgrid.model.project import JoinLink, Place
from boardgrid.model.user import Invitation, NewInvitation, NewToken, Password, Role, User
from boardgrid.ports import Passwords, Snapshot
from boardgrid.services import credentials
from boardgrid.services.accounts import checked_keys, name_taken, new_user
from boardgrid.services.desk import Desk, Work, check_account, check_admin
from boardgrid.services.finding import user_named
from boardgrid.services.links import code_refused, good_link, let_in
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
            check_room(work)
            made = new_invitation(work, asker, role, name)
        log.info("user.invited", user=name, role=role, by=asker.name)
        return made

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
            made = new_invitation(work, asker, user.role, user.name, user=user.id)
        log.info("user.reset", user=name, by=asker.name)
        return made

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
                    # Not what was asked for: somebody may give the code in the place of the id.
                    _("there is no such open invitation"),
                    hint=_("boardgrid user invitations shows them"),
                )
            work.remove(found)

    def accept(
        self, code: str, *, name: str = "", password: str | None = None, ssh_keys: Sequence[str] = (), origin: str
    ) -> tuple[User, NewToken]:
        """
        Make the account that a code is for, or give it a new password; and log in. The code may be that of a link into
        a project: then it is one of many accounts.

        Args:
            name: where the invitation leaves it open.

        Raises:
            NotAllowed: INVITATION_REFUSED, it is none, was used, is too old, or who made it is no admin any more;
                ACCOUNT_MISSING, the link makes no accounts.
            Invalid: NAME_INVALID, PASSWORD_INVALID, KEY_INVALID, REQUEST_INVALID.
            Conflict: NAME_TAKEN, KEY_TAKEN.
        """
        with self.desk.records.read() as records:
            good = self._good(records, code)
        called = _name("" if isinstance(good, JoinLink) else good.name, name)
        keys = checked_keys(ssh_keys)
        if _is_reset(good) and (password is None or keys):
            raise Invalid(Code.REQUEST_INVALID, _("this code is good for a new password, and for that alone"))
        if password is None and not keys:
            raise Invalid(Code.REQUEST_INVALID, _("choose a password, or give an SSH key, or both"))
        # Only now, for it is slow: nobody without a code makes us do it.
        hashed = None if password is None else self.passwords.hashed(checked_password(called, password))
        with self.desk.begin(act="invitation.accept", origin=origin) as work:
            _check_not_anothers(work, good, called)
            user = work.asker = _spent(work, self._good(work.tx, code), called, keys)
            if hashed is not None:
                work.save(Password(user.id, hashed, work.now))
            token = self.logins.begun(work, user)
        log.info("invitation.accepted", user=user.name)
        return user, token

    def _good(self, records: Snapshot, code: str) -> Invitation | JoinLink:
        if credentials.id_in(credentials.LINK, code):
            link = good_link(records, code, self.desk.now())
            if not link.new_accounts:
                raise NotAllowed(
                    Code.ACCOUNT_MISSING,
                    _("this link is for those who have an account"),
                    hint=_("log in, then: boardgrid project enter CODE; who has no account asks an admin of the farm"),
                )
            return link
        found = records.invitation(credentials.id_in(credentials.CODE, code))
        if not credentials.is_same(code, found.digest if found else None) or found is None:
            raise code_refused()
        if not is_good(records, found, self.desk.now()):
            raise code_refused()
        return found


def is_good(records: Snapshot, invitation: Invitation, now: datetime) -> bool:
    host = records.user(invitation.made_by)
    return not invitation.is_over(now) and host is not None and host.is_admin and host.is_active


def check_room(work: Work, more: int = 1) -> None:
    """
    Forget what is over, and see whether so many may be invited.

    Raises:
        Conflict: REQUESTS_TOO_MANY.
    """
    known = work.tx.invitations()
    over = [one for one in known if one.is_over(work.now)]
    for one in over:
        work.remove(one)
    if (count := len(known) - len(over)) + more > INVITATIONS_MOST:
        raise Conflict(
            Code.REQUESTS_TOO_MANY,
            _("{count} invitations are open already, and {most} may be"),
            hint=_("take some back: boardgrid user invitations"),
            count=count,
            most=INVITATIONS_MOST,
        )


def new_invitation(
    work: Work, asker: User, role: Role, name: str, *, user: UUID | None = None, places: tuple[Place, ...] = ()
) -> NewInvitation:
    new_id, digest, clear = credentials.made(credentials.CODE)
    until = work.now + GOOD_FOR
    invitation = Invitation(new_id, digest, asker.id, work.now, until, role, name, user, places)
    work.save(invitation)
    return NewInvitation(invitation, clear)


def _is_reset(good: Invitation | JoinLink) -> bool:
    return isinstance(good, Invitation) and good.user is not None


def _check_not_anothers(work: Work, good: Invitation | JoinLink, name: str) -> None:
    """Who was invited by a name has it, and what their account is to have with it, until their code is too old."""
    for one in work.tx.invitations():
        if one.name == name and one.id != good.id and one.user is None and not one.is_over(work.now):
            raise name_taken(name)


def _name(told: str, chosen: str) -> str:
    if chosen and told and chosen != told:
        raise Invalid(Code.REQUEST_INVALID, _("this code is for {user}"), hint=_("leave out the name"), user=told)
    if not chosen and not told:
        raise Invalid(Code.REQUEST_INVALID, _("choose a name"), hint=_("this invitation leaves it to you"))
    return checked("user", told or chosen)


def _spent(work: Work, good: Invitation | JoinLink, name: str, keys: Sequence[str]) -> User:
    """Whose account a code that is good makes, or opens anew."""
    if isinstance(good, JoinLink):
        user = new_user(work, name, Role.USER, keys)
        let_in(work, good, user.id)
        return user
    work.remove(good)
    if good.user is None:
        user = new_user(work, name, good.role, keys)
        for place in good.places:
            project = work.tx.project(place.project)
            if project is not None and not project.removed:
                work.save(project.with_member(user.id, place.part, place.team))
        return user
    found = work.tx.user(good.user)
    check_account(found)
    assert found is not None  # noqa: S101 - just checked
    end_tokens(work, found)
    return found
