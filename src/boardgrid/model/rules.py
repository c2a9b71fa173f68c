"""
Rules: how much of the farm one may have, and who may have which boards.

They count for what is asked from now on; what was promised under other rules is kept.

A reservation keeps two sets of limits: those of the person who asks, and those of the project that it counts on. A
person's own limit and those of their groups stand side by side, the most generous wins, and what none of them limits is
limited as for everyone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.messages import _, bytes_text
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.window import Window

WEEK = timedelta(days=7)
SHORTEST = timedelta(minutes=1)
LONGEST_MOST = timedelta(days=60)  # no rule allows more: what happened is remembered for longer than that
AHEAD_MOST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Limits:
    """None: not limited here."""

    boards: int | None = None  # at once
    board_hours: float | None = None  # in any seven days, those to come counted too
    waiting: int | None = None  # reservations that have not begun
    longest: timedelta | None = None  # of one reservation, its extensions included
    longest_of: Mapping[str, timedelta] = field(default_factory=dict)  # the same, of boards of one type
    ahead: timedelta | None = None  # until a reservation begins
    awaited: int | None = None  # images that have a name and no content yet: it is to come, or is being unpacked
    image_bytes: int | None = None  # of all images that one keeps, as they are stored
    volume_bytes: int | None = None  # of all volumes that one has, as large as they may grow

    def checked(self) -> "Limits":
        """
        Raises:
            Invalid: RULES_INVALID, one of them can be no limit.
        """
        for name in ("boards", "board_hours", "waiting", "awaited", "image_bytes", "volume_bytes"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise _no_limit(name, value, _("name a number from 0 on"))
        for longest in (self.longest, *self.longest_of.values()):
            if longest is not None and not SHORTEST <= longest <= LONGEST_MOST:
                raise _no_limit("longest", longest, _("it lies between one minute and 60 days"))
        if self.ahead is not None and not timedelta(0) <= self.ahead <= AHEAD_MOST:
            raise _no_limit("ahead", self.ahead, _("it lies between 0 and 3650 days"))
        return self

    @property
    def counts_boards(self) -> bool:
        """Whether it matters what else somebody has."""
        return any(one is not None for one in (self.boards, self.board_hours, self.waiting))

    def or_else(self, other: "Limits") -> "Limits":
        """What is not limited here is limited as there."""
        said = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name != "longest_of" and getattr(self, one.name) is not None
        }
        return replace(other, **said, longest_of={**other.longest_of, **self.longest_of})


def most_generous(limits: Iterable[Limits]) -> Limits:
    """Of each the highest that somebody says."""
    known, found = list(limits), {}
    for name in (one.name for one in fields(Limits) if one.name != "longest_of"):
        found[name] = max((value for one in known if (value := getattr(one, name)) is not None), default=None)
    types = {type_ for one in known for type_ in one.longest_of}
    return Limits(
        **found,
        longest_of={type_: max(one.longest_of[type_] for one in known if type_ in one.longest_of) for type_ in types},
    )


@dataclass(frozen=True, slots=True)
class Access:
    """Boards that an expression fits are for the members of these groups alone. Where several fit, each counts."""

    where: str
    groups: frozenset[UUID]


EVERYONE = Limits(longest=timedelta(days=31), ahead=timedelta(days=365), awaited=20)


@dataclass(frozen=True, slots=True)
class Rules:
    everyone: Limits = EVERYONE
    groups: Mapping[UUID, Limits] = field(default_factory=dict)
    projects: Mapping[UUID, Limits] = field(default_factory=dict)
    users: Mapping[UUID, Limits] = field(default_factory=dict)
    access: tuple[Access, ...] = ()
    needs_project: bool = False  # each reservation counts on one
    version: int = 0  # rises with each change

    def checked(self) -> "Rules":
        """
        Raises:
            Invalid: RULES_INVALID.
        """
        for limits in (self.everyone, *self.groups.values(), *self.projects.values(), *self.users.values()):
            limits.checked()
        if self.everyone.longest is None or self.everyone.ahead is None:
            raise Invalid(
                Code.RULES_INVALID,
                _("how long and how far ahead everyone may reserve cannot be without a limit"),
                hint=_("name the longest time, at most 60 days, and the days ahead, at most 3650"),
            )
        return self

    def for_person(self, user: UUID, groups: Collection[UUID]) -> Limits:
        own = [self.users[user]] if user in self.users else []
        theirs = [self.groups[one] for one in groups if one in self.groups]
        return most_generous([*own, *theirs]).or_else(self.everyone)

    def for_project(self, project: UUID | None) -> Limits:
        return self.projects.get(project, Limits()) if project is not None else Limits()

    def for_block(self, project: UUID) -> Limits:
        """Of a block, nobody's own: as long as anybody may, and further ahead, for courses are planned early."""
        limits = self.for_project(project)
        return replace(limits, longest=limits.longest or self.everyone.longest, ahead=limits.ahead or LESSONS_AHEAD)

    def without(self, gone: UUID) -> "Rules":
        """When a group or a project was removed."""
        return replace(
            self,
            groups={one: limits for one, limits in self.groups.items() if one != gone},
            projects={one: limits for one, limits in self.projects.items() if one != gone},
        )


