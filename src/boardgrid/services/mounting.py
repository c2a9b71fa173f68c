"""Which volumes a board mounts for those who hold it."""

from boardgrid.messages import _
from boardgrid.model.reservation import Purpose, Reservation
from boardgrid.model.volume import side_by_side
from boardgrid.model.wish import VolumeMount
from boardgrid.ports import Snapshot


def mounts_for(records: Snapshot, reservation: Reservation, site: str) -> tuple[tuple[VolumeMount, ...], list[str]]:
    """
    The volumes of a reservation's user, and of the project that it counts on, that its boards at *site* mount; and a
    sentence for each that they go without. Where two have one place, the user's own has it.
    """
    if reservation.purpose is not Purpose.USE:
        return (), []  # what the farm makes or tries of an image is the image's alone
    project = records.project(reservation.project) if reservation.project else None
    theirs = records.volumes(user=reservation.user)
    if project is not None and not project.removed:
        theirs += records.volumes(project=project.id)
    usable = [one for one in theirs if one.is_usable]
    here, hidden = side_by_side(one for one in usable if one.site == site)
    without = [
        _("it goes on without volume {volume}, which is at site {site}").format(volume=one.name, site=one.site)
        for one in usable
        if one.site != site
    ]
    without += [
        _("it goes on without volume {volume}: another one is mounted at {path}").format(volume=one.name, path=one.path)
        for one in hidden
    ]
    return tuple(VolumeMount(one.id, one.path) for one in here), without
