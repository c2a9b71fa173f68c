"""Rosters: who is in a project, in which part and which team, all at once. Who has no account yet is invited."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.name import checked
from boardgrid.model.project import Part, Place, Project
from boardgrid.model.user import Invitation, NewInvitation, Role, Scope, User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, Work
from boardgrid.services.finding import project_named
from boardgrid.services.invitations import check_room, is_good, new_invitation
from boardgrid.services.mounting import withdraw_from_all
from boardgrid.services.projects import project_view
from boardgrid.services.views import ProjectView, RosterLine

log = structlog.get_logger()

ROWS_MOST = 1000
_TOLD_MOST = 50  # mistakes, and names that are nobody's

People = Mapping[str, User]  # by name
Expected = Mapping[str, Sequence[Invitation]]  # those that are good, by the name that they are for


@dataclass(frozen=True, slots=True)
class RosterRow:
    """As somebody wrote it."""

    line: int  # where, for complaints
    name: str
    part: str = ""  # empty: what they are already, else a member
    team: str | None = None  # empty: none; None: the one that they are in already


@dataclass(frozen=True, slots=True)
class Invited:
    line: RosterLine
    made: NewInvitation


@dataclass(frozen=True, slots=True)
class RosterChange:
    """What came of a roster."""

    project: ProjectView
    added: tuple[str, ...]
    changed: tuple[str, ...]  # in another part, or another team
    removed: tuple[str, ...]
    stayed: tuple[str, ...]  # managers whom it does not name
    invited: tuple[Invited, ...]
    kept: tuple[str, ...]  # invited before: their codes are as good as they were


@dataclass(frozen=True, slots=True)
class Rosters:
    desk: Desk

    def roster(self, asker: User, name: str) -> list[RosterLine]:
        """
        Who is in a project, and after them who comes into it with an account of their own.

        Raises:
            NotFound: PROJECT_UNKNOWN.
        """
        with self.desk.records.read() as records:
            project, people = project_named(records, asker, name), _people(records)
            expected = [
                RosterLine(called, place.part, place.team, is_expected=True)
                for called, invitations in sorted(_expected(records, self.desk.now()).items())
                if called not in people and (place := _place(invitations, project))
            ]
            return [*_lines(project, people).values(), *expected]

    def bring_in(
        self, asker: User, name: str, rows: Sequence[RosterRow], *, replace_others: bool = False
    ) -> RosterChange:
        """
        Put these into a project, all of them or nobody. An admin invites those who have no account.

        Args:
            replace_others: who is in it and not among them goes, but for managers.

        Raises:
            NotAllowed: its managers and admins may.
            NotFound: PROJECT_UNKNOWN; USER_UNKNOWN, and *asker* invites nobody.
            Invalid: ROSTER_INVALID, with all that is wrong.
            Conflict: REQUESTS_TOO_MANY, too many invitations would be open.
        """
        _check(rows)
        with self.desk.begin(asker, "project.roster", needs=Scope.ALL) as work:
            before = project_named(work.tx, asker, name, "change")
            people, expected = _people(work.tx), _expected(work.tx, work.now)
            strangers = [row for row in rows if row.name not in people]
            if not can(asker, "administer"):
                _check_expected(before, [row for row in strangers if not _place(expected.get(row.name, ()), before)])
            after = _with(before, rows, people)
            absent = before.members.keys() - {people[row.name].id for row in rows if row.name in people}
            if replace_others:
                after = after.without({one for one in absent if not before.is_managed_by(one)})
                _expect_no_others(work, before, expected, {row.name for row in rows})
            work.save(after)
            withdraw_from_all(work, after)
            invited, kept = _expect(work, asker, before, strangers, expected)
            was, is_ = _lines(before, people), _lines(after, people)
            change = RosterChange(
                project_view(work.tx, after),
                added=tuple(one for one in is_ if one not in was),
                changed=tuple(one for one in is_ if one in was and is_[one] != was[one]),
                removed=tuple(one for one in was if one not in is_),
                stayed=tuple(one for one in is_ if replace_others and people[one].id in absent),
                invited=invited,
                kept=kept,
            )
        log.info(
            "project.roster_brought_in",
            project=name,
            added=len(change.added),
            changed=len(change.changed),
            removed=len(change.removed),
            invited=len(invited),
            by=asker.name,
        )
        return change


def _people(records: Snapshot) -> People:
    return {one.name: one for one in records.users() if not one.removed}


def _expected(records: Snapshot, now: datetime) -> Expected:
    found: dict[str, list[Invitation]] = {}
    for one in records.invitations():
        if one.name and one.user is None and is_good(records, one, now):
            found.setdefault(one.name, []).append(one)
    return found


def _place(invitations: Sequence[Invitation], project: Project) -> Place | None:
    return next((place for one in invitations if (place := one.place_in(project.id))), None)


def _lines(project: Project, people: People) -> dict[str, RosterLine]:
    teams = {user: team for team, members in project.teams.items() for user in members}
    return {
        name: RosterLine(name, project.members[user.id], teams.get(user.id, ""))
        for name, user in people.items()
        if user.id in project.members
    }


def _with(project: Project, rows: Sequence[RosterRow], people: People) -> Project:
    after = project
    for row in rows:
        if user := people.get(row.name):
            part = Part(row.part) if row.part else project.members.get(user.id, Part.MEMBER)
            after = after.with_member(user.id, part, row.team)
    return after


def _expect(
    work: Work, asker: User, project: Project, rows: Sequence[RosterRow], expected: Expected
) -> tuple[tuple[Invited, ...], tuple[str, ...]]:
    """Whoever is invited now, and who was before."""
    check_room(work, sum(row.name not in expected for row in rows))
    invited, kept = list[Invited](), list[str]()
    for row in rows:
        before = _place(expected.get(row.name, ()), project) or Place(project.id)
        place = Place(
            project.id, Part(row.part) if row.part else before.part, before.team if row.team is None else row.team
        )
        for one in expected.get(row.name, ()):
            work.save(one.with_place(place))
        if row.name in expected:
            kept.append(row.name)
        else:
            made = new_invitation(work, asker, Role.USER, row.name, places=(place,))
            invited.append(Invited(RosterLine(row.name, place.part, place.team, is_expected=True), made))
    return tuple(invited), tuple(kept)


def _expect_no_others(work: Work, project: Project, expected: Expected, names: set[str]) -> None:
    """Their invitations still make an account; it is in this project no more."""
    for name, invitations in expected.items():
        for one in invitations:
            if name not in names and one.place_in(project.id):
                work.save(one.without_place(project.id))


def _check_expected(project: Project, strangers: Sequence[RosterRow]) -> None:
    if not strangers:
        return
    told = [_("{name} (line {line})").format(name=row.name, line=row.line) for row in strangers]
    raise NotFound(
        Code.USER_UNKNOWN,
        _("nothing was done, for these have no account: {names}"),
        hint=_(
            "an admin of the farm invites them by bringing in the same roster, or makes them a link: boardgrid project"
            " link {project} --new-accounts"
        ),
        names=_listed(told, ", "),
        project=project.name,
    )


def _check(rows: Sequence[RosterRow]) -> None:
    if len(rows) > ROWS_MOST:
        raise Invalid(
            Code.ROSTER_INVALID,
            _("a roster has {most} rows at most, and this one has {count}"),
            hint=_("bring it in in parts"),
            most=ROWS_MOST,
            count=len(rows),
        )
    mistakes = list(_mistakes(rows))
    if mistakes:
        raise Invalid(
            Code.ROSTER_INVALID,
            _("nothing was done, for {count} things are wrong: {mistakes}")
            if len(mistakes) > 1
            else _("nothing was done, for one thing is wrong: {mistakes}"),
            hint=_("mend that and bring it in again"),
            count=len(mistakes),
            mistakes=_listed(mistakes, "; "),
        )


def _mistakes(rows: Sequence[RosterRow]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for row in rows:
        for why in _why_bad(row):
            yield _("line {line}: {why}").format(line=row.line, why=why)
        if row.name in seen:
            yield _("line {line}: {name!r} stands in line {first} already").format(
                line=row.line, name=row.name[:80], first=seen[row.name]
            )
        elif row.name:
            seen[row.name] = row.line


def _why_bad(row: RosterRow) -> Iterator[str]:
    if not row.name:
        yield _("there is no name")
    for kind, name in (("user", row.name), ("team", row.team)):
        if name:
            try:
                checked(kind, name)
            except Invalid as error:
                yield error.detail
    if row.part and row.part not in set(Part):
        yield _("the part {part!r} is neither member nor manager").format(part=row.part[:80])


def _listed(things: Sequence[str], between: str) -> str:
    more = [_("and {count} more").format(count=len(things) - _TOLD_MOST)] if len(things) > _TOLD_MOST else []
    return between.join([*things[:_TOLD_MOST], *more])
