"""How things are found by what people call them. What the asker may not see is answered as if it were not there."""

from collections.abc import Iterable
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.access import InLesson, InProject, Verb, can
from boardgrid.model.board import Board, BoardType
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import Image, ImageState, Visibility
from boardgrid.model.planning import Standing
from boardgrid.model.project import Project
from boardgrid.model.reservation import Reservation, ReservationState
from boardgrid.model.root import Root, RootState
from boardgrid.model.user import User
from boardgrid.model.volume import Volume, VolumeState
from boardgrid.model.where import Where
from boardgrid.ports import SiteState, Snapshot

_REASON_MOST = 200


def user_named(records: Snapshot, asker: User, name: str) -> User:
    """
    Raises:
        NotFound: USER_UNKNOWN.
    """
    user = records.user_named(name)
    if user is None or not can(asker, "see", user):
        raise NotFound(Code.USER_UNKNOWN, _("there is no user {user}"), user=name)
    return user


def site_for(records: Snapshot, name: str) -> SiteState:
    """
    The site of this name; an empty one means the farm's only site.

    Raises:
        NotFound: SITE_UNKNOWN.
        Invalid: REQUEST_INVALID, none was named and the farm has not just one.
    """
    sites = records.sites()
    if not name and len(sites) == 1:
        return sites[0]
    for one in sites:
        if one.site.name == name:
            return one
    if name:
        raise NotFound(Code.SITE_UNKNOWN, _("there is no site {site}"), site=name)
    raise Invalid(
        Code.REQUEST_INVALID,
        _("this farm has {count} sites and none was named"),
        hint=_("name one of: {sites}"),
        count=len(sites),
        sites=", ".join(one.site.name for one in sites) or "-",
    )


def board_type(records: Snapshot, name: str) -> BoardType:
    """
    Raises:
        NotFound: TYPE_UNKNOWN.
    """
    if found := records.board_type(name):
        return found
    raise NotFound(
        Code.TYPE_UNKNOWN,
        _("there is no board type {type}"),
        hint=_("boardgrid board-type list shows them; an admin adds one with boardgrid board-type add"),
        type=name,
    )


def standing_of(records: Snapshot, name: str) -> Standing:
    """
    Raises:
        NotFound: BOARD_UNKNOWN.
    """
    if found := records.board(name):
        return found
    raise NotFound(
        Code.BOARD_UNKNOWN, _("there is no board {board}"), hint=_("boardgrid board list shows them"), board=name
    )


def where_for(text: str, types: Iterable[BoardType], boards: Iterable[Board]) -> Where:
    """
    The expression *text*, if it asks for what boards of this farm have.

    Args:
        types: all of the farm.
        boards: all of the farm.

    Raises:
        Invalid: WHERE_INVALID, it is none, or asks for a property that no board has.
    """
    where = Where.parsed(text)
    known = {name for one in types for name in one.properties}
    where.check_names(known.union(*(one.properties for one in boards)))
    return where


def person_named(records: Snapshot, name: str) -> User:
    """
    Whoever it is: people name each other where they share things, whether they may see the other's account or not.

    Raises:
        NotFound: USER_UNKNOWN.
    """
    if found := records.user_named(name):
        return found
    raise NotFound(Code.USER_UNKNOWN, _("there is no user {user}"), user=name)


def project_named(records: Snapshot, asker: User, name: str, verb: Verb = "see") -> Project:
    """
    Raises:
        NotFound: PROJECT_UNKNOWN.
        NotAllowed: ACT_FORBIDDEN, *asker* sees it and may do no more.
    """
    found = next((one for one in records.projects() if one.name == name), None)
    if found is None or not can(asker, "see", found):
        raise NotFound(
            Code.PROJECT_UNKNOWN,
            _("there is no project {project}"),
            hint=_("boardgrid project list shows yours"),
            project=name,
        )
    if not can(asker, verb, found):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("you are no manager of project {project}"),
            hint=_("its managers and the admins of the farm can do this"),
            project=name,
        )
    return found


def reservation_of(records: Snapshot, asker: User, number: int) -> Reservation:
    """
    Raises:
        NotFound: RESERVATION_UNKNOWN.
    """
    found = records.reservation(number)
    if found is None or not can(asker, "see", found):
        raise NotFound(
            Code.RESERVATION_UNKNOWN,
            _("there is no reservation {number}"),
            hint=_("boardgrid status shows yours"),
            number=number,
        )
    return found


def to_decide_on(records: Snapshot, reservation: Reservation) -> Reservation | InLesson:
    """What is asked whether somebody may: of what is held for a project, its managers may too."""
    if reservation.project is not None and (reservation.is_block or reservation.is_seat):
        project = records.project(reservation.project)
        if project is not None and not project.removed:
            return InLesson(reservation, project)
    return reservation


def image_to_decide_on(records: Snapshot, image: Image) -> Image | InProject:
    """What is asked whether somebody may: one that is open to a project is its members' to use."""
    if image.visibility is Visibility.PROJECT and image.project is not None:
        project = records.project(image.project)
        if project is not None:
            return InProject(image, project)
    return image


def may_see_lineage(records: Snapshot, asker: User, image: Image) -> bool:
    """Of one that was exported: who may use it is not by that to know what it was made of."""
    return can(asker, "change", image_to_decide_on(records, image))


