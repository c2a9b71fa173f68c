"""Links: codes by which people come into a project by themselves, with their account or to make one."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.name import checked
from boardgrid.model.project import JoinLink, Part, Project
from boardgrid.model.user import Scope, Secret, User
from boardgrid.ports import Snapshot
from boardgrid.services import credentials
from boardgrid.services.desk import Desk, Work, check_admin
from boardgrid.services.finding import project_named
from boardgrid.services.projects import project_view
from boardgrid.services.views import JoinLinkView, ProjectView

log = structlog.get_logger()

GOOD_FOR, SHORTEST, LONGEST = timedelta(days=14), timedelta(minutes=1), timedelta(days=180)
USES, USES_MOST = 100, 1000
_LINKS_MOST = 50  # into one project


@dataclass(frozen=True, slots=True)
class NewLink:
    """A code as it is handed out, once."""

    view: JoinLinkView
    clear: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Links:
    desk: Desk

    def make(
        self,
        asker: User,
        name: str,
        *,
        for_: timedelta = GOOD_FOR,
        most: int = USES,
        team: str = "",
        new_accounts: bool = False,
    ) -> NewLink:
        """
        Make a link into the project *name*. It is good while its maker may let people in.

        Args:
            most: how many may come in by it.
            team: which they are in then.
            new_accounts: strangers make an account by it, and are in the project at once.

        Raises:
            NotAllowed: its managers and admins may; with *new_accounts* admins alone.
            NotFound: PROJECT_UNKNOWN.
            Invalid: DURATION_INVALID; REQUEST_INVALID, too many or too few; NAME_INVALID, of the team.
            Conflict: REQUESTS_TOO_MANY.
        """
        if new_accounts:
            check_admin(asker)
        _check_bounds(for_, most)
        if team:
            checked("team", team)
        with self.desk.begin(asker, "link.make", needs=Scope.ALL) as work:
            project = project_named(work.tx, asker, name, "change")
            known = work.tx.join_links(project.id)
            over = [one for one in known if one.is_over(work.now)]
            if len(known) - len(over) >= _LINKS_MOST:
                raise Conflict(
                    Code.REQUESTS_TOO_MANY,
                    _("there are {count} links into project {project} already"),
                    hint=_("take some back: boardgrid project links {project}"),
                    count=_LINKS_MOST,
                    project=name,
                )
            for one in over:
                work.remove(one)
            new_id, digest, clear = credentials.made(credentials.LINK)
            until = work.now + for_
            link = JoinLink(
                new_id, digest, project.id, asker.id, work.now, until, most, team=team, new_accounts=new_accounts
            )
            work.save(link)
        log.info("link.made", link=new_id, project=name, by=asker.name)
        return NewLink(JoinLinkView(link, asker.name, is_good=True), clear)

    def links(self, asker: User, name: str) -> list[JoinLinkView]:
        """
        The links into a project, oldest first; those that are over until another is made.

        Raises:
            NotAllowed: its managers and admins may.
            NotFound: PROJECT_UNKNOWN.
        """
        with self.desk.records.read() as records:
            project = project_named(records, asker, name, "change")
            return [_view(records, one, self.desk.now()) for one in records.join_links(project.id)]

    def remove(self, asker: User, name: str, link_id: str) -> None:
        """
        Raises:
            NotAllowed: its managers and admins may.
            NotFound: PROJECT_UNKNOWN, LINK_UNKNOWN.
        """
        with self.desk.begin(asker, "link.remove", needs=Scope.ALL) as work:
            project = project_named(work.tx, asker, name, "change")
            link = work.tx.join_link(link_id)
            if link is None or link.project != project.id:
                raise NotFound(
                    Code.LINK_UNKNOWN,
                    # Not what was asked for: somebody may give the code in the place of the id.
                    _("there is no such link into project {project}"),
                    hint=_("boardgrid project links {project} shows their ids"),
                    project=name,
                )
            work.remove(link)
        log.info("link.removed", link=link_id, project=name, by=asker.name)

    def enter(self, asker: User, code: str) -> tuple[ProjectView, bool]:
        """
        Come into a project by the code of a link; and whether one was not in it already, which uses nothing up.

        Raises:
            NotAllowed: INVITATION_REFUSED, it is none, is used up or too old, was taken back, or who made it may let
                nobody in any more.
        """
        with self.desk.records.read() as records:
            _link(records, code)  # nobody without a code makes us write
        with self.desk.begin(asker, "project.enter") as work:
            link = _link(work.tx, code)
            project = work.tx.project(link.project)
            is_new = project is None or project.removed or asker.id not in project.members
            if is_new:
                project = let_in(work, good_link(work.tx, code, work.now), asker.id)
            assert project is not None  # noqa: S101 - there is none without one
            view = project_view(work.tx, project)
        if is_new:
            log.info("project.entered", project=view.name, link=link.id, user=asker.name)
        return view, is_new


def good_link(records: Snapshot, code: str, now: datetime) -> JoinLink:
    """
    Raises:
        NotAllowed: INVITATION_REFUSED.
    """
    link = _link(records, code)
    if not _is_good(records, link, now):
        raise code_refused()
    return link


def let_in(work: Work, link: JoinLink, user: UUID) -> Project:
    """By a link that is good."""
    project = work.tx.project(link.project)
    assert project is not None  # noqa: S101 - it would not be good
    joined = project.with_member(user, Part.MEMBER, link.team)
    work.save(joined)
    work.save(replace(link, used=link.used + 1))
    return joined


def code_refused() -> NotAllowed:
    """Whatever is wrong with a code: its holder learns no more."""
    return NotAllowed(
        Code.INVITATION_REFUSED,
        _("this code is good for nothing"),
        hint=_("it was used, is too old, or was taken back; ask whoever gave it to you for another"),
    )


def _link(records: Snapshot, code: str) -> JoinLink:
    found = records.join_link(credentials.id_in(credentials.LINK, code))
    if not credentials.is_same(code, found.digest if found else None) or found is None:
        raise code_refused()
    return found


def _is_good(records: Snapshot, link: JoinLink, now: datetime) -> bool:
    host, project = records.user(link.made_by), records.project(link.project)
    if link.is_over(now) or host is None or not host.is_active or project is None or project.removed:
        return False
    return host.is_admin or (project.is_managed_by(host.id) and not link.new_accounts)


def _view(records: Snapshot, link: JoinLink, now: datetime) -> JoinLinkView:
    host = records.user(link.made_by)
    return JoinLinkView(link, host.name if host else "", _is_good(records, link, now))


def _check_bounds(for_: timedelta, most: int) -> None:
    if not SHORTEST <= for_ <= LONGEST:
        raise Invalid(
            Code.DURATION_INVALID,
            _("a link is good for one minute at least, and {days} days at most"),
            days=LONGEST.days,
        )
    if not 1 <= most <= USES_MOST:
        raise Invalid(Code.REQUEST_INVALID, _("a link lets in from 1 to {most} people"), most=USES_MOST)
