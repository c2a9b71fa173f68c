"""Volumes: file systems of users and of projects, which each board that these hold mounts beside its root."""

from dataclasses import dataclass, replace

import structlog

from boardgrid.messages import _, bytes_text
from boardgrid.model.access import can
from boardgrid.model.deployment import Outcome
from boardgrid.model.errors import Code, Conflict, Invalid
from boardgrid.model.name import checked
from boardgrid.model.project import Project
from boardgrid.model.user import User
from boardgrid.model.volume import (
    ASIDE_FOR,
    PROJECTS_PATH,
    Volume,
    VolumeState,
    check_quota,
    checked_path,
    checked_size,
    home_of,
)
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, Work, check_no_guest
from boardgrid.services.finding import project_named, site_for, volume_of, whose
from boardgrid.services.limiting import limits_of, volumes_of
from boardgrid.services.placing import check_room
from boardgrid.services.showing import Showing
from boardgrid.services.views import VolumeView

log = structlog.get_logger()

THERE = frozenset(VolumeState) - {VolumeState.GONE}
HELD = frozenset({VolumeState.MAKING, VolumeState.READY, VolumeState.FAILED})


@dataclass(frozen=True, slots=True)
class Volumes:
    """A volume is told by its name, which means one thing in the whole farm. The agent of its site has the files."""

    desk: Desk

    def volumes(self, asker: User) -> list[VolumeView]:
        """Those that are not gone: the asker's and their projects', or everyone's for an admin."""
        with self.desk.records.read() as records:
            found = [one for one in records.volumes(states=THERE) if can(asker, "see", whose(records, one))]
            return Showing(records, asker, self.desk.now()).volumes(found)

    def volume(self, asker: User, name: str) -> VolumeView:
        """
        Raises:
            NotFound: VOLUME_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).volume(volume_of(records, asker, name))

    def create(
        self, asker: User, name: str, size_bytes: int, *, project: str = "", path: str = "", site: str = ""
    ) -> VolumeView:
        """
        Have a volume made. The boards that are given out when it is there mount it; those that run do not.

        Args:
            project: whose it is; empty: the asker's own.
            path: where boards mount it; empty: /home and the asker's name, or /data for a project's.
            site: on whose disk it is, and whose boards mount it; empty: the farm's only one.

        Raises:
            NotAllowed: guests have none; of a project, its managers and admins may.
            NotFound: PROJECT_UNKNOWN, SITE_UNKNOWN.
            Invalid: NAME_INVALID; PATH_FORBIDDEN; REQUEST_INVALID, of that size.
            Conflict: NAME_TAKEN, be it by another's; THING_IN_USE, another of theirs has that place; QUOTA_EXCEEDED;
                STORE_FULL.
        """
        check_no_guest(asker)
        checked("volume", name)
        checked_size(size_bytes)
        with self.desk.begin(asker, "volume.create") as work:
            owner = project_named(work.tx, asker, project, "change") if project else None
            where = site_for(work.tx, site).site.name
            if any(one.state is not VolumeState.GONE for one in work.tx.volumes(name=name)):
                raise Conflict(
                    Code.NAME_TAKEN,
                    _("there is a volume {volume} already"),
                    hint=_("choose another name; that of one that was removed is free again when it is gone"),
                    volume=name,
                )
            made = Volume(
                id=work.new_id(),
                name=name,
                user=None if owner else asker.id,
                project=owner.id if owner else None,
                site=where,
                path=checked_path(path or (PROJECTS_PATH if owner else home_of(asker.name))),
                state=VolumeState.MAKING,
                size_bytes=size_bytes,
                created_at=work.now,
            )
            _check_place(work.tx, made)
            _check_quota(work.tx, asker, owner, made, size_bytes)
            check_room(work.tx, where, size_bytes)
            work.save(made)
            note_volume(work, made, _("{user} has volume {volume} made").format(user=asker.name, volume=name))
            log.info("volume.created", volume=name, size_bytes=size_bytes, by=asker.name)
            return Showing(work.tx, asker, work.now).volume(made)

    def change(self, asker: User, name: str, *, size_bytes: int | None = None, path: str | None = None) -> VolumeView:
        """
        Make a volume larger, while boards use it too; or have it mounted elsewhere, on boards that are given out from
        now on. One that could not be made is tried again, of any size.

        Raises:
            NotFound: VOLUME_UNKNOWN.
            NotAllowed: of a project, its managers and admins may.
            Invalid: PATH_FORBIDDEN; REQUEST_INVALID, it would be smaller than it is.
            Conflict: THING_IN_USE, it was removed, or another of theirs has that place; QUOTA_EXCEEDED; STORE_FULL.
        """
        with self.desk.begin(asker, "volume.change") as work:
            volume = volume_of(work.tx, asker, name, "change")
            _check_held(volume)
            if volume.state is VolumeState.READY:
                # Why it could not be made larger was told; something else is asked for now.
                volume = replace(volume, reason="")
            if path is not None:
                volume = replace(volume, path=checked_path(path))
                _check_place(work.tx, volume)
            if size_bytes is not None and (size_bytes != volume.size_bytes or volume.state is VolumeState.FAILED):
                volume = _resized(work, asker, volume, checked_size(size_bytes))
            work.save(volume)
            log.info("volume.changed", volume=name, size_bytes=volume.size_bytes, path=volume.path, by=asker.name)
            return Showing(work.tx, asker, work.now).volume(volume)

    def remove(self, asker: User, name: str) -> VolumeView:
        """
        Remove a volume. No board mounts it from now on; its files are kept for some days, and then they go.

        Raises:
            NotFound: VOLUME_UNKNOWN.
            NotAllowed: of a project, its managers and admins may.
            Conflict: THING_IN_USE, boards have it.
        """
        with self.desk.begin(asker, "volume.remove") as work:
            volume = volume_of(work.tx, asker, name, "change")
            view = Showing(work.tx, asker, work.now).volume(volume)
            if volume.state not in HELD:
                return view
            if view.boards:
                raise Conflict(
                    Code.THING_IN_USE,
                    _("volume {volume} is in use on {boards}"),
                    hint=_("have them released first"),
                    boards=", ".join(view.boards),
                    volume=name,
                )
            gone = put_aside(work, volume)
            log.info("volume.removed", volume=name, by=asker.name)
            return replace(view, volume=gone)

    def restore(self, asker: User, name: str) -> VolumeView:
        """
        Have a volume back that was removed.

        Raises:
            NotFound: VOLUME_UNKNOWN.
            NotAllowed: of a project, its managers and admins may.
            Conflict: THING_IN_USE, it was not removed, its files go already, or another of theirs has its place.
        """
        with self.desk.begin(asker, "volume.restore") as work:
            volume = volume_of(work.tx, asker, name, "change")
            if volume.state is not VolumeState.ASIDE:
                _check_held(volume)
                hint = _("`boardgrid volume list` shows until when the files of those that were are kept")
                raise Conflict(Code.THING_IN_USE, _("volume {volume} was not removed"), hint=hint, volume=name)
            is_whole = volume.made_bytes == volume.size_bytes
            state = VolumeState.READY if is_whole else VolumeState.MAKING
            volume = replace(volume, state=state, expires_at=None)
            _check_place(work.tx, volume)
            work.save(volume)
            note_volume(work, volume, _("volume {volume} is back").format(volume=name))
            log.info("volume.restored", volume=name, by=asker.name)
            return Showing(work.tx, asker, work.now).volume(volume)


def put_aside(work: Work, volume: Volume) -> Volume:
    """It is its people's no more; where it has files, they wait for some days."""
    if volume.made_bytes:
        until = work.now + ASIDE_FOR
        gone = replace(volume, state=VolumeState.ASIDE, expires_at=until)
        told = _("volume {volume} is removed; its files are kept until {until:%Y-%m-%d %H:%M} UTC")
        note_volume(work, gone, told.format(volume=volume.name, until=until))
    else:
        gone = replace(volume, state=VolumeState.GOING)
    work.save(gone)
    return gone


