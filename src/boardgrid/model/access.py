"""Who may do what: one function decides, everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from boardgrid.model.image import Image, Visibility
from boardgrid.model.project import Project, UserGroup
from boardgrid.model.reservation import Reservation
from boardgrid.model.root import Root
from boardgrid.model.user import Role, Scope, User, scope_of
from boardgrid.model.volume import Volume

Verb = Literal["see", "use", "change", "administer"]


@dataclass(frozen=True, slots=True)
class Owned:
    """Something that concerns one user alone: a power order, what a board said. None: nobody but who looks after it."""

    owner: UUID | None


@dataclass(frozen=True, slots=True)
class InLesson:
    """A block, or a seat of one, which those who manage its project look after too."""

    reservation: Reservation
    project: Project


@dataclass(frozen=True, slots=True)
class InProject:
    """An image that the members of a project see too."""

    image: Image
    project: Project


@dataclass(frozen=True, slots=True)
class Log:
    """What is written down of everybody's acts."""


class _Rights(NamedTuple):
    """What a role may do to the farm, and to what is not its own."""

    farm: frozenset[Verb]  # use it: reserve, import. Change: boards, their power. Administer: accounts, the inventory
    reservation: frozenset[Verb]  # who has a board until when; change: release it
    board: frozenset[Verb]  # what others' boards said, and what was done to them
    shared: frozenset[Verb]  # images of others that are public, or open to a project of theirs
    private: frozenset[Verb]  # others' accounts, acts, roots and volumes, and images that are not shared


_NONE: frozenset[Verb] = frozenset()
_SEE: frozenset[Verb] = frozenset({"see"})
_USE: frozenset[Verb] = frozenset({"see", "use"})
_CHANGE: frozenset[Verb] = frozenset({"see", "use", "change"})
_ALL: frozenset[Verb] = frozenset({"see", "use", "change", "administer"})

_RIGHTS: Mapping[Role, _Rights] = {
    #                      farm     reservation  board   shared  private
    Role.GUEST:    _Rights(_SEE,    _SEE,        _NONE,  _SEE,   _NONE),
    Role.USER:     _Rights(_USE,    _SEE,        _NONE,  _USE,   _NONE),
    Role.OPERATOR: _Rights(_CHANGE, _CHANGE,     _SEE,   _USE,   _NONE),
    Role.ADMIN:    _Rights(_ALL,    _ALL,        _ALL,   _ALL,   _ALL),
}  # fmt: skip


Thing = User | Reservation | InLesson | Root | Volume | Image | InProject | Owned | Log | UserGroup | Project


def can(user: User, verb: Verb, thing: Thing | None = None) -> bool:
    """
    Whether *user* may do this to *thing*; None is the farm itself.

    A thing that may not be seen is answered as if it were not there. What is one's own one may do anything to, but for
    one's account: that one sees and changes. A token may be good for less than its user is.
    """
    scope = scope_of(user)
    if not user.is_active or (verb != "see" and scope is Scope.READ):
        return False
    rights = _RIGHTS[_role(user, verb)]
    match thing:
        case None:
            return verb in rights.farm
        case Log():
            return verb in rights.private
        case User():
            # Who could change keys or password with a narrow token would come in without it next time.
            is_own = thing.id == user.id and (verb == "see" or (verb == "change" and scope is Scope.ALL))
            return verb in rights.private or is_own
        case Reservation():
            return verb in rights.reservation or thing.user == user.id
        case InLesson():
            manages = thing.project.is_managed_by(user.id) and "use" in rights.farm
            return verb in rights.reservation or thing.reservation.user == user.id or manages
        case Owned():
            return verb in rights.board or thing.owner == user.id
        case Root(owner=owner) | Volume(user=owner):
            return verb in rights.private or owner == user.id
        case Image():
            is_public = thing.visibility is Visibility.PUBLIC
            return verb in (rights.shared if is_public else rights.private) or thing.owner == user.id
        case InProject():
            is_theirs = user.id in thing.project.members and not thing.project.removed
            return (is_theirs and verb in rights.shared) or can(user, verb, thing.image)
        case UserGroup():
            return verb in rights.private or (verb == "see" and user.id in thing.members)
        case Project():
            manages = thing.is_managed_by(user.id) and "use" in rights.farm
            is_theirs = manages if verb == "change" else user.id in thing.members
            return verb in rights.private or (verb != "administer" and is_theirs)


def _role(user: User, verb: Verb) -> Role:
    """With a token that is there to use the farm, who looks after it is a user like others, but for what they see."""
    is_narrow = scope_of(user) is Scope.USE and verb != "see"
    return Role.USER if is_narrow and user.role is not Role.GUEST else user.role
