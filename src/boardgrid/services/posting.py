"""Posting: notices on their way, until they were taken, or nobody will take them any more."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from boardgrid.model.notice import Occasion, Posting, Webhook
from boardgrid.ports import Mail, Snapshot
from boardgrid.services import letters
from boardgrid.services.desk import Desk
from boardgrid.services.letters import Call

log = structlog.get_logger()

MAIL = "mail"  # the lane of all mails: there is one mail server
GIVEN_UP_AFTER = timedelta(days=1)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
_AT_ONCE = 20  # of one lane


@dataclass(frozen=True, slots=True)
class Letter:
    posting: UUID
    lane: str  # what goes the same way, one after the other: a server that is slow delays its own lane alone
    what: Mail | Call


@dataclass(frozen=True, slots=True)
class Taken:
    letters: tuple[Letter, ...]
    next_at: datetime | None  # when something of another lane is due


@dataclass(frozen=True, slots=True)
class Postings:
    desk: Desk
    sends_mail: bool = False
    user_hosts: frozenset[str] = frozenset()  # which webhooks of users may be called

    def take(self, busy: Collection[str] = ()) -> Taken:
        """
        What is due now, but for lanes that are *busy*. Each is recorded as due again after a pause that grows, so that
        it is sent once more where whoever took it is killed, and :meth:`sent` is never told.
        """
        with self.desk.records.read() as records:
            if not any(self._lane(records, one) not in busy for one in records.postings(due_by=self.desk.now())):
                return Taken((), self._next_at(records, busy))
        found: list[Letter] = []
        count: dict[str | None, int] = {}
        with self.desk.begin() as work:
            for posting in work.tx.postings(due_by=work.now):
                lane = self._lane(work.tx, posting)
                if lane is None:
                    work.tx.remove(posting)  # whom it was for wants to hear no more
                elif lane in busy or count.get(lane, 0) >= _AT_ONCE:
                    continue
                elif posting.made_at + GIVEN_UP_AFTER <= work.now:
                    _given_up(posting, "nobody took it for a day")
                    work.tx.remove(posting)
                else:
                    count[lane] = count.get(lane, 0) + 1
                    found.append(Letter(posting.id, lane, self._written(work.tx, posting, work.now)))
                    pause = min(_FIRST_PAUSE * 2 ** min(posting.tries, 10), _LONGEST_PAUSE)
                    work.save(replace(posting, tries=posting.tries + 1, due_at=work.now + pause))
            return Taken(tuple(found), self._next_at(work.tx, {*busy, *(one.lane for one in found)}))

    def sent(self, posting: UUID) -> None:
        self._remove(posting)

    def refused(self, posting: UUID, why: str) -> None:
        """It will never be taken: trying again does not help."""
        self._remove(posting, why)

    def _remove(self, posting: UUID, why: str = "") -> None:
        with self.desk.begin() as work:
            if (one := work.tx.posting(posting)) is not None:
                work.tx.remove(one)
                if why:
                    _given_up(one, why)

    def _next_at(self, records: Snapshot, busy: Collection[str]) -> datetime | None:
        return next((one.due_at for one in records.postings() if self._lane(records, one) not in busy), None)

    def _lane(self, records: Snapshot, posting: Posting) -> str | None:
        """None: it goes nowhere any more."""
        if posting.notice.occasion is Occasion.MOVED:
            foretold = records.reservation(posting.notice.reservation)
            if foretold is None or not foretold.is_waiting:
                return None  # it has begun, or ended: a prediction is of no use then
        if posting.user is not None:
            user, contact = records.user(posting.user), records.contact(posting.user)
            wanted = contact is not None and contact.email and posting.notice.occasion in contact.occasions
            return MAIL if self.sends_mail and user is not None and user.is_active and wanted else None
        hook = records.webhook(posting.webhook or "")
        if hook is None:
            return None
        host = host_of(hook.url)
        owner = records.user(hook.owner) if hook.owner else None
        is_let = hook.owner is None or (owner is not None and owner.is_active and host in self.user_hosts)
        return host if is_let else None

    def _written(self, records: Snapshot, posting: Posting, now: datetime) -> Mail | Call:
        contact = records.contact(posting.user) if posting.user else None
        if contact is not None:
            return letters.mail(posting, contact)
        hook = records.webhook(posting.webhook or "")
        assert isinstance(hook, Webhook)  # noqa: S101 - it has a lane
        return letters.call(posting, hook, now)


def host_of(url: str) -> str:
    """The host of a webhook, as it is compared; empty where there is none."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def _given_up(posting: Posting, why: str) -> None:
    log.warning(
        "notice.given_up",
        posting=str(posting.id),
        occasion=posting.notice.occasion,
        reservation=posting.notice.reservation,
        tries=posting.tries,
        why=why,
    )
