"""Ruling: how much of the farm one may have, who may have which boards, and what is had of it now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Invalid, NotFound
from boardgrid.model.rules import Access, Limits, Rules, boards_at_once, hours_in_a_week
from boardgrid.model.user import User
from boardgrid.model.window import Window
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, check_admin
from boardgrid.services.finding import board_type, where_for
from boardgrid.services.limiting import bound, images_of, is_without_content, kept_bytes, limits_of, volumes_of
from boardgrid.services.views import AccessView, RulesView, UsageView

log = structlog.get_logger()

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Ruling:
    desk: Desk

    def rules(self, asker: User) -> RulesView:
        with self.desk.records.read() as records:
            return _Names(records).view(records.rules())

    def put(self, asker: User, told: RulesView) -> RulesView:
        """
        Have just these rules from now on. What was promised under those before is kept.

        Args:
            told: with the version that they were made from; its view's names are looked up.

        Raises:
            NotAllowed: only admins may.
            Invalid: RULES_INVALID, WHERE_INVALID.
            NotFound: GROUP_UNKNOWN, PROJECT_UNKNOWN, USER_UNKNOWN, TYPE_UNKNOWN.
            Conflict: RULES_CHANGED, they are of another version by now.
        """
        check_admin(asker)
        with self.desk.begin(asker) as work:
            before = work.tx.rules()
            if told.version != before.version:
                raise Conflict(
                    Code.RULES_CHANGED,
                    _("somebody has changed the rules meanwhile"),
                    hint=_("look at them again: boardgrid rule list"),
                )
            rules = _Names(work.tx).rules(told).checked()
            types, boards = work.tx.board_types(), [one.board for one in work.tx.boards()]
            for limits in (rules.everyone, *rules.groups.values(), *rules.projects.values(), *rules.users.values()):
                for name in limits.longest_of:
                    board_type(work.tx, name)
            for access in rules.access:
                if access not in before.access:  # what no board has any more is refused when it is asked for anew
                    where_for(access.where, types, boards)
            changed = replace(rules, version=before.version + 1)
            work.save(changed)
            log.info("rules.changed", version=changed.version, by=asker.name)
            return _Names(work.tx).view(changed)

    def usage(self, asker: User) -> list[UsageView]:
        """What binds *asker* and how much of it is used: as a person first, then of each project that they are in."""
        with self.desk.records.read() as records:
            now, rules = self.desk.now(), records.rules()
            limits = limits_of(records, asker.id)
            # As if bytes counted, for what takes room is worth knowing anyway.
            images = images_of(records, asker.id, replace(limits, image_bytes=0))
            own = bound(records, limits, now, user=asker.id, always=True)
            bounds = [(own, volumes_of(records, user=asker.id))]
            for project in records.projects():
                if asker.id in project.members:
                    theirs = rules.for_project(project.id)
                    kept = volumes_of(records, project=project.id)
                    bounds.append((bound(records, theirs, now, project=project, always=True), kept))
            moment = Window(now, now + timedelta(microseconds=1))
            return [
                UsageView(
                    one.project,
                    one.limits,
                    boards_at_once(one.uses, moment),
                    hours_in_a_week(one.uses, moment),
                    one.waiting,
                    sum(map(is_without_content, images)) if one is own else 0,
                    kept_bytes(records, images) if one is own else 0,
                    volume_bytes,
                )
                for one, volume_bytes in bounds
            ]


class _Names:
    """Between ids, on which rules hang, and names, which people know."""

    def __init__(self, records: Snapshot) -> None:
        self._groups = {one.id: one.name for one in records.user_groups()}
        self._projects = {one.id: one.name for one in records.projects()}
        self._users = {one.id: one.name for one in records.users() if not one.removed}

    def view(self, rules: Rules) -> RulesView:
        return RulesView(
            rules.everyone,
            _by_name(rules.groups, self._groups),
            _by_name(rules.projects, self._projects),
            _by_name(rules.users, self._users),
            tuple(AccessView(one.where, self._names(one.groups)) for one in rules.access),
            rules.needs_project,
            rules.version,
        )

    def _names(self, groups: Collection[UUID]) -> tuple[str, ...]:
        return tuple(sorted(self._groups[one] for one in groups if one in self._groups))

    def rules(self, told: RulesView) -> Rules:
        """
        Raises:
            NotFound: GROUP_UNKNOWN, PROJECT_UNKNOWN, USER_UNKNOWN.
            Invalid: RULES_INVALID.
        """
        return Rules(
            told.everyone,
            _by_id(told.groups, self._groups, Code.GROUP_UNKNOWN),
            _by_id(told.projects, self._projects, Code.PROJECT_UNKNOWN),
            _by_id(told.users, self._users, Code.USER_UNKNOWN),
            tuple(Access(one.where, self._some(one)) for one in told.access),
            told.needs_project,
        )

    def _some(self, told: AccessView) -> frozenset[UUID]:
        if not told.groups:
            raise Invalid(
                Code.RULES_INVALID,
                _("boards with {where} would be for nobody"),
                hint=_("name the groups that may have them; to keep them free, set them aside"),
                where=told.where,
            )
        return frozenset(_by_id(dict.fromkeys(told.groups), self._groups, Code.GROUP_UNKNOWN))


def _by_name(limits: Mapping[UUID, Limits], names: Mapping[UUID, str]) -> dict[str, Limits]:
    found = {names[one]: value for one, value in limits.items() if one in names}
    return dict(sorted(found.items()))


def _by_id(told: Mapping[str, V], names: Mapping[UUID, str], unknown: Code) -> dict[UUID, V]:
    ids = {name: one for one, name in names.items()}
    for name in told:
        if name not in ids:
            sentences = {
                Code.GROUP_UNKNOWN: _("there is no group {name}"),
                Code.PROJECT_UNKNOWN: _("there is no project {name}"),
                Code.USER_UNKNOWN: _("there is no user {name}"),
            }
            raise NotFound(unknown, sentences[unknown], name=name)
    return {ids[name]: value for name, value in told.items()}
