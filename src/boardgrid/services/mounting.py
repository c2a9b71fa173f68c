"""Which volumes a board mounts for those who hold it."""

from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.deployment import Phase
from boardgrid.model.project import Project
from boardgrid.model.reservation import Purpose, Reservation, ReservationState
from boardgrid.model.volume import Volume, side_by_side
from boardgrid.model.wish import Deployed, VolumeMount
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work


def mounts_for(records: Snapshot, reservation: Reservation, site: str) -> tuple[tuple[VolumeMount, ...], list[str]]:
    """
    The volumes of a reservation's user, and of the project that it counts on, that its boards at *site* mount; and a
    sentence for each that they go without. Where two have one place, the user's own has it.
    """
    if reservation.purpose is not Purpose.USE:
        return (), []  # what the farm makes or tries of an image is the image's alone
    own, common = _volumes(records, reservation)
    barred = _barred(records, reservation)
    usable = [one for one in (*own, *common) if one.is_usable]
    without = [barred[one.id] for one in usable if one.id in barred]
    allowed = [one for one in usable if one.id not in barred]
    here, hidden = side_by_side(one for one in allowed if one.site == site)
    without += [
        _("it goes on without volume {volume}, which is at site {site}").format(volume=one.name, site=one.site)
        for one in allowed
        if one.site != site
    ]
    without += [
        _("it goes on without volume {volume}: another one is mounted at {path}").format(volume=one.name, path=one.path)
        for one in hidden
    ]
    return tuple(VolumeMount(one.id, one.path) for one in here), without


def withdraw(work: Work, reservation: Reservation) -> None:
    """What is not for all who are on its boards now goes from those that run, too: they go on without it."""
    barred = _barred(work.tx, reservation)
    for board in reservation.boards if reservation.is_running else ():
        standing = work.tx.board(board)
        if standing is None or not standing.is_held_by(reservation.number):
            continue
        left = standing.without(barred)
        if left is standing:
            continue
        work.save(left)
        for one in standing.wish.volumes if isinstance(standing.wish, Deployed) else ():
            if told := barred.get(one.volume):
                number, owner = reservation.number, reservation.user
                work.note_board(left, "volume", Phase.NOTED, told, reservation=number, owner=owner)


def withdraw_from_all(work: Work, project: Project) -> None:
    """Boards that count on *project* go on without its volumes, where somebody on them is not in it any more."""
    for reservation in work.tx.reservations(project=project.id, states={ReservationState.RUNNING}):
        withdraw(work, reservation)


def _volumes(records: Snapshot, reservation: Reservation) -> tuple[list[Volume], list[Volume]]:
    """Those of its user, and those of its project."""
    project = records.project(reservation.project) if reservation.project else None
    own = records.volumes(user=reservation.user)
    return own, [] if project is None or project.removed else records.volumes(project=project.id)


def _barred(records: Snapshot, reservation: Reservation) -> dict[UUID, str]:
    """
    The volumes that its boards go without for the sake of who is root there, each with a sentence.

    What is a project's is for boards on which all are in it. A seat that others are on as well goes without what is
    its user's own: a team is made, and a teacher comes in, without asking its user.
    """
    own, common = _volumes(records, reservation)
    barred: dict[UUID, str] = {}
    if reservation.is_seat and reservation.members:
        sentence = _("it goes on without volume {volume}: others are on this board of a lesson, too")
        barred |= {one.id: sentence.format(volume=one.name) for one in own}
    project = records.project(reservation.project) if reservation.project else None
    if project is None or project.removed:
        return barred
    if reservation.user not in project.members:
        sentence = _("it goes on without volume {volume}: its user is not in project {project} any more")
    else:
        sentence = _("it goes on without volume {volume}: on this board are others than those of {project}: {names}")
    people = [records.user(one) for one in (reservation.user, *reservation.members) if one not in project.members]
    if names := ", ".join(one.name for one in people if one and not one.removed):
        barred |= {one.id: sentence.format(volume=one.name, project=project.name, names=names) for one in common}
    return barred
