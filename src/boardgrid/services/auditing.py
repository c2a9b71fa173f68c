"""What the audit log tells of a change: which thing, and which of its fields."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from boardgrid.model.audit import Facts, difference, facts_of
from boardgrid.model.board import BoardType
from boardgrid.model.boot_test import BootTest
from boardgrid.model.errand import Errand
from boardgrid.model.federation import ExternalIdentity
from boardgrid.model.feed import Feed
from boardgrid.model.image import Image, UrlSource, shown_url
from boardgrid.model.maintenance import Maintenance
from boardgrid.model.notice import Contact, Webhook
from boardgrid.model.planning import Standing
from boardgrid.model.project import JoinLink, Project, UserGroup
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.rules import Rules
from boardgrid.model.user import Invitation, Password, Token, User
from boardgrid.model.volume import Volume
from boardgrid.ports import OrderRecord, Snapshot, Thing


def told(before: Thing | None, after: Thing | None) -> tuple[Facts, Facts]:
    """What differs, as it was and as it is. None: the thing was not there, or is there no more."""
    if isinstance(before, Standing) and isinstance(after, Standing) and before.board == after.board:
        return {}, {}  # what changes most often: its wish, which is not told
    return difference(_facts(before) if before else {}, _facts(after) if after else {})


# What the log calls a thing. It tells nothing of the others, for what they do follows from these.
_NAMES: Mapping[type, Callable[[Any], str]] = {
    User: lambda one: f"user:{one.name}",
    Token: lambda one: f"token:{one.id}",
    Invitation: lambda one: f"invitation:{one.id}",
    Webhook: lambda one: f"webhook:{one.id}",
    Feed: lambda one: f"feed:{one.id}",
    UserGroup: lambda one: f"group:{one.name}",
    Project: lambda one: f"project:{one.name}",
    JoinLink: lambda one: f"link:{one.id}",
    Rules: lambda _one: "rules",
    Maintenance: lambda one: f"maintenance:{one.number}",
    BoardType: lambda one: f"board-type:{one.name}",
    Standing: lambda one: f"board:{one.board.name}",
    OrderRecord: lambda one: f"board:{one.board}",
    Image: lambda one: f"image:{one.ref}",
    BootTest: lambda one: f"image:{one.image}",
    Errand: lambda one: f"errand:{one.id}",
    Root: lambda one: f"root:{one.id}",
    Volume: lambda one: f"volume:{one.name}",
    Reservation: lambda one: f"reservation:{one.number}",
}


def name_of(records: Snapshot, thing: Thing) -> str:
    """Empty where the log tells nothing of such things."""
    if isinstance(thing, Password | ExternalIdentity | Contact):
        user = records.user(thing.user)
        return f"user:{user.name if user else ''}"
    name = _NAMES.get(type(thing))
    return name(thing) if name else ""


def _facts(thing: Thing) -> Facts:
    match thing:
        case Standing():
            # Its wish follows from its reservation; options of drivers may be outlets' passwords.
            return {**facts_of(thing.board), "power": [spec.driver for spec in thing.board.power]}
        case Image():
            if isinstance(thing.source, UrlSource):
                thing = replace(thing, source=replace(thing.source, url=shown_url(thing.source.url)))
            return {key: fact for key, fact in facts_of(thing).items() if key != "manifest"}  # the agent's, and long
        case Reservation():
            # That a job lives is no news; each heartbeat would be an entry.
            return {key: fact for key, fact in facts_of(thing).items() if key != "alive_until"}
        case Password():
            return {"password_changed_at": thing.changed_at.isoformat()}
        case _:
            return facts_of(thing)
