"""What somebody may still have: the rules, held against what they have."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from boardgrid.messages import _
from boardgrid.model.errors import Code, Invalid, NotFound
from boardgrid.model.image import BlobSource, CheckpointSource, Image, ImageState, RootSource
from boardgrid.model.project import Project
from boardgrid.model.reservation import Kind, Reservation
from boardgrid.model.rules import WEEK, Bound, Limits, Use, check_images
from boardgrid.model.user import User
from boardgrid.model.volume import VolumeState
from boardgrid.model.window import Window
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Work


@dataclass(frozen=True, slots=True)
class Bounds:
    """All limits that one reservation has to keep."""

    all: tuple[Bound, ...]

    @classmethod
    def of(cls, work: Work, user: UUID | None, project: Project | None, *, but: int | None = None) -> "Bounds":
        """
        Args:
            user: None: of a block, which counts on nobody.
            but: a reservation that is not counted, for it is the one that is looked at.
        """
        shelf, found = work.plan.shelf, []
        if user is not None:
            found.append(bound(work.tx, shelf.limits_of(user), work.now, user=user, but=but))
        if project is not None:
            limits = shelf.rules.for_project(project.id) if user else shelf.rules.for_block(project.id)
            found.append(bound(work.tx, limits, work.now, project=project, but=but))
        return cls(tuple(found))

    def check_asked(self, lasting: timedelta, at: datetime | None, now: datetime) -> None:
        """
        Raises:
            Invalid: DURATION_INVALID, START_INVALID.
        """
        for one in self.all:
            one.check_lasting(lasting)
            if at is not None:
                one.check_start(at, now)

    @property
    def are_by_type(self) -> bool:
        """Whether it matters of which types its boards may be."""
        return any(one.limits.longest_of for one in self.all)

    def check_types(self, lasting: timedelta, types: Iterable[str]) -> None:
        """
        Raises:
            Invalid: DURATION_INVALID.
        """
        known = frozenset(types)
        for one in self.all:
            one.check_lasting(lasting, known)

    def check_boards(self, window: Window, boards: int) -> None:
        """
        Raises:
            Conflict: QUOTA_EXCEEDED.
        """
        for one in self.all:
            one.check_boards(Use(window, boards))

    def check_waiting(self) -> None:
        """
        Raises:
            Conflict: QUOTA_EXCEEDED.
        """
        for one in self.all:
            one.check_waiting()


def bound(
    records: Snapshot,
    limits: Limits,
    now: datetime,
    *,
    user: UUID | None = None,
    project: Project | None = None,
    but: int | None = None,
    always: bool = False,
) -> Bound:
    """
    Limits with what counts on them. What takes only what nobody needs counts as waiting alone.

    Args:
        always: look at what is had also where no limit hangs on it.
    """
    found: Sequence[Reservation] = ()
    if always or limits.counts_boards:
        on = project.id if project else None
        found = records.reservations(user=user, project=on, ending_after=now - WEEK)
    counted = [one for one in found if one.number != but and user in {None, one.user} and _counts(one, user)]
    return Bound(
        limits,
        project.name if project else "",
        tuple(Use(one.window, _size(one)) for one in counted if one.kind is not Kind.BEST_EFFORT),
        sum(one.is_waiting for one in counted),
    )


def _counts(one: Reservation, user: UUID | None) -> bool:
    """A block is its project's, and nobody's own; who sits in it has nothing that it has not."""
    return not one.is_seat and (user is None or not one.is_block)


def _size(one: Reservation) -> int:
    """A block has the boards of its seats too."""
    return one.groups[0].count if one.is_block else len(one.boards)


def project_for(records: Snapshot, asker: User, name: str | None, *, is_needed: bool) -> Project | None:
    """
    On which project a reservation counts that was asked for with this one, or with none.

    Raises:
        NotFound: PROJECT_UNKNOWN, or *asker* is not in it: an admin who is in none has no reservation to count on it.
        Invalid: REQUEST_INVALID, one is needed.
    """
    if name is None and not is_needed:
        return None
    theirs = [one for one in records.projects() if asker.id in one.members]
    if name is not None:
        found = next((one for one in theirs if one.name == name), None)
        if found is None:
            raise NotFound(
                Code.PROJECT_UNKNOWN,
                _("you are in no project {project}"),
                hint=_("boardgrid project list shows yours; a manager of the project lets you in"),
                project=name,
            )
        return found
    if len(theirs) == 1:
        return theirs[0]
    raise Invalid(
        Code.REQUEST_INVALID,
        _("in this farm each reservation counts on a project"),
        hint=_("name one of yours: {projects}") if theirs else _("ask a project's manager to let you in"),
        projects=", ".join(one.name for one in theirs),
    )


def check_kept(
    records: Snapshot, owner: UUID, *, more_bytes: int = 0, is_new: bool = False, but: UUID | None = None
) -> None:
    """
    Whether *owner* may have one more image.

    Args:
        more_bytes: as far as its size is known.
        is_new: it is a name without content, for now.
        but: an image that is not counted, for it is the one that is looked at.

    Raises:
        Conflict: QUOTA_EXCEEDED; REQUESTS_TOO_MANY, too many of theirs await their content.
    """
    limits = limits_of(records, owner)
    mine = [one for one in images_of(records, owner, limits) if one.id != but]
    awaited = [one.name for one in mine if is_without_content(one)] if is_new else None
    check_images(limits, kept_bytes=kept_bytes(records, mine), more_bytes=more_bytes, awaited=awaited)


def limits_of(records: Snapshot, user: UUID) -> Limits:
    groups = [one.id for one in records.user_groups() if user in one.members]
    return records.rules().for_person(user, groups)


def images_of(records: Snapshot, owner: UUID, limits: Limits) -> list[Image]:
    """Those of *owner* that count; where their bytes do not, only those that have no content yet are looked for."""
    there = frozenset(ImageState) - {ImageState.GONE, ImageState.FAILED}
    states = there if limits.image_bytes is not None else {ImageState.AWAITED, ImageState.BUILDING}
    return [one for one in records.images(states=states) if one.owner == owner]


def is_without_content(image: Image) -> bool:
    """It is awaited, or made of what comes in. What is kept of a root is there already."""
    comes_in = not isinstance(image.source, RootSource | CheckpointSource)
    return image.state is ImageState.AWAITED or (image.state is ImageState.BUILDING and comes_in)


def volumes_of(records: Snapshot, *, user: UUID | None = None, project: UUID | None = None) -> int:
    """How many bytes their volumes may take, those included whose files are kept though they were removed."""
    there = frozenset(VolumeState) - {VolumeState.GONE}
    return sum(one.size_bytes for one in records.volumes(user=user, project=project, states=there))


def kept_bytes(records: Snapshot, images: Iterable[Image]) -> int:
    """As they are stored; of one that is being made, as much as was uploaded; of an upload, as much as is to come."""
    return sum(_bytes_of(records, one) for one in images)


def _bytes_of(records: Snapshot, image: Image) -> int:
    if image.manifest is not None:
        return image.manifest.stored_bytes
    if isinstance(image.source, BlobSource):
        return image.source.size_bytes
    doing = records.doing(image.id) if image.state is ImageState.AWAITED else None
    return max(doing.done_bytes, doing.total_bytes) if doing else 0