LESSONS_AHEAD = timedelta(days=366)


# --- what is had


@dataclass(frozen=True, slots=True)
class Use:
    """So many boards that somebody has, had or will have, over a window."""

    window: Window
    boards: int


def boards_at_once(uses: Iterable[Use], within: Window) -> int:
    """The most boards that are had at any moment of a window."""
    steps: list[tuple[datetime, int]] = []
    for one in uses:
        if one.window.overlaps(within) and one.window.lasting > timedelta(0):
            # Who ends when another begins is gone by then.
            steps += [(max(one.window.start, within.start), one.boards), (one.window.end, -one.boards)]
    most = now = 0
    for _at, boards in sorted(steps):
        now += boards
        most = max(most, now)
    return most


def hours_in_a_week(uses: Sequence[Use], around: Window) -> float:
    """The most board hours that lie in any seven days which meet a window."""
    # Where the sum is highest, seven days begin with a use or end with one.
    edges = {edge for one in uses for edge in (one.window.start, one.window.end - WEEK)}
    edges |= {around.start, around.end - WEEK}
    weeks = (Window(edge, edge + WEEK) for edge in edges)
    return max((_hours(uses, week) for week in weeks if week.overlaps(around)), default=0.0)


def _hours(uses: Iterable[Use], within: Window) -> float:
    spans = ((min(one.window.end, within.end) - max(one.window.start, within.start), one.boards) for one in uses)
    return sum((span * boards for span, boards in spans if span > timedelta(0)), timedelta(0)) / timedelta(hours=1)


# --- what is asked for


@dataclass(frozen=True, slots=True)
class Bound:
    """Limits, whose they are, and what counts on them already."""

    limits: Limits
    project: str = ""  # empty: a person's
    uses: tuple[Use, ...] = ()
    waiting: int = 0

    def check_start(self, at: datetime, now: datetime) -> None:
        """
        Raises:
            Invalid: START_INVALID.
        """
        if self.limits.ahead is None or at <= now + self.limits.ahead:
            return
        raise Invalid(
            Code.START_INVALID,
            _("{at:%Y-%m-%d %H:%M} UTC is too far ahead"),
            hint=_("reserve at most {days:g} days ahead"),
            at=at,
            days=self.limits.ahead / timedelta(days=1),
        )

    def check_lasting(self, lasting: timedelta, types: Iterable[str] = ()) -> None:
        """
        Args:
            types: of all boards that it may come to have.

        Raises:
            Invalid: DURATION_INVALID.
        """
        if self.limits.longest is not None and lasting > self.limits.longest:
            raise self._too_long(lasting, self.limits.longest)
        for type_ in sorted(set(types)):
            longest = self.limits.longest_of.get(type_)
            if longest is not None and lasting > longest:
                raise self._too_long(lasting, longest, type_)

    def check_boards(self, wanted: Use) -> None:
        """
        Raises:
            Conflict: QUOTA_EXCEEDED; the hint says when it would be possible.
        """
        error = self._first_refusal(wanted)
        if error is None:
            return
        for start in self._changes(wanted.window):
            later = replace(wanted, window=wanted.window.from_(start))
            if self._first_refusal(later) is None:
                raise self._exceeded(error, _("it is possible from {at:%Y-%m-%d %H:%M} UTC on"), at=start)
        raise self._exceeded(error, _("ask for less, or ask an admin of the farm for more"))

    def check_waiting(self) -> None:
        """
        Raises:
            Conflict: QUOTA_EXCEEDED; one more would wait than may.
        """
        most = self.limits.waiting
        if most is None or self.waiting < most:
            return
        sentence = (
            _("{used} reservations of project {project} wait already, and at most {most} may")
            if self.project
            else _("{used} reservations of yours wait already, and at most {most} may")
        )
        hint = _("withdraw one, or wait until it has begun")
        raise Conflict(Code.QUOTA_EXCEEDED, sentence, hint=hint, used=self.waiting, project=self.project, most=most)

    def fits(self, wanted: Use) -> bool:
        return self._first_refusal(wanted) is None

    def _first_refusal(self, wanted: Use) -> str | None:
        """A sentence, or None where nothing speaks against it."""
        limits, whose = self.limits, self._whose()
        if limits.boards is not None:
            used = boards_at_once(self.uses, wanted.window)
            if used + wanted.boards > limits.boards:
                return _("{whose} at most {most} boards at once, and {used} are taken at that time").format(
                    whose=whose, most=limits.boards, used=used
                )
        if limits.board_hours is not None:
            hours = hours_in_a_week([*self.uses, wanted], wanted.window)
            if hours > limits.board_hours + 1e-6:
                used_hours = hours_in_a_week(self.uses, wanted.window)
                return _("{whose} at most {most:g} board hours in seven days, and {used:.1f} are taken").format(
                    whose=whose, most=limits.board_hours, used=used_hours
                )
        return None

    def _changes(self, wanted: Window) -> list[datetime]:
        """When what is had becomes less: boards when a use ends, hours when it has left the week before."""
        ends = [one.window.end for one in self.uses]
        ends += [end + WEEK - min(wanted.lasting, WEEK) for end in ends]
        return sorted(end for end in set(ends) if end > wanted.start)

    def _whose(self) -> str:
        return _("project {project} may have").format(project=self.project) if self.project else _("you may have")

    def _exceeded(self, sentence: str, hint: str, **facts: object) -> Conflict:
        return Conflict(Code.QUOTA_EXCEEDED, "{told}", hint=hint, told=sentence, **facts)

    def _too_long(self, asked: timedelta, longest: timedelta, type_: str = "") -> Invalid:
        return Invalid(
            Code.DURATION_INVALID,
            _("a board of type {type} cannot be reserved for {asked}")
            if type_
            else _("a board cannot be reserved for {asked}"),
            hint=_("project {project} has boards for at most {longest}")
            if self.project
            else _("ask for something between one minute and {longest}"),
            type=type_,
            asked=exactly(asked),
            longest=span(longest),
            project=self.project,
        )


