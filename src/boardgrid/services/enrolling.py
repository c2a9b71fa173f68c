"""Enrolling: into which account somebody comes whom a directory or an identity provider knows."""

from dataclasses import replace

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, NotAllowed
from boardgrid.model.federation import Enrolment, ExternalIdentity, Person
from boardgrid.model.user import User
from boardgrid.services.accounts import is_last_admin, new_user
from boardgrid.services.desk import Work, check_account

log = structlog.get_logger()


def enrolled(work: Work, person: Person, enrolment: Enrolment) -> User:
    """
    The account of a person from elsewhere: the one that they are linked to, or a new one where the farm makes them.
    Who happens to have the name of an account does not come into it. Where their groups say so, they have another role.

    Raises:
        NotAllowed: ACCOUNT_MISSING; ACCOUNT_SUSPENDED.
        Invalid: NAME_INVALID, for a new account.
        Conflict: NAME_TAKEN, for a new account.
    """
    role = enrolment.role_of(person)
    if role is None:
        raise NotAllowed(
            Code.ACCOUNT_MISSING,
            _("{user} is in none of the groups that this farm lets in"),
            hint=_("ask an admin of the farm"),
            user=person.name,
        )
    linked = work.tx.external_identity(person.key)
    user = work.tx.user(linked.user) if linked else None
    if user is None:
        if not enrolment.create:
            raise NotAllowed(
                Code.ACCOUNT_MISSING,
                _("{user} has no account on this farm"),
                hint=_("ask an admin of the farm for one: boardgrid user link NAME '{key}'"),
                user=person.name,
                key=person.key,
            )
        if work.tx.user_named(person.name_here) is not None:
            raise Conflict(
                Code.NAME_TAKEN,
                _("there is a user {user} already, and whether that is you the farm does not know"),
                hint=_("if it is, ask an admin of the farm: boardgrid user link {user} '{key}'"),
                user=person.name_here,
                key=person.key,
            )
        user = new_user(work, person.name_here, role, ())
        work.save(ExternalIdentity(person.key, user.id, work.now))
        log.info("user.enrolled", user=user.name, role=role, source=person.source)
    check_account(user)
    if enrolment.groups and role is not user.role:
        if is_last_admin(work.tx, user):
            log.warning("user.kept_admin", user=user.name)  # nobody could mend it then
        else:
            user = replace(user, role=role)
            work.save(user)
    return user
