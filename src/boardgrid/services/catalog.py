"""Catalogue: images to boot."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.adaptation import checked_without
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import BlobSource, Image, ImageState, Making, PathSource
from boardgrid.model.name import checked
from boardgrid.model.reservation import ReservationState
from boardgrid.model.root import RootState
from boardgrid.model.user import User
from boardgrid.ports import Snapshot
from boardgrid.services.desk import Desk, check_no_guest
from boardgrid.services.finding import check_image_name, image_of, image_versions, site_for
from boardgrid.services.limiting import check_kept
from boardgrid.services.showing import Showing
from boardgrid.services.views import ImageView

log = structlog.get_logger()

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    An image's name belongs to whoever made its first version, in the whole farm: ``tiny`` means one thing to everybody.

    A *ref* is ``tiny:2``, that very version, or ``tiny``, its newest version that is ready (where none is, the newest).
    """

    desk: Desk

    def open(
        self,
        asker: User,
        name: str,
        *,
        path: str | None = None,
        shared: bool = False,
        site: str | None = None,
        without: Collection[str] = (),
    ) -> ImageView:
        """
        Name a new version of an image. Its content is uploaded next; with *path* the agent takes it from its machine.

        Args:
            path: a tar archive or a directory on the agent's machine, below its ``import_dirs``.
            site: where it is stored; may be left out while the farm has one site.
            without: names of adaptations that are left out.

        Raises:
            Invalid: NAME_INVALID, PATH_FORBIDDEN, or REQUEST_INVALID, an adaptation that cannot be left out.
            NotAllowed: a path is for admins, and guests import nothing.
            NotFound: SITE_UNKNOWN.
            Conflict: NAME_TAKEN by another user's image; REQUESTS_TOO_MANY, too many of theirs await their content;
                QUOTA_EXCEEDED, theirs take as much as they may.
        """
        checked("image", name)
        making = Making(without=checked_without(without))
        source = None if path is None else _checked_path(asker, path)
        check_no_guest(asker)
        with self.desk.begin(asker, "image.add") as work:
            check_image_name(work.tx, asker.id, name)
            check_kept(work.tx, asker.id, is_new=source is None)
            image = Image(
                id=work.new_id(),
                name=name,
                version=work.tx.next_version(name),
                owner=asker.id,
                site=site_for(work.tx, site or "").site.name,
                state=ImageState.BUILDING if source else ImageState.AWAITED,
                created_at=work.now,
                source=source,
                shared=shared,
                making=making,
            )
            work.save(image)
            work.note_thing("image", _("{image} was begun").format(image=image.ref), image.owner)
            log.info("image.opened", image=image.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(image)

    def awaited(self, asker: User, ref: str) -> ImageView:
        """
        The image whose content may come now. ``tiny`` means the newest version that awaits its content.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            NotAllowed: it is another's.
            Conflict: UPLOAD_BROKEN, its content is there already.
        """
        with self.desk.records.read() as records:
            versions = image_versions(records, asker, ref, "change")
            awaited = [one for one in versions if one.state is ImageState.AWAITED]
            if not awaited:
                raise _not_awaited(ref)
            return Showing(records, asker, self.desk.now()).image(awaited[-1])

    def content_arrived(self, asker: User, image: UUID, sha256: str, size_bytes: int) -> ImageView:
        """
        The archive lies whole and checked in the spool: have the agent make the image.

        Raises:
            Invalid: REQUEST_INVALID, that is no SHA-256.
            NotFound: IMAGE_UNKNOWN.
            Conflict: UPLOAD_BROKEN, its content came by another upload, or the image was removed meanwhile;
                QUOTA_EXCEEDED, its owner's images would take more than they may.
        """
        if not _SHA256.fullmatch(sha256) or size_bytes < 0:
            raise Invalid(Code.REQUEST_INVALID, _("{sha256!r} is no SHA-256 in hex"), sha256=sha256[:80])
        with self.desk.begin(asker, "image.upload") as work:
            found = work.tx.image(image)
            if found is None or not can(asker, "change", found):
                raise NotFound(Code.IMAGE_UNKNOWN, _("there is no image {image}"), image=image)
            if found.state is not ImageState.AWAITED:
                raise _not_awaited(found.ref)
            check_kept(work.tx, found.owner, more_bytes=size_bytes)
            made = replace(found, state=ImageState.BUILDING, source=BlobSource(sha256, size_bytes))
            work.save(made)
            work.note_thing("image", _("the content of {image} has arrived").format(image=made.ref), made.owner)
            log.info("image.arrived", image=made.ref, size_bytes=size_bytes)
            return Showing(work.tx, asker, work.now).image(made)

    def blobs(self) -> frozenset[str]:
        """SHA-256 of every upload that is still wanted: the rest of the spool may go. Ask after the upload is noted."""
        with self.desk.records.read() as records:
            building = records.images(states={ImageState.BUILDING})
        return frozenset(one.source.sha256 for one in building if isinstance(one.source, BlobSource))

    def images(self, asker: User) -> list[ImageView]:
        """By name and version; those that are gone are left out."""
        with self.desk.records.read() as records:
            showing = Showing(records, asker, self.desk.now())
            found = records.images(states=set(ImageState) - {ImageState.GONE})
            return [showing.image(one) for one in found if can(asker, "see", one)]

    def image(self, asker: User, ref: str) -> ImageView:
        """
        Raises:
            NotFound: IMAGE_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).image(image_of(records, asker, ref))

    def remove(self, asker: User, ref: str) -> None:
        """
        Have an image go.

        Raises:
            NotAllowed: it is another's.
            NotFound: IMAGE_UNKNOWN.
            Invalid: REQUEST_INVALID, there are several versions and none was named.
            Conflict: THING_IN_USE, the sentence names the roots that are above it; or it is being made.
        """
        with self.desk.begin(asker, "image.remove") as work:
            versions = [
                one for one in image_versions(work.tx, asker, ref, "change") if one.state is not ImageState.GOING
            ]
            if len(versions) > 1:
                raise Invalid(
                    Code.REQUEST_INVALID,
                    _("there are several versions of {image}, and none was named"),
                    hint=_("name one of: {refs}"),
                    image=ref,
                    refs=", ".join(one.ref for one in versions),
                )
            for image in versions:
                _check_unused(work.tx, asker, image)
                # An upload that never came has left nothing with the agent.
                is_nowhere = image.state is ImageState.AWAITED
                work.save(replace(image, state=ImageState.GONE if is_nowhere else ImageState.GOING, source=None))
                told = _("{user} removes {image}").format(user=asker.name, image=image.ref)
                work.note_thing("image", told, image.owner)
        log.info("image.removed", image=ref, by=asker.name)


def _checked_path(asker: User, path: str) -> PathSource:
    if not can(asker, "administer"):
        raise NotAllowed(
            Code.ACT_FORBIDDEN,
            _("only admins import from a path on the server"),
            hint=_("leave out the path and upload the archive"),
        )
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or not path.isprintable():
        raise Invalid(
            Code.PATH_FORBIDDEN,
            _("{path!r} is no path to import from"),
            hint=_("give an absolute one below the site's import_dirs, without .."),
            path=path[:200],
        )
    return PathSource(str(pure))


def _check_unused(records: Snapshot, asker: User, image: Image) -> None:
    if image.state is ImageState.BUILDING:
        raise Conflict(
            Code.THING_IN_USE,
            _("{image} is being made"),
            hint=_("wait until it is ready or has failed"),
            image=image.ref,
        )
    for one in records.reservations(states={ReservationState.WAITING}):
        if one.image == image.id:
            raise Conflict(
                Code.THING_IN_USE,
                _("reservation {number} is to boot {image}"),
                hint=_("wait until it is over, or have it withdrawn: boardgrid release {number}"),
                number=one.number,
                image=image.ref,
            )
    above = [one for one in records.roots(image=image.id) if one.state is not RootState.GONE]
    if not above:
        return
    mine = [one.name for one in above if can(asker, "see", one)]
    others = len(above) - len(mine)
    named = [*mine, *([_("{count} of other users").format(count=others)] if others else [])]
    raise Conflict(
        Code.THING_IN_USE,
        _("these roots are made from {image}: {roots}"),
        hint=_("discard them first; the image can go when they are gone"),
        image=image.ref,
        roots=", ".join(named),
    )


def _not_awaited(ref: str) -> Conflict:
    return Conflict(
        Code.UPLOAD_BROKEN,
        _("{image} does not wait for its content"),
        hint=_("it has it already, or was removed; begin a new version"),
        image=ref,
    )
