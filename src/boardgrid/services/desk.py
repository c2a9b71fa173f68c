"""The desk at which every use case is worked: one transaction, what follows from it, and who is told afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.access import Verb, can
from boardgrid.model.audit import AuditEntry, Facts
from boardgrid.model.board import BoardType
from boardgrid.model.deployment import Deployment, Event, Outcome, Phase
from boardgrid.model.errand import Errand
from boardgrid.model.errors import Code, NotAllowed
from boardgrid.model.image import Image
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.planning import Standing, image_wish, question_wish, root_wish, volume_wish
from boardgrid.model.project import UserGroup
from boardgrid.model.question import Question
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.rules import Rules
from boardgrid.model.user import Asker, Scope, Token, User, scope_of
from boardgrid.model.uuid7 import uuid7
from boardgrid.model.volume import Volume
from boardgrid.ports import ANSWERS, EVENTS, NOTICES, Changes, Entry, Records, Removable, Thing, Transaction, wishes_of
from boardgrid.services.auditing import name_of, told
from boardgrid.services.telling import Changed, tell
from boardgrid.services.timetable import Plan, Timetable, is_shut

_TOLD_OF = (Reservation, Deployment)  # a change of them may be worth a notice
_LOOKED_AT = (Standing, Image, Root, Volume, Errand, Question, BoardType, User, *_TOLD_OF)  # a change is told to others


@dataclass(slots=True)
class Work:
    """
    One use case while it is worked on.

    What is saved here is looked at: where a wish of a site is another one afterwards, or a key somebody else's, the
    version of that site's wishes rises in the same transaction, whichever use case it was. What people want to be told
    of is posted to them. And where somebody asked for it, what they changed is in the audit log.
    """

    tx: Transaction
    now: datetime
    timetable: Timetable = field(default_factory=Timetable)
    asker: User | None = None
    act: str = ""  # empty, and nobody asks: it is not audited
    origin: str = ""  # where nobody is known who asks
    topics: set[str] = field(default_factory=set)  # told when all of it is recorded
    _sites: set[str] = field(default_factory=set)  # whose agent or gateway is to hear of it
    _generations: dict[str, int] = field(default_factory=dict)  # by site: the highest that a board of it came to
    _changed: dict[tuple[type, str], tuple[Thing | None, Thing | None]] = field(default_factory=dict)
    _told_of: dict[int | UUID, Changed] = field(default_factory=dict)
    _acts: list[str] = field(default_factory=list)  # things that were acted on, and did not change
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
        plan = self._plan_for(thing)
        self._record(thing)
        if plan is not None and isinstance(thing, Reservation):
            plan.put(self.tx, [thing])

    def save_planned(self, reservation: Reservation) -> None:
        """One that the plan has as it is saved already."""
        self._record(reservation)

    def add(self, thing: Root | Deployment | Reservation) -> None:
        """A thing that is new, and changes no wish by itself."""
        plan = self._plan_for(thing)
        self.tx.add(thing)
        self._audit(None, thing)
        if plan is not None and isinstance(thing, Reservation):
            plan.put(self.tx, [thing])

    def _record(self, thing: Thing) -> None:
        # What agents tell all the time, of which nobody hears but who looks, is not looked up first.
        before = self.tx.recorded(thing) if self._is_audited or isinstance(thing, _LOOKED_AT) else None
        self._look(before, thing)
        self._note_change(before, thing)
        self.tx.save(thing)
        self._audit(before, thing)

    def _note_change(self, before: Thing | None, after: Thing) -> None:
        if isinstance(after, _TOLD_OF):
            key = after.number if isinstance(after, Reservation) else after.id
            first = self._told_of[key].before if key in self._told_of else before
            assert first is None or isinstance(first, _TOLD_OF)  # noqa: S101 - it is what *after* was
            self._told_of[key] = Changed(first, after)

    def _plan_for(self, thing: Thing) -> Plan | None:
        """Drafted before that is saved: else it would be read once more."""
        return self.plan if isinstance(thing, Reservation) else None

    def remove(self, thing: Removable) -> None:
        match thing:
            case Standing():
                self._sites.add(thing.board.site)
                self._shelf_changed()
            case BoardType():
                self._shelf_changed()
            case Errand():
                self._sites.add(thing.site)
            case Question() if thing.is_open:
                self._sites.add(thing.site)
            case Token():
                self.topics.add(EVENTS)  # who follows events by it hears that it is over
            case _:
                pass
        self._audit(self.tx.recorded(thing), None)
        self.tx.remove(thing)

    def note_act(self, thing: str) -> None:
        """Somebody tried something, and that alone is to be known."""
        self._acts.append(thing)

    def admitted(self, reservation: Reservation) -> None:
        """Others than before are let in to its boards: the gateways are to hear of it."""
        for board in reservation.boards:
            if standing := self.tx.board(board):
                self._sites.add(standing.board.site)

    def new_id(self) -> UUID:
        return uuid7(self.now)

    def note(self, event: Event, *, owner: UUID | None = None) -> None:
        self.tx.add_event(Entry(event, owner))
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
        name, generation, tenant = standing.board.name, standing.generation, standing.tenant
        event = Event(
            0, self.now, name, generation, step, phase, tenant, outcome, detail=detail, reservation=reservation
        )
        self.note(event, owner=owner)

    def note_thing(self, step: str, detail: str, owner: UUID | None, outcome: Outcome = Outcome.OK) -> None:
        """A change of an image, a root, a volume or a site."""
        self.note(Event(0, self.now, "", 0, step, Phase.ENDED, outcome=outcome, detail=detail), owner=owner)

    def raise_versions(self) -> None:
        for name in sorted(self._sites):
            if state := self.tx.site(name):
                # A board that joins and is given at once comes two generations on: those to come begin above it.
                self.tx.save(replace(state, version=max(state.version + 1, self._generations.get(name, 0))))
                self.topics.add(wishes_of(name))

    def write_notices(self) -> None:
        if tell(self.tx, self.now, self._told_of.values(), self.asker.id if self.asker else None):
            self.topics.add(NOTICES)

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

    @property
    def _is_audited(self) -> bool:
        return self.asker is not None or bool(self.act)

    @property
    def from_where(self) -> str:
        return self.asker.origin if isinstance(self.asker, Asker) else self.origin

    def write_audit(self) -> None:
        """One entry a thing, however often it was saved on the way."""
        changes = [(name, *told(before, after)) for (_kind, name), (before, after) in self._changed.items()]
        entries = [self._entry(name, was, is_) for name, was, is_ in changes if was or is_]
        entries += [self._entry(thing, {}, {}) for thing in self._acts]
        if entries:
            self.tx.add_audit(entries)

    def _look(self, before: Thing | None, after: Thing) -> None:
        match before, after:
            case ((Standing() | None), Standing()):
                if not _is_same_wish(before, after):
                    site = after.board.site
                    self._sites.add(site)
                    self._generations[site] = max(self._generations.get(site, 0), after.generation)
                self._look_at_shelf(before, after)
            case ((Image() | None), Image()):
                self._look_at_image(before, after)
            case ((Errand() | None), Errand()):
                self._look_at_errand(before, after)
            case ((Root() | Volume() | None), (Root() | Volume())):
                if (before and _store_wish(before)) != _store_wish(after):
                    self._sites.add(after.site)
            case ((Question() | None), Question()):
                self._look_at_question(before, after)
            case ((BoardType() | None), BoardType()) if before != after:
                self._shelf_changed()
                if before is None or before.plain != after.plain:
                    self._sites |= {one.board.site for one in self.tx.boards(board_type=after.name)}
            case User(), User():
                self._look_at_user(before, after)
            case _, UserGroup() | Rules() | Maintenance():
                self._shelf_changed()
            case _:
                pass

    def _look_at_image(self, before: Image | None, after: Image) -> None:
        if (before and image_wish(before)) != image_wish(after):
            self._sites.add(after.site)
        if before and before.types != after.types:
            self._shelf_changed()  # it remembers what fits what

    def _look_at_errand(self, before: Errand | None, after: Errand) -> None:
        if (before and before.state) is not after.state:
            self._sites.add(after.site)

    def _look_at_question(self, before: Question | None, after: Question) -> None:
        if (before and question_wish(before)) != question_wish(after):
            self._sites.add(after.site)
        if not after.is_open:
            self.topics.add(ANSWERS)

    def _look_at_user(self, before: User, after: User) -> None:
        if (before.ssh_keys, before.is_active) != (after.ssh_keys, after.is_active):
            # At any of them a connection may be open by a key that is theirs no more.
            self._sites |= {one.site.name for one in self.tx.sites()}
        if (before.role, before.is_active) != (after.role, after.is_active):
            self.topics.add(EVENTS)  # what they follow may not be theirs to see any more

    def _look_at_shelf(self, before: Standing | None, after: Standing) -> None:
        if before is None or replace(before.board, set_aside="") != replace(after.board, set_aside=""):
            self._shelf_changed()
        elif is_shut(before) is not is_shut(after):
            plan = self.plan  # drafted before that: else all of it would be read anew
            self.tx.shelf_changed()
            plan.calendar.shut ^= {after.board.name}

    def _audit(self, before: Thing | None, after: Thing | None) -> None:
        thing = after or before
        if thing is None or not self._is_audited:
            return
        if name := name_of(self.tx, thing):
            first, _last = self._changed.get((type(thing), name), (before, None))
            self._changed[type(thing), name] = (first, after)

    def _entry(self, thing: str, before: Facts, after: Facts) -> AuditEntry:
        who = self.asker
        return AuditEntry(
            number=0,
            at=self.now,
            who=who.id if who else None,
            name=who.name if who else "",
            token=who.token if isinstance(who, Asker) else "",
            origin=self.from_where,
            act=self.act or thing.partition(":")[0],
            thing=thing,
            before=before,
            after=after,
        )


def _store_wish(thing: Image | Root | Volume) -> object:
    """What the agent of its site is to do with it."""
    match thing:
        case Image():
            return image_wish(thing)
        case Root():
            return root_wish(thing)
        case Volume():
            return volume_wish(thing)


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
    def begin(
        self, asker: User | None = None, act: str = "", *, needs: Scope = Scope.USE, origin: str = ""
    ) -> Iterator[Work]:
        """
        Work on a use case in one transaction. Who waits is told when it is recorded, and only then.

        Args:
            asker: who asks; their account may have been closed since they came in.
            act: what the audit log calls it, "user.suspend"; what nobody asks for is only audited where it is named.
            needs: how much the asker's token must be good for.
            origin: from where it is asked, where nobody is known who does.

        Raises:
            NotAllowed: TOKEN_NARROW; TOKEN_REFUSED or ACCOUNT_SUSPENDED, their account was closed.
        """
        if asker is not None and not scope_of(asker).holds(needs):
            raise too_narrow(asker)
        with self.records.write() as tx:
            if asker is not None:
                check_account(tx.user(asker.id))
            work = Work(tx, self.now(), self.timetable, asker, act, origin)
            yield work
            work.write_notices()  # first, for it looks things up: what is only written then goes out in one
            work.raise_versions()
            work.write_audit()
            plan = work.keep_plan()
            if topics := sorted(work.topics):
                tx.announce(*topics)
        if plan is not None:
            self.timetable.keep(plan)
        if topics:
            self.changes.tell(*topics)


def check_account(user: User | None) -> None:
    """
    Raises:
        NotAllowed: TOKEN_REFUSED, there is no such account any more; ACCOUNT_SUSPENDED.
    """
    if user is None or user.removed:
        raise NotAllowed(Code.TOKEN_REFUSED, _("this account was closed"), hint=_("ask an admin of the farm"))
    if user.suspended:
        raise NotAllowed(
            Code.ACCOUNT_SUSPENDED,
            _("the account of {user} is suspended"),
            hint=_("ask an admin of the farm"),
            user=user.name,
        )


def check_admin(asker: User) -> None:
    """
    Raises:
        NotAllowed: ACT_FORBIDDEN, *asker* is no admin; TOKEN_NARROW.
    """
    _check(asker, "administer", _("{user} is no admin"), _("ask an admin of the farm to do it"))


def check_operator(asker: User) -> None:
    """
    Raises:
        NotAllowed: ACT_FORBIDDEN, *asker* does not look after the shelf; TOKEN_NARROW.
    """
    _check(asker, "change", _("{user} is neither operator nor admin"), _("ask an operator of the farm to do it"))


def check_no_guest(asker: User) -> None:
    """
    Raises:
        NotAllowed: ACT_FORBIDDEN, *asker* is a guest; TOKEN_NARROW.
    """
    _check(asker, "use", _("{user} is a guest, who reserves and imports nothing"), _("ask an admin for another role"))


def _check(asker: User, verb: Verb, sentence: str, hint: str) -> None:
    if can(asker, verb):
        return
    if isinstance(asker, Asker) and can(replace(asker, scope=Scope.ALL), verb):
        raise too_narrow(asker)
    raise NotAllowed(Code.ACT_FORBIDDEN, sentence, hint=hint, user=asker.name)


def too_narrow(asker: User) -> NotAllowed:
    return NotAllowed(
        Code.TOKEN_NARROW,
        _("this token may only look at things")
        if scope_of(asker) is Scope.READ
        else _("this token may use the farm and do no more"),
        hint=_("take one with a wider scope: boardgrid login, or boardgrid token create --scope"),
    )
