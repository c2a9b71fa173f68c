"""Catalogue: images to boot, how they come in, and how they are found."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from uuid import UUID

import structlog

from boardgrid.messages import _
from boardgrid.model.access import can
from boardgrid.model.adaptation import checked_without
from boardgrid.model.errors import Code, Conflict, Invalid, NotAllowed, NotFound
from boardgrid.model.image import (
    AS_USUAL,
    BlobSource,
    Image,
    ImageState,
    Making,
    PathSource,
    Source,
    UrlSource,
    Visibility,
    checked_url,
    version_after,
)
from boardgrid.model.imports import Imports
from boardgrid.model.name import checked
from boardgrid.model.user import User
from boardgrid.ports import Doing, Snapshot
from boardgrid.services.desk import Desk, check_no_guest
from boardgrid.services.errands import forget_doing
from boardgrid.services.finding import (
    board_type,
    check_image_name,
    image_of,
    image_to_decide_on,
    image_versions,
    project_named,
    site_for,
)
from boardgrid.services.limiting import check_kept
from boardgrid.services.showing import Showing
from boardgrid.services.views import ImageView

log = structlog.get_logger()

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMING = "uploading"  # a phase, as those that agents tell
_PARTITIONS_MOST = 128  # as many as a GPT has


@dataclass(frozen=True, slots=True)
class Described:
    """What its owner says of an image. None, and a label that is not named: as it was."""

    visibility: Visibility | None = None
    project: str | None = None  # by its name, where that says who sees it
    labels: Mapping[str, str | None] = field(default_factory=dict)  # None takes one away
    types: Sequence[str] | None = None  # of boards that it is for; empty: all of its architecture

    def applied(self, records: Snapshot, asker: User, image: Image) -> Image:
        """
        Raises:
            NotFound: PROJECT_UNKNOWN, *asker* is in none of that name; TYPE_UNKNOWN.
            Invalid: NAME_INVALID; REQUEST_INVALID, a label has no value, or it is not said for which project it is.
        """
        image = image.labelled(self.labels)
        if self.types is not None:
            image = replace(image, types=tuple(sorted({board_type(records, one).name for one in self.types})))
        if (self.visibility is Visibility.PROJECT) is not (self.project is not None):
            raise Invalid(
                Code.REQUEST_INVALID,
                _("an image is open to a project by that project's name, and not otherwise"),
                hint=_("say --visibility project:NAME, private or public"),
            )
        if self.visibility is None:
            return image
        project = project_named(records, asker, self.project) if self.project is not None else None
        return replace(image, visibility=self.visibility, project=project.id if project else None)


AS_IT_COMES = Described()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which images somebody looks for; what is empty is not looked at."""

    name: str = ""
    owner: str = ""
    type: str = ""  # of boards that it runs on
    labels: frozenset[tuple[str, str]] = frozenset()  # all of them
    text: str = ""  # anywhere in its ref, its system or its labels

    def fits(self, view: ImageView, arch: str) -> bool:
        """*arch*: of the boards of that type."""
        image, manifest = view.image, view.image.manifest
        if self.type and not (image.fits(self.type) and manifest is not None and manifest.arch == arch):
            return False
        words = [image.ref, *image.aliases, manifest.system if manifest else "", *map("=".join, image.labels.items())]
        return (
            self.name in {"", image.name}
            and self.owner in {"", view.owner}
            and self.labels <= image.labels.items()
            and self.text.casefold() in " ".join(words).casefold()
        )


