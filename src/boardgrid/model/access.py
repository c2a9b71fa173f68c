"""Who may do what: one function decides, everywhere."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from boardgrid.model.image import Image
from boardgrid.model.project import Project, UserGroup
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.user import User

Verb = Literal["see", "use", "change", "administer"]


@dataclass(frozen=True, slots=True)
class Owned:
    """Something that concerns one user alone: a power order, what a board said. None: nobody but admins."""

    owner: UUID | None


def can(
    user: User, verb: Verb, thing: User | Reservation | Root | Image | Owned | UserGroup | Project | None = None
) -> bool:
    """
    Whether *user* may do this to *thing*; None is the farm itself.

    A thing that may not be seen is answered as if it were not there. Boards and types are seen by all, and so is a
    reservation (who has a board, until when); roots, and images that are not shared, by their owner alone.
    """
    if user.removed:
        return False
    if user.is_admin:
        return True
    match thing:
        case None:
            return verb in {"see", "use"}
        case User():
            return thing.id == user.id and verb == "see"
        case Reservation():
            return verb == "see" or thing.user == user.id
        case Root() | Owned():
            return thing.owner == user.id
        case Image():
            return thing.owner == user.id or (thing.shared and verb in {"see", "use"})
        case UserGroup():
            return verb == "see" and user.id in thing.members
        case Project():
            return (
                thing.is_managed_by(user.id) if verb == "change" else verb != "administer" and user.id in thing.members
            )