def discard_volume(work: Work, volume: Volume) -> None:
    work.save(replace(volume, state=VolumeState.GOING, expires_at=None))
    note_volume(work, volume, _("the files of volume {volume} go").format(volume=volume.name))


def note_volume(work: Work, volume: Volume, told: str, outcome: Outcome = Outcome.OK) -> None:
    """An event is one user's or everybody's: what becomes of a project's volume is told by the volume itself."""
    if volume.user is not None:
        work.note_thing("volume", told, volume.user, outcome)


def _resized(work: Work, asker: User, volume: Volume, size_bytes: int) -> Volume:
    least = volume.made_bytes if volume.state is VolumeState.FAILED else volume.size_bytes
    if size_bytes < least:
        raise Invalid(
            Code.REQUEST_INVALID,
            _("volume {volume} takes {size}, and no volume is made smaller"),
            hint=_("create another one and copy what is needed"),
            volume=volume.name,
            size=bytes_text(least),
        )
    project = work.tx.project(volume.project) if volume.project else None
    more = size_bytes - volume.size_bytes
    _check_quota(work.tx, asker, project, volume, max(more, 0))
    check_room(work.tx, volume.site, size_bytes - volume.made_bytes)
    return replace(volume, state=VolumeState.MAKING, size_bytes=size_bytes, reason="")


def _check_held(volume: Volume) -> None:
    """
    Raises:
        Conflict: THING_IN_USE.
    """
    if volume.state not in HELD:
        raise Conflict(
            Code.THING_IN_USE,
            _("volume {volume} was removed"),
            hint=_("boardgrid volume restore {volume} has it back, as long as its files are kept"),
            volume=volume.name,
        )


def _check_place(records: Snapshot, volume: Volume) -> None:
    """
    Raises:
        Conflict: THING_IN_USE.
    """
    for one in records.volumes(user=volume.user, project=volume.project, site=volume.site, states=HELD):
        if one.path == volume.path and one.id != volume.id:
            raise Conflict(
                Code.THING_IN_USE,
                _("volume {other} is mounted at {path} already"),
                hint=_("give the place where it is mounted: /home, /mnt or /srv and a name, or /data"),
                other=one.name,
                path=volume.path,
            )


def _check_quota(records: Snapshot, asker: User, project: Project | None, volume: Volume, more_bytes: int) -> None:
    if project is not None:
        limits = records.rules().for_project(project.id)
    else:
        limits = limits_of(records, volume.user or asker.id)
    used = volumes_of(records, user=volume.user, project=volume.project)
    check_quota(limits.volume_bytes, used, more_bytes, project.name if project else "")
