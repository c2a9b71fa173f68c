"""Projects: what people work on together, and the groups that rules speak of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.errors import Code, Conflict, NotFound
from boardgrid.model.name import checked
from boardgrid.model.project import Part, Project, UserGroup
from boardgrid.model.reservation import LIVE
from boardgrid.model.user import Scope, User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, Work, check_admin
from boardgrid.services.finding import image_of, person_named, project_named
from boardgrid.services.mounting import withdraw_from_all
from boardgrid.services.views import ProjectView, UserGroupView
from boardgrid.services.volumes import HELD, put_aside

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Projects:
    desk: Desk

    # --- groups

    def add_group(self, asker: User, name: str, members: Sequence[str] = ()) -> UserGroupView:
        """
        Raises:
            NotAllowed: only admins may.
            Invalid: NAME_INVALID.
            NotFound: USER_UNKNOWN.
            Conflict: NAME_TAKEN.
        """
        check_admin(asker)
        checked("group", name)
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            if _group_named(work.tx, name) is not None:
                raise Conflict(Code.NAME_TAKEN, _("there is a group {group} already"), group=name)
            group = UserGroup(work.new_id(), name, frozenset(person_named(work.tx, one).id for one in members))
            work.save(group)
            log.info("group.added", group=name, by=asker.name)
            return _group_view(work.tx, group)

    def groups(self, asker: User) -> list[UserGroupView]:
        """All for an admin, else those that *asker* is in."""
        with self.desk.records.read() as records:
            return [_group_view(records, one) for one in records.user_groups() if can(asker, "see", one)]

    def group(self, asker: User, name: str) -> UserGroupView:
        """
        Raises:
            NotFound: GROUP_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return _group_view(records, _seen_group(records, asker, name))

    def change_group(
        self, asker: User, name: str, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> UserGroupView:
        """
        Let users in to a group, or out of it. What was promised to them they keep.

        Raises:
            NotAllowed: only admins may.
            NotFound: GROUP_UNKNOWN, USER_UNKNOWN.
        """
        check_admin(asker)
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            group = _seen_group(work.tx, asker, name)
            added = {person_named(work.tx, one).id for one in add}
            gone = {person_named(work.tx, one).id for one in remove}
            changed = replace(group, members=(group.members | added) - gone)
            work.save(changed)
            log.info("group.changed", group=name, added=len(added), removed=len(gone), by=asker.name)
            return _group_view(work.tx, changed)

    def remove_group(self, asker: User, name: str) -> None:
        """
        Remove a group, and its limits.

        Raises:
            NotAllowed: only admins may.
            NotFound: GROUP_UNKNOWN.
            Conflict: THING_IN_USE, it is said to be who alone may have some boards.
        """
        check_admin(asker)
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            group = _seen_group(work.tx, asker, name)
            kept = [one.where for one in work.tx.rules().access if group.id in one.groups]
            if kept:
                raise Conflict(
                    Code.THING_IN_USE,
                    _("boards with {where} are for {group}"),
                    hint=_("change that first: boardgrid rule access"),
                    where=kept[0],
                    group=name,
                )
            work.save(replace(group, removed=True))
            _forget_limits(work, group.id)
        log.info("group.removed", group=name, by=asker.name)

    # --- projects

    def add(
        self,
        asker: User,
        name: str,
        *,
        members: Mapping[str, Part] | None = None,
        description: str = "",
        image: str = "",
    ) -> ProjectView:
        """
        Args:
            image: a ref, which its reservations boot where they name none.

        Raises:
            NotAllowed: only admins may.
            Invalid: NAME_INVALID.
            NotFound: USER_UNKNOWN, IMAGE_UNKNOWN.
            Conflict: NAME_TAKEN.
        """
        check_admin(asker)
        checked("project", name)
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            if any(one.name == name for one in work.tx.projects()):
                raise Conflict(Code.NAME_TAKEN, _("there is a project {project} already"), project=name)
            if image:
                image_of(work.tx, asker, image)
            parts = {person_named(work.tx, one).id: part for one, part in (members or {}).items()}
            project = Project(work.new_id(), name, parts, description, image)
            work.save(project)
            log.info("project.added", project=name, by=asker.name)
            return project_view(work.tx, project)

    def projects(self, asker: User) -> list[ProjectView]:
        """All for an admin, else those that *asker* is in."""
        with self.desk.records.read() as records:
            return [project_view(records, one) for one in records.projects() if can(asker, "see", one)]

    def project(self, asker: User, name: str) -> ProjectView:
        """
        Raises:
            NotFound: PROJECT_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return project_view(records, project_named(records, asker, name))

    def describe(
        self, asker: User, name: str, *, description: str | None = None, image: str | None = None
    ) -> ProjectView:
        """
        Change what is said of a project, and what it boots; empty: no image.

        Raises:
            NotAllowed: its managers and admins may.
            NotFound: PROJECT_UNKNOWN, IMAGE_UNKNOWN.
        """
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            project = project_named(work.tx, asker, name, "change")
            if image:
                image_of(work.tx, asker, image)
            changed = replace(
                project,
                description=project.description if description is None else description,
                image=project.image if image is None else image,
            )
            work.save(changed)
            log.info("project.described", project=name, by=asker.name)
            return project_view(work.tx, changed)

    def change(
        self,
        asker: User,
        name: str,
        add: Mapping[str, Part] | None = None,
        remove: Sequence[str] = (),
        *,
        team: str | None = None,
    ) -> ProjectView:
        """
        Let users in to a project, as member or manager, or out of it. Their reservations go on, without its volumes.

        Args:
            team: into which those who are let in go; empty: none; None: where they are.

        Raises:
            NotAllowed: its managers and admins may.
            Invalid: NAME_INVALID, of the team.
            NotFound: PROJECT_UNKNOWN, USER_UNKNOWN.
        """
        if team:
            checked("team", team)
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            changed = project_named(work.tx, asker, name, "change")
            added = {person_named(work.tx, one).id: part for one, part in (add or {}).items()}
            gone = {person_named(work.tx, one).id for one in remove}
            for user, part in added.items():
                changed = changed.with_member(user, part, team)
            changed = changed.without(gone)
            work.save(changed)
            withdraw_from_all(work, changed)
            log.info("project.changed", project=name, added=len(added), removed=len(gone), by=asker.name)
            return project_view(work.tx, changed)

    def remove(self, asker: User, name: str) -> None:
        """
        Remove a project, its limits, its links and its volumes, whose files are kept for some days. What counted on it
        is remembered.

        Raises:
            NotAllowed: only admins may.
            NotFound: PROJECT_UNKNOWN.
            Conflict: THING_IN_USE, reservations that run or wait count on it.
        """
        check_admin(asker)
        with self.desk.begin(asker, needs=Scope.ALL) as work:
            project = project_named(work.tx, asker, name)
            if live := work.tx.reservations(project=project.id, states=LIVE):
                raise Conflict(
                    Code.THING_IN_USE,
                    _("these reservations count on project {project}: {numbers}"),
                    hint=_("wait until they are over, or release them first: boardgrid release {first}"),
                    project=name,
                    numbers=", ".join(str(one.number) for one in live),
                    first=live[0].number,
                )
            for volume in work.tx.volumes(project=project.id, states=HELD):
                put_aside(work, volume)
            work.save(replace(project, removed=True))
            for link in work.tx.join_links(project.id):
                work.remove(link)
            _forget_limits(work, project.id)
        log.info("project.removed", project=name, by=asker.name)


def _forget_limits(work: Work, gone: UUID) -> None:
    rules = work.tx.rules()
    without = rules.without(gone)
    if without != rules:
        work.save(replace(without, version=rules.version + 1))


def _group_named(records: Snapshot, name: str) -> UserGroup | None:
    return next((one for one in records.user_groups() if one.name == name), None)


def _seen_group(records: Snapshot, asker: User, name: str) -> UserGroup:
    found = _group_named(records, name)
    if found is None or not can(asker, "see", found):
        raise NotFound(
            Code.GROUP_UNKNOWN, _("there is no group {group}"), hint=_("boardgrid group list shows them"), group=name
        )
    return found


def _names(records: Snapshot) -> dict[UUID, str]:
    return {one.id: one.name for one in records.users() if not one.removed}


def _group_view(records: Snapshot, group: UserGroup) -> UserGroupView:
    names = _names(records)
    return UserGroupView(group.name, tuple(sorted(names[one] for one in group.members if one in names)))


def project_view(records: Snapshot, project: Project) -> ProjectView:
    names = _names(records)
    members = {names[one]: part for one, part in project.members.items() if one in names}
    teams = {
        team: there
        for team, users in sorted(project.teams.items())
        if (there := tuple(sorted(names[one] for one in users if one in names)))
    }
    return ProjectView(project.name, dict(sorted(members.items())), project.description, project.image, teams)