def check_images(limits: Limits, *, kept_bytes: int, more_bytes: int = 0, awaited: Sequence[str] | None = None) -> None:
    """
    Whether somebody may begin one more image.

    Args:
        kept_bytes: of those that they have.
        more_bytes: as far as it is known.
        awaited: those that have no content yet; None: none is added to them.

    Raises:
        Conflict: REQUESTS_TOO_MANY; QUOTA_EXCEEDED.
    """
    if limits.awaited is not None and awaited is not None and len(awaited) >= limits.awaited:
        raise Conflict(
            Code.REQUESTS_TOO_MANY,
            _("{count} images of yours await their content already, and no more may"),
            hint=_("wait until one is made, or remove one: boardgrid image remove {image}") if awaited else "",
            count=len(awaited),
            image=awaited[0] if awaited else "",
        )
    most = limits.image_bytes
    if most is not None and (kept_bytes + more_bytes > most or kept_bytes >= most):
        raise Conflict(
            Code.QUOTA_EXCEEDED,
            _("images may take {most}, {used} is taken, and this one takes {needs}")
            if more_bytes
            else _("images may take {most}, and {used} is taken"),
            hint=_("remove one: boardgrid image list shows them; or ask an admin of the farm for more"),
            most=bytes_text(most),
            used=bytes_text(kept_bytes),
            needs=bytes_text(more_bytes),
        )


def exactly(lasting: timedelta) -> str:
    """As a person says it where that is all of it, else to the part of a second."""
    if lasting > timedelta(0) and lasting % timedelta(minutes=1) == timedelta(0):
        return span(lasting)
    return f"{lasting.total_seconds():.6f}".rstrip("0").rstrip(".") + " s"


def span(lasting: timedelta) -> str:
    """``31 days``, ``1 day 6 h``, ``30 min``: within a sentence."""
    minutes = int(lasting / timedelta(minutes=1))
    days, hours = divmod(minutes // 60, 24)
    parts = [
        (_("1 day") if days == 1 else _("{days} days").format(days=days)) if days else "",
        f"{hours} h" if hours else "",
        f"{minutes % 60} min" if minutes % 60 else "",
    ]
    return " ".join(part for part in parts if part) or "0 min"


def _no_limit(name: str, value: object, hint: str) -> Invalid:
    return Invalid(Code.RULES_INVALID, _("{value} is no limit for {name}"), hint=hint, value=value, name=name)
