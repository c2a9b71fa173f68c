"""Accounts: who may come in, as what, with which key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Conflict, Invalid, NotFound
from boardgrid.model.federation import ExternalIdentity
from boardgrid.model.name import checked
from boardgrid.model.password import checked_password
from boardgrid.model.project import Part
from boardgrid.model.reservation import LIVE, Reservation
from boardgrid.model.ssh_key import checked_key, fingerprint_of
from boardgrid.model.user import Audience, NewToken, Password, Role, Scope, Token, User
from boardgrid.ports import Passwords, Snapshot
from boardgrid.services import credentials
from boardgrid.services.desk import Desk, Work, check_admin
from boardgrid.services.ending import end
from boardgrid.services.finding import user_named
from boardgrid.services.seating import project_of
from boardgrid.services.tokens import checked_token, end_tokens, new_token, token_refused
from boardgrid.services.volumes import HELD, put_aside

log = structlog.get_logger()

KEYS_MOST = 100  # of one user
HERE = "controller"  # where whoever has this machine's own rights asks from


@dataclass(frozen=True, slots=True)
class Accounts:
    desk: Desk
    passwords: Passwords

    def site_of(self, token: str, audience: Audience) -> str:
        """
        For which site this token opens the agent's or the gateway's door.

        Raises:
            NotAllowed: TOKEN_REFUSED; it does not open that door.
        """
        with self.desk.records.read() as records:
            stored = checked_token(records, token, audience)
        if stored.site is None:
            raise token_refused()
        return stored.site

    def create_admin(self, name: str, *, again: bool = False) -> NewToken:
        """
        Make an admin and their first token. For the controller's own machine: nobody asks, so nobody is checked.

        With *again*, an admin of that name gets a new token, and the old ones end; a suspended one is restored.

        Raises:
            Invalid: NAME_INVALID.
            Conflict: NAME_TAKEN.
        """
        with self.desk.begin(act="admin.create", origin=HERE) as work:
            token = new_token(work, _admin(work, name, again=again))
        log.info("admin.created", user=name)
        return token

    def create_admin_with(self, password: str, name: str, *, again: bool = False) -> None:
        """
        The same with a password in the place of the token.

        Raises:
            Invalid: NAME_INVALID, PASSWORD_INVALID.
            Conflict: NAME_TAKEN.
        """
        hashed = self.passwords.hashed(checked_password(name, password))
        with self.desk.begin(act="admin.create", origin=HERE) as work:
            work.save(Password(_admin(work, name, again=again).id, hashed, work.now))
        log.info("admin.created", user=name)

    def site_token(self, site: str, audience: Audience) -> NewToken:
        """
        A new token for the agent or the gateway of *site*; the one before it ends. For the controller's own machine.

        Raises:
            NotFound: SITE_UNKNOWN.
        """
        with self.desk.begin() as work:
            if work.tx.site(site) is None:
                raise NotFound(Code.SITE_UNKNOWN, _("there is no site {site}"), site=site)
            work.tx.site_tokens_end(site, audience)
            new_id, digest, clear = credentials.made(credentials.TOKEN)
            token = Token(new_id, digest, audience, site=site, created_at=work.now)
            work.save(token)
        log.info("site.token_made", site=site, audience=audience)
        return NewToken(token, clear)

    def add(self, asker: User, name: str, role: Role, ssh_keys: Sequence[str] = ()) -> tuple[User, NewToken]:
        """
        Make a user and their first token.

        Raises:
            NotAllowed: only admins may.
            Invalid: NAME_INVALID, or KEY_INVALID for a key that is none, is weak, or carries options.
            Conflict: NAME_TAKEN, or KEY_TAKEN: a key tells one user, so two cannot have the same.
        """
        check_admin(asker)
        keys = checked_keys(ssh_keys)
        with self.desk.begin(asker, "user.add") as work:
            user = new_user(work, name, role, keys)
            token = new_token(work, user)
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
            return user_named(records, asker, name)

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
        keys = checked_keys(ssh_keys)
        with self.desk.begin(asker, "user.keys") as work:
            user = replace(user_named(work.tx, asker, name), ssh_keys=keys)
            check_free(work, keys, user.id)
            work.save(user)
        log.info("user.keys_replaced", user=name, keys=len(keys), by=asker.name)
        return user

    def add_key(self, asker: User, line: str) -> User:
        """
        Add an SSH key to one's own.

        Raises:
            NotAllowed: TOKEN_NARROW.
            Invalid: KEY_INVALID; REQUEST_INVALID, they have too many.
            Conflict: KEY_TAKEN.
        """
        [key] = checked_keys([line])
        with self.desk.begin(asker, "key.add", needs=Scope.ALL) as work:
            user = _own(work, asker)
            check_free(work, [key], user.id)
            if len(user.ssh_keys) >= KEYS_MOST:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("you have {count} SSH keys, and no more may be"),
                    hint=_("remove one: boardgrid key list"),
                    count=KEYS_MOST,
                )
            user = replace(user, ssh_keys=tuple(dict.fromkeys((*user.ssh_keys, key))))
            work.save(user)
        log.info("user.key_added", user=user.name)
        return user

    def remove_key(self, asker: User, fingerprint: str) -> User:
        """
        Remove an SSH key of one's own, told by its *fingerprint*, as ssh-keygen shows it. Nobody comes in by it then.

        Raises:
            NotAllowed: TOKEN_NARROW.
            NotFound: KEY_UNKNOWN.
        """
        with self.desk.begin(asker, "key.remove", needs=Scope.ALL) as work:
            user = _own(work, asker)
            left = tuple(key for key in user.ssh_keys if fingerprint_of(key) != fingerprint)
            if left == user.ssh_keys:
                raise NotFound(
                    Code.KEY_UNKNOWN,
                    _("you have no SSH key with the fingerprint {fingerprint}"),
                    hint=_("boardgrid key list shows yours"),
                    fingerprint=fingerprint[:80],
                )
            user = replace(user, ssh_keys=left)
            work.save(user)
        log.info("user.key_removed", user=user.name)
        return user

    def give_role(self, asker: User, name: str, role: Role) -> User:
        """
        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Conflict: LAST_ADMIN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.role") as work:
            user = user_named(work.tx, asker, name)
            if role is not Role.ADMIN:
                _check_not_last(work.tx, user)
            user = replace(user, role=role)
            work.save(user)
        log.info("user.role_given", user=name, role=role, by=asker.name)
        return user

    def suspend(self, asker: User, name: str) -> User:
        """
        Shut a user out at once: tokens, password and SSH keys open nothing, and what is open by them ends. What
        they have reserved goes on.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Conflict: LAST_ADMIN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.suspend") as work:
            user = user_named(work.tx, asker, name)
            _check_not_last(work.tx, user)
            user = replace(user, suspended=True)
            work.save(user)
        log.info("user.suspended", user=name, by=asker.name)
        return user

    def restore(self, asker: User, name: str) -> User:
        """
        Let a suspended user in again, with all that they came in by before.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.restore") as work:
            user = replace(user_named(work.tx, asker, name), suspended=False)
            work.save(user)
        log.info("user.restored", user=name, by=asker.name)
        return user

    def external_identities(self, asker: User, name: str) -> list[ExternalIdentity]:
        """
        As whom a user comes in by a directory or an identity provider.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.records.read() as records:
            return records.external_identities(user_named(records, asker, name).id)

    def link(self, asker: User, name: str, keys: Sequence[str]) -> list[ExternalIdentity]:
        """
        Let these people from elsewhere come into a user's account, and no others.

        Args:
            keys: as the farm tells whom it does not let in: "ldap 1b4e28ba-...".

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Conflict: KEY_TAKEN, one of them comes into another account.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.link") as work:
            user = user_named(work.tx, asker, name)
            before = {one.key: one for one in work.tx.external_identities(user.id)}
            for key in dict.fromkeys(keys):
                known = work.tx.external_identity(key)
                if known is not None and known.user != user.id:
                    raise Conflict(
                        Code.KEY_TAKEN,
                        _("{key!r} comes into another account"),
                        hint=_("take it from there first: boardgrid user link NAME --none"),
                        key=key[:200],
                    )
                if known is None:
                    work.save(ExternalIdentity(key, user.id, work.now))
            for gone in before.keys() - set(keys):
                work.remove(before[gone])
            linked = work.tx.external_identities(user.id)
        log.info("user.linked", user=name, by=asker.name)
        return linked

    def remove(self, asker: User, name: str) -> None:
        """
        Close an account: tokens, password and keys end at once. Roots kept aside stay until their date, and so do
        the files of volumes; images stay.

        Raises:
            NotAllowed: only admins may.
            NotFound: USER_UNKNOWN.
            Conflict: THING_IN_USE, the sentence lists the reservations that run; LAST_ADMIN.
        """
        check_admin(asker)
        with self.desk.begin(asker, "user.remove") as work:
            user = user_named(work.tx, asker, name)
            live = work.tx.reservations(user=user.id, states=LIVE)
            mine = [one for one in live if one.user == user.id]
            _leave_blocks(work, asker, [one for one in mine if one.is_block])
            waits = [one for one in mine if one.is_seat and one.is_waiting]
            for seat in waits:
                end(work, seat, because=_("its user's account was closed"))
            running = [one for one in mine if not one.is_block and one not in waits]
            if running:
                raise Conflict(
                    Code.THING_IN_USE,
                    _("{user} still holds {boards}"),
                    hint=_("have them released first: boardgrid release {number}"),
                    user=name,
                    boards=", ".join(sorted(board for one in running for board in one.boards)),
                    number=running[0].number,
                )
            _check_not_last(work.tx, user)
            end_tokens(work, user)
            if password := work.tx.password(user.id):
                work.remove(password)
            for identity in work.tx.external_identities(user.id):
                work.remove(identity)
            for invitation in work.tx.invitations():
                if invitation.user == user.id:
                    work.remove(invitation)
            for volume in work.tx.volumes(user=user.id, states=HELD):
                put_aside(work, volume)
            work.save(replace(user, removed=True, ssh_keys=()))
        log.info("user.removed", user=name, by=asker.name)


