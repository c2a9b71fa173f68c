"""
Telling: what a use case changed becomes notices, recorded in its own transaction.

So none is lost, and none tells of what did not happen. They are sent afterwards, by :mod:`boardgrid.services.posting`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.model.deployment import Deployment, DeploymentState
from boardgrid.model.notice import Notice, Occasion, Posting, occasion_of
from boardgrid.model.reservation import Purpose, Reservation
from boardgrid.model.uuid7 import uuid7
from boardgrid.ports import Transaction

log = structlog.get_logger()

MOST = 200  # so many wait for one address; whoever takes none of them loses the rest
_RESTLESS = timedelta(minutes=1)  # a start that moves often is told once it rests


@dataclass(frozen=True, slots=True)
class Changed:
    """What a use case made of a reservation or a deployment, however often it was saved on the way."""

    before: Reservation | Deployment | None
    after: Reservation | Deployment


def tell(tx: Transaction, now: datetime, changes: Iterable[Changed], by: UUID | None) -> bool:
    """
    Record what is to be sent; whether that is anything.

    Args:
        by: who asked for it: they need no mail to know that they ended something.
    """
    is_told = False
    for notice, whose in _notices(tx, now, changes):
        for posting in _postings(tx, now, notice, whose, by):
            is_told |= _post(tx, posting)
    return is_told


def _notices(tx: Transaction, now: datetime, changes: Iterable[Changed]) -> Iterator[tuple[Notice, Reservation]]:
    for change in changes:
        match change.before, change.after:
            case _, Reservation(purpose=Purpose.BUILD | Purpose.TEST):
                pass  # nobody waits to work on its boards: what came of it is told of the image
            case Reservation() as before, Reservation() as after:
                if occasion := occasion_of(before, after):
                    yield _notice(tx, now, occasion, after, before), after
            case Deployment(state=DeploymentState.PREPARING), Deployment() as deployment:
                whose = tx.reservation(deployment.reservation)
                if whose is None or whose.purpose is not Purpose.USE:
                    continue
                if deployment.state is DeploymentState.FAILED and not _goes_on(tx, deployment):
                    made = _notice(tx, now, Occasion.FAILED, whose)
                    yield replace(made, boards=(deployment.board,), detail=deployment.reason), whose
                elif deployment.state is DeploymentState.OPEN and _is_open(tx, whose) and _is_first(tx, deployment):
                    yield _notice(tx, now, Occasion.BEGAN, whose), whose
            case _:
                pass


def _is_open(tx: Transaction, reservation: Reservation) -> bool:
    live = tx.deployments(reservations=[reservation.number], live=True)
    return set(reservation.boards) <= {one.board for one in live if one.state is DeploymentState.OPEN}


def _is_first(tx: Transaction, deployment: Deployment) -> bool:
    """Not one that its user asked for on a board that they had: they need no mail to know."""
    made = tx.deployments(reservations=[deployment.reservation])
    return not any(one.root == deployment.root and one.id != deployment.id for one in made)


def _goes_on(tx: Transaction, deployment: Deployment) -> bool:
    """Whether its root boots in another way in its place."""
    return bool(tx.deployments(root=deployment.root, live=True))


def _notice(
    tx: Transaction, now: datetime, occasion: Occasion, after: Reservation, before: Reservation | None = None
) -> Notice:
    user = tx.user(after.user)
    foretold = before.window.start if occasion is Occasion.MOVED and before else None
    return Notice(
        occasion,
        now,
        after.number,
        user.name if user else "",
        after.boards,
        after.window.start,
        after.window.end,
        after.ended_because,
        after.idle_until if occasion is Occasion.IDLE else foretold,
    )


def _postings(tx: Transaction, now: datetime, notice: Notice, whose: Reservation, by: UUID | None) -> Iterator[Posting]:
    due_at = now + _RESTLESS if notice.occasion is Occasion.MOVED else now
    # What exactly failed is for its user and for admins; that it ended for that is everybody's to know.
    people = [whose.user] if notice.occasion is Occasion.FAILED else [whose.user, *whose.members]
    hooks = tx.webhooks(None)
    for person in people:
        user = tx.user(person)
        if user is None or not user.is_active:
            continue
        hooks += tx.webhooks(person)
        contact = tx.contact(person)
        is_known = notice.occasion is Occasion.ENDED and person == by
        if contact is not None and contact.email and notice.occasion in contact.occasions and not is_known:
            yield Posting(uuid7(now), notice, now, due_at, user=person)
    for hook in hooks:
        if notice.occasion in hook.occasions:
            yield Posting(uuid7(now), notice, now, due_at, webhook=hook.id)


def _post(tx: Transaction, posting: Posting) -> bool:
    waiting = tx.postings(user=posting.user, webhook=posting.webhook)
    notice = posting.notice
    for other in waiting:
        if other.notice.reservation == notice.reservation and other.notice.occasion is Occasion.MOVED:
            # What was foretold last is all that counts, and nothing once it has begun or ended.
            tx.remove(other)
            if notice.occasion is Occasion.MOVED:
                notice = replace(notice, before=other.notice.before)
    if notice.occasion is Occasion.MOVED and notice.before == notice.start:
        return False  # and back again
    if len(waiting) >= MOST:
        log.warning("notice.dropped", user=str(posting.user or ""), webhook=posting.webhook or "", waiting=len(waiting))
        return False
    tx.add(replace(posting, notice=notice))
    return True
