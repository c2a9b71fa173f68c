"""The desk at which every use case is worked: one transaction, what follows from it, and who is told afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.board import BoardType
from boardgrid.model.deployment import Event, Outcome, Phase
from boardgrid.model.errors import Code, NotAllowed
from boardgrid.model.image import Image
from boardgrid.model.planning import Standing, image_wish, root_wish
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.user import Token, User
from boardgrid.model.uuid7 import uuid7
from boardgrid.ports import EVENTS, Changes, Entry, Records, Thing, Transaction, wishes_of
from boardgrid.services.timetable import Plan, Timetable, is_shut


@dataclass(slots=True)
class Work:
    """
    One use case while it is worked on.

    What is saved here is looked at: where a wish of a site is another one afterwards, or a key somebody else's, the
    version of that site's wishes rises in the same transaction, whichever use case it was.
    """

    tx: Transaction
    now: datetime
    timetable: Timetable = field(default_factory=Timetable)
    topics: set[str] = field(default_factory=set)  # told when all of it is recorded
    _sites: set[str] = field(default_factory=set)  # whose agent or gateway is to hear of it
    _plan: Plan | None = None
    _vacated: set[str] = field(default_factory=set)  # in the plan as it was before the shelf changed

    @property
    def plan(self) -> Plan:
        """The calendar as this use case leaves it so far: what is saved is in it."""
        if self._plan is None:
            self._plan = self.timetable.draft(self.tx)
            self._plan.vacated |= self._vacated
        return self._plan

    def save(self, thing: Thing) -> None:
        self._look(thing)
        self.tx.save(thing)
        if self._plan is not None and isinstance(thing, Reservation):
            self._plan.put(self.tx, [thing])

    def save_planned(self, reservation: Reservation) -> None:
        """One that the plan has as it is saved already."""
        self._look(reservation)
        self.tx.save(reservation)

    def remove(self, thing: Token | BoardType | Standing) -> None:
        if isinstance(thing, Standing):
            self._sites.add(thing.board.site)
        if isinstance(thing, Standing | BoardType):
            self._shelf_changed()
        self.tx.remove(thing)

    def admitted(self, reservation: Reservation) -> None:
        """Others than before are let in to its boards: the gateways are to hear of it."""
        for board in reservation.boards:
            if standing := self.tx.board(board):
                self._sites.add(standing.board.site)

    def new_id(self) -> UUID:
        return uuid7(self.now)

    def note(self, event: Event, *, reservation: int | None = None, owner: UUID | None = None) -> None:
        self.tx.add_event(Entry(event, reservation, owner))
        self.topics.add(EVENTS)

    def note_board(
        self,
        standing: Standing,
        step: str,
        phase: Phase,
        detail: str,
        *,
        outcome: Outcome | None = None,
        reservation: int | None = None,
        owner: UUID | None = None,
    ) -> None:
        """A change of a board's state, or of who has it."""
        event = Event(
            0, self.now, standing.board.name, standing.generation, step, phase, standing.tenant, outcome, detail=detail
        )
        self.note(event, reservation=reservation, owner=owner)

    def note_thing(self, step: str, detail: str, owner: UUID | None, outcome: Outcome = Outcome.OK) -> None:
        """A change of an image, a root or a site."""
        self.note(Event(0, self.now, "", 0, step, Phase.ENDED, outcome=outcome, detail=detail), owner=owner)

    def raise_versions(self) -> None:
        for name in sorted(self._sites):
            if state := self.tx.site(name):
                self.tx.save(replace(state, version=state.version + 1))
                self.topics.add(wishes_of(name))

    def keep_plan(self) -> Plan | None:
        """The plan with the revisions that it is recorded under; None: nobody looked at it."""
        if self._plan is not None:
            self._plan.revisions = self.tx.revisions()
        return self._plan

    def _shelf_changed(self) -> None:
        self.tx.shelf_changed()
        if self._plan is not None:
            self._vacated |= self._plan.vacated
        self._plan = None

    def _look(self, thing: Thing) -> None:
        match thing:
            case Standing():
                stood = self.tx.board(thing.board.name)
                if not _is_same_wish(stood, thing):
                    self._sites.add(thing.board.site)
                self._look_at_shelf(stood, thing)
            case Image():
                before = self.tx.image(thing.id)
                if (before and image_wish(before)) != image_wish(thing):
                    self._sites.add(thing.site)
            case Root():
                had = self.tx.root(thing.id)
                if (had and root_wish(had)) != root_wish(thing):
                    self._sites.add(thing.site)
            case BoardType():
                known_type = self.tx.board_type(thing.name)
                if known_type != thing:
                    self._shelf_changed()
                if known_type is None or known_type.plain != thing.plain:
                    self._sites |= {one.board.site for one in self.tx.boards(board_type=thing.name)}
            case User():
                known = self.tx.user(thing.id)
                if known is not None and known.ssh_keys != thing.ssh_keys:
                    # At any of them a connection may be open by a key that is theirs no more.
                    self._sites |= {one.site.name for one in self.tx.sites()}
            case _:
                pass

    def _look_at_shelf(self, before: Standing | None, after: Standing) -> None:
        if before is None or replace(before.board, set_aside="") != replace(after.board, set_aside=""):
            self._shelf_changed()
        elif is_shut(before) is not is_shut(after):
            self.tx.shelf_changed()
            if self._plan is not None:
                self._plan.calendar.shut ^= {after.board.name}


def _is_same_wish(before: Standing | None, after: Standing) -> bool:
    """Whether the agent would be told the same of this board."""
    if before is None:
        return False
    return (before.generation, before.wish, before.order) == (after.generation, after.wish, after.order)


@dataclass(frozen=True, slots=True)
class Desk:
    records: Records
    changes: Changes
    now: Callable[[], datetime]  # carries UTC
    timetable: Timetable = field(default_factory=Timetable)

    @contextmanager
    def begin(self, asker: User | None = None) -> Iterator[Work]:
        """
        Work on a use case in one transaction. Who waits is told when it is recorded, and only then.

        Args:
            asker: who asks; their account may have been closed since they came in.
        """
        with self.records.write() as tx:
            if asker is not None:
                _check_account(tx.user(asker.id))
            work = Work(tx, self.now(), self.timetable)
            yield work
            work.raise_versions()
            topics, plan = work.topics, work.keep_plan()
        if plan is not None:
            self.timetable.keep(plan)
        if topics:
            self.changes.tell(*sorted(topics))


def _check_account(user: User | None) -> None:
    if user is None or user.removed:
        raise NotAllowed(Code.TOKEN_REFUSED, _("this account was closed"), hint=_("ask an admin of the farm"))


def check_admin(asker: User) -> None:
    """
    Raises:
        NotAllowed: ACT_FORBIDDEN, *asker* is no admin.
    """
    if not can(asker, "administer"):
        raise NotAllowed(
            Code.ACT_FORBIDDEN, _("{user} is no admin"), hint=_("ask an admin of the farm to do it"), user=asker.name
        )