def running_by_board(records: Snapshot) -> dict[str, Reservation]:
    """Who holds what, in one look."""
    running = records.reservations(states={ReservationState.RUNNING})
    return {board: one for one in running for board in one.boards}


def image_versions(records: Snapshot, asker: User, ref: str, verb: Verb = "see") -> list[Image]:
    """
    The versions that *ref* may mean, oldest first: one for ``tiny:2`` or ``tiny:stable``, all that are not gone for
    ``tiny``.

    Raises:
        NotFound: IMAGE_UNKNOWN.
        NotAllowed: ACT_FORBIDDEN, *asker* sees them and may do no more.
    """
    name, _colon, version = ref.partition(":")
    found = [
        one
        for one in records.images(name=name)
        if one.state is not ImageState.GONE
        and one.is_meant_by(version)
        and can(asker, "see", image_to_decide_on(records, one))
    ]
    if not found:
        raise NotFound(
            Code.IMAGE_UNKNOWN, _("there is no image {image}"), hint=_("boardgrid image list shows them"), image=ref
        )
    allowed = [one for one in found if can(asker, verb, image_to_decide_on(records, one))]
    if not allowed:
        raise NotAllowed(Code.ACT_FORBIDDEN, _("{image} is another user's"), image=ref)
    return allowed


def image_of(records: Snapshot, asker: User, ref: str, verb: Verb = "see") -> Image:
    """
    What *ref* means: ``tiny`` its newest version that is ready and sound; where none is, the newest.

    Raises:
        NotFound: IMAGE_UNKNOWN.
        NotAllowed: ACT_FORBIDDEN, *asker* sees it and may do no more.
    """
    versions = image_versions(records, asker, ref, verb)
    ready = [one for one in versions if one.state is ImageState.READY and not one.damage]
    return (ready or versions)[-1]


def root_of(records: Snapshot, asker: User, name: str) -> Root:
    """
    By name among the asker's own, else among those that they may see; by its id at any time.

    Raises:
        NotFound: ROOT_UNKNOWN.
        Invalid: several users have one of that name.
    """
    for one in records.roots(name=name, owner=asker.id):
        if one.state is not RootState.GONE:
            return one
    root_id = _id_in(name)
    named = [one for one in records.roots(name=name) if one.state is not RootState.GONE and can(asker, "see", one)]
    if len(named) > 1:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("several users have a root {root}"),
            hint=_("give its id: {ids}"),
            root=name,
            ids=", ".join(sorted(str(one.id) for one in named)),
        )
    found = named[0] if named else records.root(root_id) if root_id else None
    if found is None or found.state is RootState.GONE or not can(asker, "see", found):
        raise NotFound(
            Code.ROOT_UNKNOWN, _("there is no root {root}"), hint=_("boardgrid root list shows yours"), root=name
        )
    return found


def volume_of(records: Snapshot, asker: User, name: str, verb: Verb = "see") -> Volume:
    """
    Raises:
        NotFound: VOLUME_UNKNOWN.
        NotAllowed: ACT_FORBIDDEN, *asker* sees it and may do no more.
    """
    found = next((one for one in records.volumes(name=name) if one.state is not VolumeState.GONE), None)
    if found is None or not can(asker, "see", whose(records, found)):
        raise NotFound(
            Code.VOLUME_UNKNOWN,
            _("there is no volume {volume}"),
            hint=_("boardgrid volume list shows yours"),
            volume=name,
        )
    if not can(asker, verb, whose(records, found)):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("volume {volume} is a project's that you do not manage"),
            hint=_("the project's managers and the admins of the farm can do this"),
            volume=name,
        )
    return found


def whose(records: Snapshot, volume: Volume) -> Volume | Project:
    """What is asked whether somebody may: a project's volume is for who is in the project, by what they are in it."""
    project = records.project(volume.project) if volume.project else None
    return volume if project is None or project.removed else project


def root_on(records: Snapshot, asker: User, board: str) -> Root:
    """
    The root that *board* runs.

    Raises:
        NotFound: BOARD_UNKNOWN; ROOT_UNKNOWN, it runs none, or none that the asker may see.
    """
    standing_of(records, board)
    holder = records.holder_of(board)
    for one in records.deployments(reservations=[holder.number], live=True) if holder else ():
        root = records.root(one.root)
        if one.board == board and root is not None and can(asker, "see", root):
            return root
    raise NotFound(
        Code.ROOT_UNKNOWN,
        _("{board} runs no root of yours"),
        hint=_("boardgrid root list shows yours, and which board runs them"),
        board=board,
    )


def check_image_name(records: Snapshot, owner: UUID, name: str) -> None:
    """
    Raises:
        Conflict: NAME_TAKEN, an image of another user is called so: a name means one thing to everybody.
    """
    others = [one for one in records.images(name=name) if one.state is not ImageState.GONE and one.owner != owner]
    if others:
        raise Conflict(
            Code.NAME_TAKEN,
            _("another user's image is called {image}"),
            hint=_("choose another name"),
            image=name,
        )


def checked_reason(text: str) -> str:
    """
    Raises:
        Invalid: REQUEST_INVALID, it tells nobody why.
    """
    reason = " ".join(text.split())
    if not reason or not reason.isprintable() or len(reason) > _REASON_MOST:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("a reason is a line of at most {most} characters that others can read"),
            hint=_("say why: --reason 'new power supply'"),
            most=_REASON_MOST,
        )
    return reason


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
