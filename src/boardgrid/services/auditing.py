"""What the audit log tells of a change: which thing, and which of its fields."""

from boardgrid.model.audit import Facts, difference, facts_of
from boardgrid.model.board import BoardType
from boardgrid.model.deployment import Deployment
from boardgrid.model.feed import Feed
from boardgrid.model.image import Image
from boardgrid.model.notice import Contact, Posting, Webhook
from boardgrid.model.planning import Standing
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.user import Invitation, Password, Token, User
from boardgrid.ports import Activity, Health, OrderRecord, SiteState, Snapshot, Thing


def told(before: Thing | None, after: Thing | None) -> tuple[Facts, Facts]:
    """What differs, as it was and as it is. None: the thing was not there, or is there no more."""
    return difference(_facts(before) if before else {}, _facts(after) if after else {})


def name_of(records: Snapshot, thing: Thing) -> str:
    """What the log calls it; empty where it tells nothing of such things, for what they do follows from others."""
    match thing:
        case User():
            return f"user:{thing.name}"
        case Password() | Contact():
            user = records.user(thing.user)
            return f"user:{user.name if user else ''}"
        case Token() | Invitation() | Webhook() | Feed():
            return f"{type(thing).__name__.lower()}:{thing.id}"
        case BoardType():
            return f"board-type:{thing.name}"
        case Standing():
            return f"board:{thing.board.name}"
        case OrderRecord():
            return f"board:{thing.board}"
        case Image():
            return f"image:{thing.ref}"
        case Root():
            return f"root:{thing.id}"
        case Reservation():
            return f"reservation:{thing.number}"
        case Deployment() | SiteState() | Health() | Activity() | Posting():
            return ""


def _facts(thing: Thing) -> Facts:
    match thing:
        case Standing():
            # Its wish follows from its reservation; options of drivers may be outlets' passwords.
            return {**facts_of(thing.board), "power": [spec.driver for spec in thing.board.power]}
        case Image():
            return {key: fact for key, fact in facts_of(thing).items() if key != "manifest"}  # the agent's, and long
        case Password():
            return {"password_changed_at": thing.changed_at.isoformat()}
        case _:
            return facts_of(thing)