ANY = Wanted()


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    An image's name belongs to whoever made its first version, in the whole farm: ``tiny`` means one thing to everybody.

    A *ref* is ``tiny:2026112201``, that very version; ``tiny:stable``, the one with this alias; or ``tiny``, its newest
    version that is ready (where none is, the newest).
    """

    desk: Desk

    def open(
        self,
        asker: User,
        name: str,
        *,
        path: str | None = None,
        url: str | None = None,
        sha256: str = "",
        making: Making = AS_USUAL,
        shared: bool = False,
        described: Described = AS_IT_COMES,
        site: str | None = None,
    ) -> ImageView:
        """
        Name a new version of an image. Its content is uploaded next; with *path* or *url* the agent fetches it.

        Args:
            path: on the agent's machine, below its ``import_dirs``.
            url: of an archive, where the site lets images come from.
            sha256: of what lies there; empty: nobody knows.
            shared: public, where *described* does not say who sees it.
            site: where it is stored; may be left out while the farm has one site.
            making: how it is made of what lies there or is uploaded.

        Raises:
            Invalid: NAME_INVALID, PATH_FORBIDDEN, or REQUEST_INVALID, an adaptation that cannot be left out.
            NotAllowed: a path is for admins, and guests import nothing.
            NotFound: SITE_UNKNOWN, PROJECT_UNKNOWN, TYPE_UNKNOWN.
            Conflict: NAME_TAKEN by another user's image; REQUESTS_TOO_MANY, too many of theirs await their content;
                QUOTA_EXCEEDED, theirs take as much as they may.
        """
        checked("image", name)
        source = _source(asker, path, url, sha256)
        making = _checked_making(asker, making)
        check_no_guest(asker)
        with self.desk.begin(asker, "image.add") as work:
            check_image_name(work.tx, asker.id, name)
            check_kept(work.tx, asker.id, is_new=True)
            where = site_for(work.tx, site or "")
            _check_allowed(where.imports, source, making)
            image = Image(
                id=work.new_id(),
                name=name,
                version=version_after(work.tx.newest_version(name), work.now),
                owner=asker.id,
                site=where.site.name,
                state=ImageState.BUILDING if source else ImageState.AWAITED,
                created_at=work.now,
                source=source,
                making=making,
                visibility=Visibility.PUBLIC if shared else Visibility.PRIVATE,
            )
            image = described.applied(work.tx, asker, image)
            work.save(image)
            work.note_thing("image", _("{image} was begun").format(image=image.ref), image.owner)
            log.info("image.opened", image=image.ref, by=asker.name)
            return Showing(work.tx, asker, work.now).image(image)

    def check_name(self, asker: User, name: str) -> None:
        """
        Whether an image of *asker*'s may be called so, and there may be one more: for who works long before it is made.

        Raises:
            Invalid: NAME_INVALID.
            Conflict: NAME_TAKEN by another user's image; QUOTA_EXCEEDED, theirs take as much as they may.
        """
        checked("image", name)
        with self.desk.records.read() as records:
            check_image_name(records, asker.id, name)
            check_kept(records, asker.id)

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

    def coming(self, asker: User, image: UUID, come_bytes: int, whole_bytes: int) -> None:
        """
        Some of an upload is there. As large as it was announced it counts as its owner's from now on.

        Args:
            whole_bytes: 0: nobody knows.

        Raises:
            NotFound: IMAGE_UNKNOWN.
            Conflict: UPLOAD_BROKEN, the image was removed meanwhile; QUOTA_EXCEEDED.
        """
        with self.desk.begin(asker) as work:
            found = _awaited(work.tx, asker, image)
            check_kept(work.tx, found.owner, more_bytes=max(come_bytes, whole_bytes), but=found.id)
            before = work.tx.doing(found.id)
            since = before.since if before else work.now
            work.save(Doing(found.id, _COMING, come_bytes, whole_bytes, since, work.now))

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
            found = _awaited(work.tx, asker, image)
            check_kept(work.tx, found.owner, more_bytes=size_bytes, but=found.id)
            forget_doing(work, found.id)
            made = replace(found, state=ImageState.BUILDING, source=BlobSource(sha256, size_bytes))
            work.save(made)
            work.note_thing("image", _("the content of {image} has arrived").format(image=made.ref), made.owner)
            log.info("image.arrived", image=made.ref, size_bytes=size_bytes)
            return Showing(work.tx, asker, work.now).image(made)

    def spooled(self) -> frozenset[str]:
        """
        What of the spool is still wanted, the rest may go: uploads by their SHA-256, those that have not come whole by
        their image, and exports by their errand. Ask after the upload is noted.
        """
        with self.desk.records.read() as records:
            images = records.images(states={ImageState.BUILDING, ImageState.AWAITED})
            errands = records.errands()
        uploads = {one.source.sha256 for one in images if isinstance(one.source, BlobSource)}
        awaited = {one.id for one in images if one.state is ImageState.AWAITED}
        return frozenset({*uploads, *map(str, awaited), *(str(one.id) for one in errands)})

    def images(self, asker: User, wanted: Wanted = ANY, *, gone: bool = False) -> list[ImageView]:
        """
        By name and version.

        Args:
            gone: those that are gone, too: others descend from them.

        Raises:
            NotFound: TYPE_UNKNOWN.
        """
        states = set(ImageState) if gone else set(ImageState) - {ImageState.GONE}
        with self.desk.records.read() as records:
            arch = board_type(records, wanted.type).arch if wanted.type else ""
            showing = Showing(records, asker, self.desk.now())
            found = records.images(name=wanted.name or None, states=states)
            views = [showing.image(one) for one in found if can(asker, "see", image_to_decide_on(records, one))]
            return [one for one in views if wanted.fits(one, arch)]

    def image(self, asker: User, ref: str) -> ImageView:
        """
        Raises:
            NotFound: IMAGE_UNKNOWN.
        """
        with self.desk.records.read() as records:
            return Showing(records, asker, self.desk.now()).image(image_of(records, asker, ref))


def _awaited(records: Snapshot, asker: User, image: UUID) -> Image:
    found = records.image(image)
    if found is None or not can(asker, "change", found):
        raise NotFound(Code.IMAGE_UNKNOWN, _("there is no image {image}"), image=image)
    if found.state is not ImageState.AWAITED:
        raise _not_awaited(found.ref)
    return found


def _source(asker: User, path: str | None, url: str | None, sha256: str) -> Source | None:
    if path is not None and url is not None:
        raise Invalid(Code.REQUEST_INVALID, _("an image comes from a path or from a URL, and not from both"))
    if sha256 and (url is None or not _SHA256.fullmatch(sha256)):
        raise Invalid(Code.REQUEST_INVALID, _("the SHA-256 of what lies at a URL has 64 digits in hex"))
    if url is not None:
        return UrlSource(checked_url(url), sha256)
    return None if path is None else _checked_path(asker, path)


def _check_allowed(imports: Imports | None, source: Source | None, making: Making) -> None:
    """
    What the site does not allow uses up no version. Its agent looks again, and more closely.

    Raises:
        Invalid: PATH_FORBIDDEN.
    """
    if imports is None:
        return
    if isinstance(source, UrlSource):
        imports.check_address(source.url)
    for path in (source.path if isinstance(source, PathSource) else "", making.bsp):
        if path:
            imports.folder_of(path)


def _checked_making(asker: User, making: Making) -> Making:
    if making.partition is not None and not 1 <= making.partition <= _PARTITIONS_MOST:
        raise Invalid(Code.REQUEST_INVALID, _("partitions are counted from 1"))
    if making.bsp:
        _checked_path(asker, making.bsp)
    return replace(making, without=checked_without(making.without))


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


def _not_awaited(ref: str) -> Conflict:
    return Conflict(
        Code.UPLOAD_BROKEN,
        _("{image} does not wait for its content"),
        hint=_("it has it already, or was removed; begin a new version"),
        image=ref,
    )
