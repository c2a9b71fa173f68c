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
from boardgrid.model.root import Root
from boardgrid.model.user import Token, User
from boardgrid.model.uuid7 import uuid7
from boardgrid.ports import EVENTS, Changes, Entry, Records, Thing, Transaction, wishes_of


@dataclass(slots=True)
class Work:
    """
    One use case while it is worked on.

    What is saved here is looked at: where a wish of a site is another one afterwards, or a key somebody else's, the
    version of that site's wishes rises in the same transaction, whichever use case it was.
    """

    tx: Transaction
    now: datetime
    topics: set[str] = field(default_factory=set)  # told when all of it is recorded
    _sites: set[str] = field(default_factory=set)  # whose agent or gateway is to hear of it

    def save(self, thing: Thing) -> None:
        self._look(thing)
        self.tx.save(thing)

    def remove(self, thing: Token | BoardType | Standing) -> None:
        if isinstance(thing, Standing):
            self._sites.add(thing.board.site)
        self.tx.remove(thing)

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

    def _look(self, thing: Thing) -> None:
        match thing:
            case Standing():
                if not _is_same_wish(self.tx.board(thing.board.name), thing):
                    self._sites.add(thing.board.site)
            case Image():
                before = self.tx.image(thing.id)
                if (before and image_wish(before)) != image_wish(thing):
                    self._sites.add(thing.site)
            case Root():
                had = self.tx.root(thing.id)
                if (had and root_wish(had)) != root_wish(thing):
                    self._sites.add(thing.site)
            case BoardType():
                if self.tx.board_type(thing.name) != thing:
                    self._sites |= {one.board.site for one in self.tx.boards(board_type=thing.name)}
            case User():
                known = self.tx.user(thing.id)
                if known is not None and known.ssh_keys != thing.ssh_keys:
                    # At any of them a connection may be open by a key that is theirs no more.
                    self._sites |= {one.site.name for one in self.tx.sites()}
            case _:
                pass


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
            work = Work(tx, self.now())
            yield work
            work.raise_versions()
            if topics := sorted(work.topics):
                tx.announce(*topics)
        if topics:
            self.changes.tell(*topics)


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