def _leave_blocks(work: Work, asker: User, blocks: Sequence[Reservation]) -> None:
    """A block is its project's: another who manages that looks after it, or whoever removes its teacher."""
    people = {one.id: one for one in work.tx.users()}
    for block in blocks:
        members = project_of(work.tx, block).members
        others = (one for one, part in members.items() if part is Part.MANAGER)
        able = sorted(one for one in others if one != block.user and one in people and people[one].is_active)
        work.save(replace(block, user=able[0] if able else asker.id))


def new_user(work: Work, name: str, role: Role, keys: Sequence[str]) -> User:
    """
    Raises:
        Invalid: NAME_INVALID.
        Conflict: NAME_TAKEN, KEY_TAKEN.
    """
    if work.tx.user_named(checked("user", name)) is not None:
        raise name_taken(name)
    check_free(work, keys)
    user = User(work.new_id(), name, role, tuple(keys))
    work.save(user)
    return user


def _admin(work: Work, name: str, *, again: bool) -> User:
    """New, or as new: nobody comes in as them by anything from before."""
    user = work.tx.user_named(checked("user", name))
    if user is None:
        user = User(work.new_id(), name, Role.ADMIN)
    elif not again or not user.is_admin:
        raise name_taken(name)
    else:
        end_tokens(work, user)
    user = replace(user, suspended=False)
    work.save(user)
    return user


def _own(work: Work, asker: User) -> User:
    """As the records have them: their role or keys may be others by now."""
    return work.tx.user(asker.id) or asker


def is_last_admin(records: Snapshot, user: User) -> bool:
    return [one.id for one in records.users() if one.is_admin and one.is_active] == [user.id]


def _check_not_last(records: Snapshot, user: User) -> None:
    if is_last_admin(records, user):
        raise Conflict(
            Code.LAST_ADMIN,
            _("{user} is the last admin of this farm"),
            hint=_("make another admin first"),
            user=user.name,
        )


def checked_keys(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checked_key(line) for line in lines))


def check_free(work: Work, keys: Sequence[str], user: UUID | None = None) -> None:
    for key in keys:
        has = work.tx.user_with_key(key)
        if has is not None and has.id != user:
            raise Conflict(
                Code.KEY_TAKEN,
                _("the key {start!r} is another user's already, and the farm tells people by their keys"),
                hint=_("make a key of their own with ssh-keygen"),
                start=key[:60],
            )


def name_taken(name: str) -> Conflict:
    return Conflict(Code.NAME_TAKEN, _("there is a user {user} already"), hint=_("choose another name"), user=name)
