"""Feeds: reservations for calendar programs, which fetch them by an address that nobody can guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

import structlog
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Invalid, NotFound
from boardgrid.model.feed import Feed
from boardgrid.model.reservation import LIVE, Reservation
from boardgrid.model.user import Scope, Secret, User
from boardgrid.ports import Snapshot
from boardgrid.services import credentials
from boardgrid.services.desk import Desk
from boardgrid.services.finding import standing_of

log = structlog.get_logger()

PAST = timedelta(days=30)  # so long what is over is still shown
_SHOWN_MOST = 1000
_FEEDS_MOST = 50  # of one user
_OFTEN = RateLimitItemPerMinute(20, namespace="feed")  # programs fetch every quarter of an hour, or less often


@dataclass(frozen=True, slots=True)
class NewFeed:
    feed: Feed
    clear: Secret  # shown this once


@dataclass(frozen=True, slots=True)
class Appointment:
    """A reservation, with what is everybody's to know."""

    reservation: Reservation
    user: str
    revision: int  # rises whenever it changes


@dataclass(frozen=True, slots=True)
class Agenda:
    name: str
    appointments: Sequence[Appointment]  # in the order of their numbers


class Fetches:
    """How often each feed was fetched lately; in memory, for it is no harm to forget."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._lock = Lock()

    def count(self, feed: str) -> None:
        """
        Raises:
            Conflict: REQUESTS_TOO_MANY.
        """
        with self._lock:
            is_let = self._limiter.hit(_OFTEN, feed)
        if not is_let:
            raise Conflict(
                Code.REQUESTS_TOO_MANY,
                _("this calendar is fetched too often"),
                hint=_("have your calendar program fetch it every quarter of an hour, or less often"),
            )


@dataclass(frozen=True, slots=True)
class Feeds:
    desk: Desk
    fetches: Fetches = field(default_factory=Fetches)

    def list(self, asker: User) -> Sequence[Feed]:
        """The asker's own, oldest first."""
        with self.desk.records.read() as records:
            return records.feeds(asker.id)

    def create(self, asker: User, board: str = "") -> NewFeed:
        """
        A feed of the asker's own reservations, those they share, and their projects' lessons; or of a *board*'s.

        Raises:
            NotFound: BOARD_UNKNOWN.
            Invalid: REQUEST_INVALID, they have too many.
        """
        with self.desk.begin(asker, "feed.create", needs=Scope.ALL) as work:
            if board:
                standing_of(work.tx, board)
            if len(work.tx.feeds(asker.id)) >= _FEEDS_MOST:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("you have {count} feeds, and no more may be"),
                    hint=_("revoke some: boardgrid feed list"),
                    count=_FEEDS_MOST,
                )
            new_id, digest, clear = credentials.made(credentials.FEED)
            feed = Feed(new_id, digest, asker.id, board, work.now)
            work.save(feed)
        log.info("feed.created", feed=feed.id, user=asker.name, board=board)
        return NewFeed(feed, clear)

    def revoke(self, asker: User, feed: str) -> None:
        """
        Raises:
            NotFound: FEED_UNKNOWN.
        """
        with self.desk.begin(asker, "feed.revoke", needs=Scope.ALL) as work:
            found = work.tx.feed(feed)
            if found is None or found.owner != asker.id:
                raise _unknown()
            work.remove(found)
        log.info("feed.revoked", feed=feed, by=asker.name)

    def agenda(self, secret: str) -> Agenda:
        """
        What a feed shows: what runs and waits, and what ended within thirty days.

        Raises:
            NotFound: FEED_UNKNOWN, it is none, was revoked, or its owner's account is closed.
            Conflict: REQUESTS_TOO_MANY.
        """
        with self.desk.records.read() as records:
            feed = records.feed(credentials.id_in(credentials.FEED, secret))
            if not credentials.is_same(secret, feed.digest if feed else None) or feed is None:
                raise _unknown()
            owner = records.user(feed.owner)
            if owner is None or not owner.is_active:
                raise _unknown()
            self.fetches.count(feed.id)
            found = _of_board(records, feed.board) if feed.board else _of_user(records, owner)
            shown = [one for one in found if one.is_live or one.window.end >= self.desk.now() - PAST]
            return _agenda(records, feed.board or owner.name, shown[:_SHOWN_MOST])


def _of_user(records: Snapshot, user: User) -> list[Reservation]:
    theirs = {one.number: one for one in records.reservations(user=user.id, limit=_SHOWN_MOST)}
    if projects := {one.id for one in records.projects() if user.id in one.members}:
        # The lessons that they are to come to.
        live = records.reservations(states=LIVE)
        theirs |= {one.number: one for one in live if one.is_block and one.project in projects}
    return [theirs[number] for number in sorted(theirs, reverse=True)]


def _of_board(records: Snapshot, board: str) -> list[Reservation]:
    recent = {one.number: one for one in records.reservations(limit=_SHOWN_MOST)}
    live = {one.number: one for one in records.reservations(states=LIVE)}
    both: Mapping[int, Reservation] = recent | live
    return [both[number] for number in sorted(both, reverse=True) if board in both[number].boards]


def _agenda(records: Snapshot, name: str, shown: Sequence[Reservation]) -> Agenda:
    revisions = records.reservation_revisions([one.number for one in shown])
    people = {one: records.user(one) for one in {one.user for one in shown}}
    return Agenda(
        name,
        [
            Appointment(one, user.name if (user := people[one.user]) else "", revisions.get(one.number, 0))
            for one in sorted(shown, key=lambda one: one.number)
        ],
    )


def _unknown() -> NotFound:
    return NotFound(
        Code.FEED_UNKNOWN,
        _("there is no such calendar"),
        hint=_("it may have been revoked; boardgrid feed create makes another"),
    )
