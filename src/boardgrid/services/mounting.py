"""Which volumes a board mounts for those who hold it."""

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

    Who is in the project no more goes without what is the project's. A seat that a team has goes without what is its
    user's own: the others are root there as well, and nobody asked its user.
    """
    if reservation.purpose is not Purpose.USE:
        return (), []  # what the farm makes or tries of an image is the image's alone
    project = records.project(reservation.project) if reservation.project else None
    own, common = records.volumes(user=reservation.user), []
    if project is not None and not project.removed:
        common = records.volumes(project=project.id)
    without = []
    if reservation.is_seat and reservation.members:
        without += [_of_a_team(one) for one in own if one.is_usable]
        own = []
    if project is not None and reservation.user not in project.members:
        without += [_of_project(one, project) for one in common if one.is_usable]
        common = []
    usable = [one for one in (*own, *common) if one.is_usable]
    here, hidden = side_by_side(one for one in usable if one.site == site)
    without += [
        _("it goes on without volume {volume}, which is at site {site}").format(volume=one.name, site=one.site)
        for one in usable
        if one.site != site
    ]
    without += [
        _("it goes on without volume {volume}: another one is mounted at {path}").format(volume=one.name, path=one.path)
        for one in hidden
    ]
    return tuple(VolumeMount(one.id, one.path) for one in here), without


def withdraw(work: Work, project: Project) -> None:
    """Who is in *project* no more has its volumes on boards that run neither: those go on without them."""
    volumes = {one.id: one for one in work.tx.volumes(project=project.id)}
    for reservation in work.tx.reservations(project=project.id, states={ReservationState.RUNNING}):
        for board in reservation.boards if reservation.user not in project.members else ():
            standing = work.tx.board(board)
            if standing is None or not standing.is_held_by(reservation.number):
                continue
            left = standing.without(volumes)
            if left is standing:
                continue
            work.save(left)
            for one in standing.wish.volumes if isinstance(standing.wish, Deployed) else ():
                if one.volume in volumes:
                    told = _of_project(volumes[one.volume], project)
                    number, owner = reservation.number, reservation.user
                    work.note_board(left, "volume", Phase.NOTED, told, reservation=number, owner=owner)


def _of_project(volume: Volume, project: Project) -> str:
    sentence = _("it goes on without volume {volume}: its user is not in project {project} any more")
    return sentence.format(volume=volume.name, project=project.name)


def _of_a_team(volume: Volume) -> str:
    return _("it goes on without volume {volume}: others of its user's team are on this board").format(
        volume=volume.name
    )
